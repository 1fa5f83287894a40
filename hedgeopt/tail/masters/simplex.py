"""Simplex master for re-solves: the dual of the reduced LP in HiGHS, started from the last basis.

One row per base variable, one column per base constraint and one bounded column per boundary scenario
(``0 <= q_s <= m u_s``); scenarios in the aggregate only shift the rows. Takes LPs whose tails stand in the objective:
a tail in a constraint would make the columns' bounds variable.
"""

from __future__ import annotations

from typing import Any

import highspy
import numpy as np

from hedgeopt.tail.compiled import Compiled
from hedgeopt.tail.masters.base import Piece, Point, no_point
from hedgeopt.tail.masters.interior import InteriorMaster
from hedgeopt.tail.source import Vector

_KEPT = highspy.HighsBasisStatus.kLower


class SimplexMaster(InteriorMaster):
    """Shares points, blends and solutions with the interior-point master; only ``solve`` differs."""

    name = "SIMPLEX"

    def __init__(self, compiled: Compiled, memory: dict[str, Any]) -> None:
        super().__init__(compiled)
        self.memory = memory
        self._base = self._base_columns()

    @property
    def suitable(self) -> bool:
        """An LP with every tail priced in the objective."""
        return self.compiled.P is None and bool(np.all(self.layout.row < 0)) and bool(np.all(self.layout.price > 0))

    def _base_columns(self) -> tuple[Vector, Vector, Vector]:
        layout = self.layout
        E = layout.E.toarray()
        A = np.vstack((layout.A_eq.toarray(), layout.A.toarray()))
        return E, A, np.concatenate((self.compiled.b_eq, layout.b))

    def solve(self, pieces: list[Piece], tolerance: float, start: Point | None) -> Point:
        """Solve exactly (to the simplex tolerances); ``start`` is not needed, the basis is."""
        layout, c = self.layout, self.compiled
        E, A, b = self._base
        n, K = len(layout.columns), len(pieces)
        m = layout.price * np.array([p.scale for p in pieces])
        # Loss size per variable scales the rows, as in the interior-point master.
        square = sum(np.einsum("ij,ij->j", p.rows, p.rows) for p in pieces)
        size = np.sqrt(square / max(sum(len(p.rows) for p in pieces), 1))
        touch = (np.abs(E) * size[:, None]).max(axis=0, initial=0.0)
        D = np.where(touch > 0, 1.0 / np.where(touch > 0, touch, 1.0), 1.0)
        row = layout.c.copy()
        columns, cost, upper, constant = [A * D], [b], [], 0.0
        sums = np.zeros((sum(len(p.caps) for p in pieces), K))
        first, need = 0, np.zeros(K)
        for k, p in enumerate(pieces):
            row += m[k] * (p.gradient @ E)
            constant += m[k] * (p.gradient @ c.f + p.constant)
            columns.append((p.rows @ E) * D)
            cost.append(-(p.rows @ c.f + p.offset))
            upper.append(m[k] * p.caps)
            sums[first : first + len(p.caps), k] = 1.0
            first += len(p.caps)
            need[k] = m[k] * (1.0 - p.mass)
        matrix = np.vstack(columns)
        matrix = np.hstack((matrix, np.vstack((np.zeros((len(b), K)), sums))))
        equalities = len(c.b_eq)
        lower = np.zeros(len(matrix))
        lower[:equalities] = -highspy.kHighsInf
        top = np.concatenate((np.full(len(b), highspy.kHighsInf), *upper))
        # Losses and duals in units of the largest objective entry keep HiGHS' absolute tolerances meaningful.
        unit = max(float(np.abs(np.concatenate(cost)).max(initial=0.0)), 1e-300)
        right = np.concatenate((-row * D, need))
        h = self._run(matrix, np.concatenate(cost) / unit, lower, top, right)
        if h is None:
            return no_point("failed", E.shape[0], K)
        solution = h.getSolution()
        z = np.zeros(len(c.c))
        z[layout.columns] = np.asarray(solution.row_dual)[:n] * D * unit
        dual = np.asarray(solution.col_value)
        y = c.E @ z + c.f
        bound = -float(h.getInfo().objective_function_value) * unit + constant + c.offset
        q, first = [], len(b)
        for k, p in enumerate(pieces):
            q.append(dual[first : first + len(p.caps)] / m[k])
            first += len(p.caps)
        state = {
            "z": z,
            "dual_eq": dual[:equalities],
            "dual_in": dual[equalities : len(b)][: len(c.b_in)],
            "value": bound,
        }
        return Point(
            "optimal", y, np.zeros(K), bound, bound, q, m, int(h.getInfo().simplex_iteration_count), state,
            {"size": unit * float(m.max(initial=1.0))},
        )  # fmt: skip

    def _run(self, matrix: Vector, cost: Vector, lower: Vector, upper: Vector, right: Vector) -> Any:
        columns, rows = matrix.shape
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = columns, rows
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, lower, upper
        lp.row_lower_, lp.row_upper_ = right, right
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        keep = matrix != 0.0
        lp.a_matrix_.start_ = np.concatenate(([0], np.cumsum(keep.sum(axis=1)))).astype(np.int32)
        lp.a_matrix_.index_ = np.nonzero(keep)[1].astype(np.int32)
        lp.a_matrix_.value_ = matrix[keep]
        h = self.memory.get("highs")
        if h is None:
            h = self.memory["highs"] = highspy.Highs()
            for name, value in (
                ("output_flag", False), ("threads", 1), ("presolve", "off"), ("solver", "simplex"),
                ("primal_feasibility_tolerance", 1e-9), ("dual_feasibility_tolerance", 1e-9),
            ):  # fmt: skip
                h.setOptionValue(name, value)
        basis = self.memory.get("basis")
        if h.passModel(lp) == highspy.HighsStatus.kError:
            return None
        if basis is not None and len(basis.row_status) == rows and len(basis.col_status) <= columns:
            new = highspy.HighsBasis()
            new.col_status = list(basis.col_status) + [_KEPT] * (columns - len(basis.col_status))
            new.row_status, new.valid = basis.row_status, True
            h.setBasis(new)
        h.run()
        if h.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            self.memory.pop("basis", None)
            return None
        self.memory["basis"] = h.getBasis()
        return h
