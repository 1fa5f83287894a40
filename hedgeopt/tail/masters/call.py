"""One call of a cvxpy solver: options, known faults, and the verdict in the masters' terms."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import cvxpy as cp
import numpy as np
from cvxpy import settings as s
from cvxpy.error import SolverError

from hedgeopt._quiet import silence_highs
from hedgeopt.tail.finite import refuse_infinite, refuse_unless_finite
from hedgeopt.tail.masters.clip import clipped
from hedgeopt.tail.masters.options import solver_options
from hedgeopt.tail.masters.outside import mark_noise, without_noise
from hedgeopt.tail.masters.units import Units, equilibrated

_STATUS = {
    s.OPTIMAL: "optimal",
    s.OPTIMAL_INACCURATE: "optimal",
    s.USER_LIMIT: "optimal",
    s.INFEASIBLE: "infeasible",
    s.INFEASIBLE_INACCURATE: "infeasible",
    s.UNBOUNDED: "unbounded",
    s.UNBOUNDED_INACCURATE: "unbounded",
}
_VERDICT = {status: verdict for status, verdict in _STATUS.items() if status != s.USER_LIMIT}
# What is rounding in a sum of exponents, of digits that somebody wrote down.
_ROUNDED = 1e-5
# HiGHS' word for a solution within its feasibility tolerance.
_FEASIBLE = 2
# Relative violation up to which a solver that was cut off has a point, and residuals are charged at the point.
NEAR = 1e-5


@dataclass
class Answer:
    """A verdict (optimal, infeasible, unbounded, late or failed), the reason, and the solver's input and output.

    "optimal" means that a point came back, at whatever accuracy: the caller computes how good it is.
    """

    status: str
    reason: str = ""
    solver: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    raw: Any = None
    offset: float = 0.0
    cut: bool = False
    """Whether a limit ended the solver: its point may be anything."""
    technical: bool = False
    """Whether the solver broke down, before it could judge the problem."""
    units: Units | None = None
    """Of ``data`` and ``raw``: those that Clarabel was given; None: the problem's units."""
    original: dict[str, Any] = field(default_factory=dict)
    """``data`` in the problem's units."""

    def usable(self, violation: float) -> bool:
        """Whether the point is near the constraints; a solver that was cut off is given no benefit of the doubt."""
        return not self.cut or violation <= NEAR


def call(
    problem: cp.Problem,
    name: str,
    given: dict[str, Any],
    tolerance: float,
    seconds: float | None,
    units: Units | None = None,
    fit: bool = False,
) -> Answer:
    """Solve ``problem`` within ``seconds``, as near to ``tolerance`` as the solver can be asked.

    With ``fit`` Clarabel gets rows and columns of order one, or in the ``units`` that an earlier solve suggests.
    """
    if seconds is not None and seconds <= 0:
        return Answer("late")
    options = solver_options(name, given, tolerance, problem.is_mixed_integer(), seconds)
    try:
        answer = _solve(problem, name, options, units, fit)
        if answer.status == "failed":
            answer.technical = "failed. Try another" not in answer.reason
            return answer
        if problem.status == s.INFEASIBLE_OR_UNBOUNDED:
            # Presolve does not say which: with nothing to minimise only one of the two is left.
            probe = cp.Problem(cp.Minimize(0), problem.constraints)
            _solve(probe, name, options)
            answer.status = {"infeasible": "infeasible", "optimal": "unbounded"}.get(
                _VERDICT.get(probe.status, ""), "failed"
            )
            if answer.status == "failed":
                answer.reason = f"{name} said infeasible or unbounded, and could not tell which"
            return answer
    except SolverError as error:
        return Answer("failed", str(error) or type(error).__name__, technical="failed. Try another" not in str(error))
    answer.status, answer.reason = _STATUS.get(problem.status, "failed"), f"{name} ended with status {problem.status}"
    answer.cut = problem.status == s.USER_LIMIT
    if answer.cut and not _has_point(problem):
        answer.status = "failed" if seconds is None else "late"
    return answer


@contextmanager
def panics_as_errors(name: str) -> Iterator[None]:
    """A panic in a solver written in Rust is a SolverError: pyo3's PanicException would pass every ``except Exception``."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise SolverError(f"{name} panicked: {error}") from None


def even_powers(data: dict[str, Any]) -> None:
    """Exponents of the power cones in ``data`` that sum to one."""
    dims = data.get("dims")
    for powers in getattr(dims, "pnd", None) or []:
        powers[:] = even(powers)


def even(powers: Any) -> list[float]:
    """Exponents that sum to one to the last place: Clarabel panics where rounding left more."""
    out = [float(power) for power in powers]
    for _ in range(4):
        # The largest takes what is over; what that rounds is smaller each time.
        over = float(np.sum(out)) - 1.0
        if over == 0.0 or abs(over) > _ROUNDED:
            break
        out[int(np.argmax(out))] -= over
    return out


def _has_point(problem: cp.Problem) -> bool:
    info = problem.solver_stats.extra_stats if problem.solver_stats is not None else None
    found = getattr(info, "primal_solution_status", _FEASIBLE)
    return int(found) == _FEASIBLE and problem.value is not None


def _solve(problem: cp.Problem, name: str, options: dict[str, Any], units: Units | None = None, fit: bool = False) -> Answer:
    """``problem.solve(solver=name, **options)``, keeping the solver's arrays and its own answer."""
    if name == "HIGHS":
        silence_highs()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*DPP.*")
        warnings.filterwarnings("ignore", message="Solution may be inaccurate")
        warnings.filterwarnings("ignore", message=r"\s*The problem is either infeasible or unbounded")
        warnings.filterwarnings("ignore", category=UserWarning, module="cvxpy")
        try:
            data, chain, inverse = problem.get_problem_data(name, solver_opts=dict(options))
        except ValueError as error:
            if "NaN" in str(error):
                refuse_infinite(problem)
            raise
        refuse_unless_finite(problem, data, inverse)
        even_powers(data)
        mark_noise(data, chain)
        if fit and chain.solver.name() == cp.CLARABEL:
            data = without_noise(data)
            units = units or equilibrated(data)
            given, data = data, units.scaled(data)
        else:
            units, given = None, data
        with panics_as_errors(chain.solver.name()):
            raw = clipped(chain.solver.name(), data, chain.solve_via_data(problem, data, False, False, dict(options)))
        answer = Answer(
            "optimal", "", chain.solver.name(), data, raw, float(inverse[-1].get(s.OFFSET, 0.0)), units=units, original=given
        )
        try:
            shown = raw if units is None else clipped(chain.solver.name(), given, units.back(raw))
            problem.unpack_results(shown, chain, inverse)
        except SolverError as error:
            # What it was given can still prove something.
            answer.status, answer.reason = "failed", str(error)
        except ValueError:
            # cvxpy's word for a status that no verdict stands for, such as HiGHS' kUnknown
            answer.status, answer.reason = (
                "failed",
                f"Solver '{answer.solver}' failed. Try another: it ended without a verdict.",
            )
    return answer
