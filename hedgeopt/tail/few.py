"""The problem in a few of its columns, the others at rest: a small program with rows for the scenarios around the level.

It finds points. Their values are computed over all scenarios it was given; bounds come from elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import highspy
import numpy as np
import scipy.sparse as sp

from hedgeopt._quiet import without_output
from hedgeopt.tail.active import ActiveSet
from hedgeopt.tail.cuts import CutNodes
from hedgeopt.tail.gates import Gates
from hedgeopt.tail.model import LossModel
from hedgeopt.tail.source import Index, Vector

_OPTIONS = (("output_flag", False), ("parallel", "off"), ("solver", "simplex"))
# Rounds of a solve, the relative error of the tails at which it ends, scenarios that join at once, and the boundary: first
# and at most.
_ROUNDS, _CLOSE, _JOIN, _BAND, _MOST = 12, 1e-5, 200, 200, 1500


@dataclass
class Few:
    """A point of the small program: all columns, the objective with the true tails, what each column would cost."""

    z: Vector
    value: float
    cost: Vector = field(default_factory=lambda: np.zeros(0))
    """Cost of one unit of every column, at the prices of the rows that link the groups and of the tails."""


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

    def begin(self, y: Vector) -> None:
        """Keep the scenarios around the level at loss arguments ``y``."""
        for a in self.active:
            a.rebuild(a.model.losses(y, self.nodes.options.threads), _BAND)
        self._begun = True

    def solve(
        self, live: Index, low: Vector, high: Vector, integer: Index | None = None, seconds: float = 10.0, gap: float = 1e-4
    ) -> Few | None:
        """The optimum with the columns outside ``live`` at zero, between ``low`` and ``high``; None where there is none.

        ``integer``: which of the columns are whole numbers.
        """
        live = np.union1d(live, self.nodes.levels)
        if not self._begun:
            self.begin(self.c.f)
        best: Few | None = None
        for _ in range(_ROUNDS):
            found = self._once(live, low, high, integer, seconds, gap)
            self.count += 1
            if found is None or self.nodes.options.late():
                return best
            z, cost = found
            y, value, off, grown = self.c.E @ z + self.c.f, float(self.c.c @ z) + self.c.offset, 0.0, 0
            for k, a in enumerate(self.active):
                losses = a.model.losses(y, self.nodes.options.threads)
                true, _ = a.model.tail(losses)
                believed = z[self.nodes.levels[k]]
                more = max(a.model.scale * true - believed, 0.0)
                value += self.c.c[self.nodes.levels[k]] * more
                off = max(off, more / max(abs(believed), abs(value), 1e-300))
                if len(a.boundary) > _MOST:
                    a.rebuild(losses, _BAND)
                _, level = a.reduced(losses)
                new = a.misplaced(losses, level, 0.0, _JOIN)
                a.grow(new)
                grown += len(new)
            if off <= _CLOSE or not grown:
                return Few(z, value, cost)
            best = Few(z, value, cost) if best is None or value < best.value else best
        return best

    def _once(
        self, live: Index, low: Vector, high: Vector, integer: Index | None, seconds: float, gap: float
    ) -> tuple[Vector, Vector] | None:
        nodes, c = self.nodes, self.c
        n, K = len(live), len(self.active)
        part = sp.csr_array(self.by_column[:, live])
        used = np.flatnonzero((np.diff(part.indptr) > 0) & ~self.gates.counting)
        E = self.E[:, live]
        pieces = [a.piece() for a in self.active]
        sizes = [len(p.caps) for p in pieces]
        first = n + K + np.concatenate(([0], np.cumsum(sizes))).astype(int)
        total = int(first[-1])
        blocks, sides = [part[used]], [nodes.upper[used]]
        blocks[0].resize((len(used), total))
        for k, p in enumerate(pieces):
            at = np.arange(sizes[k])
            dense = np.asarray(E.T @ np.vstack((p.rows, p.scale * p.gradient)).T).T
            tail = np.zeros(total)
            tail[:n] = dense[-1]
            tail[np.searchsorted(live, nodes.levels[k])] -= 1.0
            tail[n + k], tail[first[k] : first[k + 1]] = p.scale * (1.0 - p.mass), p.scale * p.caps
            block = sp.hstack([
                sp.csr_array(dense[:-1]),
                sp.csr_array((-np.ones(sizes[k]), (at, np.full(sizes[k], k))), (sizes[k], K)),
                sp.csr_array((-np.ones(sizes[k]), (at, first[k] - n - K + at)), (sizes[k], total - n - K)),
            ])  # fmt: skip
            blocks += [sp.csr_array(block), sp.csr_array(tail[None])]
            sides += [-(p.rows @ c.f + p.offset), np.array([-p.scale * (p.constant + float(p.gradient @ c.f))])]
        A = sp.csr_array(sp.vstack(blocks))
        upper = np.concatenate(sides)
        lower = np.concatenate((nodes.lower[used], np.full(len(upper) - len(used), -np.inf)))
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = total, A.shape[0]
        lp.col_cost_ = np.concatenate((c.c[live], np.zeros(total - n)))
        lp.col_lower_ = np.concatenate((low[live], np.full(K, -np.inf), np.zeros(total - n - K)))
        lp.col_upper_ = np.concatenate((high[live], np.full(total - n, np.inf)))
        lp.row_lower_, lp.row_upper_ = lower, upper
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = A.indptr, A.indices, A.data
        h = without_output(highspy.Highs)
        for name, value in _OPTIONS:
            h.setOptionValue(name, value)
        if integer is not None:
            whole = np.isin(live, integer)
            kinds = np.array([highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger], dtype=object)
            lp.integrality_ = list(kinds[np.append(whole, np.zeros(total - n, dtype=bool)).astype(int)])
            h.setOptionValue("mip_rel_gap", gap)
            left = nodes.options.remaining()
            h.setOptionValue("time_limit", max(min(seconds, np.inf if left is None else left), 0.0))
        else:
            h.setOptionValue("presolve", "off")
        h.passModel(lp)
        h.run()
        if h.getInfo().primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
            return None
        solution = h.getSolution()
        z = np.zeros(self.A.shape[1])
        z[live] = np.asarray(solution.col_value)[:n]
        if integer is not None:
            return z, np.zeros(0)
        dual = np.asarray(solution.row_dual)
        y = np.zeros(self.A.shape[0])
        y[used] = dual[: len(used)]
        y[~self.gates.linking] = 0.0
        cost = c.c - self.AT @ y
        row = len(used)
        for k, p in enumerate(pieces):
            held = dual[row : row + sizes[k]] @ p.rows + dual[row + sizes[k]] * p.scale * p.gradient
            cost = cost - self.E.T @ held
            row += sizes[k] + 1
        return z, cost
