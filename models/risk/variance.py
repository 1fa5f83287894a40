"""Variance of the book's scenario P&L."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables, put
from hedgeopt.models.risk.cvar import ScopedPnl
from hedgeopt.models.scope import Of, called, scope_of
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import Term

__all__ = ["Variance"]


class _BoundVariance(BoundTerm):
    """``|| R (scale * net) + r ||^2`` with the thin QR factor [R r] of the centred, weighted P&L matrix [pnl base]."""

    def __init__(self, trades: TradeVariables, e: Exposures, of: tuple[str, ...] = ()) -> None:
        import cvxpy as cp

        n, self._of = e.n_candidates, of
        self._rows = min(len(e.base_pnl), n + 1)
        self._factor = cp.Parameter((self._rows, n))
        self._offset = cp.Parameter(self._rows)
        # in units of the book's own size when compiled: first-order solvers take dollars squared for an unbounded problem
        self._size = max(float(np.std(self._pnl(e).base)), 1.0)
        self.expression = self._size**2 * cp.sum_squares(self._factor @ trades.net + self._offset)

    def _pnl(self, e: Exposures) -> ScopedPnl:
        """P&L of the book, or of the accounts that count, and per unit traded."""
        return ScopedPnl.of(e, scope_of(e, self._of))

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        n = e.n_candidates
        r = _root(e, self._pnl(e), scale)
        square = np.zeros((self._rows, n + 1))
        square[: len(r)] = r
        square /= self._size
        put(self._factor, square[:, :n])
        put(self._offset, square[:, n])

    def square(self, e: Exposures) -> tuple[np.ndarray, np.ndarray]:
        """F (m, N) and f (m,) with variance ``|F x + f|^2`` at trades x, for proofs that keep the square."""
        r = _root(e, self._pnl(e), np.ones(e.n_candidates))
        return r[:, :-1], r[:, -1]

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        mine = self._pnl(e)
        pnl = mine.at(x)
        p = np.full(len(pnl), 1.0 / len(pnl)) if e.probabilities is None else e.probabilities
        return float(p @ (pnl - p @ pnl) ** 2)

    def size(self, e: Exposures, x: np.ndarray) -> float:
        # a deviation d is off by rounding of what it is summed from, m: d^2 by 2 |d| of that
        mine = self._pnl(e)
        pnl, summed = mine.at(x), mine.summed(x)
        p = np.full(len(pnl), 1.0 / len(pnl)) if e.probabilities is None else e.probabilities
        return float(2.0 * p @ (np.abs(pnl - p @ pnl) * (summed + p @ summed)))

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        mine = self._pnl(e)
        pnl = mine.at(x)
        p = np.full(len(pnl), 1.0 / len(pnl)) if e.probabilities is None else e.probabilities
        centred = pnl - p @ pnl
        gradient = 2.0 * mine.weighted(p * centred)
        return Separable(gradient, float(p @ centred**2 - gradient @ x))


def _root(e: Exposures, mine: ScopedPnl, scale: np.ndarray) -> np.ndarray:
    """(m, N + 1) a root of the covariance of scenario P&L per scaled trade and of the book, m <= N + 1."""
    matrix = np.column_stack([mine.scaled(scale), mine.base])
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
    of: Of = ()

    @property
    def name(self) -> str:
        """``variance``, and of which accounts."""
        return called("variance", self.of)

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundVariance:
        """A sum of squares through the triangular factor of the P&L matrix."""
        return _BoundVariance(trades, e, self.of)
