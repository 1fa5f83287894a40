"""Variance of the book's scenario P&L."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables, put
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import Term

__all__ = ["Variance"]


class _BoundVariance(BoundTerm):
    """``|| R (scale * net) + r ||^2`` with the thin QR factor [R r] of the centred, weighted P&L matrix [pnl base]."""

    def __init__(self, trades: TradeVariables, e: Exposures) -> None:
        import cvxpy as cp

        n = e.n_candidates
        self._factor = cp.Parameter((n + 1, n))
        self._offset = cp.Parameter(n + 1)
        # in units of the book's own size when compiled: first-order solvers take dollars squared for an unbounded problem
        self._size = max(float(np.std(e.base_pnl)), 1.0)
        self.expression = self._size**2 * cp.sum_squares(self._factor @ trades.net + self._offset)

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        n = e.n_candidates
        r = _root(e, scale)
        square = np.zeros((n + 1, n + 1))
        square[: len(r)] = r
        square /= self._size
        put(self._factor, square[:, :n])
        put(self._offset, square[:, n])

    def square(self, e: Exposures) -> tuple[np.ndarray, np.ndarray]:
        """F (m, N) and f (m,) with variance ``|F x + f|^2`` at trades x, for proofs that keep the square."""
        r = _root(e, np.ones(e.n_candidates))
        return r[:, :-1], r[:, -1]

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        pnl = e.base_pnl + e.pnl @ x
        p = np.full(len(pnl), 1.0 / len(pnl)) if e.probabilities is None else e.probabilities
        return float(p @ (pnl - p @ pnl) ** 2)

    def size(self, e: Exposures, x: np.ndarray) -> float:
        # a deviation d is off by rounding of what it is summed from, m: d^2 by 2 |d| of that
        pnl, summed = e.base_pnl + e.pnl @ x, np.abs(e.base_pnl) + np.abs(e.pnl) @ np.abs(x)
        p = np.full(len(pnl), 1.0 / len(pnl)) if e.probabilities is None else e.probabilities
        return float(2.0 * p @ (np.abs(pnl - p @ pnl) * (summed + p @ summed)))

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        pnl = e.base_pnl + e.pnl @ x
        p = np.full(len(pnl), 1.0 / len(pnl)) if e.probabilities is None else e.probabilities
        centred = pnl - p @ pnl
        gradient = 2.0 * ((p * centred) @ e.pnl)
        return Separable(gradient, float(p @ centred**2 - gradient @ x))


def _root(e: Exposures, scale: np.ndarray) -> np.ndarray:
    """(m, N + 1) a root of the covariance of scenario P&L per scaled trade and of the book, m <= N + 1."""
    matrix = np.column_stack([e.pnl * scale, e.base_pnl])
    if e.probabilities is None:
        matrix -= matrix.mean(axis=0)
        matrix /= np.sqrt(len(matrix))
    else:
        matrix -= e.probabilities @ matrix
        matrix *= np.sqrt(e.probabilities)[:, None]
    return np.asarray(np.linalg.qr(matrix, mode="r")) if len(matrix) > e.n_candidates else matrix


class Variance(Term):
    """Variance of P&L over the horizon in USD squared: ``sum_s p_s (pnl_s - mean)^2``."""

    unit: ClassVar[str] = "USD^2"
    by_candidate: ClassVar[bool] = True
    curved: ClassVar[bool] = True
    source: ClassVar[str] = "Markowitz 1952"

    kind: Literal["variance"] = "variance"

    @property
    def name(self) -> str:
        """``variance``."""
        return "variance"

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundVariance:
        """A sum of squares through the triangular factor of the P&L matrix."""
        return _BoundVariance(trades, e)
