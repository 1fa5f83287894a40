"""What a policy sees and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd

from hedgeopt.backtest.valuation import Promise, Valuation
from hedgeopt.book import Book
from hedgeopt.market import Market
from hedgeopt.models.costs.quotes import unit_cost
import numpy as np

__all__ = ["Decision", "Order", "Policy", "State", "Transfer"]


@dataclass(frozen=True)
class Order:
    """Buy (positive) or sell ``quantity`` units of an instrument in an account."""

    account: str
    instrument: str
    quantity: float


@dataclass(frozen=True)
class Transfer:
    """Send ``amount`` units of an asset along a link of the book."""

    source: str
    target: str
    asset: str
    amount: float


@dataclass(frozen=True)
class State:
    """What is known at a decision: nothing in it was recorded later than ``market.timestamp``.

    Attributes
    ----------
    book, market
        The same types as in live use, so that ``policy.propose(state.book, state.market)`` works here too.
    valuation
        Equity, Greeks and margin of the book before the decision.
    step
        Number of the decision, from 0.
    mark_half_spread
        Share of price that the engine charges in futures and perpetuals without quotes.
    """

    book: Book
    market: Market
    valuation: Valuation
    step: int
    mark_half_spread: float | None
    _history: Callable[[], pd.DataFrame] = field(repr=False)

    @property
    def history(self) -> pd.DataFrame:
        """Index prices by moment (UTC) and asset, up to now."""
        return self._history()

    def delta(self, asset: str) -> float:
        """Coins of delta, posted coins included; 0 where the book does not know the asset."""
        return self.valuation.greeks().get(asset, {}).get("delta", 0.0)

    def can_trade(self, account: str, item: Any, quantity: float) -> bool:
        """Whether the side is quoted (or may be assumed) in an account that may trade."""
        where = next((a for a in self.book.accounts if a.name == account), None)
        if where is None or where.paused or not where.tradable or where.venue != item.venue:
            return False
        cost = unit_cost([item], self.market, np.ones(1), mark_half_spread=self.mark_half_spread)
        return bool((cost.buyable if quantity > 0 else cost.sellable)[0])


@dataclass(frozen=True)
class Decision:
    """Orders, and what there is to say about them.

    ``promise`` is the tail that the policy expects after them (the engine computes its own where it is None), ``events`` are
    dicts with a ``kind``; the engine adds the time.
    """

    orders: Sequence[Order] = ()
    transfers: Sequence[Transfer] = ()
    promise: Promise | None = None
    events: Sequence[dict[str, Any]] = ()


class Policy(Protocol):
    """One method; a list of orders is as good as a :class:`Decision`."""

    name: str

    def decide(self, state: State) -> Decision | Sequence[Order]:
        """Orders for now. May raise InfeasibleError; the engine then does what its ``fallback`` says."""
        ...
