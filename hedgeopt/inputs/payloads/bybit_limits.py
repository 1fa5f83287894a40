"""Bybit: ``v5/market/risk-limit`` as a venue's table: brackets of notional, largest leverage and maintenance rate by coin.

Checked: leverage times the initial rate is 1 (100 where the reply counts in per cent), limits rise and leverage falls, and
the venue's deductions (``mmDeduction``) are those that make maintenance continuous.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from itertools import pairwise

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.inputs.payloads.form import PUBLISHED, Findings, Form, Total, keys
from hedgeopt.inputs.payloads.item import Item
from hedgeopt.venues.known import parser

__all__ = ["RISK_LIMITS"]

_NEAR = 0.02
_SHELF_LIFE = 30


def _read(items: list[Item], found: Findings, venue: str) -> None:
    tiers: dict[str, list[tuple[float, float, float]]] = {}
    compared, first = 0, len(found.totals)
    when: datetime | None = None
    for item in items:
        name = item.text("symbol")
        limit, leverage, rate, initial = (
            item.needed(key) for key in ("riskLimitValue", "maxLeverage", "maintenanceMargin", "initialMargin")
        )
        deduction = item.number("mmDeduction", math.nan)
        when = item.moment("@time", "ms") or when
        if item.text("@category", "") == "inverse":
            found.skip("risk limits in coins of inverse contracts", name)
            continue
        unit = leverage * initial
        if abs(unit - 1.0) > _NEAR and abs(unit - 100.0) > 100.0 * _NEAR:
            fix = "rates are shares (or per cent) and leverage times initialMargin is 1 (or 100)"
            raise item.fault(f"of {name} at maxLeverage {leverage:g} is no initial rate", "initialMargin", initial, fix)
        rate *= 1.0 if unit < 50.0 else 0.01
        mine = tiers.setdefault(name, [])
        if mine and not (limit > mine[-1][0] and rate >= mine[-1][2] and leverage <= mine[-1][1]):
            fix = "save the venue's reply as it came: limits and rates rise, leverage falls"
            raise item.fault(f"of {name} is out of order", "riskLimitValue", limit, fix)
        mine.append((limit, leverage, rate))
        if deduction == deduction and len(mine) > 1:
            ours = sum(a[0] * (b[2] - a[2]) for a, b in pairwise(mine))
            one = Total(f"maintenance deduction of {name} up to {limit:,.0f} USD", ours, deduction, 0.001)
            compared += 1
            found.totals += [] if one.met else [one]
    if compared:
        apart = len(found.totals) - first
        found.notes.append(
            f"maintenance deductions of {many(compared, 'tier')} at Bybit follow from the rates"
            + (f", but for {apart}, which are listed" if apart else " (tolerance 0.1 %)")
        )
    read = parser("bybit")
    chosen: dict[str, tuple[str, list[tuple[float, float, float]]]] = {}
    for name, mine in tiers.items():
        try:
            instrument = read(name)
        except InputError:
            found.skip("no perpetual or future by its name", name)
            continue
        coin = instrument.underlying
        before = chosen.get(coin)
        if before is not None and before[1] != mine:
            keep = before if before[0].endswith("USDT") else (name, mine)
            found.notes.append(f"risk limits of {coin} at Bybit differ by contract: those of {keep[0]} are taken")
            chosen[coin] = keep
        else:
            chosen.setdefault(coin, (name, mine))
    if chosen:
        found.tables["bybit"] = _table({coin: mine for coin, (_, mine) in chosen.items()}, when or datetime.now(UTC))
        found.notes.append(
            f"risk limits of {many(len(chosen), 'coin')} at Bybit: bybit.toml, "
            "for margin 'bybit' (--tables, or in the policy)"
        )


def _table(tiers: dict[str, list[tuple[float, float, float]]], when: datetime) -> str:
    """The text of a table that extends bybit."""
    lines = ['extends = "bybit"', f"as_of = {when.date().isoformat()}", f"shelf_life_days = {_SHELF_LIFE}"]
    lines += ["# v5/market/risk-limit: [USD up to, largest leverage, maintenance rate]", "[margin.brackets]"]
    for coin, mine in tiers.items():
        rows = ", ".join(f"[{limit!r}, {leverage!r}, {rate!r}]" for limit, leverage, rate in mine)
        lines.append(f'"{coin}" = [{rows}]')
    return "\n".join(lines) + "\n"


RISK_LIMITS = Form(
    name="Bybit risk limits",
    venue="bybit",
    holds="sizes",
    keys=frozenset({"symbol", "riskLimitValue", "maintenanceMargin", "initialMargin", "maxLeverage"}),
    read=_read,
    ignored=keys("id isLowestRisk"),
    source="bybit-exchange.github.io/docs/v5, market/risk-limit",
    checked=PUBLISHED,
)
