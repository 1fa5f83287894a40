"""A margin requirement inside a program: cvxpy expression, plain evaluation, and lower bound.

The worst of scenarios is written
with the encoder's own epigraph rows, so that their duals are at hand: they are the weights of the scenarios, from which the
lower bound is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.margin.effects import account_collateral, candidates_of, collateral_effect
from hedgeopt.models.margin.encoding import Block, Encoding, Group
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import TradeVariables

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["BoundEncoding", "put"]

_CHORDS = 24
_CROWD = 0.3 ** np.arange(1, 12)[None, :]
_NEAR = 1e-7


def put(parameter: cp.Parameter, value: np.ndarray | float) -> None:
    """Set a parameter without cvxpy's checks, which cost more than the margin itself."""
    parameter.save_value(np.asarray(value, float))


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
        self._blocks = [_BoundBlock(trades, e, self, block, k) for k, block in enumerate(first.blocks)]
        for block in self._blocks:
            self.expression += block.expression
            self.constraints += block.constraints

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
        for block in self._blocks:
            block.update(e, scale, encoding, held)

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
        for bound, block in zip(self._blocks, encoding.blocks, strict=True):
            total += bound.minorant(e, x, block, held)
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


@dataclass
class _Piece:
    """A group's parameters: one (K, n) matrix and one (K,) vector per line."""

    columns: np.ndarray
    support: np.ndarray
    matrices: list[cp.Parameter]
    vectors: list[cp.Parameter]
    rows: list[cp.Constraint]


class _BoundBlock:
    """``max_k sum_g max_l`` with a variable per scenario and group where there are several lines."""

    def __init__(self, trades: TradeVariables, e: Exposures, owner: BoundEncoding, block: Block, index: int) -> None:
        import cvxpy as cp

        self.owner, self.index, self.pieces = owner, index, []
        self.constraints: list[cp.Constraint] = []
        count = block.groups[0].lines.shape[0]
        total: cp.Expression = cp.Constant(np.zeros(count))
        for group in block.groups:
            support = self._support(e, group)
            matrices, vectors, lines, rows = [], [], [], []
            for _ in range(group.lines.shape[1]):
                vector = cp.Parameter(count)
                matrix = cp.Parameter((count, len(support))) if len(support) else None
                lines.append(vector if matrix is None else matrix @ trades.net[support] + vector)
                vectors.append(vector)
                matrices.append(matrix)
            if len(lines) == 1:
                total = total + lines[0]
            elif matrices[0] is None:
                total = total + cp.max(cp.vstack(lines), axis=0)
            else:
                level = cp.Variable(count)
                rows = [line <= level for line in lines]
                total = total + level
            self.constraints += rows
            self.pieces.append(_Piece(group.columns, support, matrices, vectors, rows))
        self.worst: cp.Constraint | None = None
        if count == 1:
            self.expression = cp.sum(total)
        else:
            self.expression = cp.Variable()
            self.worst = total <= self.expression
            self.constraints.append(self.worst)

    def _support(self, e: Exposures, group: Group) -> np.ndarray:
        """Candidates that move the group's coordinates."""
        owner = self.owner
        rows = group.columns[group.columns < len(owner._mine)]
        moved = set(owner._candidates[np.isin(owner._in_rows, rows)].tolist())
        for a in group.columns[group.columns >= len(owner._mine)] - len(owner._mine):
            links = e.links
            moved |= set(
                links.candidate[
                    (links.asset == a) & ((links.source == owner.account) | (links.target == owner.account))
                ].tolist()
            )
            for i in owner._candidates.tolist():
                item = e.rows.instruments[e.candidate[i]]
                if item.kind not in ("perpetual", "future") and getattr(item, "settlement", None) == e.assets[a]:
                    moved.add(i)
        return np.array(sorted(moved), dtype=np.int64)

    def _slopes(self, e: Exposures, group: Group, support: np.ndarray) -> np.ndarray:
        """(K, L, n) per unit of the supporting candidates."""
        owner, n_rows = self.owner, len(self.owner._mine)
        out = np.zeros((*group.lines.shape[:2], len(support)))
        column_of = {int(c): j for j, c in enumerate(group.columns)}
        row_of = dict(zip(owner._candidates.tolist(), owner._in_rows.tolist(), strict=True))
        pairs = [(j, column_of[row_of[i]]) for j, i in enumerate(support.tolist()) if row_of.get(i, -1) in column_of]
        if pairs:
            to, source = np.array(pairs).T
            out[:, :, to] += group.lines[:, :, source]
        for c in group.columns[group.columns >= n_rows]:
            effect = collateral_effect(e, owner.account, int(c) - n_rows, support)
            out += group.lines[:, :, [column_of[int(c)]]] * effect
        return out

    def _start(self, e: Exposures, group: Group, held: np.ndarray) -> np.ndarray:
        """(K, L) values without trades."""
        return group.values(np.concatenate([held, e.collateral[self.owner.account]]))

    def update(self, e: Exposures, scale: np.ndarray, encoding: Encoding, held: np.ndarray) -> None:
        for piece, group in zip(self.pieces, encoding.blocks[self.index].groups, strict=True):
            start = self._start(e, group, held)
            slopes = self._slopes(e, group, piece.support) * scale[piece.support]
            for line, (matrix, vector) in enumerate(zip(piece.matrices, piece.vectors, strict=True)):
                put(vector, start[:, line])
                if matrix is not None:
                    put(matrix, slopes[:, line])

    def minorant(self, e: Exposures, x: np.ndarray, block: Block, held: np.ndarray) -> Separable:
        starts = [self._start(e, group, held) for group in block.groups]
        slopes = [self._slopes(e, group, piece.support) for group, piece in zip(block.groups, self.pieces, strict=True)]
        values = [s + m @ x[piece.support] for s, m, piece in zip(starts, slopes, self.pieces, strict=True)]
        scenario = _normal(None if self.worst is None else self.worst.dual_value)
        if scenario is None:
            scenario = np.zeros(len(values[0]))
            scenario[int(np.argmax(sum(v.max(axis=1) for v in values)))] = 1.0
        slope, constant = np.zeros(e.n_candidates), 0.0
        for piece, start, matrix, value in zip(self.pieces, starts, slopes, values, strict=True):
            weights = np.zeros_like(start)
            for k in np.flatnonzero(scenario > 0):
                duals = None
                if piece.rows:
                    duals = _normal(np.array([_dual(row, int(k)) for row in piece.rows]))
                if duals is None:
                    duals = np.zeros(start.shape[1])
                    duals[int(np.argmax(value[k]))] = 1.0
                weights[k] = scenario[k] * duals
            slope[piece.support] += np.einsum("kl,kln->n", weights, matrix)
            constant += float((weights * start).sum())
        return Separable(slope, constant)


def _dual(row: cp.Constraint, k: int) -> float:
    return 0.0 if row.dual_value is None else float(np.atleast_1d(row.dual_value)[k])


def _normal(duals: np.ndarray | None) -> np.ndarray | None:
    """Non-negative weights that sum to one, or None where there is nothing to normalise."""
    if duals is None:
        return None
    weights = np.maximum(np.atleast_1d(np.asarray(duals, float)), 0.0)
    total = weights.sum()
    return weights / total if np.isfinite(total) and total > 1e-14 else None
