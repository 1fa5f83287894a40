"""The state that a policy sees, and the decision that it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from hedgeopt.backtest.valuation import Promise, Valuation
from hedgeopt.files.calls import strict_class
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market

__all__ = ["Decision", "Observation", "Order", "Strategy", "TransferOrder"]


@strict_class
@dataclass(frozen=True)
class Order:
    """Buy (positive) or sell ``quantity`` units of an instrument in an account; ``maker``: at the fees of makers.

    Orders fill at the quoted side either way, as costs in live use count half-spreads in full.
    """

    account: str
    instrument: str
    quantity: float
    maker: bool = False


@dataclass(frozen=True)
class TransferOrder:
    """Send ``amount`` units of an asset along a link of the book."""

    source: str
    target: str
    asset: str
    amount: float


@strict_class
@dataclass(frozen=True)
class Observation:
    """The state at a decision: nothing in it was recorded later than ``market.timestamp``.

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

    def tradable(self, account: str, items: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """(n,) bool each: which instruments the account may buy and sell now, at a quote or at an assumed half-spread."""
        where = next((a for a in self.book.accounts if a.name == account), None)
        if where is None or where.paused or not where.tradable:
            return np.zeros(len(items), bool), np.zeros(len(items), bool)
        ids = [item.id for item in items]
        ask, bid = (~np.isnan(self.market.quoted(name, ids)) for name in ("ask_price", "bid_price"))
        assumed = np.array([not item.nature.option and self.mark_half_spread is not None for item in items], bool)
        assumed &= ~ask & ~bid & np.isfinite(self.market.quoted("mark_price", ids))
        here = np.array([item.venue == where.venue for item in items], bool)
        return here & (ask | assumed), here & (bid | assumed)

    def can_trade(self, account: str, item: Any, quantity: float) -> bool:
        """Whether one instrument may be bought (positive quantity) or sold."""
        buy, sell = self.tradable(account, [item])
        return bool((buy if quantity > 0 else sell)[0])


@strict_class
@dataclass(frozen=True)
class Decision:
    """Orders, and what there is to say about them.

    ``promise`` is the tail that the policy expects after them (the engine computes its own where it is None), ``scenarios``
    the settings it was drawn from (the engine draws them again over the length of the step, by which it judges; where they
    are None it scales with the root of time), ``events`` are dicts with a ``kind``; the engine adds the time.
    """

    orders: Sequence[Order] = ()
    transfers: Sequence[TransferOrder] = ()
    promise: Promise | None = None
    events: Sequence[dict[str, Any]] = ()
    scenarios: Any = None


class Strategy(Protocol):
    """One method; a list of orders is as good as a :class:`Decision`."""

    name: str

    def decide(self, state: Observation) -> Decision | Sequence[Order]:
        """Orders for now. May raise InfeasibleError; the engine then does what its ``fallback`` says."""
        ...
