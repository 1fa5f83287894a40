"""Simplex master for LPs: the reduced problem in HiGHS' dual simplex, warm-started from round to round.

Rows are the base problem's and one per boundary scenario, ``L_s - alpha <= xi_s``; rows with one variable become its
bounds. Every scenario row has its slack or its excess in the basis unless the scenario sits at the level, so the
factorised part stays as small as the number of scenarios and limits that bind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from hedgeopt._quiet import without_output
from hedgeopt.tail.compiled import Compiled
from hedgeopt.tail.masters import basis as bases
from hedgeopt.tail.masters.base import Piece, Point, Refusal, no_point
from hedgeopt.tail.masters.bound import Repaired, repaired_dual
from hedgeopt.tail.masters.options import LONGEST
from hedgeopt.tail.masters.program import PartLP
from hedgeopt.tail.masters.scaled import Restricted, Scaled
from hedgeopt.tail.masters.start import Warm
from hedgeopt.tail.masters.working import Raw, WorkingMaster
from hedgeopt.tail.source import Vector

_OPTIONS = (
    # Never the number of threads: HiGHS has one scheduler per process, and refuses to run with another number than
    # whoever came first (cvxpy, for one) has set.
    ("output_flag", False), ("parallel", "off"), ("presolve", "off"), ("solver", "simplex"), ("simplex_scale_strategy", 0),
    # Entries of scaled rows may be tiny and still count: HiGHS drops those below 1e-9 otherwise.
    ("small_matrix_value", 1e-12),
    ("primal_feasibility_tolerance", 1e-10), ("dual_feasibility_tolerance", 1e-9),
)  # fmt: skip
_DUAL, _PRIMAL = 1, 4
# From a basis that is nearly optimal, exact steepest-edge weights cost more than the iterations they save: the last
# solve took one round.
_CHOOSE, _DEVEX = -1, 1

# A plan that holds many scenarios at the level fills the factors, and interior points are faster: more than this many
# scenarios, or more iterations per variable and scenario in the first solve, and the simplex gives way.
_DENSE, _VARIABLES, _SCENARIOS, _SAFETY = 60, 0.8, 0.15, 20
# So many boundary scenarios are rows too many for a simplex that is limited.
_MANY = 3000


class SimplexMaster(WorkingMaster):
    """See the module's text; ``limited`` gives up where interior points would be faster."""

    name = "SIMPLEX"

    def __init__(
        self,
        compiled: Compiled,
        memory: dict[str, Any] | None = None,
        limited: bool = False,
        remaining: Callable[[], float | None] = lambda: None,
    ) -> None:
        super().__init__(compiled, memory, remaining)
        self.limited = limited
        self.box: float | None = None
        self.near: tuple[Point, float] | None = None
        """A point around which to stay, and how far in units of its largest position (no bound is proven there)."""
        self._near: tuple[Vector, float] | None = None

    def solve(self, pieces: list[Piece], tolerance: float, start: Point | None) -> Point:
        """Solve to ``tolerance``; a known basis is the start."""
        dense = self.memory.get("sparse") is False or self.dense
        if self.compiled.P is not None or (self.limited and (dense or sum(len(x.caps) for x in pieces) > _MANY)):
            return no_point("failed", self.compiled.E.shape[0], len(pieces), "interior points are faster here")
        self._primal, self._near = False, None
        if self.near is not None:
            with np.errstate(all="ignore"):
                warm = self.layout.scaled(pieces).start(self.near[0])
            if warm is not None:
                self._near = warm.v, self.near[1] * max(float(np.abs(warm.v).max(initial=0.0)), 1e-3)
        return super().solve(pieces, tolerance, start)

    def core(
        self, parent: Scaled, part: Scaled | Restricted, work: NDArray[np.bool_], tolerance: float, warm: Warm | None
    ) -> Raw | Refusal:
        """Exact (to the simplex tolerances); columns that join a solved program are priced in by the primal simplex."""
        program = self._program(parent, part, work)
        h = self._highs()
        if h.passModel(*program.arguments(self.box, self._near)) == highspy.HighsStatus.kError:
            return self._broken("HiGHS refused the model")
        known = self.memory.get("basis")
        basis = None if known is None or self.box is not None else known.start(program)
        if basis is not None:
            h.setBasis(basis)
        near = basis is not None and self.memory.get("calm")
        h.setOptionValue("simplex_dual_edge_weight_strategy", _DEVEX if near else _CHOOSE)
        h.setOptionValue("simplex_strategy", _PRIMAL if self._primal and basis is not None else _DUAL)
        h.setOptionValue("simplex_iteration_limit", self._patience(part))
        left = self.remaining()
        # HiGHS counts the seconds of all runs of an instance.
        h.setOptionValue("time_limit", h.getRunTime() + (LONGEST if left is None else max(left, 0.0)))
        ran = h.run()
        self._primal = True
        status = h.getModelStatus()
        if status == highspy.HighsModelStatus.kNotset or ran == highspy.HighsStatus.kError:
            return self._broken(f"HiGHS did not run: {h.modelStatusToString(status)}")
        if status != highspy.HighsModelStatus.kOptimal:
            if status == highspy.HighsModelStatus.kTimeLimit:
                if left is None:
                    return Refusal("failed", f"no answer within {LONGEST:g} s")
                return Refusal("late", "time limit")
            self.memory.pop("basis", None)
            if status == highspy.HighsModelStatus.kUnbounded:
                return Refusal("unbounded", "HiGHS said unbounded")
            if status == highspy.HighsModelStatus.kInfeasible:
                return Refusal("infeasible", "HiGHS said infeasible", ray=self._ray(h, program))
            if status == highspy.HighsModelStatus.kIterationLimit:
                self.memory["sparse"] = False
                return Refusal("failed", "too many iterations: interior points are faster here")
            return Refusal("failed", f"HiGHS ended with {h.modelStatusToString(status)}")
        solution = h.getSolution()
        value = np.asarray(solution.col_value)
        if self.box is None:
            found = bases.read(h, program, value[: part.n])
            self.memory["basis"] = found
            self.memory["sparse"] = found is None or sum(map(np.count_nonzero, found.at_level)) <= _DENSE
        return self._raw(h, program, value, np.asarray(solution.row_dual) / program.lift)

    @staticmethod
    def _ray(h: Any, program: PartLP) -> tuple[Vector, Vector, list[Vector]] | None:
        """Multipliers that show the program infeasible, in the signs of a point's."""
        if not isinstance(program.part, Restricted) or program.boxed:
            return None
        p = program.part
        equalities, lam = p.A_eq.shape[0], np.zeros(len(p.b))
        crossed = np.flatnonzero((p.lower > p.upper) & (p.lower_row >= 0) & (p.upper_row >= 0))
        if len(crossed):
            # Rows of one working column each that exclude each other: there is no ray, and none is needed.
            for row in (p.lower_row[crossed], p.upper_row[crossed]):
                np.add.at(lam, row, 1.0 / np.abs(p.single_entry[row]))
            return np.zeros(equalities), lam, [np.zeros(len(u)) for u in p.caps]
        _, found, ray = h.getDualRay()
        if not found:
            return None
        y = -np.asarray(ray)
        lam[program.wide] = y[equalities : equalities + len(program.wide)]
        at = program.base + program.first
        return y[:equalities], lam, [y[at[k] : at[k + 1]] for k in range(program.K)]

    def _broken(self, reason: str) -> Refusal:
        """Trouble with HiGHS itself; the next solve begins with a new instance."""
        self.memory.pop("basis", None)
        self.memory.pop("highs", None)
        return Refusal("failed", reason, technical=True)

    def in_use(self, raw: Raw) -> NDArray[np.bool_]:
        """Columns in the basis or off zero."""
        known = self.memory.get("basis")
        if known is None or self.box is not None:
            return np.ones(len(raw.v), dtype=bool)
        return np.asarray(known.columns[self.memory["program"].work] | (raw.v != 0))

    def _patience(self, p: Scaled | Restricted) -> int:
        """Iteration limit: short until the first solve has shown how many scenarios sit at the level."""
        if not self.limited:
            return int(highspy.kHighsIInf)
        scenarios = sum(len(u) for u in p.caps)
        if self.memory.get("sparse"):
            return int(_SAFETY * (p.n + scenarios))
        return int(_VARIABLES * p.n + _SCENARIOS * scenarios)

    def _highs(self) -> Any:
        """The solver of this problem, kept from solve to solve."""
        h = self.memory.get("highs")
        if h is None:
            h = self.memory["highs"] = without_output(highspy.Highs)
            for name, value in _OPTIONS:
                h.setOptionValue(name, value)
        return h

    def _program(self, parent: Scaled, part: Scaled | Restricted, work: NDArray[np.bool_]) -> PartLP:
        known, sizes, boxed = self.memory.get("program"), [len(u) for u in part.caps], self.box is not None
        if known is None or not known.serves(part, sizes, boxed):
            known = self.memory["program"] = PartLP(parent, part, work, sizes, boxed)
        return known  # type: ignore[no-any-return]

    def _raw(self, h: Any, program: PartLP, value: Vector, dual: Vector) -> Raw:
        """The point HiGHS found and its multipliers; in working columns the caller proves the bound, of all columns."""
        p, n, K, base, first = program.part, program.part.n, program.K, program.base, program.first
        v, equalities = np.minimum(np.maximum(value[:n], p.lower), p.upper), p.A_eq.shape[0]
        nu, lam = -dual[:equalities], np.zeros(len(p.b))
        lam[program.wide] = -dual[equalities : equalities + len(program.wide)]
        q = [-dual[base + first[k] : base + first[k + 1]] for k in range(K)]
        if isinstance(p, Restricted) and not p.turned:
            proof = Repaired(-np.inf, 0.0, lam, q, np.zeros(0), np.zeros(0))
        else:
            proof = repaired_dual(p, v, nu, lam, q)
        primal = h.getObjectiveValue() / program.lift + float(p.price @ np.array(p.C))
        y = p.arguments(v)
        tails = np.array(
            [(1 - p.mass[k]) * value[n + k] + p.G[k] @ y + p.C[k]
             + p.caps[k] @ value[n + K + first[k] : n + K + first[k + 1]] for k in range(K)]
        )  # fmt: skip
        return Raw("optimal", v, nu, tails, primal, proof, int(h.getInfoValue("simplex_iteration_count")[1]))
