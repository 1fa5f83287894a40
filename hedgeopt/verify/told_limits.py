"""Recompute a proposal's table of limits: values, bounds and shadow prices, row by row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hedgeopt.verify.claim import Claim, ClaimedMultipliers
from hedgeopt.verify.counted import times_money
from hedgeopt.verify.limits import CheckedLimit
from hedgeopt.verify.trades import differs

__all__ = ["prices_of", "told_limits"]

_TOLD = 1e-7
_BINDING = 1e-6


def told_limits(
    claim: Claim,
    sides: Sequence[CheckedLimit],
    before: Sequence[CheckedLimit],
    left: frozenset[tuple[int, int]],
    wrong: list[str],
    price_of_unit: float = 1.0,
) -> tuple[list[float], list[str]]:
    """Each side's shadow price, for sides in dollars, from the proposal's table, after comparing the table's numbers.

    ``price_of_unit``: USD for one unit of what the table counts in.
    """
    rows = _by_name(claim.limits)
    prices: list[float] = []
    unproven: list[str] = []
    for side, old in zip(*([_counted(s, price_of_unit) for s in group] for group in (sides, before)), strict=True):
        where = f"limits ({side.name})"
        row = _nearest(claim, rows, side, where)
        if row is None:
            if side.asked(left) and not (side.sizing and side.value < side.limit * (1.0 - _BINDING)):
                wrong.append(f"the limit on {side.name} is missing from the proposal")
            prices.append(0.0)
            continue
        for name, found, size in (("after", side.value, side.size), ("before", old.value, max(side.size, old.size))):
            value = claim.number(row, name, where)
            if abs(value - found) > _TOLD * max(abs(found), size):
                wrong.append(f"{side.name}: {name} {value:,.10g} is reported, it is {found:,.10g}")
        over = old.sign * (old.value - old.limit)
        if (
            not old.sizing
            and abs(over) > _BINDING * max(old.size, abs(old.limit))
            and row.get("breached_before") is not (over > 0)
        ):
            wrong.append(f"{side.name}: breached before is reported as {row.get('breached_before')}")
        bound = claim.number(row, "bound", where)
        if differs(bound, side.limit, side.size):
            wrong.append(f"{side.name}: a bound of {bound:,.10g} is reported, it is {side.limit:,.10g}")
        price = claim.number(row, "shadow_price", where)
        if price < 0.0:
            wrong.append(f"{side.name}: the shadow price {price:,.10g} is negative")
            price = 0.0
        prices.append(price / price_of_unit ** (times_money(side.unit) - 1))
    for (name, _), more in rows.items():
        for row in more:
            if " cap " not in name:
                wrong.append(f"{name} is no limit of the policy")
            elif claim.number(row, "shadow_price", f"limits ({name})") > 0.0:
                unproven.append(f"{name}: the program stays inside it, which no file asks for, and it has a shadow price")
    return prices, unproven


def _counted(side: CheckedLimit, price: float) -> CheckedLimit:
    """A side in dollars with its numbers in the table's units."""
    scale = price ** times_money(side.unit)
    return (
        side if scale == 1.0 else replace(side, value=side.value / scale, limit=side.limit / scale, size=side.size / scale)
    )


def prices_of(claim: Claim, proof: ClaimedMultipliers, sides: Sequence[CheckedLimit]) -> list[float]:
    """The price of each side by the rows of a proof; a row that is no side's, or a negative price, proves nothing."""
    rows = _by_name(proof.limits)
    found = []
    for side in sides:
        row = _nearest(claim, rows, side, "proof.multipliers")
        found.append(0.0 if row is None else max(claim.number(row, "shadow_price", "proof.multipliers"), 0.0))
    return found


def _by_name(table: Sequence[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in table:
        rows.setdefault((_base(row.get("limit")), str(row.get("sense"))), []).append(row)
    return rows


def _nearest(
    claim: Claim, rows: dict[tuple[str, str], list[dict[str, Any]]], side: CheckedLimit, where: str
) -> dict[str, Any] | None:
    """The row of a side, taken out of the rows: of several on one term the one with the nearest bound."""
    mine = rows.get((_base(side.name), "<=" if side.sign > 0 else ">="))
    if not mine:
        return None
    told = [claim.number(row, "bound", where) for row in mine]
    return mine.pop(int(np.argmin(np.abs(np.array(told) - side.limit))))


def _base(name: object) -> str:
    """A limit's name without the words that distinguish several on one term."""
    return re.sub(r" (lower|upper)$", "", re.sub(r" \(\d+\)$", "", str(name)))
