"""Bound terms that weigh the magnitude of each position after trading: leverage, fees at delivery."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables
from hedgeopt.models.separable import Separable

__all__ = ["SizesHeld"]


class SizesHeld(BoundTerm):
    """``sum over rows of w_m |q_m + x_m|`` with weights w >= 0 that :meth:`per_unit` gives; exact as its own minorant."""

    def __init__(self, trades: TradeVariables, e: Exposures) -> None:
        import cvxpy as cp

        self._rest = cp.Parameter(nonneg=True)
        self._weights = cp.Parameter(e.n_candidates, nonneg=True)
        # without a position |x| is buy + sell; only held candidates need an absolute value and its extra variables
        self._held_at = np.flatnonzero(e.held)
        self.expression = self._weights @ (trades.buy + trades.sell) + self._rest
        if len(self._held_at):
            k = len(self._held_at)
            self._weight, self._held = cp.Parameter(k, nonneg=True), cp.Parameter(k)
            # the weight is inside the absolute value: a parameter times another would not be DPP
            self.expression += cp.norm1(cp.multiply(self._weight, trades.net[self._held_at]) + self._held)

    @abstractmethod
    def per_unit(self, e: Exposures) -> np.ndarray:
        """(M,) weight of one unit of each row, in the term's unit."""

    def _parts(self, e: Exposures) -> tuple[np.ndarray, np.ndarray, float]:
        """Weight and quantity held of the candidates, and what all other rows add."""
        unit = self.per_unit(e)
        gross = unit * np.abs(e.rows.quantity)
        rest = float(gross.sum() - gross[e.candidate].sum())
        return unit[e.candidate], e.rows.quantity[e.candidate], max(rest, 0.0)

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        """Set the weights; of held candidates the position too."""
        unit, held, rest = self._parts(e)
        self._rest.value = rest
        self._weights.value = np.where(e.held, 0.0, unit * scale)
        if len(self._held_at):
            self._weight.value = (unit * scale)[self._held_at]
            self._held.value = (unit * held)[self._held_at]

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        """The sum itself."""
        unit, held, rest = self._parts(e)
        return float(unit @ np.abs(held + x) + rest)

    def size(self, e: Exposures, x: np.ndarray) -> float:
        """With positions and trades apart."""
        unit, held, rest = self._parts(e)
        return float(unit @ (np.abs(held) + np.abs(x)) + rest)

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        """``|h + x| = 2 max(x + h, 0) - (x + h)``: separable, so exact."""
        unit, held, rest = self._parts(e)
        return Separable(-unit, rest - float(unit @ held), 2.0 * unit[None, :], -held[None, :])
