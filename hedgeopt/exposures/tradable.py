"""What may be traded, and what it costs to leave: the box of candidates, and unwinding under stress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hedgeopt.errors import MissingNumberError
from hedgeopt.inputs.book import Book
from hedgeopt.models.costs.depth import Depth
from hedgeopt.models.costs.quotes import UnitCost
from hedgeopt.models.costs.unwind import unwind_cost
from hedgeopt.models.margin.rules import margin_model
from hedgeopt.models.pricing.market_arrays import MarketArrays
from hedgeopt.models.rows import Rows
from hedgeopt.models.scenarios.effects import unwind_multiplier
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["stress_unwind", "tradable"]


def tradable(
    book: Book,
    rows: Rows,
    bought: np.ndarray,
    cost: UnitCost,
    paused: np.ndarray,
    sendable: np.ndarray,
    depth: Depth | None,
) -> tuple[np.ndarray, np.ndarray]:
    """(N,) least and largest trades: instruments ``bought`` first, then what may be sent."""
    sent = np.zeros(len(sendable))
    lower = np.append(np.where(cost.sellable & ~paused, _most_sold(book, rows, bought), 0.0), sent)
    upper = np.append(np.where(cost.buyable & ~paused, np.inf, 0.0), sendable)
    if depth is not None:
        least, most = depth.limits()
        lower, upper = np.maximum(lower, least), np.minimum(upper, most)
    return lower, upper


def stress_unwind(
    items: Sequence[Any],
    market: MarketArrays,
    stress: ScenarioSet,
    rows: Rows,
    mark_half_spread: float | None,
    notes: list[str],
    needed: bool,
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(K, M) USD per unit to leave a long, and a short, under each stress.

    None where nothing moves, and where numbers are missing that are not ``needed``: no report of risk shows them.
    """
    if stress.still:
        return None, None
    try:
        cost = unwind_cost(items, market, rows.notional, rows.value, mark_half_spread=mark_half_spread)
    except MissingNumberError:
        if needed:
            raise
        return None, None
    free = [item.name for item, none, held in zip(items, cost.unquoted, rows.quantity, strict=True) if none and held]
    if free:
        notes.append(f"no quotes for {', '.join(free[:3])}{', …' if len(free) > 3 else ''}: unwinding counted as free")
    by_venue = {venue: unwind_multiplier(stress, venue) for venue in {item.venue for item in items}}
    times = np.column_stack([by_venue[item.venue] for item in items]) if items else np.zeros((len(stress), 0))
    fee = np.where(times > 0, cost.fee, 0.0)
    return times * cost.sell + fee, times * cost.buy + fee


def _most_sold(book: Book, rows: Rows, bought: np.ndarray) -> np.ndarray:
    """(n,) the largest sale, negative: of an instrument that may not be short its holding, of others any amount."""
    models = [margin_model(account.margin, account.venue) for account in book.accounts]
    short = [models[rows.account[row]].may_be_short(rows.instruments[row].nature) for row in bought.tolist()]
    return np.where(np.array(short, bool), -np.inf, -np.maximum(rows.quantity[bought], 0.0))
