"""Ladders inside a program: units taken from each level, of which purchases and sales add up.

Of level k of candidate i the share ``t_k`` in [0, 1] is taken: ``buy_i = sum_k cap_k t_k / scale_i``, and it costs
``(rate_k - rate_1) cap_k t_k + bend_k cap_k^2 e_k`` with
``e_k >= t_k^2 / (1 + turn_k cap_k t_k)``, a second-order cone:
``|(2 t, e - 1 - r t)| <= e + 1 + r t`` with ``r = turn_k cap_k``. In the trade's own scale this is met to 1e-8; raw reserves
and powers are not (cvxpy's ``inv_pos`` and ``geo_mean`` fail at such sizes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hedgeopt.models.bound import TradeVariables, put
from hedgeopt.models.costs.depth import Depth

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["Fills", "with_fills"]


class Fills:
    """Variables and constraints of the levels, compiled once per shape of the ladders.

    Attributes
    ----------
    extra : cvxpy.Expression
        USD that walking the ladders costs beyond the best levels' rates.
    constraints
        What ties levels to trades.
    """

    def __init__(self, depth: Depth, buy: cp.Variable, sell: cp.Variable) -> None:
        import cvxpy as cp
        import scipy.sparse as sp

        n_levels = len(depth.candidate)
        self._taken = cp.Variable(n_levels, nonneg=True, name="taken")
        self._share, self._room = cp.Parameter(n_levels, nonneg=True), cp.Parameter(n_levels, nonneg=True)
        self._rate = cp.Parameter(n_levels, nonneg=True)
        self.constraints: list[cp.Constraint] = [self._taken <= self._room]
        filled = cp.multiply(self._share, self._taken)
        for sign, side in ((1.0, buy), (-1.0, sell)):
            who = np.unique(depth.candidate[_sides(depth, sign)])
            at = np.flatnonzero(depth.sign == sign)
            if len(who):
                row = np.searchsorted(who, depth.candidate[at])
                total = sp.csr_array((np.ones(len(at)), (row, at)), shape=(len(who), n_levels))
                self.constraints.append(side[who] == total @ filled)
        self._curved = np.flatnonzero(depth.bend > 0.0)
        self._parts: tuple[cp.Expression, ...] = (self._rate, self._taken)
        self._bend: cp.Parameter | None = None
        if len(self._curved):
            m = len(self._curved)
            self._turn, self._bend = cp.Parameter(m), cp.Parameter(m, nonneg=True)
            self._over = cp.Variable(m, nonneg=True, name="curved")
            t = self._taken[self._curved]
            grown = cp.multiply(self._turn, t) + 1.0
            self.constraints.append(cp.SOC(self._over + grown, cp.vstack([2.0 * t, self._over - grown]), axis=0))
        self.extra = self._rate @ self._taken + (self._bend @ self._over if self._bend is not None else 0.0)

    def update(self, depth: Depth, scale: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> None:
        """Set the parameters for trades within ``lower`` and ``upper`` (N,), ``scale`` (N,) times the program's."""
        most = np.where(depth.sign > 0, upper[depth.candidate], -lower[depth.candidate])
        cap = np.clip(most - depth.start, 0.0, depth.size)
        reached = cap > 0.0
        put(self._share, cap / scale[depth.candidate])
        put(self._room, np.where(reached, 1.0, 0.0))
        put(self._rate, np.maximum(depth.rate - depth.base, 0.0) * cap)
        if self._bend is not None:
            put(self._turn, (depth.turn * cap)[self._curved])
            put(self._bend, (depth.bend * cap * cap)[self._curved])

    def of(self, weight: cp.Parameter) -> cp.Expression:
        """USD of :attr:`extra` of chosen candidates; ``weight`` is as :meth:`weights` gives it."""
        n_levels = self._taken.size
        found = weight[:n_levels] @ self._taken
        return found if self._bend is None else found + weight[n_levels:] @ self._over

    def weights(self, depth: Depth, chosen: np.ndarray) -> np.ndarray:
        """The factors that :meth:`of` takes, for candidates ``chosen`` (N,) bool; 0 for the others."""
        mine = chosen[depth.candidate]
        rate = np.where(mine, self._rate.value, 0.0)
        return rate if self._bend is None else np.concatenate([rate, np.where(mine[self._curved], self._bend.value, 0.0)])

    @property
    def n_weights(self) -> int:
        """Length of :meth:`weights`."""
        return int(self._taken.size) + len(self._curved)


def _sides(depth: Depth, sign: float) -> np.ndarray:
    return depth.sign == sign


def with_fills(buy: cp.Variable, sell: cp.Variable, depth: Depth | None) -> TradeVariables:
    """The program's variables, with levels where candidates have ladders."""
    return TradeVariables(buy, sell, None if depth is None else Fills(depth, buy, sell))
