"""Trades in whole lots: steps and smallest orders of the market, or of the venue's table, asked again."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from hedgeopt.inputs.market import Market
from hedgeopt.models.arrays import Exposures
from hedgeopt.venues.known import increments

__all__ = ["COUNTS", "in_lots", "not_whole", "steps_of"]

COUNTS = "max_trades", "max_new_instruments", "min_trade"
"""Limits that count trades."""

_WHOLE = Fraction(1, 10**9)


def in_lots(policy: dict[str, Any]) -> bool:
    """Whether a policy asks for whole lots: it says so, has a limit that counts trades, or a ticket."""
    rules = policy.get("subject_to", ())
    if policy.get("candidates", {}).get("ticket") is not None:
        return True
    return policy.get("lots") == "whole" or any(rule.get("kind") in COUNTS for rule in rules if isinstance(rule, dict))


def not_whole(policy: dict[str, Any], e: Exposures, market: Market, x: np.ndarray) -> Iterator[str]:
    """A line for every trade that is not whole lots, or smaller than the smallest order; none where any size is allowed."""
    yield from _miscounted(policy, e, x)
    if not in_lots(policy):
        return
    sent = set(e.links.candidate.tolist())
    sides: dict[str, float] = {}
    for i in np.flatnonzero(x).tolist():
        if i in sent:
            continue
        key = e.rows.instruments[e.candidate[i]].id
        if sides.setdefault(key, float(np.sign(x[i]))) != np.sign(x[i]):
            yield f"{key}: bought in one account and sold in another of the same venue: the desk would trade with itself"
        item = e.rows.instruments[e.candidate[i]]
        lot, least = _steps(market, item, float(e.rows.notional[e.candidate[i]]))
        if not lot >= 0.0:
            yield f"{item.name}: its lot is unknown, so {x[i]:,.10g} cannot be whole lots"
            continue
        if abs(x[i]) < least * (1.0 - float(_WHOLE)):
            yield f"{item.name}: {x[i]:,.10g} is below the smallest order of {least:g}"
            continue
        if lot == 0.0:  # any size
            continue
        # In decimals as they are written: 0.3 is three lots of 0.1.
        count = Fraction(str(abs(float(x[i])))) / Fraction(str(lot))
        if abs(count - round(count)) > _WHOLE * max(count, Fraction(1)):
            yield f"{item.name}: {x[i]:,.10g} is no whole number of lots of {lot:g}"


def _miscounted(policy: dict[str, Any], e: Exposures, x: np.ndarray) -> Iterator[str]:
    """A line for every limit on the number or the least size of trades that the list breaks."""
    sent = set(e.links.candidate.tolist())
    traded = [i for i in np.flatnonzero(x).tolist() if i not in sent]
    owned = {item.id for item, q in zip(e.rows.instruments, e.rows.quantity.tolist(), strict=True) if q != 0.0}
    for rule in policy["subject_to"]:
        if rule["kind"] == "max_trades" and len(traded) > rule["most"]:
            yield f"number of trades: {len(traded)} against {rule['most']}"
        elif rule["kind"] == "max_new_instruments":
            new = {e.rows.instruments[e.candidate[i]].id for i in traded} - owned
            if len(new) > rule["most"]:
                yield f"number of new instruments: {len(new)} against {rule['most']}"
        elif rule["kind"] == "min_trade":
            for i in traded:
                usd = abs(float(x[i])) * float(e.rows.notional[e.candidate[i]])
                if usd < rule["usd"] * (1.0 - 1e-9):
                    name = e.rows.instruments[e.candidate[i]].name
                    yield f"smallest trade: {usd:,.10g} USD of {name} against {rule['usd']:,.10g}"


def steps_of(market: Market, e: Exposures) -> tuple[np.ndarray, np.ndarray]:
    """(N,) lot and smallest order of each candidate; a lot of 0: any size, NaN: unknown."""
    items = [e.rows.instruments[row] for row in e.candidate.tolist()]
    sent = set(e.links.candidate.tolist())
    usd = e.rows.notional[e.candidate].tolist()
    found = [(0.0, 0.0) if i in sent else _steps(market, item, usd[i]) for i, item in enumerate(items)]
    return np.array([lot for lot, _ in found]), np.array([least for _, least in found])


def _steps(market: Market, item: Any, usd: float) -> tuple[float, float]:
    """Lot and smallest order in quantity units of ``usd`` each: the market's where it gives them, else the venue's."""
    sizes, found = increments(item), []
    for name, own in (("lot", sizes.lot), ("min_size", sizes.minimum_size)):
        told = float(market.quoted(name, [item.id])[0])
        found.append(told if told > 0.0 else own)
    dollars = float(market.quoted("min_notional", [item.id])[0])
    return found[0], float(np.nanmax([found[1], (dollars if dollars > 0.0 else sizes.minimum_notional) / usd, 0.0]))
