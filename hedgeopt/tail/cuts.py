"""Nodes of a linear program: each tail a maximum of cuts, in one HiGHS program whose bounds move.

A cut is ``t >= scale (q'L(y))`` for weights q of the risk envelope: one row, whatever the scenarios, and true for every
point. Cuts that hold the tail up at one node serve all others. A node's bound is weak duality on the program's own rows,
with the bounds that rows imply for its columns; what that does not prove is solved whole.
"""

from __future__ import annotations

from collections.abc import Callable

import highspy
import numpy as np
import scipy.sparse as sp
from cvxpy import settings as s
from numpy.typing import NDArray

from hedgeopt._quiet import without_output
from hedgeopt.tail.compiled import Compiled, compile_base
from hedgeopt.tail.integers import Relaxation
from hedgeopt.tail.model import LossModel
from hedgeopt.tail.nodes import NodeAnswer, WholeNodes
from hedgeopt.tail.outcome import Options, Outcome
from hedgeopt.tail.propagate import implied_bounds
from hedgeopt.tail.source import Index, Vector

_OPTIONS = (
    ("output_flag", False), ("parallel", "off"), ("presolve", "off"), ("solver", "simplex"), ("small_matrix_value", 1e-12),
    ("primal_feasibility_tolerance", 1e-9), ("dual_feasibility_tolerance", 1e-9),
)  # fmt: skip
# Rounds of cuts at the root and at other nodes; the relative violation below which a cut says nothing new; the share of
# the room to the cutoff that a round must gain to be worth another.
_ROOT, _ROUNDS, _DUST, _GAIN = 25, 3, 1e-7, 0.05
# Cuts kept, per variable and at least; what a rounding error in a reduced cost is, relative to its terms.
_KEPT, _MOST, _ROUNDING = 1, 60, 4e-15


class CutNodes(WholeNodes):
    """See the module's text."""

    learns = True

    def __init__(
        self,
        relaxation: Relaxation,
        solve: Callable[[Options], Outcome],
        options: Options,
        gap: float,
        models: list[LossModel],
    ) -> None:
        super().__init__(relaxation, solve, options, gap)
        self.models, self._calls = models, 0
        self._lay_out()

    @classmethod
    def fits(cls, relaxation: Relaxation) -> bool:
        """Whether every bound of an integer entry is a row of its own in the compiled program."""
        try:
            return len(_places(relaxation)[0]) == len(relaxation.first)
        except ValueError:
            return False

    def _lay_out(self) -> None:
        """The base problem's rows without the bounds of integer entries, which are bounds of columns."""
        self.columns, drop, c = _places(self.relaxation)
        self.compiled: Compiled = c
        keep = np.setdiff1d(np.arange(c.A_in.shape[0]), drop)
        self.A = sp.csr_array(sp.vstack([c.A_eq, c.A_in[keep]]))
        self.upper = np.concatenate((c.b_eq, c.b_in[keep]))
        self.lower = np.concatenate((c.b_eq, np.full(len(keep), -np.inf)))
        self.levels = np.array([host.column for host in c.hosts], dtype=np.intp)
        n = self.A.shape[1]
        self.first, self.last = np.full(n, -np.inf), np.full(n, np.inf)
        self.first[self.columns], self.last[self.columns] = self.relaxation.first, self.relaxation.last
        self.AT = sp.csr_array(self.A.T)
        self._abs = abs(self.AT)
        self._finite = np.isfinite(self.lower)
        self._room = np.zeros((256, n))
        self.sides, self.owner, self.age = np.zeros(0), np.zeros(0, dtype=np.intp), np.zeros(0, dtype=int)
        # What rows imply for columns without bounds is charged, not given to the simplex.
        self.low, self.high = implied_bounds(self.A, self.lower, self.upper, self.first, self.last)
        self._least, self._most = np.ceil(self.low[self.columns] - 1e-6), np.floor(self.high[self.columns] + 1e-6)
        h = self.highs = without_output(highspy.Highs)
        for name, value in _OPTIONS:
            h.setOptionValue(name, value)
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = n, self.A.shape[0]
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = c.c, self.first, self.last
        lp.row_lower_, lp.row_upper_ = self.lower, self.upper
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = self.A.indptr, self.A.indices, self.A.data
        h.passModel(lp)

    @property
    def cuts(self) -> NDArray[np.float64]:
        """One row per cut."""
        return self._room[: len(self.sides)]

    def add(self, k: int, weights: Vector) -> None:
        """The cut of tail ``k`` that ``weights`` of its envelope make."""
        model, c = self.models[k], self.compiled
        index = np.flatnonzero(weights)
        gradient, constant = model.weighted_sum(index, weights[index])
        row = model.scale * (c.E.T @ gradient)
        row[self.levels[k]] -= 1.0
        side = -model.scale * (constant + float(gradient @ c.f))
        at = np.flatnonzero(row)
        self.highs.addRow(-np.inf, side, len(at), at.astype(np.int32), row[at])
        if len(self.sides) == len(self._room):
            self._room = np.vstack((self._room, np.zeros_like(self._room)))
        self._room[len(self.sides)] = row
        self.sides, self.owner = np.append(self.sides, side), np.append(self.owner, k)
        self.age = np.append(self.age, 0)

    def _forget(self) -> None:
        """Cuts that have not been tight for longest make room."""
        most = max(_MOST, _KEPT * len(self.models) * min(self.A.shape[1], 200))
        if len(self.age) <= 1.5 * most:
            return
        stays = np.zeros(len(self.age), dtype=bool)
        stays[np.argsort(self.age, kind="stable")[:most]] = True
        for k in range(len(self.models)):
            if not stays[self.owner == k].any():
                stays[np.argmax(self.owner == k)] = True
        gone = self.A.shape[0] + np.flatnonzero(~stays)
        self.highs.deleteRows(len(gone), gone.astype(np.int32))
        self._room[: stays.sum()] = self.cuts[stays]
        self.sides, self.owner, self.age = self.sides[stays], self.owner[stays], self.age[stays]

    def relax(self, first: Vector, last: Vector, cutoff: float, exact: bool = False) -> NodeAnswer:
        """As for every node; the first is solved whole, its weights are the first cuts; the second has the most rounds."""
        if exact or self._calls == 0:
            answer = super().relax(first, last, cutoff, exact)
            if answer.outcome is not None and len(answer.outcome.weights) == len(self.models):
                for k, weights in enumerate(answer.outcome.weights):
                    self.add(k, weights)
            self._calls = max(self._calls, 1)
            return answer
        self.count += 1
        self._calls += 1
        self._forget()
        return self._relaxed(first, last, cutoff, _ROOT if self._calls == 2 else _ROUNDS)

    def _relaxed(self, first: Vector, last: Vector, cutoff: float, rounds: int) -> NodeAnswer:
        h, best, cost = self.highs, -np.inf, np.zeros(0)
        h.changeColsBounds(len(self.columns), self.columns.astype(np.int32), first, last)
        # Entries without bounds of their own have those that rows imply.
        self.low[self.columns], self.high[self.columns] = np.maximum(first, self._least), np.minimum(last, self._most)
        for turn in range(rounds):
            left = self.options.remaining()
            h.setOptionValue("time_limit", h.getRunTime() + (3600.0 if left is None else max(left, 0.0)))
            h.run()
            status = h.getModelStatus()
            self.counts["rounds"] += 1
            if status == highspy.HighsModelStatus.kInfeasible:
                _, has, ray = h.getDualRay()
                if has and self._excludes(np.asarray(ray)):
                    return NodeAnswer(s.INFEASIBLE, np.inf)
                return super().relax(first, last, cutoff)
            if status != highspy.HighsModelStatus.kOptimal:
                return NodeAnswer("late", best) if self.options.late() else super().relax(first, last, cutoff)
            self.counts["iterations"] += max(h.getInfoValue("simplex_iteration_count")[1], 0)
            solution = h.getSolution()
            z, dual = np.asarray(solution.col_value), np.asarray(solution.row_dual)
            value, reduced = self._proven(dual)
            tight = dual[self.A.shape[0] :] < 0
            self.age += 1
            self.age[tight] = 0
            gained, best = value - best, max(best, value)
            if value >= best:
                cost = reduced
            worth = turn == 0 or gained > _GAIN * max(cutoff - best, 0.0) or rounds == _ROOT
            if best >= cutoff or turn == rounds - 1 or not worth or not self._separate(z):
                break
        if best == -np.inf:
            return super().relax(first, last, cutoff)
        # The last point belongs to the most cuts.
        x = np.clip(np.asarray(solution.col_value)[self.columns], first, last)
        return NodeAnswer(s.OPTIMAL, best, x, cost[self.columns], z=np.asarray(solution.col_value))

    def _separate(self, z: Vector) -> bool:
        """Cuts at a point whose tails are larger than the program believes; False where none is."""
        c, found = self.compiled, False
        y = c.E @ z + c.f
        for k, model in enumerate(self.models):
            losses = model.losses(y, self.options.threads)
            self.counts["passes"] += 1.0 / len(self.models)
            value, _ = model.tail(losses)
            believed = z[self.levels[k]] / model.scale
            if value - believed > _DUST * max(abs(value), float(np.abs(losses).max(initial=0.0))):
                self.add(k, model.worst(losses))
                found = True
        return found

    def _proven(self, dual: Vector) -> tuple[float, Vector]:
        """The bound that the row multipliers prove between the columns' bounds, and the reduced costs."""
        c, m = self.compiled, self.A.shape[0]
        y = dual[:m]
        y = np.where(self._finite, y, np.minimum(y, 0.0))
        cost = c.c - self.AT @ y
        held = np.minimum(dual[m:], 0.0)
        for k, column in enumerate(self.levels.tolist()):
            mine = self.owner == k
            total, wanted = -held[mine].sum(), cost[column]
            if wanted <= 0.0:
                held[mine] = 0.0
                continue
            if total > 0.0:
                held[mine] *= wanted / total
            elif mine.any():
                held[np.flatnonzero(mine)[0]] = -wanted
        moved = self.cuts.T @ held
        d = cost - moved
        d[self.levels[cost[self.levels] > 0.0]] = 0.0
        value = float(np.where(y > 0, self.lower, self.upper)[y != 0] @ y[y != 0]) + float(self.sides @ held)
        terms = np.abs(c.c) + self._abs @ np.abs(y) + np.abs(self.cuts).T @ np.abs(held)
        return value + self._charge(d, y, held) + c.offset, less(d, 1e-13 * terms)

    def _excludes(self, ray: Vector) -> bool:
        """Whether multipliers of an infeasible node prove it: a bound above zero with nothing to minimise."""
        m = self.A.shape[0]
        for sign in (1.0, -1.0):
            y = sign * ray[:m]
            y = np.where(self._finite, y, np.minimum(y, 0.0))
            held = np.minimum(sign * ray[m:], 0.0)
            d = -(self.AT @ y) - self.cuts.T @ held
            sides = np.where(y > 0, self.lower, self.upper)[y != 0] * y[y != 0]
            value = float(sides.sum()) + float(self.sides @ held) + self._charge(d, y, held)
            if value > 1e-9 * (float(np.abs(sides).sum()) + float(np.abs(self.sides * held).sum())) and value > 0.0:
                return True
        return False

    def _charge(self, d: Vector, y: Vector, held: Vector) -> float:
        """The least of ``d'z`` between the bounds; without a bound, only what is rounding in ``d`` counts as zero."""
        ends = np.where(d > 0, self.low, self.high)
        there = np.isfinite(ends)
        if not there.all():
            far = ~there & (d != 0)
            if far.any():
                terms = np.abs(self.compiled.c) + self._abs @ np.abs(y) + np.abs(self.cuts).T @ np.abs(held)
                if np.any(np.abs(d[far]) > _ROUNDING * terms[far]):
                    return -np.inf
            return float(d[there] @ ends[there])
        return float(d @ ends)


def less(d: Vector, by: Vector | float) -> Vector:
    """Entries moved towards zero."""
    return np.asarray(np.sign(d) * np.maximum(np.abs(d) - by, 0.0))


def _places(relaxation: Relaxation) -> tuple[Index, Index, Compiled]:
    """Columns of the integer entries, the rows that bound them, and the compiled program; ValueError where unknown."""
    n = len(relaxation.first)
    found = []
    for first, last in ((0.0, 1.0), (-1.0, 1.0), (0.0, 2.0)):
        relaxation.within(np.full(n, first), np.full(n, last))
        found.append(compile_base(relaxation.parts))
    base = found[0]
    low, high = (np.flatnonzero(base.b_in != other.b_in) for other in found[1:])
    if any(other.A_in.shape != base.A_in.shape for other in found) or len(low) != n or len(high) != n:
        raise ValueError("bounds are not rows of their own")
    A = base.A_in
    below, above = A.indptr[low], A.indptr[high]
    single = (np.diff(A.indptr)[np.concatenate((low, high))] == 1).all()
    if not single or not np.array_equal(A.indices[below], A.indices[above]):
        raise ValueError("bounds are not rows of one column each")
    if not (np.all(A.data[below] == -1.0) and np.all(A.data[above] == 1.0)):
        raise ValueError("bounds are not rows of one column each")
    return A.indices[below].astype(np.intp), np.concatenate((low, high)), base
