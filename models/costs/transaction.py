"""Transaction costs now: half-spread, fees, and depth where ladders are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables, put
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import Term

__all__ = ["TransactionCost"]


class _BoundCost(BoundTerm):
    def __init__(self, trades: TradeVariables, e: Exposures) -> None:
        import cvxpy as cp

        self._buy = cp.Parameter(e.n_candidates, nonneg=True)
        self._sell = cp.Parameter(e.n_candidates, nonneg=True)
        self.expression = self._buy @ trades.buy + self._sell @ trades.sell
        if trades.fills is not None:
            self.expression = self.expression + trades.fills.extra

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        put(self._buy, e.cost_buy * scale)
        put(self._sell, e.cost_sell * scale)

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        linear = float(e.cost_buy @ np.maximum(x, 0.0) + e.cost_sell @ np.maximum(-x, 0.0))
        return linear if e.depth is None else linear + float(e.depth.extra(x).sum())

    def size(self, e: Exposures, x: np.ndarray) -> float:
        return self.evaluate(e, x)

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        kinks = np.zeros((1, e.n_candidates))
        both = e.cost_buy + e.cost_sell
        linear = Separable(-e.cost_sell, 0.0, both[None, :], kinks, both)
        return linear if e.depth is None else linear + e.depth.minorant(x)


class TransactionCost(Term):
    """Half-spread plus fee in USD: ``cost_buy @ max(x, 0) + cost_sell @ max(-x, 0)``, and what walking a ladder adds.

    Buying costs ``ask - min(mid, mark)`` and selling ``max(mid, mark) - bid`` per unit, so a mark outside the quotes is
    never booked as a gain; option fees are capped at a share of the option's price (see models/data/deribit.toml).
    """

    unit: ClassVar[str] = "USD"
    by_candidate: ClassVar[bool] = True
    source: ClassVar[str] = "Deribit fee schedule, models/data/deribit.toml"

    kind: Literal["transaction_cost"] = "transaction_cost"

    @property
    def name(self) -> str:
        """``transaction cost``."""
        return "transaction cost"

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundCost:
        """Linear in buys and sells."""
        return _BoundCost(trades, e)
