"""Ladders of the candidates, in the order of the program's trades."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hedgeopt.files.counted import many
from hedgeopt.models.costs.depth import Depth, depth_of
from hedgeopt.models.costs.quotes import UnitCost
from hedgeopt.models.pricing.market_arrays import MarketArrays

__all__ = ["at_the_best", "candidate_depth", "depth_notes"]


def candidate_depth(
    items: Sequence[Any], market: MarketArrays, notional: np.ndarray, cost: UnitCost, n_transfers: int
) -> Depth | None:
    """Ladders of traded instruments ``items`` (n,), followed by transfers, which have none; None without any ladder."""
    if not market.depth:
        return None
    times = Counter(item.id for item in items)
    among = np.array([times[item.id] for item in items], int)
    found = depth_of(items, market.depth, market, notional, (cost.from_buy, cost.from_sell), among)
    if found is None or not n_transfers:
        return found
    more = np.full((2, n_transfers), np.nan)
    count, gas = found.count + n_transfers, np.append(found.gas, np.zeros(n_transfers))
    return replace(found, count=count, first=np.hstack([found.first, more]), gas=gas)


def at_the_best(depth: Depth | None, buy: np.ndarray, sell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) costs per unit: those of the best levels where candidates have ladders, else as given."""
    if depth is None:
        return buy, sell
    known = ~np.isnan(depth.first)
    return np.where(known[0], depth.first[0], buy), np.where(known[1], depth.first[1], sell)


def depth_notes(items: Sequence[Any], depth: Depth | None) -> list[str]:
    """How many candidates trade at ladders, and which share one between accounts."""
    if depth is None:
        return []
    held = np.flatnonzero(~np.isnan(depth.first).all(axis=0)).tolist()
    names = [items[i].name for i in held]
    every = many(len({item.name for item in items}), "instrument")
    notes = [
        f"ladders of {len(set(names))} of {every} that may be traded; they cost what walking their ladders does, "
        "the others their best quote at any size"
    ]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        notes.append(f"several accounts may trade {', '.join(twice[:3])}{', …' if len(twice) > 3 else ''}: "
                     "each is given an equal part of the ladder")  # fmt: skip
    return notes
