"""Ladders inside a program: units taken from each level, of which purchases and sales add up.

Of level k of candidate i the share ``t_k`` in [0, 1] is taken: ``buy_i = sum_k cap_k t_k / scale_i``, and it costs
``(rate_k - rate_1) cap_k t_k + bend_k cap_k^2 e_k`` with
``e_k >= t_k^2 / (1 + turn_k cap_k t_k)``, a second-order cone:
``|(2 t, e - 1 - r t)| <= e + 1 + r t`` with ``r = turn_k cap_k``. In the trade's own scale this is met to 1e-8; raw reserves
and powers are not (cvxpy's ``inv_pos`` and ``geo_mean`` fail at such sizes).

Impact without a ladder is counted at chords of its power (:mod:`hedgeopt.models.costs.bowed`), levels as of an order book,
the same for purchases and sales: ``buy_i + sell_i = sum_k cap_k t_k / scale_i``. Their points are drawn in around each
solution until the certificate, which knows the power itself, is satisfied: a linear program stays one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hedgeopt.models.bound import TradeVariables, put
from hedgeopt.models.costs.bowed import Chords
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
        self.constraints: list[cp.Constraint] = []
        self._parts: list[tuple[cp.Parameter, cp.Variable]] = []  # USD of a whole level, and the share taken
        if n_levels:
            self._taken = cp.Variable(n_levels, nonneg=True, name="taken")
            self._share, self._room = cp.Parameter(n_levels, nonneg=True), cp.Parameter(n_levels, nonneg=True)
            self._rate = cp.Parameter(n_levels, nonneg=True)
            self.constraints.append(self._taken <= self._room)
            filled = cp.multiply(self._share, self._taken)
            for sign, side in ((1.0, buy), (-1.0, sell)):
                who = np.unique(depth.candidate[_sides(depth, sign)])
                at = np.flatnonzero(depth.sign == sign)
                if len(who):
                    row = np.searchsorted(who, depth.candidate[at])
                    total = sp.csr_array((np.ones(len(at)), (row, at)), shape=(len(who), n_levels))
                    self.constraints.append(side[who] == total @ filled)
            self._parts.append((self._rate, self._taken))
        self._curved = np.flatnonzero(depth.bend > 0.0)
        if len(self._curved):
            m = len(self._curved)
            self._turn, self._bend = cp.Parameter(m), cp.Parameter(m, nonneg=True)
            self._over = cp.Variable(m, nonneg=True, name="curved")
            t = self._taken[self._curved]
            grown = cp.multiply(self._turn, t) + 1.0
            self.constraints.append(cp.SOC(self._over + grown, cp.vstack([2.0 * t, self._over - grown]), axis=0))
            self._parts.append((self._bend, self._over))
        self._bowed = np.flatnonzero(depth.impact > 0.0)
        self._chords = Chords(len(self._bowed))
        if len(self._bowed):
            m, each = len(self._bowed), Chords.count
            self._bow = cp.Variable(m * each, nonneg=True, name="impact")
            self._width, self._open = cp.Parameter(m * each, nonneg=True), cp.Parameter(m * each, nonneg=True)
            self._toll = cp.Parameter(m * each, nonneg=True)
            total = sp.csr_array((np.ones(m * each), (np.repeat(np.arange(m), each), np.arange(m * each))))
            traded = buy[self._bowed] + sell[self._bowed]
            # Solvers judge a row by the size of its terms: beside a one, a trade of a cent may be off by its rounding.
            one = cp.Variable(name="one")
            self.constraints += [self._bow <= self._open, one == 1.0]
            self.constraints.append(traded + 1.0 == total @ cp.multiply(self._width, self._bow) + one)
            self._parts.append((self._toll, self._bow))
        self.extra = sum((usd @ taken for usd, taken in self._parts), start=cp.Constant(0.0))

    def update(self, depth: Depth, scale: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> None:
        """Set the parameters for trades within ``lower`` and ``upper`` (N,), ``scale`` (N,) times the program's."""
        if len(depth.candidate):
            most = np.where(depth.sign > 0, upper[depth.candidate], -lower[depth.candidate])
            cap = np.clip(most - depth.start, 0.0, depth.size)
            put(self._share, cap / scale[depth.candidate])
            put(self._room, np.where(cap > 0.0, 1.0, 0.0))
            put(self._rate, np.maximum(depth.rate - depth.base, 0.0) * cap)
            if len(self._curved):
                put(self._turn, (depth.turn * cap)[self._curved])
                put(self._bend, (depth.bend * cap * cap)[self._curved])
        if len(self._bowed):
            at = self._bowed
            points = self._chords.points(np.maximum(np.maximum(upper, -lower)[at], 0.0))
            paid = depth.impact[at, None] * points**depth.power
            width = np.diff(points, axis=1)
            put(self._width, (width / scale[at, None]).ravel())
            put(self._open, np.where(width > 0.0, 1.0, 0.0).ravel())
            put(self._toll, np.maximum(np.diff(paid, axis=1), 0.0).ravel())

    def near(self, x: np.ndarray) -> bool:
        """Draw chords in around trades x (N,), for the next :meth:`update`; whether there are any."""
        self._chords.near(np.abs(x[self._bowed]))
        return len(self._bowed) > 0

    @property
    def chorded(self) -> bool:
        """Whether some candidate has impact."""
        return len(self._bowed) > 0

    @property
    def coarse(self) -> bool:
        """Whether chords are still far apart."""
        return len(self._bowed) > 0 and self._chords.coarse

    def forget(self) -> None:
        """Chords in even steps again."""
        self._chords.forget()

    def of(self, weight: cp.Parameter) -> cp.Expression:
        """USD of :attr:`extra` of chosen candidates; ``weight`` is as :meth:`weights` gives it."""
        found, first = [], 0
        for _, taken in self._parts:
            found.append(weight[first : first + taken.size] @ taken)
            first += taken.size
        return sum(found)

    def weights(self, depth: Depth, chosen: np.ndarray) -> np.ndarray:
        """The factors that :meth:`of` takes, for candidates ``chosen`` (N,) bool; 0 for the others."""
        mine = chosen[depth.candidate] if len(depth.candidate) else np.zeros(0, bool)
        whose = (mine, mine[self._curved], np.repeat(chosen[self._bowed], Chords.count))
        parts = [part for part in whose if len(part)]
        return np.concatenate([np.where(w, usd.value, 0.0) for w, (usd, _) in zip(parts, self._parts, strict=True)])

    @property
    def n_weights(self) -> int:
        """Length of :meth:`weights`."""
        return sum(int(taken.size) for _, taken in self._parts)


def _sides(depth: Depth, sign: float) -> np.ndarray:
    return depth.sign == sign


def with_fills(buy: cp.Variable, sell: cp.Variable, depth: Depth | None) -> TradeVariables:
    """The program's variables, with levels where candidates have ladders."""
    return TradeVariables(buy, sell, None if depth is None else Fills(depth, buy, sell))
