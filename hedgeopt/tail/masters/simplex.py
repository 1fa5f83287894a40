"""Simplex master for LPs: the reduced problem in HiGHS' dual simplex, warm-started from round to round.

Rows are the base problem's and one per boundary scenario, ``L_s - alpha <= xi_s``; rows with one variable become its
bounds. Every scenario row has its slack or its excess in the basis unless the scenario sits at the level, so the
factorised part stays as small as the number of scenarios and limits that bind. A scenario that joins from outside
enters with its slack basic, one from the aggregate with its excess basic: both keep the basis dual feasible.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import highspy
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hedgeopt.tail.compiled import Compiled
from hedgeopt.tail.masters.base import Piece, Point, no_point
from hedgeopt.tail.masters.bound import repaired
from hedgeopt.tail.masters.interior import InteriorMaster
from hedgeopt.tail.source import Vector

_STATUS = highspy.HighsBasisStatus
_LOWER, _BASIC, _UPPER = _STATUS.kLower, _STATUS.kBasic, _STATUS.kUpper
_OPTIONS = (
    ("output_flag", False), ("threads", 1), ("presolve", "off"), ("solver", "simplex"),
    ("primal_feasibility_tolerance", 1e-10), ("dual_feasibility_tolerance", 1e-9),
)  # fmt: skip


# A plan that holds many scenarios at the level fills the factors, and interior points are faster: more than this many
# scenarios, or more iterations per variable and scenario in the first solve, and the simplex gives way.
_DENSE, _VARIABLES, _SCENARIOS, _SAFETY = 60, 0.8, 0.15, 20


@dataclass
class Basis:
    """Statuses by meaning, so that they survive scenarios that come and go."""

    columns: list[Any]
    levels: list[Any]
    rows: list[Any]
    excess: list[list[Any]]
    slack: list[list[Any]]
    boundaries: list[object]
    """Which boundaries the statuses belong to (:attr:`Piece.boundary`)."""

    @property
    def at_level(self) -> list[NDArray[np.bool_]]:
        """Scenarios that sit at the level: neither slack nor excess is basic."""
        return [
            np.array([e != _BASIC and s != _BASIC for e, s in zip(*pair, strict=True)], dtype=bool)
            for pair in zip(self.excess, self.slack, strict=True)
        ]

    def keep(self, k: int, stays: NDArray[np.bool_], boundary: object) -> None:
        """Forget the scenarios of tail ``k`` that do not stay; what stays is called ``boundary``."""
        self.boundaries[k] = boundary
        for part in (self.excess, self.slack):
            part[k] = [x for x, yes in zip(part[k], stays.tolist(), strict=True) if yes]


class SimplexMaster(InteriorMaster):
    """Shares points, blends and solutions with the interior-point master; only ``solve`` differs."""

    name = "SIMPLEX"
    retry = False

    def __init__(self, compiled: Compiled, memory: dict[str, Any] | None = None, limited: bool = False) -> None:
        self.memory = {} if memory is None else memory
        known = self.memory.get("layout")
        super().__init__(compiled, layout=None if known is None else known.renewed(compiled))
        self.memory["layout"] = self.layout
        self.limited = limited
        self.box: float | None = None

    def solve(self, pieces: list[Piece], tolerance: float, start: Point | None) -> Point:
        """Solve exactly (to the simplex tolerances); a known basis is the start, ``start`` places the scenarios."""
        K, width = len(pieces), self.compiled.E.shape[0]
        if self.limited and self.memory.get("sparse") is False:
            return no_point("failed", width, K)
        with np.errstate(all="ignore"):
            p = self.layout.scaled(pieces)
        if np.any(p.lower > p.upper) or self.compiled.P is not None:
            return no_point("failed", width, K)
        lp, kinds = self._program(p)
        h = self.memory.get("highs")
        if h is None:
            h = self.memory["highs"] = highspy.Highs()
            for name, value in _OPTIONS:
                h.setOptionValue(name, value)
        if h.passModel(*lp) == highspy.HighsStatus.kError:
            return no_point("failed", width, K)
        basis = self._start(p, kinds, start)
        if basis is not None:
            h.setBasis(basis)
        h.setOptionValue("simplex_iteration_limit", self._patience(p))
        h.run()
        status = h.getModelStatus()
        if status == highspy.HighsModelStatus.kUnbounded:
            return no_point("unbounded", width, K)
        if status != highspy.HighsModelStatus.kOptimal:
            self.memory.pop("basis", None)
            if status == highspy.HighsModelStatus.kIterationLimit:
                self.memory["sparse"] = False
            return no_point("failed", width, K)
        self._remember(h.getBasis(), p, kinds)
        return self._point(h, p, kinds)

    def _patience(self, p: Any) -> int:
        """Iteration limit: short until the first solve has shown how many scenarios sit at the level."""
        if not self.limited:
            return int(highspy.kHighsIInf)
        scenarios = sum(len(u) for u in p.caps)
        if self.memory.get("sparse"):
            return int(_SAFETY * (p.n + scenarios))
        return int(_VARIABLES * p.n + _SCENARIOS * scenarios)

    def _program(self, p: Any) -> tuple[Any, Any]:
        """The LP in columns (v, alpha, xi of each tail) and rows (equalities, wide, boxes, scenarios of each tail)."""
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
            gradient = p.ET @ p.G[k]
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
        return arguments, SimpleNamespace(n=n, K=K, first=first, wide=wide, base=top.shape[0], lift=lift)

    @staticmethod
    def _scenarios(p: Any, k: int, used: NDArray[np.intp], out: Vector) -> None:
        """Loss gradients of the boundary in the variables that carry losses."""
        if p.single_argument is not None:
            # Each variable belongs to one loss argument: scaled columns, no product.
            np.multiply(p.R[k][:, p.single_argument], p.argument_scale, out=out)
        else:
            out[:] = (p.ET[used] @ p.R[k].T).T

    def _start(self, p: Any, kinds: Any, start: Point | None) -> Any:
        """The known basis, completed for the present scenarios."""
        known: Basis | None = self.memory.get("basis")
        if known is None or len(known.columns) != kinds.n or len(known.levels) != kinds.K or self.box is not None:
            return None
        if len(known.rows) != kinds.base:
            return None
        columns, rows = [*known.columns, *known.levels], list(known.rows)
        for k, piece in enumerate(p.pieces):
            excess, slack = known.excess[k], known.slack[k]
            if known.boundaries[k] is not piece.boundary:
                # Another level: a basis guessed from the losses took longer than starting from nothing.
                return None
            new = (
                np.zeros(len(piece.caps) - len(excess), dtype=bool) if piece.summed is None else piece.summed[len(excess) :]
            )
            columns += [*excess, *(_BASIC if x else _LOWER for x in new.tolist())]
            rows += [*slack, *(_UPPER if x else _BASIC for x in new.tolist())]
        basis = highspy.HighsBasis()
        basis.col_status, basis.row_status, basis.valid = columns, rows, True
        return basis

    def _remember(self, basis: Any, p: Any, kinds: Any) -> None:
        n, K, base, first = kinds.n, kinds.K, kinds.base, kinds.first
        columns, rows = list(basis.col_status), list(basis.row_status)
        if self.box is not None:
            return
        known = self.memory["basis"] = Basis(
            columns[:n], columns[n : n + K], rows[:base],
            [columns[n + K + first[k] : n + K + first[k + 1]] for k in range(K)],
            [rows[base + first[k] : base + first[k + 1]] for k in range(K)],
            [piece.boundary for piece in p.pieces],
        )  # fmt: skip
        self.memory["sparse"] = sum(int(x.sum()) for x in known.at_level) <= _DENSE

    def _point(self, h: Any, p: Any, kinds: Any) -> Point:
        n, K, base, first = kinds.n, kinds.K, kinds.base, kinds.first
        solution = h.getSolution()
        value, dual = np.asarray(solution.col_value), np.asarray(solution.row_dual) / kinds.lift
        v, equalities = value[:n], p.A_eq.shape[0]
        v = np.clip(v, p.lower, p.upper)
        nu, lam = -dual[:equalities], np.zeros(len(p.b))
        lam[kinds.wide] = -dual[equalities : equalities + len(kinds.wide)]
        q = [-dual[base + first[k] : base + first[k + 1]] for k in range(K)]
        proof = repaired(p, v, nu, lam, q)
        primal = float(h.getInfo().objective_function_value) / kinds.lift + float(p.price @ np.array(p.C))
        y = p.E @ v
        tails = np.array(
            [(1 - p.mass[k]) * value[n + k] + p.G[k] @ y + p.C[k]
             + p.caps[k] @ value[n + K + first[k] : n + K + first[k + 1]] for k in range(K)]
        )  # fmt: skip
        it = SimpleNamespace(v=v, nu=nu, lam=proof.lam, q=proof.q)
        return p.point(it, primal, proof.value - proof.loose, tails, proof.m, int(h.getInfo().simplex_iteration_count))
