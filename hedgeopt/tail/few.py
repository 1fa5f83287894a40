"""The problem in a few of its columns, the others at rest: a small program with rows for the scenarios around the level.

It finds points. Their values are computed over all scenarios it was given; bounds come from elsewhere. The program of one
set of columns is kept: closing some of them is a change of bounds from which the simplex goes on, and scenarios that join
are rows that it gets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import highspy
import numpy as np
import scipy.sparse as sp

from hedgeopt._quiet import without_output
from hedgeopt.tail.active import ActiveSet
from hedgeopt.tail.cuts import CutNodes
from hedgeopt.tail.gates import Gates
from hedgeopt.tail.model import LossModel
from hedgeopt.tail.source import Index, Vector

_OPTIONS = (("output_flag", False), ("parallel", "off"), ("solver", "simplex"), ("presolve", "off"))
# Rounds of a solve, the relative error of the tails at which it ends, scenarios that join at once, and the boundary: first
# and at most.
_ROUNDS, _CLOSE, _JOIN, _BAND, _MOST = 12, 1e-5, 200, 200, 700


@dataclass
class Few:
    """A point of the small program: all columns, the objective with the true tails, what each column would cost."""

    z: Vector
    value: float
    cost: Vector = field(default_factory=lambda: np.zeros(0))
    """Cost of one unit of every column, at the prices of the rows that link the groups and of the tails; where asked for."""


class FewColumns:
    """Solves in chosen columns, without limits on the number of groups; the scenarios it keeps serve the next solve."""

    def __init__(self, nodes: CutNodes, models: list[LossModel], gates: Gates) -> None:
        self.nodes, self.models, self.gates = nodes, models, gates
        self.c, self.A = nodes.compiled, nodes.A
        self.AT, self.by_column = sp.csr_array(self.A.T), sp.csc_array(self.A)
        self.E = sp.csc_array(self.c.E)
        self.active = [ActiveSet(m) for m in models]
        self._begun = False
        self.count = 0
        self.highs: highspy.Highs | None = None
        self._built: Index = np.zeros(0, dtype=np.intp)
        self._used: Index = np.zeros(0, dtype=np.intp)
        self._E: Any = None
        # Per tail, the rows of its boundary's scenarios; how many rows there are; the last point's loss arguments.
        self._at: list[Index] = []
        self._rows = 0
        self._y = self.c.f

    def begin(self, y: Vector) -> None:
        """Keep the scenarios around the level at loss arguments ``y``."""
        for a in self.active:
            a.rebuild(a.model.losses(y, self.nodes.options.threads), _BAND)
        self._begun, self.highs = True, None

    def solve(self, live: Index, low: Vector, high: Vector, prices: bool = False, cutoff: float = np.inf) -> Few | None:
        """The optimum with the columns outside ``live`` at zero, between ``low`` and ``high``; None where there is none.

        ``cutoff``: what is no better than that is none, either.
        """
        live = np.union1d(live, self.nodes.levels)
        if not self._begun:
            self.begin(self.c.f)
        if self.highs is None or not np.isin(live, self._built, assume_unique=True).all():
            self._build(live)
        h = self.highs
        assert h is not None
        n = len(self._built)
        here = np.isin(self._built, live, assume_unique=True)
        first, last = np.where(here, low[self._built], 0.0), np.where(here, high[self._built], 0.0)
        h.changeColsBounds(n, np.arange(n, dtype=np.int32), first, last)
        best: Few | None = None
        h.setOptionValue("objective_bound", cutoff - self.c.offset)
        for _ in range(_ROUNDS):
            left = self.nodes.options.remaining()
            h.setOptionValue("time_limit", h.getRunTime() + (3600.0 if left is None else max(left, 0.0)))
            h.run()
            self.count += 1
            if h.getInfo().objective_function_value + self.c.offset >= cutoff:
                return None
            if h.getModelStatus() != highspy.HighsModelStatus.kOptimal or self.nodes.options.late():
                return best
            z, solution = np.zeros(self.A.shape[1]), h.getSolution()
            z[self._built], dual = np.asarray(solution.col_value)[:n], np.asarray(solution.row_dual)
            value, off, grown = self._judged(z)
            found = Few(z, value)
            best = found if best is None or value < best.value else best
            if off <= _CLOSE or not grown:
                best = found
                break
        if best is not None and prices:
            best.cost = self._prices(dual)
        return best

    def mixed(self, integer: Index, seconds: float, gap: float) -> Vector | None:
        """All columns after the last program's solve with its integers, for points that rounding does not find."""
        h, options = self.highs, self.nodes.options
        if h is None:
            return None
        at = np.flatnonzero(np.isin(self._built, integer)).astype(np.int32)
        kind = highspy.HighsVarType
        h.changeColsIntegrality(len(at), at, np.full(len(at), kind.kInteger, dtype=object))
        left = options.remaining()
        for name, value in (("mip_rel_gap", gap), ("presolve", "on"), ("solver", "choose")):
            h.setOptionValue(name, value)
        h.setOptionValue("time_limit", h.getRunTime() + max(min(seconds, np.inf if left is None else left), 0.0))
        h.run()
        self.count += 1
        found = None
        if h.getInfo().primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible:
            found = np.zeros(self.A.shape[1])
            found[self._built] = np.asarray(h.getSolution().col_value)[: len(self._built)]
        self.highs = None  # what is kept of a search is no start for the next one
        return found

    def _judged(self, z: Vector) -> tuple[float, float, bool]:
        """The objective with the true tails, their relative error, and whether scenarios have joined."""
        y, value, off, grown = self.c.E @ z + self.c.f, float(self.c.c @ z) + self.c.offset, 0.0, False
        for k, a in enumerate(self.active):
            losses = a.model.losses(y, self.nodes.options.threads)
            true, _ = a.model.tail(losses)
            believed = z[self.nodes.levels[k]]
            more = max(a.model.scale * true - believed, 0.0)
            value += self.c.c[self.nodes.levels[k]] * more
            error = more / max(abs(believed), abs(value), 1e-300)
            off = max(off, error)
            if error <= _CLOSE:
                continue
            _, level = a.reduced(losses)
            new = a.misplaced(losses, level, 0.0, _JOIN)
            if len(new):
                old = len(a.boundary)
                a.grow(new)
                self._append(k, old)
                grown = True
        self._y = y
        return value, off, grown

    def _build(self, live: Index) -> None:
        """The program of these columns from nothing."""
        nodes, c = self.nodes, self.c
        n, K = len(live), len(self.active)
        self._built = live
        for a in self.active:
            if len(a.boundary) > _MOST:
                # Far from the level by now.
                a.rebuild(a.model.losses(self._y, nodes.options.threads), _BAND)
        part = sp.csr_array(self.by_column[:, live])
        self._used = used = np.flatnonzero((np.diff(part.indptr) > 0) & ~self.gates.counting)
        self._E = self.E[:, live]
        lp = highspy.HighsLp()
        A = sp.csr_array(part[used])
        A.resize((len(used), n + K))
        lp.num_col_, lp.num_row_ = n + K, len(used)
        lp.col_cost_ = np.concatenate((c.c[live], np.zeros(K)))
        lp.col_lower_ = np.concatenate((np.zeros(n), np.full(K, -np.inf)))
        lp.col_upper_ = np.concatenate((np.zeros(n), np.full(K, np.inf)))
        lp.row_lower_, lp.row_upper_ = nodes.lower[used], nodes.upper[used]
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = A.indptr, A.indices, A.data
        h = self.highs = without_output(highspy.Highs)
        for name, value in _OPTIONS:
            h.setOptionValue(name, value)
        h.passModel(lp)
        every = np.arange(n + K, dtype=np.int32)
        for k in range(K):
            row, side = self._summed(k)
            h.addRow(-np.inf, side, n + K, every, row)
        self._at = [np.zeros(0, dtype=np.intp) for _ in range(K)]
        self._rows = len(used) + K
        for k in range(K):
            self._append(k, 0)

    def _summed(self, k: int) -> tuple[Vector, float]:
        """The row of a tail over columns and levels, without the excesses of scenarios, and its side."""
        a, n = self.active[k], len(self._built)
        p = a.piece()
        row = np.zeros(n + len(self.active))
        row[:n] = p.scale * (self._E.T @ p.gradient)
        row[np.searchsorted(self._built, self.nodes.levels[k])] -= 1.0
        row[n + k] = p.scale * (1.0 - p.mass)
        return row, -p.scale * (p.constant + float(p.gradient @ self.c.f))

    def _append(self, k: int, begin: int) -> None:
        """Scenarios of the boundary from ``begin`` on become rows."""
        h, n, p = self.highs, len(self._built), self.active[k].piece()
        assert h is not None
        tail, count = len(self._used) + k, len(p.caps) - begin
        if begin:
            # Those that were in the sum have left it.
            row, side = self._summed(k)
            for j in np.append(np.arange(n), n + k).tolist():
                h.changeCoeff(tail, j, row[j])
            h.changeRowBounds(tail, -np.inf, side)
        dense = np.zeros((count, n + 1))
        dense[:, :n] = np.asarray(self._E.T @ p.rows[begin:].T).T
        dense[:, n] = -1.0
        index = np.tile(np.append(np.arange(n), n + k).astype(np.int32), count)
        sides = -(p.rows[begin:] @ self.c.f + p.offset[begin:])
        starts = np.arange(count, dtype=np.int32) * (n + 1)
        h.addRows(count, np.full(count, -np.inf), sides, dense.size, starts, index, dense.ravel())
        at = self._rows + np.arange(count)
        # Excesses: one column each, in the row of the tail and in its own.
        rows = np.stack((np.full(count, tail), at), axis=1).ravel().astype(np.int32)
        values = np.stack((p.scale * p.caps[begin:], np.full(count, -1.0)), axis=1).ravel()
        zero, far = np.zeros(count), np.full(count, np.inf)
        h.addCols(count, zero, zero, far, 2 * count, 2 * np.arange(count, dtype=np.int32), rows, values)
        self._at[k] = np.append(self._at[k], at)
        self._rows += count

    def _prices(self, dual: Vector) -> Vector:
        y = np.zeros(self.A.shape[0])
        y[self._used] = dual[: len(self._used)]
        y[~self.gates.linking] = 0.0
        cost = self.c.c - self.AT @ y
        for k in range(len(self.active)):
            p = self.active[k].piece()
            # The last scenarios may have joined after the solve.
            at = self._at[k][self._at[k] < len(dual)]
            held = dual[at] @ p.rows[: len(at)] + dual[len(self._used) + k] * p.scale * p.gradient
            cost = cost - self.E.T @ held
        return np.asarray(cost)
