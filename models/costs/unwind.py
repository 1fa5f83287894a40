"""Cost of closing every position at today's quotes, before any stress multiplies the spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.models.costs.quotes import unit_cost
from hedgeopt.models.pricing.family import MarketView

__all__ = ["UnwindCost", "unwind_cost"]


@dataclass(frozen=True)
class UnwindCost:
    """USD per unit: half-spread paid when a long is sold or a short bought back (n,), and the fee (n,).

    ``unquoted`` (n,) marks instruments without any quote, whose unwinding counts as free.
    """

    sell: np.ndarray
    buy: np.ndarray
    fee: np.ndarray
    unquoted: np.ndarray


def unwind_cost(
    instruments: Sequence[Any],
    market: MarketView,
    notional: np.ndarray,
    value: np.ndarray,
    *,
    mark_half_spread: float | None = None,
) -> UnwindCost:
    """Half-spreads for leaving positions, on the safe side where a quote is missing.

    A long option without a bid loses its whole value; a short one without an ask costs its value once more, or the other
    side's half-spread if that is larger. Futures and perpetuals without quotes take ``mark_half_spread``.
    """
    n = len(instruments)
    sell, buy, fee = np.zeros(n), np.zeros(n), np.zeros(n)
    ids = [item.id for item in instruments]
    known = np.isfinite(market.quoted("mark_price", ids))
    at = np.flatnonzero(known)
    if len(at):
        cost = unit_cost([instruments[i] for i in at.tolist()], market, notional[at], mark_half_spread=mark_half_spread)
        fee[at] = cost.fee
        spread_sell, spread_buy = cost.sell - cost.fee, cost.buy - cost.fee
        worth = np.abs(value[at])
        sell[at] = np.where(cost.sellable, spread_sell, np.maximum(worth, 0.0))
        buy[at] = np.where(cost.buyable, spread_buy, np.maximum(worth, np.where(cost.sellable, spread_sell, 0.0)))
        both = ~cost.sellable & ~cost.buyable & (worth == 0.0)
        known[at[both]] = False
    return UnwindCost(sell, buy, fee, ~known)
