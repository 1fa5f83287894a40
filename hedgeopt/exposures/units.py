"""Value, Greeks, premium and carry of one unit of every instrument, by its family."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.inputs.market import Market
from hedgeopt.models.pricing.families import family_of
from hedgeopt.models.pricing.family import Family, MarketView, UnitRisk

__all__ = ["by_family", "known_carry", "known_unit", "paid_in_column", "unit_risk"]


def by_family(instruments: Sequence[Any]) -> list[tuple[Family, list[int]]]:
    """Each family with the positions of its instruments; transfers of collateral are priced like trades."""
    groups: dict[str, list[int]] = defaultdict(list)
    for i, item in enumerate(instruments):
        groups[item.kind].append(i)
    return [(family_of(instruments[members[0]]), members) for members in groups.values()]


def unit_risk(
    instruments: Sequence[Any], market: MarketView, assets: tuple[str, ...], memory: dict[str, Any] | None = None
) -> UnitRisk:
    """Value and Greeks of each instrument; taken from the market's ``memory`` where that has priced them all before."""
    if memory is None:
        return _priced(instruments, market, assets)
    known = memory.get(_UNIT_RISK)
    if known is not None and known.assets == assets:
        rows = [known.row.get(id(item)) for item in instruments]
        if None not in rows:
            return known.risk.take(np.array(rows, np.int64))
    risk = _priced(instruments, market, assets)
    memory[_UNIT_RISK] = _Known(tuple(instruments), {id(item): i for i, item in enumerate(instruments)}, assets, risk)
    return risk


_UNIT_RISK = "unit risk"


@dataclass(frozen=True)
class _Known:
    """Instruments priced before, and the row of each by its identity (they are kept, so that it stays theirs)."""

    instruments: tuple[Any, ...]
    row: dict[int, int]
    assets: tuple[str, ...]
    risk: UnitRisk


def known_unit(item: Any, market: Market) -> tuple[float, float] | None:
    """Premium (units of the settlement asset) and notional (USD) of one unit, where the market's memory has priced it."""
    known = None if market.memory is None else market.memory.get(_UNIT_RISK)
    if known is None:
        return None
    row = known.row.get(id(item))
    return None if row is None else (float(known.risk.premium[row]), float(known.risk.notional[row]))


def _priced(instruments: Sequence[Any], market: MarketView, assets: tuple[str, ...]) -> UnitRisk:
    total = UnitRisk.zeros(len(instruments), len(assets))
    for family, members in by_family(instruments):
        part = family.unit_risk([instruments[i] for i in members], market, assets)
        for name in ("value", "notional", "premium", "carry"):
            getattr(total, name)[members] = getattr(part, name)
        total.greeks[:, members] = part.greeks
    bad = ~np.isfinite(total.greeks).all(axis=(0, 2)) | ~np.isfinite(total.value)
    if bad.any():
        raise InputError(f"{instruments[int(np.flatnonzero(bad)[0])].id} has a value or Greek that is not finite")
    return total


def known_carry(instruments: Sequence[Any], risk: UnitRisk, notes: list[str]) -> np.ndarray:
    """(U,) USD of carry per unit; a missing rate, or one above 100 % a year, counts as zero and is noted in ``notes``."""
    notes += _questioned_rates(instruments)
    unknown = np.flatnonzero(np.isnan(risk.carry))
    if len(unknown):
        names = ", ".join(instruments[i].name for i in unknown[:3]) + (", …" if len(unknown) > 3 else "")
        notes.append(f"no funding rate given for {names}: carry counted as 0")
    carry = risk.carry.copy()
    carry[unknown] = 0.0
    return carry


def _questioned_rates(instruments: Sequence[Any]) -> list[str]:
    """Interest above 100 % a year: a pool that is used up may charge it, and a rate in per cent looks just like it."""
    found = []
    for item in instruments:
        for part in (item, getattr(item, "supply", None), getattr(item, "borrow", None)):
            for name in ("rate", "reward_rate"):
                rate = getattr(part, name, None)
                if isinstance(rate, float) and rate > 1.0:
                    whose = f"{name} of {item.name}" + ("" if part is item else f" ({part.asset})")  # type: ignore[union-attr]
                    found.append(f"{whose} is {rate:.0%} a year: is it in per cent? {rate / 100:.4g} would be {rate:g} %")
    return found


def paid_in_column(instruments: Sequence[Any], risk: UnitRisk, assets: tuple[str, ...]) -> np.ndarray:
    """(U,) column of the asset that each instrument's premium is paid in; -1 without a premium or such an asset."""
    column = {asset: a for a, asset in enumerate(assets)}
    found = np.full(len(instruments), -1)
    for i in np.flatnonzero(risk.premium).tolist():
        found[i] = column.get(instruments[i].settlement, -1)
    return found
