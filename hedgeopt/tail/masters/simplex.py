"""Simplex master for LPs: the reduced problem in HiGHS' dual simplex, warm-started from round to round.

Rows are the base problem's and one per boundary scenario, ``L_s - alpha <= xi_s``; rows with one variable become its
bounds. Every scenario row has its slack or its excess in the basis unless the scenario sits at the level, so the
factorised part stays as small as the number of scenarios and limits that bind.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import highspy
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hedgeopt.tail.compiled import Compiled
from hedgeopt.tail.masters import basis as bases
from hedgeopt.tail.masters.base import Piece, Point, no_point
from hedgeopt.tail.masters.bound import repaired
from hedgeopt.tail.masters.scaled import Restricted, Scaled
from hedgeopt.tail.masters.start import Warm
from hedgeopt.tail.masters.working import Raw, WorkingMaster
from hedgeopt.tail.source import Vector

_OPTIONS = (
    ("output_flag", False), ("threads", 1), ("presolve", "off"), ("solver", "simplex"), ("simplex_scale_strategy", 0),
    # Entries of scaled rows may be tiny and still count: HiGHS drops those below 1e-9 otherwise.
    ("small_matrix_value", 1e-12),
    ("primal_feasibility_tolerance", 1e-10), ("dual_feasibility_tolerance", 1e-9),
)  # fmt: skip
_DUAL, _PRIMAL = 1, 4

# A plan that holds many scenarios at the level fills the factors, and interior points are faster: more than this many
# scenarios, or more iterations per variable and scenario in the first solve, and the simplex gives way.
_DENSE, _VARIABLES, _SCENARIOS, _SAFETY = 60, 0.8, 0.15, 20
# So many boundary scenarios are rows too many for a simplex that is limited.
_MANY = 1500


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

    def solve(self, pieces: list[Piece], tolerance: float, start: Point | None) -> Point:
        """Solve to ``tolerance``; a known basis is the start."""
        # Without costs on trading a plan holds many columns.
        dense = self.memory.get("sparse") is False or not self.layout.c.any()
        if self.compiled.P is not None or (self.limited and (dense or sum(len(x.caps) for x in pieces) > _MANY)):
            return no_point("failed", self.compiled.E.shape[0], len(pieces))
        self._primal = False
        return super().solve(pieces, tolerance, start)

    def core(
        self, parent: Scaled, part: Scaled | Restricted, work: NDArray[np.bool_], tolerance: float, warm: Warm | None
    ) -> Raw | str:
        """Exact (to the simplex tolerances); columns that join a solved program are priced in by the primal simplex."""
        lp, kinds = self._program(parent, part, np.flatnonzero(work))
        h = self.memory.get("highs")
        if h is None:
            h = self.memory["highs"] = highspy.Highs()
            for name, value in _OPTIONS:
                h.setOptionValue(name, value)
        if h.passModel(*lp) == highspy.HighsStatus.kError:
            return "failed"
        known = self.memory.get("basis")
        basis = None if known is None or self.box is not None else known.start(part, kinds)
        if basis is not None:
            h.setBasis(basis)
        h.setOptionValue("simplex_strategy", _PRIMAL if self._primal and basis is not None else _DUAL)
        h.setOptionValue("simplex_iteration_limit", self._patience(part))
        left = self.remaining()
        # HiGHS counts the seconds of all runs of an instance.
        h.setOptionValue("time_limit", highspy.kHighsInf if left is None else h.getRunTime() + max(left, 0.0))
        h.run()
        self._primal = True
        status = h.getModelStatus()
        if status == highspy.HighsModelStatus.kTimeLimit:
            return "late"
        if status == highspy.HighsModelStatus.kUnbounded:
            return "unbounded"
        if status != highspy.HighsModelStatus.kOptimal:
            self.memory.pop("basis", None)
            if status == highspy.HighsModelStatus.kIterationLimit:
                self.memory["sparse"] = False
            return "failed"
        if self.box is None:
            found = self.memory["basis"] = bases.read(h.getBasis(), part, kinds)
            self.memory["sparse"] = sum(int(x.sum()) for x in found.at_level) <= _DENSE
        return self._raw(h, part, kinds)

    def in_use(self, raw: Raw) -> NDArray[np.bool_]:
        """Columns in the basis or off zero."""
        known = self.memory.get("basis")
        if known is None:
            return np.ones(len(raw.v), dtype=bool)
        return np.asarray(known.basic_columns | (raw.v != 0))

    def _patience(self, p: Scaled | Restricted) -> int:
        """Iteration limit: short until the first solve has shown how many scenarios sit at the level."""
        if not self.limited:
            return int(highspy.kHighsIInf)
        scenarios = sum(len(u) for u in p.caps)
        if self.memory.get("sparse"):
            return int(_SAFETY * (p.n + scenarios))
        return int(_VARIABLES * p.n + _SCENARIOS * scenarios)

    def _program(self, parent: Scaled, p: Scaled | Restricted, work: NDArray[np.intp]) -> tuple[Any, Any]:
        """The LP in columns (v, alpha, xi of each tail) and rows (equalities, wide, boxes, scenarios of each tail)."""
        self._columns = work
        n, K = p.n, len(p.pieces)
        sizes = [len(u) for u in p.caps]
        first = np.concatenate(([0], np.cumsum(sizes))).astype(int)
        columns = n + K + first[-1]
        wide = p.several
        lift = 1.0 / np.sqrt(max([float(np.median(u)) for u in p.caps if len(u)], default=1.0))
        cost = np.zeros(columns)
        cost[:n] = p.c
        hosted = sp.lil_array((len(p.b), K + first[-1])) if np.any(p.host_row >= 0) else None
        dense: dict[int, Vector] = {}
        shift = np.zeros(len(p.b))
        for k in range(K):
            xi = slice(n + K + first[k], n + K + first[k + 1])
            gradient = p.forces(p.G[k])
            cost[:n] += p.price[k] * gradient
            cost[n + k] += p.price[k] * (1.0 - p.mass[k])
            cost[xi] += p.price[k] * p.caps[k]
            row = int(p.host_row[k])
            if row >= 0 and hosted is not None:
                a = p.host_coef[k]
                shift[row] += a * p.C[k]
                dense[row] = dense.get(row, 0.0) + a * gradient
                hosted[row, k] = a * (1.0 - p.mass[k])
                hosted[row, K + first[k] : K + first[k + 1]] = a * p.caps[k]
        A = p.A
        if dense:
            extra = sp.lil_array((len(p.b), n))
            for row, gradient in dense.items():
                extra[row] = gradient
            A = A + extra.tocsr()
        top = p.top
        if dense or self.box is not None:
            # y in loss units is the box that replaces an unbounded relaxation.
            top = sp.csr_array(sp.vstack([p.A_eq, A[wide], *([] if self.box is None else [p.E])]))
        if hosted is not None:
            right = sp.vstack([sp.csr_array((p.A_eq.shape[0], hosted.shape[1])), hosted.tocsr()[wide]])
            right = sp.csr_array(right)
            right.resize((top.shape[0], right.shape[1]))
            top = sp.csr_array(sp.hstack([top, right]))
        box = np.full(p.E.shape[0], (self.box or 0.0) / p.unit) if self.box is not None else np.zeros(0)
        lower = [p.b_eq, np.full(len(wide), -highspy.kHighsInf), -box]
        upper = [p.b_eq, p.b[wide] - shift[wide], box]
        used = p.used
        each = len(used) + 2
        rows, begin = top.shape[0] + int(first[-1]), int(top.indptr[-1])
        starts = np.empty(rows + 1, dtype=np.int32)
        starts[: top.shape[0] + 1] = top.indptr
        starts[top.shape[0] :] = begin + each * np.arange(first[-1] + 1)
        index, data = np.empty(starts[-1], dtype=np.int32), np.empty(starts[-1])
        index[:begin], data[:begin] = top.indices, top.data
        where, entry = index[begin:].reshape(-1, each), data[begin:].reshape(-1, each)
        where[:, :-2], where[:, -1] = used, n + K + np.arange(first[-1])
        entry[:, -2:] = -1.0
        for k in range(K):
            part = slice(first[k], first[k + 1])
            self._scenarios(p, k, used, entry[part, :-2])
            where[part, -2] = n + k
            lower.append(np.full(sizes[k], -highspy.kHighsInf))
            upper.append(-p.offset[k])
        infinite = np.full(K, highspy.kHighsInf)
        arguments = (
            columns, rows, len(data), int(highspy.MatrixFormat.kRowwise), int(highspy.ObjSense.kMinimize), 0.0, cost * lift,
            np.concatenate((p.lower, -infinite, np.zeros(first[-1]))),
            np.concatenate((p.upper, infinite, np.full(first[-1], highspy.kHighsInf))),
            np.concatenate(lower), np.concatenate(upper), starts, index, data, np.zeros(columns, dtype=np.int32),
        )  # fmt: skip
        wide_rows = p.rows[wide] if isinstance(p, Restricted) else wide
        kinds = SimpleNamespace(
            parent=parent, work=work, K=K, first=first, wide=wide, wide_rows=wide_rows, base=top.shape[0], lift=lift
        )
        return arguments, kinds

    @staticmethod
    def _scenarios(p: Scaled | Restricted, k: int, used: NDArray[np.intp], out: Vector) -> None:
        """Loss gradients of the boundary in the variables that carry losses."""
        if p.single_argument is not None:
            # Each variable belongs to one loss argument: scaled columns, no product.
            np.multiply(p.R[k][:, p.single_argument], p.argument_scale, out=out)
        else:
            out[:] = (p.ET[used] @ p.R[k].T).T

    def _raw(self, h: Any, p: Scaled | Restricted, kinds: Any) -> Raw:
        n, K, base, first = p.n, kinds.K, kinds.base, kinds.first
        solution = h.getSolution()
        value, dual = np.asarray(solution.col_value), np.asarray(solution.row_dual) / kinds.lift
        v, equalities = value[:n], p.A_eq.shape[0]
        v = np.clip(v, p.lower, p.upper)
        nu, lam = -dual[:equalities], np.zeros(len(p.b))
        lam[kinds.wide] = -dual[equalities : equalities + len(kinds.wide)]
        q = [-dual[base + first[k] : base + first[k + 1]] for k in range(K)]
        proof = repaired(p, v, nu, lam, q)
        primal = float(h.getInfo().objective_function_value) / kinds.lift + float(p.price @ np.array(p.C))
        y = p.arguments(v)
        tails = np.array(
            [(1 - p.mass[k]) * value[n + k] + p.G[k] @ y + p.C[k]
             + p.caps[k] @ value[n + K + first[k] : n + K + first[k + 1]] for k in range(K)]
        )  # fmt: skip
        return Raw("optimal", v, nu, tails, primal, proof, int(h.getInfo().simplex_iteration_count))
