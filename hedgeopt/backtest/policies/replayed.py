"""One compiled program solved again and again: cvxpy's map from parameters to numbers, applied without its chain.

A small quadratic program is solved in a millisecond; cvxpy's own way from new parameter values to the solver and back takes
several. What cvxpy compiled is a linear map from parameter values to the entries of P, q, A and b, whose places never
change; here it is applied by one sparse product each and handed to Clarabel, and the answer is put back into variables and
duals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from cvxpy import settings as s
from cvxpy.reductions.solution import Solution
from cvxpy.reductions.solvers import utilities
from cvxpy.reductions.solvers.conic_solvers.clarabel_conif import dims_to_solver_cones
from cvxpy.reductions.solvers.conic_solvers.conic_solver import ConicSolver

__all__ = ["Replayed", "replayed"]

_SOLVED = ("Solved", "AlmostSolved")

_KNOWN: WeakKeyDictionary[cp.Problem, Replayed | None] = WeakKeyDictionary()


def replayed(problem: cp.Problem) -> Replayed | None:
    """The problem's compiled form, kept; None where cvxpy's own way must be taken. Its parameters must have values."""
    if problem not in _KNOWN:
        _KNOWN[problem] = Replayed.of(problem)
    return _KNOWN[problem]


@dataclass(frozen=True)
class _Place:
    """Where the value of a variable (``primal``) or the dual of a constraint stands, entry by entry, and its sign."""

    item: Any
    primal: bool
    at: np.ndarray
    sign: np.ndarray

    def read(self, source: np.ndarray) -> np.ndarray:
        """Its value in the solver's point or dual."""
        value = self.sign * source[self.at]
        return np.asarray(self.item.project(value)) if self.primal else value

    def put(self, source: np.ndarray) -> None:
        """Save it."""
        (self.item.save_value if self.primal else self.item.save_dual_value)(self.read(source))


class Replayed:
    """``min 1/2 z'Pz + q'z, b - Az in cones`` of one problem, for any parameter values."""

    def __init__(self, prog: Any, dims: Any, back: list[_Place]) -> None:
        prog.reduced_A.cache()
        prog.reduced_P.cache()
        self._parameters = [
            (prog.id_to_param[key], at) for key, at in prog.param_id_to_col.items() if key in prog.id_to_param
        ]
        self._values = np.ones(prog.total_param_size + 1)  # the last one multiplies what is constant
        self._q, self._A, self._P = sp.csr_array(prog.q), prog.reduced_A.reduced_mat, prog.reduced_P.reduced_mat
        rows, starts, shape = prog.reduced_A.problem_data_index
        self._rows, self._starts, self._shape = rows[: starts[-2]], starts[:-1], (shape[0], shape[1] - 1)
        self._b_rows = rows[starts[-2] :]
        rows, starts, self._P_shape = prog.reduced_P.problem_data_index
        columns = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        self._upper = rows <= columns
        self._P_rows = rows[self._upper]
        self._P_starts = np.concatenate([[0], np.cumsum(np.bincount(columns[self._upper], minlength=self._P_shape[1]))])
        self._cones, self._back = dims_to_solver_cones(dims), back
        self._solver: Any = None

    @classmethod
    def of(cls, problem: cp.Problem) -> Replayed | None:
        """None for problems outside its reach: not DPP, no quadratic objective, transformed parameters, odd duals."""
        if not problem.is_dcp(dpp=True) or problem.is_mixed_integer():
            return None
        data, chain, inverse = problem.get_problem_data(cp.CLARABEL)
        prog = data["param_prob"]
        own = {parameter.id for parameter in problem.parameters()}
        if (
            prog.P is None
            or getattr(prog, "lb_tensor", None) is not None
            or getattr(prog, "ub_tensor", None) is not None
            or not own >= set(prog.id_to_param)
        ):
            return None
        back = _way_back(problem, chain, inverse, *data["A"].shape[::-1])
        if back is None:
            return None
        found = cls(prog, data["dims"], back)
        return found if found._agrees(data) else None

    def solve(self) -> bool:
        """Solve at the present parameter values; whether variables and duals now hold an answer."""
        import clarabel  # type: ignore[import-untyped]

        P, q, A, b = self.numbers()
        try:
            if self._solver is None or not self._solver.is_data_update_allowed():
                raise ValueError
            self._solver.update(P=P, q=q, A=A, b=b)
        except Exception:  # whatever Clarabel says of an update, a new solver takes the same numbers
            settings = clarabel.DefaultSettings()
            settings.verbose = False
            self._solver = clarabel.DefaultSolver(P, q, A, b, self._cones, settings)
        answer = self._solver.solve()
        if str(answer.status) not in _SOLVED:
            self._solver = None
            return False
        z, dual = np.asarray(answer.x), np.asarray(answer.z)
        for place in self._back:
            place.put(z if place.primal else dual)
        return True

    def numbers(self) -> tuple[Any, np.ndarray, Any, np.ndarray]:
        """P (upper triangle), q, A and b in Clarabel's form."""
        for parameter, at in self._parameters:
            self._values[at : at + parameter.size] = np.asarray(parameter.value, float).ravel(order="F")
        flat = self._A @ self._values
        split = self._starts[-1]
        A = sp.csc_array((-flat[:split], self._rows, self._starts), shape=self._shape)
        b = np.zeros(self._shape[0])
        b[self._b_rows] = flat[split:]
        P = sp.csc_array(((self._P @ self._values)[self._upper], self._P_rows, self._P_starts), shape=self._P_shape)
        return P, (self._q @ self._values)[:-1], A, b

    def _agrees(self, data: dict[str, Any]) -> bool:
        """Whether cvxpy arrives at the same numbers for the present values."""
        P, q, A, b = self.numbers()
        same = np.array_equal(q, data["c"]) and np.array_equal(b, data["b"])
        return bool(same and abs(A - data["A"]).sum() == 0.0 and abs(P - sp.triu(data["P"])).sum() == 0.0)


def _way_back(problem: cp.Problem, chain: Any, inverse: Any, columns: int, rows: int) -> list[_Place] | None:
    """For each variable and constraint: where its value stands in the solver's point or dual, and with which sign.

    Found by sending numbered entries through cvxpy's own inversion, and checked with random ones; None where a value is more
    than a choice of entries (transformed variables, duals of cones).
    """
    rng = np.random.default_rng(0)
    checks = rng.standard_normal(columns), rng.standard_normal(rows)
    numbered = _inverted(chain, inverse, np.arange(1.0, columns + 1), np.arange(1.0, rows + 1))
    checked = _inverted(chain, inverse, *checks)
    found = []
    wanted: list[Any] = [*problem.variables(), *problem.constraints]
    for item in wanted:
        primal = isinstance(item, cp.Variable)
        named, check = ((part.primal_vars if primal else part.dual_vars).get(item.id) for part in (numbered, checked))
        if named is None or np.shape(named) != item.shape:
            return None
        mark = np.asarray(named, float)
        at, sign = np.abs(mark).astype(np.int64) - 1, np.sign(mark)
        source = checks[0 if primal else 1]
        if at.size and not 0 <= at.min() <= at.max() < len(source):
            return None
        place = _Place(item, primal, at, sign)
        if not np.array_equal(place.read(source), check):
            return None
        found.append(place)
    return found


def _inverted(chain: Any, inverse: Any, z: np.ndarray, dual: np.ndarray) -> Solution:
    last = inverse[-1]
    zero = last[ConicSolver.DIMS].zero
    duals: dict[int, Any] = {}
    for values, key in ((dual[:zero], ConicSolver.EQ_CONSTR), (dual[zero:], ConicSolver.NEQ_CONSTR)):
        duals |= utilities.get_dual_values(values, utilities.extract_dual_value, last[key])
    solution = Solution(s.OPTIMAL, 0.0, {last[ConicSolver.VAR_ID]: z}, duals, {})
    for reduction, data in zip(chain.reductions[-2::-1], inverse[-2::-1], strict=True):
        solution = reduction.invert(solution, data)
    return solution
