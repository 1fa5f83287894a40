"""A margin requirement inside a program: cvxpy expression, plain evaluation, and lower bound.

Positions one at a time (tiers, squares, short charges) are here; scenario grids are in
:mod:`hedgeopt.models.margin.bind_blocks`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.margin.bind_blocks import BoundBlocks
from hedgeopt.models.margin.effects import account_collateral, candidates_of
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import TradeVariables, put

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["BoundEncoding"]

_CHORDS = 24
_CROWD = 0.3 ** np.arange(1, 12)[None, :]
_NEAR = 1e-7


class BoundEncoding:
    """``encoding(positions, collateral)`` in USD of one account as a function of scaled trades.

    The part that grows with the square of a futures position enters as chords of the convex curve between nodes: exact
    at the
    nodes, above the curve between them, so a limit that holds here holds exactly. :meth:`refine` moves the nodes to where a
    solution stands.

    Attributes
    ----------
    expression
        Scalar convex cvxpy expression.
    constraints
        Auxiliary cvxpy constraints that define it; they belong to the program.
    """

    def __init__(
        self, trades: TradeVariables, e: Exposures, account: int, encoding: Callable[[Exposures], Encoding]
    ) -> None:
        import cvxpy as cp

        self.account, self._encoding = account, encoding
        self.constraints: list[cp.Constraint] = []
        self._locate(e)
        first = encoding(e)
        self._constant = cp.Parameter()
        self.expression: cp.Expression = self._constant
        if len(self._candidates):
            self._bind_positions(trades, e, first)
        self._blocks: BoundBlocks | None = None
        if first.blocks:
            self._blocks = BoundBlocks(trades, e, account, (self._candidates, self._in_rows), first.blocks)
            self.expression += self._blocks.expression
            self.constraints += self._blocks.constraints

    def _locate(self, e: Exposures) -> None:
        """Rows of the account, which of them candidates trade, and which candidates those are."""
        self._mine = e.margins.rows[self.account]
        self._candidates = np.flatnonzero(np.isin(e.candidate, self._mine))
        self._in_rows = np.searchsorted(self._mine, e.candidate[self._candidates])
        self.touching = candidates_of(e, self.account)

    def _bind_positions(self, trades: TradeVariables, e: Exposures, first: Encoding) -> None:
        import cvxpy as cp

        at = self._in_rows
        net = trades.net[self._candidates]
        stepped = (first.slopes[at] != first.slopes[at, :1]).any(axis=1)
        self._centre: np.ndarray | None = None
        self._unit = np.zeros(0)
        self._even, self._stepped = np.flatnonzero(~stepped & (first.slopes[at, 0] > 0)), np.flatnonzero(stepped)
        held = e.held[self._candidates]
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
            self.expression += self._open @ trades.sell[self._candidates[self._opened]]
        if len(self._shorts):
            k = len(self._shorts)
            self._short, self._short_held = cp.Parameter(k, nonneg=True), cp.Parameter(k)
            self.expression += cp.sum(cp.neg(cp.multiply(self._short, net[self._shorts]) + self._short_held))
        self._lines: list[tuple[np.ndarray, int, cp.Parameter, cp.Parameter]] = []
        for rows, width in ((self._stepped, first.slopes.shape[1]), (self._ramped, _CHORDS)):
            if len(rows):  # lines of either sign, side by side: fewer variables than absolute values
                k = len(rows) * 2 * width
                slopes, offsets = cp.Parameter(k), cp.Parameter(k)
                lines = cp.multiply(slopes, net[np.repeat(rows, 2 * width)]) + offsets
                self.expression += cp.sum(cp.max(cp.reshape(lines, (len(rows), 2 * width), order="C"), axis=1))
                self._lines.append((rows, width, slopes, offsets))

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        """Load new data."""
        encoding = self._encoding(e)
        held, at = e.rows.quantity[self._mine], self._in_rows
        rest = held.copy()
        rest[at] = 0.0
        put(self._constant, self._bare(encoding)(rest, np.zeros(encoding.n_assets)))
        if len(self._candidates):
            self._update_positions(encoding, held[at], scale[self._candidates])
        if self._blocks is not None:
            self._blocks.update(e, scale, encoding.blocks, held)

    def _update_positions(self, encoding: Encoding, held: np.ndarray, s: np.ndarray) -> None:
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
            return np.asarray(largest * np.linspace(0.0, 1.0, _CHORDS + 1))
        return np.sort(np.clip(self._around(self._centre, largest[:, 0]), 0.0, largest), axis=1)

    @staticmethod
    def _around(centre: np.ndarray, largest: np.ndarray) -> np.ndarray:
        """(rows, chords + 1) sizes crowded around ``centre``, with 0 and, last, ``largest``."""
        reach, middle = largest[:, None] * _CROWD, centre[:, None]
        return np.hstack([np.maximum(middle - reach, 0.0), middle, middle + reach, 0.0 * middle, largest[:, None]])

    def refine(self, e: Exposures, x: np.ndarray, scale: np.ndarray) -> bool:
        """Move the nodes of the squares to the positions of trades x; says whether they were not there already."""
        if not len(self._candidates) or not len(self._ramped):
            return False
        chosen = self._candidates[self._ramped]
        at = np.abs(e.rows.quantity[self._mine][self._in_rows][self._ramped] + x[chosen]) / scale[chosen]
        near = self._centre is not None and bool(np.all(np.abs(at - self._centre) <= _NEAR * (1.0 + at)))
        self._centre = at
        return not near

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        """USD in plain numpy at trades x (N,), the square in full."""
        after = e.rows.quantity[self._mine].copy()
        after[self._in_rows] += x[self._candidates]
        encoding, rows = self._encoding(e), len(self._mine)
        reads = any((group.columns >= rows).any() for block in encoding.blocks for group in block.groups)
        return encoding(after, account_collateral(e, self.account, x) if reads else e.collateral[self.account])

    def minorant(self, e: Exposures, x: np.ndarray) -> Separable:
        """Nowhere above the requirement (USD): exact in tiers and short charges, tangents in the square, and in blocks the
        scenarios weighted by their duals."""
        encoding, held, n = self._encoding(e), e.rows.quantity[self._mine], e.n_candidates
        chosen, at = self._candidates, self._in_rows
        rest = held.copy()
        rest[at] = 0.0
        h, z = held[at], held[at] + x[chosen]
        slopes, drops = encoding.slopes[at], encoding.deductions[at]
        steps = np.diff(slopes, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            nodes = np.where(steps > 0, np.diff(drops, axis=1) / np.where(steps > 0, steps, 1.0), 0.0)
        total = Separable(np.zeros(n), self._bare(encoding)(rest, np.zeros(encoding.n_assets)))
        # a rising line is -last slope from the far left, one kink per node on either side, and one at zero
        slope, constant = np.zeros(n), -float(drops[:, -1].sum()) if len(at) else 0.0
        steep = slopes[:, -1] + encoding.short[at] if len(at) else np.zeros(0)
        slope[chosen] = -steep
        constant -= float(steep @ h)
        kinks, weights = [np.zeros(n)], [np.zeros(n)]
        kinks[0][chosen] = -h
        weights[0][chosen] = (2.0 * slopes[:, 0] + encoding.short[at]) if len(at) else 0.0
        for column in range(steps.shape[1] if len(at) else 0):
            for sign in (-1.0, 1.0):
                kink, weight = np.zeros(n), np.zeros(n)
                kink[chosen], weight[chosen] = sign * nodes[:, column] - h, np.maximum(steps[:, column], 0.0)
                kinks.append(kink)
                weights.append(weight)
        total += Separable(slope, constant, np.array(weights), np.array(kinks))
        if len(at) and len(self._ramped):
            total += self._squares(n, h[self._ramped], z[self._ramped], encoding.quadratic[at][self._ramped])
        if self._blocks is not None:
            total += self._blocks.minorant(e, x, encoding.blocks, held)
        return total

    def _squares(self, n: int, h: np.ndarray, z: np.ndarray, k: np.ndarray) -> Separable:
        """Nowhere above ``sum k (h + x)^2``: the upper envelope of tangents at z, around it, and at 0.

        One tangent alone would not do: shadow prices from chords are off by the turn at a node, and a bound that is flat
        beyond z loses that much times the width of the box.
        """
        points = np.sort(self._around(np.abs(z), np.abs(h) + np.abs(z) + self._unit)[:, :-1], axis=1)  # (rows, P), from 0
        middle, turn = 0.5 * (points[:, 1:] + points[:, :-1]), 2.0 * k[:, None] * np.diff(points, axis=1)
        chosen, last = self._candidates[self._ramped], points[:, -1]
        slope, kinks, weights = np.zeros(n), np.zeros((2 * middle.shape[1], n)), np.zeros((2 * middle.shape[1], n))
        slope[chosen] = -2.0 * k * last
        kinks[:, chosen] = np.hstack([-middle, middle]).T - h
        weights[:, chosen] = np.hstack([turn, turn]).T
        return Separable(slope, -float((2.0 * k * last * h + k * last**2).sum()), weights, kinks)

    @staticmethod
    def _bare(encoding: Encoding) -> Encoding:
        return Encoding(
            encoding.slopes,
            encoding.deductions,
            encoding.quadratic,
            encoding.short,
            encoding.n_assets,
            (),
            encoding.constant,
        )
