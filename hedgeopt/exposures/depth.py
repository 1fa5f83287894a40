"""Ladders of the candidates, in the order of the program's trades."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.models.costs.depth import Depth, depth_of
from hedgeopt.models.costs.impact import ImpactLaw, Worth, impact_of
from hedgeopt.models.costs.quotes import FeeTerms, UnitCost
from hedgeopt.models.pricing.market_arrays import MarketArrays

__all__ = ["at_the_best", "candidate_depth", "depth_notes"]


def candidate_depth(
    items: Sequence[Any],
    market: MarketArrays,
    notional: np.ndarray,
    cost: UnitCost,
    worth: Worth,
    n_transfers: int,
    terms: Sequence[FeeTerms],
) -> tuple[Depth | None, list[str]]:
    """Ladders and impact of traded instruments ``items`` (n,), followed by transfers, which have none; and notes on them.

    None where no instrument has either.
    """
    if not market.depth and market.impact is None:
        return None, []
    times = Counter(item.id for item in items)
    among = np.array([times[item.id] for item in items], int)
    law, impact, power, notes = market.impact, np.zeros(len(items)), 1.5, list[str]()
    if law is not None:
        impact, rule = impact_of(law, items, market, cost, worth, among, market.depth)
        power, notes = law.power, _impact_notes(items, law, rule, market)
    found = depth_of(items, market.depth, market, notional, (cost.from_buy, cost.from_sell), among, impact, power, terms)
    notes = depth_notes(items, found) + notes
    if found is None or not n_transfers:
        return found, notes
    more, none = np.full((2, n_transfers), np.nan), np.zeros(n_transfers)
    return replace(
        found, count=found.count + n_transfers, first=np.hstack([found.first, more]), gas=np.append(found.gas, none),
        impact=np.append(found.impact, none), reach=np.append(found.reach, none + 1.0),
    ), notes  # fmt: skip


def _impact_notes(items: Sequence[Any], law: ImpactLaw, rule: np.ndarray, market: MarketArrays) -> list[str]:
    """How many instruments have impact, by which rule, and which have neither that nor a ladder."""
    ids = np.array([item.id for item in items], object)
    count = [len(set(ids[rule == k].tolist())) for k in range(3)]
    if len(items) and not sum(count) and not any(item.id in market.depth for item in items):
        raise InputError(
            "counts for no instrument that may be traded", file="impact", field="instruments, volume, spread",
            fix=f"name what may be traded, such as {items[0].id} (hedgeopt costs fit), or give the market file's columns "
            "volume for [volume], bid_size and ask_size for [spread]; or leave --impact out",
        )  # fmt: skip
    words = [f"{n} {word}" for n, word in zip(count, ("fitted", "from volume", "from the spread"), strict=True) if n]
    without = sorted(
        {item.name for item, k in zip(items, rule.tolist(), strict=True) if k < 0 and item.id not in market.depth}
    )
    rules = ", ".join(words) or "ladders take its place"
    found = [f"impact of {many(sum(count), 'instrument')}, size to the {law.power:g} ({rules})"]
    if without:
        some = ", ".join(without[:3]) + (", …" if len(without) > 3 else "")
        found.append(f"no ladder and no impact known for {some}: the best quote counts at any size")
    worst = [law.instruments[k].error_outside for k in set(ids[rule == 0].tolist())]
    if any(one is not None for one in worst):
        found.append(
            f"fitted impact missed the side it was not fitted to by up to {max(w for w in worst if w is not None):.0%}"
        )
    return found


def at_the_best(depth: Depth | None, buy: np.ndarray, sell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) costs per unit: those of the best levels where candidates have ladders, else as given."""
    if depth is None:
        return buy, sell
    known = ~np.isnan(depth.first)
    return np.where(known[0], depth.first[0], buy), np.where(known[1], depth.first[1], sell)


def depth_notes(items: Sequence[Any], depth: Depth | None) -> list[str]:
    """How many candidates trade at ladders, and which share one between accounts."""
    if depth is None or not len(depth.candidate):
        return []
    held = np.flatnonzero(~np.isnan(depth.first).all(axis=0)).tolist()
    names = [items[i].name for i in held]
    every = many(len({item.name for item in items}), "instrument")
    notes = [
        f"ladders of {len(set(names))} of {every} that may be traded; they cost what walking their ladders does"
        + ("" if depth.impact.any() else ", the others their best quote at any size")
    ]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        notes.append(f"several accounts may trade {', '.join(twice[:3])}{', …' if len(twice) > 3 else ''}: "
                     "each is given an equal part of the ladder")  # fmt: skip
    return notes
