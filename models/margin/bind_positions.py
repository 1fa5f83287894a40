"""Requirements of positions one at a time inside a program: tiers, squares and short charges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hedgeopt.models.bound import TradeVariables, put
from hedgeopt.models.margin.bind_ramps import CHORDS, crowded
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.separable import Separable

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["BoundPositions"]

_NEAR = 1e-7


class BoundPositions:
    """What the positions of some candidates need by themselves, as a function of scaled trades.

    ``candidates`` (n,) are those of the exposures, ``in_rows`` (n,) their places in the account, and ``held`` (n,) says
    which have a position already.

    Attributes
    ----------
    expression
        Scalar convex cvxpy expression, USD; what the encoding says beside positions with candidates is not in it.
    """

    def __init__(
        self, trades: TradeVariables, candidates: np.ndarray, in_rows: np.ndarray, held: np.ndarray, first: Encoding
    ) -> None:
        import cvxpy as cp

        self._candidates, self._in_rows = candidates, in_rows
        self.expression: cp.Expression = cp.Constant(0.0)
        at = in_rows
        net = trades.net[candidates]
        stepped = (first.slopes[at] != first.slopes[at, :1]).any(axis=1)
        self._centre: np.ndarray | None = None
        self._unit = np.zeros(0)
        self._even, self._stepped = np.flatnonzero(~stepped & (first.slopes[at, 0] > 0)), np.flatnonzero(stepped)
        self._shorts = np.flatnonzero((first.short[at] > 0) & held)
        # without a position max(-x, 0) is at most sell: only held candidates cost extra variables
        self._opened = np.flatnonzero((first.short[at] > 0) & ~held)
        self._ramped = np.flatnonzero(first.quadratic[at] > 0)
        if len(self._even):
            k = len(self._even)
            self._flat, self._flat_held = cp.Parameter(k, nonneg=True), cp.Parameter(k)
            self.expression += cp.norm1(cp.multiply(self._flat, net[self._even]) + self._flat_held)
        if len(self._opened):
            self._open = cp.Parameter(len(self._opened), nonneg=True)
            self.expression += self._open @ trades.sell[candidates[self._opened]]
        if len(self._shorts):
            k = len(self._shorts)
            self._short, self._short_held = cp.Parameter(k, nonneg=True), cp.Parameter(k)
            self.expression += cp.sum(cp.neg(cp.multiply(self._short, net[self._shorts]) + self._short_held))
        self._lines: list[tuple[np.ndarray, int, cp.Parameter, cp.Parameter]] = []
        for rows, width in ((self._stepped, first.slopes.shape[1]), (self._ramped, CHORDS)):
            if len(rows):  # lines of either sign, side by side: fewer variables than absolute values
                k = len(rows) * 2 * width
                slopes, offsets = cp.Parameter(k), cp.Parameter(k)
                lines = cp.multiply(slopes, net[np.repeat(rows, 2 * width)]) + offsets
                self.expression += cp.sum(cp.max(cp.reshape(lines, (len(rows), 2 * width), order="C"), axis=1))
                self._lines.append((rows, width, slopes, offsets))

    def update(self, encoding: Encoding, held: np.ndarray, s: np.ndarray) -> None:
        """Load new data: ``held`` (n,) units, trades between minus and plus ``s`` (n,)."""
        at = self._in_rows
        if len(self._even):
            slope = encoding.slopes[at, 0][self._even]
            put(self._flat, slope * s[self._even])
            put(self._flat_held, slope * held[self._even])
        if len(self._opened):
            put(self._open, (encoding.short[at] * s)[self._opened])
        if len(self._shorts):
            short = encoding.short[at][self._shorts]
            put(self._short, short * s[self._shorts])
            put(self._short_held, short * held[self._shorts])
        for rows, _, slopes, offsets in self._lines:
            start, unit = (held / s)[rows][:, None], s[rows]
            if rows is self._stepped:
                rates = encoding.slopes[at][rows] * unit[:, None]
                drops = encoding.deductions[at][rows]
            else:
                self._unit = unit
                nodes = self._nodes(np.abs(start) + 1.0)
                k = (encoding.quadratic[at][rows] * unit**2)[:, None]
                rates, drops = k * (nodes[:, 1:] + nodes[:, :-1]), k * nodes[:, 1:] * nodes[:, :-1]
            put(slopes, np.hstack([rates, -rates]).ravel())
            put(offsets, np.hstack([rates * start - drops, -rates * start - drops]).ravel())

    def _nodes(self, largest: np.ndarray) -> np.ndarray:
        """(rows, chords + 1) scaled sizes from 0 to the largest that the trade limits allow (|net| <= 1).

        Evenly spaced at first; afterwards crowded around the last solution, geometrically, so that a few rounds make the
        chords exact where it matters.
        """
        if self._centre is None:
            return np.asarray(largest * np.linspace(0.0, 1.0, CHORDS + 1))
        return np.sort(np.clip(crowded(self._centre, largest[:, 0]), 0.0, largest), axis=1)

    def refine(self, after: np.ndarray, scale: np.ndarray) -> bool:
        """Move the nodes of the squares to positions ``after`` (n,) units; whether that changes anything."""
        if not len(self._ramped):
            return False
        at = np.abs(after[self._ramped]) / scale[self._ramped]
        near = self._centre is not None and bool(np.all(np.abs(at - self._centre) <= _NEAR * (1.0 + at)))
        self._centre = at
        return not near

    def minorant(
        self, n: int, h: np.ndarray, z: np.ndarray, encoding: Encoding, slopes: np.ndarray, drops: np.ndarray
    ) -> Separable:
        """Nowhere above what positions ``h + x`` of all N = ``n`` trades x need, USD, and near it at ``z`` (n,).

        Exact in tiers, of which ``slopes`` and ``drops`` (n, L) are nowhere above, and in short charges.
        """
        chosen, at = self._candidates, self._in_rows
        steps = np.diff(slopes, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            nodes = np.where(steps > 0, np.diff(drops, axis=1) / np.where(steps > 0, steps, 1.0), 0.0)
        # a rising line is -last slope from the far left, one kink per node on either side, and one at zero
        slope, steep = np.zeros(n), slopes[:, -1] + encoding.short[at]
        slope[chosen] = -steep
        constant = -float(drops[:, -1].sum()) - float(steep @ h)
        kinks, weights = [np.zeros(n)], [np.zeros(n)]
        kinks[0][chosen] = -h
        weights[0][chosen] = 2.0 * slopes[:, 0] + encoding.short[at]
        for column in range(steps.shape[1]):
            for sign in (-1.0, 1.0):
                kink, weight = np.zeros(n), np.zeros(n)
                kink[chosen], weight[chosen] = sign * nodes[:, column] - h, np.maximum(steps[:, column], 0.0)
                kinks.append(kink)
                weights.append(weight)
        total = Separable(slope, constant, np.array(weights), np.array(kinks))
        if len(self._ramped):
            total += self._squares(n, h[self._ramped], z[self._ramped], encoding.quadratic[at][self._ramped])
        return total

    def _squares(self, n: int, h: np.ndarray, z: np.ndarray, k: np.ndarray) -> Separable:
        """Nowhere above ``sum k (h + x)^2``: the upper envelope of tangents at z, around it, and at 0.

        One tangent alone would not do: shadow prices from chords are off by the turn at a node, and a bound that is flat
        beyond z loses that much times the width of the box.
        """
        points = np.sort(crowded(np.abs(z), np.abs(h) + np.abs(z) + self._unit)[:, :-1], axis=1)  # (rows, P), from 0
        middle, turn = 0.5 * (points[:, 1:] + points[:, :-1]), 2.0 * k[:, None] * np.diff(points, axis=1)
        chosen, last = self._candidates[self._ramped], points[:, -1]
        slope, kinks, weights = np.zeros(n), np.zeros((2 * middle.shape[1], n)), np.zeros((2 * middle.shape[1], n))
        slope[chosen] = -2.0 * k * last
        kinks[:, chosen] = np.hstack([-middle, middle]).T - h
        weights[:, chosen] = np.hstack([turn, turn]).T
        return Separable(slope, -float((2.0 * k * last * h + k * last**2).sum()), weights, kinks)
