"""The scaling the masters work in, and the program in some of its columns.

Columns are divided by the size of the losses they cause (option chains mix columns of 1e-3 and 1e5), rows by their
largest entry, the objective by its largest gradient, and losses by one common unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hedgeopt.tail.entries import column_top, rescaled, row_top, some_columns
from hedgeopt.tail.masters.base import Piece, Point
from hedgeopt.tail.masters.rows import median
from hedgeopt.tail.masters.sizes import column_scales, loss_sizes, meeting, reach_scales, unit_of
from hedgeopt.tail.masters.start import Iterate, Warm
from hedgeopt.tail.masters.structure import Structure
from hedgeopt.tail.source import Vector

if TYPE_CHECKING:
    from hedgeopt.tail.masters.layout import Layout

# Loss sizes may change by this factor before the scales are computed anew.
_RESCALE = 10.0
# A position below this share of the unit is none.
_NOUGHT = 1e-40


class Scaled(Structure):
    """Scaled data of one solve; ``z[columns] = D * unit * v``."""

    def __init__(self, layout: Layout, pieces: list[Piece], sizes: Vector) -> None:
        self.layout, self.sizes = layout, sizes
        self.D = D = np.minimum(column_scales(layout, sizes), reach_scales(layout, pieces))
        host_size = np.zeros(len(layout.b))
        for k, piece in enumerate(pieces):
            if layout.row[k] >= 0:
                host_size[layout.row[k]] = max(host_size[layout.row[k]], abs(layout.coef[k]) * piece.scale)
        A, A_eq = rescaled(layout.A, None, D), rescaled(layout.A_eq, None, D)
        self.row_scale = 1.0 / np.maximum(np.maximum(row_top(A), host_size), 1e-300)
        self.row_scale[self.row_scale > 1e200] = 1.0
        self.eq_scale = 1.0 / np.maximum(row_top(A_eq), 1e-300)
        self.eq_scale[self.eq_scale > 1e200] = 1.0
        P = None if layout.P is None else rescaled(layout.P, D, D)
        is_host = np.zeros(len(layout.b), dtype=bool)
        is_host[layout.row[layout.row >= 0]] = True
        self.host_row = layout.row
        super().__init__(
            rescaled(A, self.row_scale, None), rescaled(A_eq, self.eq_scale, None), rescaled(layout.E, None, D), P, is_host
        )
        self._part: tuple[NDArray[np.bool_], Restricted] | None = None
        self._known: Vector | None = None

    def fits(self, sizes: Vector) -> bool:
        """Whether these scales still serve: no loss column is ten times larger or smaller than it was."""
        return len(sizes) == len(self.sizes) and bool(
            np.all((sizes < _RESCALE * self.sizes) & (sizes * _RESCALE > self.sizes) | (sizes == self.sizes))
        )

    def load(self, pieces: list[Piece]) -> None:
        """The numbers of one solve."""
        layout, c = self.layout, self.layout.compiled
        self.pieces = pieces
        self.R = [p.rows for p in pieces]
        raw = [p.rows @ c.f + p.offset if c.f.any() else p.offset for p in pieces]
        if layout.b is not self._known:
            # New market data move the unit, seldom the right-hand sides.
            self._known, self.sides = layout.b, layout.b * self.row_scale
            self.sided = self.bounds(self.sides)
        b_eq = c.b_eq * self.eq_scale
        self.unit = unit_of(self.sides, b_eq, raw, self.several)
        self.b, self.b_eq = self.sides / self.unit, b_eq / self.unit
        self.lower, self.upper = meeting(self.sided[0] / self.unit, self.sided[1] / self.unit)
        self.lower_row, self.upper_row = self.sided[2:]
        self.offset = [x / self.unit for x in raw]
        self.C = [(p.gradient @ c.f + p.constant) / self.unit for p in pieces]
        gradient = layout.c * self.D
        prices = layout.price * np.array([p.scale for p in pieces]) if pieces else np.zeros(0)
        # An objective without linear part is measured by its curvature.
        curve = 0.0 if self.scaled_P is None else 1e-6 * self.unit * float(np.abs(self.scaled_P.data).max(initial=0.0))
        self.own = self._own_losses()
        self.weight = max(
            float(np.abs(gradient).max(initial=0.0)), float((prices * self.own).max(initial=0.0)), curve, 1e-12
        )
        self.c = gradient / self.weight
        self.price = prices / self.weight
        self.P = None if self.scaled_P is None else self.scaled_P * (self.unit / self.weight)
        self.P_dense = None if self.P is None else self.P.toarray()
        self.G = [p.gradient for p in pieces]
        self.caps = [p.caps for p in pieces]
        self.mass = [p.mass for p in pieces]
        self.host_coef = np.array(
            [layout.coef[k] * p.scale * self.row_scale[layout.row[k]] if layout.row[k] >= 0 else 0.0
             for k, p in enumerate(pieces)]
        )  # fmt: skip
        self.spread = 1.0 + max([float(np.abs(x).max(initial=0.0)) for x in self.offset], default=0.0)

    def restricted(self, work: NDArray[np.bool_]) -> Scaled | Restricted:
        """The program in the columns ``work``, the others at zero."""
        if work.all():
            return self
        if self._part is None or not np.array_equal(self._part[0], work):
            self._part = (work.copy(), Restricted(self, work))
        self._part[1].load(self)
        return self._part[1]

    def start(self, point: Point | None) -> Warm | None:
        """An earlier point in this program's units; None where it has no variables."""
        if point is None or not isinstance(point.state, dict) or "z" not in point.state:
            return None
        path = [
            Iterate(
                x.v / (self.D * self.unit), x.nu / (self.weight * self.eq_scale), x.share,
                x.kept if x.kept is not None and x.kept.owner is self else None,
            )
            for x in point.details.get("path", [])
        ]  # fmt: skip
        return Warm(point.state["z"][self.layout.columns] / (self.D * self.unit), path, point.gap)

    def point(
        self, it: Any, primal: float, dual: float, tails: Vector, m: Vector, iterations: int, path: Sequence[Iterate] = ()
    ) -> Point:
        """Unscale an iterate, and the path that led to it."""
        layout, c = self.layout, self.layout.compiled
        value_unit = self.unit * self.weight
        z = np.zeros(len(c.c))
        v = it.v
        if np.any((np.abs(v) < _NOUGHT) & (v != 0.0)):
            v = np.where((np.abs(v) < _NOUGHT) & (self.lower <= 0.0) & (self.upper >= 0.0), 0.0, v)
        z[layout.columns] = self.D * self.unit * v
        levels = np.array([t * self.unit * p.scale for t, p in zip(tails, self.pieces, strict=True)])
        for k, host in enumerate(c.hosts):
            z[host.column] = levels[k]
        dual_in = it.lam * self.weight * self.row_scale
        dual_in = dual_in[: len(c.b_in)]
        dual_eq = it.nu * self.weight * self.eq_scale
        q = [qk / mk if mk > 0 else np.zeros_like(qk) for qk, mk in zip(it.q, m, strict=True)]
        path = [Iterate(x.v * self.D * self.unit, x.nu * self.weight * self.eq_scale, x.share, x.kept) for x in path]
        y = self.unit * self.arguments(it.v) + c.f
        state = {"z": z, "dual_in": dual_in, "dual_eq": dual_eq, "value": primal * value_unit + c.offset}
        tangent = getattr(it, "tangent", None)
        if self.P is not None and tangent is not None and tangent is not it.v:
            # Where the bound touches the objective, which is not the point where the bound had to move it.
            at = z.copy()
            at[layout.columns] = self.D * self.unit * tangent
            state["tangent"] = at
        return Point(
            "optimal", y, levels, primal * value_unit + c.offset, dual * value_unit + c.offset, q,
            m * self.weight, iterations, state, {"size": value_unit * self._size(it.v), "path": path},
        )  # fmt: skip

    def _own_losses(self) -> Vector:
        """Per tail the size of its losses in units of the program: below one where another tail counts in larger units."""
        own = np.ones(len(self.pieces))
        for k, piece in enumerate(self.pieces if len(self.pieces) > 1 else ()):
            slopes = column_top(self.E, loss_sizes([piece], self.E.shape[0]))
            constants = max(float(np.abs(self.offset[k]).max(initial=0.0)), abs(float(self.C[k])))
            own[k] = min(max(float(slopes.max(initial=0.0)), constants), 1.0) or 1.0
        return own

    def _size(self, v: Vector) -> float:
        """Unit for an objective of zero, in units of the program: its terms, a typical cost, the tails' losses.

        Never the largest cost, and where bounds say how far columns reach, the cost of that way and not of one unit:
        columns in other units than the rest would make every gap look small.
        """
        cost = np.abs(self.c)
        reach = np.maximum(np.abs(self.lower), np.abs(self.upper))
        known = (cost > 0) & np.isfinite(reach)
        typical = median(cost[known] * reach[known]) if known.any() else 0.0
        size = max(float(cost @ np.abs(v)), typical, float(self.price @ self.own) * self.spread)
        if size == 0.0 and cost.any():
            # Nothing says how far any column reaches.
            size = median(cost[cost > 0])
        if size == 0.0 and self.P is not None:
            # Squares alone: a middle one of those that count, never the unit of sides that stand elsewhere.
            squares = 0.5 * self.P.diagonal() * v**2
            size = median(squares[squares > 0]) if (squares > 0).any() else 0.0
        return min(size or 1.0, 1.0)


class Restricted(Structure):
    """Columns ``work`` of a scaled program, with the rows and loss arguments they touch."""

    def __init__(self, parent: Scaled, work: NDArray[np.bool_]) -> None:
        self.columns, self.parent = np.flatnonzero(work), parent
        A, E = some_columns(parent.A, self.columns), some_columns(parent.E, self.columns)
        self.rows = np.flatnonzero((np.diff(A.indptr) > 0) | parent.is_host)
        self.empty = np.setdiff1d(parent.several, self.rows)
        """Rows of several columns none of which works."""
        self.arguments_kept = np.flatnonzero(np.diff(E.indptr))
        P = None if parent.scaled_P is None else parent.scaled_P[self.columns][:, self.columns]
        place = np.full(parent.A.shape[0] + 1, -1)
        place[self.rows] = np.arange(len(self.rows))
        self.host_row = place[parent.host_row]
        super().__init__(
            A[self.rows], some_columns(parent.A_eq, self.columns), E[self.arguments_kept], P,
            parent.is_host[self.rows],
        )  # fmt: skip
        self._known: Vector | None = None
        self.turned = bool(len(np.setdiff1d(self.rows[self.single_rows], parent.single_rows)))
        """Whether a row of several variables is a bound here: its multiplier is then a reduced cost."""

    def load(self, parent: Scaled) -> None:
        """The numbers of one solve."""
        self.pieces, self.unit, self.weight, self.spread = parent.pieces, parent.unit, parent.weight, parent.spread
        every = len(self.arguments_kept) == parent.E.shape[0]
        self.R = parent.R if every else [np.ascontiguousarray(R[:, self.arguments_kept]) for R in parent.R]
        self.G = parent.G if every else [G[self.arguments_kept] for G in parent.G]
        self.b, self.b_eq, self.c = parent.b[self.rows], parent.b_eq, parent.c[self.columns]
        self.offset, self.C, self.caps, self.mass = parent.offset, parent.C, parent.caps, parent.mass
        self.price, self.host_coef = parent.price, parent.host_coef
        self.P = None if parent.P is None else parent.P[self.columns][:, self.columns]
        self.P_dense = None if self.P is None else self.P.toarray()
        if parent.sides is not self._known:
            # A row of several variables can be one of a single working column.
            self._known, self.sided = parent.sides, self.bounds(parent.sides[self.rows])
        self.lower, self.upper = meeting(self.sided[0] / self.unit, self.sided[1] / self.unit)
        self.lower_row, self.upper_row = self.sided[2:]

    def whole(self, parent: Scaled, v: Vector, lam: Vector) -> tuple[Vector, Vector]:
        """Variables and row duals of the parent."""
        all_v, all_lam = np.zeros(parent.n), np.zeros(len(parent.b))
        all_v[self.columns], all_lam[self.rows] = v, lam
        return all_v, all_lam
