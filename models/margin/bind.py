"""A margin requirement inside a program: cvxpy expression, plain evaluation, and lower bound.

Positions one at a time (tiers, squares, short charges) are here; scenario grids are in
:mod:`hedgeopt.models.margin.bind_blocks`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import TradeVariables, put
from hedgeopt.models.margin.bind_blocks import BoundBlocks
from hedgeopt.models.margin.bind_ramps import CHORDS, BoundRamps, crowded
from hedgeopt.models.margin.effects import account_collateral, candidates_of
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.separable import Separable

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["BoundEncoding"]

_NEAR = 1e-7


class BoundEncoding:
    """``encoding(positions, collateral)`` in USD of one account as a function of scaled trades.

    The part that grows with the square of a futures position or of a net delta enters as chords of the convex curve between
    nodes: exact at the nodes, above the curve between them, so a limit that holds here holds exactly. :meth:`refine` moves
    the nodes to where a solution stands. An encoding that is exact at one portfolio only (:meth:`Encoding.at`) starts at
    the positions held; :meth:`anchor` moves it to a solution.

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

        self.account, self._base = account, encoding
        self.constraints: list[cp.Constraint] = []
        self._at: np.ndarray | None = None
        self._reach: np.ndarray | None = None
        self._whole: tuple[np.ndarray, np.ndarray] | None = None
        self._tight = False
        self._seen: weakref.ref[Exposures] | None = None
        self._found: tuple[Encoding, Encoding] | None = None
        self._locate(e)
        first = self._encoding(e)
        self._constant = cp.Parameter()
        self.expression: cp.Expression = self._constant
        if len(self._candidates):
            self._bind_positions(trades, e, first)
        self._blocks: BoundBlocks | None = None
        if first.blocks:
            self._blocks = BoundBlocks(trades, e, account, (self._candidates, self._in_rows), first.blocks)
            self.expression += self._blocks.expression
            self.constraints += self._blocks.constraints

        self._ramps: BoundRamps | None = None
        if first.ramps and len(self._candidates):
            self._ramps = BoundRamps(trades, self._candidates, self._in_rows, first.ramps)
            self.expression += self._ramps.expression
            self.constraints += self._ramps.constraints

    def _encoding(self, e: Exposures) -> Encoding:
        """The encoding that is exact at the anchor: the positions held until a solution moves it."""
        if self._seen is None or self._seen() is not e:  # another moment: what the last one ended with says nothing here
            self._seen, self._at, self._found, self._reach, self._whole = weakref.ref(e), None, None, None, None
        base = self._base(e)
        if not base.anchored:
            return base
        if self._found is None or self._found[0] is not base:
            held = e.rows.quantity[self._mine]
            self._found = base, base.at(held, self._reach) if self._at is None else base.at(self._at)
        return self._found[1]

    def anchor(self, e: Exposures, x: np.ndarray) -> bool:
        """Make the encoding exact at trades x; says whether it asked for more there than it does now."""
        base = self._base(e)
        if not base.anchored:
            return False
        after, before = self._after(e, x), self.evaluate(e, x)
        moved = base.at(after)
        if not moved(after, self._posted(e, x, moved)) < before - _NEAR * max(1.0, abs(before)):
            return False
        self._at, self._found = after, (base, moved)
        return True

    def _posted(self, e: Exposures, x: np.ndarray, encoding: Encoding) -> np.ndarray:
        """(A,) collateral after trades x where the encoding reads it; as it is now where not."""
        rows = len(self._mine)
        reads = any((group.columns >= rows).any() for block in encoding.blocks for group in block.groups)
        return account_collateral(e, self.account, x) if reads else e.collateral[self.account]

    def forget(self, tight: bool = False) -> None:
        """Back to the anchor of the start; the next trade limits are those that bounds hold for.

        ``tight``: what is held counts as it does now, as far as :meth:`domain`; else as wherever trades may take it.
        """
        self._at, self._found, self._whole, self._tight = None, None, None, tight

    def _sizes(self) -> tuple[np.ndarray, np.ndarray]:
        """(R,) smallest and largest size of each position within all trade limits since the start; any, before the first."""
        rows = len(self._mine)
        return (np.zeros(rows), np.full(rows, np.inf)) if self._whole is None else self._whole

    def jumps(self, e: Exposures) -> bool:
        """Whether the rule jumps somewhere within the trade limits, so that bounds rest on its hull."""
        base = self._base(e)
        if base.hull is None:
            return False
        slopes, _ = base.hull(*self._sizes())
        return bool((slopes != slopes[:, :1]).any())

    def domain(self, e: Exposures) -> np.ndarray:
        """(N,) size of each candidate's position up to which the encoding holds; infinite for what it does not bound."""
        found, largest = np.full(e.n_candidates, np.inf), self._encoding(e).largest
        if largest is not None:
            found[self._candidates] = largest[self._in_rows]
        return found

    def _after(self, e: Exposures, x: np.ndarray) -> np.ndarray:
        after = e.rows.quantity[self._mine].copy()
        after[self._in_rows] += x[self._candidates]
        return np.asarray(after)

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
        for rows, width in ((self._stepped, first.slopes.shape[1]), (self._ramped, CHORDS)):
            if len(rows):  # lines of either sign, side by side: fewer variables than absolute values
                k = len(rows) * 2 * width
                slopes, offsets = cp.Parameter(k), cp.Parameter(k)
                lines = cp.multiply(slopes, net[np.repeat(rows, 2 * width)]) + offsets
                self.expression += cp.sum(cp.max(cp.reshape(lines, (len(rows), 2 * width), order="C"), axis=1))
                self._lines.append((rows, width, slopes, offsets))

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        """Load new data; trades are between minus and plus ``scale`` (N,)."""
        held, at = e.rows.quantity[self._mine], self._in_rows
        self._encoding(e)  # another moment forgets what was known of the last
        reach, most = np.abs(held), e.margins.largest(self.account, e.rows.quantity, e.candidate)[self._mine]
        least = reach.copy()
        reach[at] += scale[self._candidates]
        least[at] = np.maximum(least[at] - scale[self._candidates], 0.0)
        self._reach, self._found = np.minimum(reach, np.maximum(most, np.abs(held))), None
        if self._whole is None:
            self._whole = least, self._reach
        self._whole = np.minimum(self._whole[0], least), np.maximum(self._whole[1], self._reach)
        near = self._base(e).at(held).largest if self._tight else None
        if near is not None:
            self._reach = np.where(held != 0.0, np.minimum(self._reach, near), self._reach)
        encoding = self._encoding(e)
        rest = held.copy()
        rest[at] = 0.0
        put(self._constant, self._apart(encoding, rest))
        if len(self._candidates):
            self._update_positions(encoding, held[at], scale[self._candidates])
        if self._ramps is not None:
            self._ramps.update(encoding.ramps, held, scale)
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
            return np.asarray(largest * np.linspace(0.0, 1.0, CHORDS + 1))
        return np.sort(np.clip(crowded(self._centre, largest[:, 0]), 0.0, largest), axis=1)

    def refine(self, e: Exposures, x: np.ndarray, scale: np.ndarray) -> bool:
        """Move the nodes of the squares, and the anchor, to the positions of trades x; whether that changes anything."""
        moved = self.anchor(e, x)
        if self._ramps is not None:
            moved |= self._ramps.refine(self._encoding(e).ramps, self._after(e, x))
        if not len(self._candidates) or not len(self._ramped):
            return moved
        chosen = self._candidates[self._ramped]
        at = np.abs(e.rows.quantity[self._mine][self._in_rows][self._ramped] + x[chosen]) / scale[chosen]
        near = self._centre is not None and bool(np.all(np.abs(at - self._centre) <= _NEAR * (1.0 + at)))
        self._centre = at
        return moved or not near

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        """USD in plain numpy at trades x (N,), the square in full."""
        encoding = self._encoding(e)
        return encoding(self._after(e, x), self._posted(e, x, encoding))

    def size(self, e: Exposures, x: np.ndarray) -> float:
        """USD: the magnitude of what :meth:`evaluate` sums, that of positions before and after trading."""
        encoding, gross = self._encoding(e), np.abs(e.rows.quantity[self._mine])
        gross[self._in_rows] += np.abs(x[self._candidates])
        return encoding.size(gross, np.asarray(self._posted(e, x, encoding)))

    def minorant(self, e: Exposures, x: np.ndarray) -> Separable:
        """Nowhere above the requirement (USD): exact in tiers and short charges, tangents in the square, and in blocks the
        scenarios weighted by their duals."""
        encoding, held, n = self._encoding(e), e.rows.quantity[self._mine], e.n_candidates
        chosen, at = self._candidates, self._in_rows
        rest = held.copy()
        rest[at] = 0.0
        h, z = held[at], held[at] + x[chosen]
        slopes, drops = encoding.slopes[at], encoding.deductions[at]
        if encoding.hull is not None:
            slopes, drops = (part[at] for part in encoding.hull(*self._sizes()))
        steps = np.diff(slopes, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            nodes = np.where(steps > 0, np.diff(drops, axis=1) / np.where(steps > 0, steps, 1.0), 0.0)
        total = Separable(np.zeros(n), self._apart(encoding, rest))
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
        if self._ramps is not None:
            total += self._ramps.minorant(n, x, encoding.ramps, held)
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

    def _apart(self, encoding: Encoding, rest: np.ndarray) -> float:
        """What no trade changes: positions without candidates, and ramps of accounts that trade nothing."""
        y = np.concatenate([rest, np.zeros(encoding.n_assets)])
        ramps = 0.0 if self._ramps is not None else sum(ramp.value(float(ramp.row @ y)) for ramp in encoding.ramps)
        return encoding.positions_only()(rest, np.zeros(encoding.n_assets)) + ramps
