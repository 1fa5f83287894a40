"""Whether a problem without tails goes to the solver that cvxpy would take, and the solve there."""

from __future__ import annotations

from typing import Any

import cvxpy as cp

from hedgeopt.errors import InputError
from hedgeopt.tail.choice import DENSE
from hedgeopt.tail.integers import is_whole
from hedgeopt.tail.masters.options import solver_options
from hedgeopt.tail.outcome import Options
from hedgeopt.tail.plain import solve_plain


def handed_over(problem: cp.Problem, master: str | None) -> bool:
    """Whether a problem without tails goes to the solver that cvxpy would take.

    Linear and small quadratic programs with parameters stay: they are solved again and again, from the last basis.
    """
    if master is not None:
        return master.upper() not in ("SIMPLEX", "INTERIOR")
    if is_whole(problem):
        return False  # the search over whole numbers proves its bound
    if not problem.parameters() or not problem.variables():
        return True
    objective = problem.objective.args[0]
    linear = bool(objective.is_pwl())
    small = linear or sum(v.size for v in problem.variables()) <= DENSE
    return not (small and problem.is_qp())


def solve_there(
    problem: cp.Problem,
    master: str | None,
    options: Options,
    given: dict[str, Any],
    canon: dict[str, Any],
    warm_start: bool,
) -> bool:
    """Solve there, and once more by interior points where nothing is proven; False where that proves nothing either."""
    name = None if master is None else master.upper()
    if name is not None and name not in cp.installed_solvers():
        return False  # refused with the names of all masters
    if name is None and given:
        raise InputError("options of a cvxpy solver need master=", field="options", value=", ".join(given))
    asked = dict(given)
    if name is not None:
        asked = solver_options(name, given, options.tolerance, is_whole(problem), options.remaining())
    elif options.time_limit is not None:
        return False  # the masters keep to a limit
    done = solve_plain(problem, name, options.tolerance, asked, canon, warm_start, options.verbose, name is None)
    if not done and name is None:
        # First-order methods stop far from the optimum: once more, by interior points.
        asked = solver_options("CLARABEL", {}, 1e-2 * options.tolerance, False, options.remaining())
        done = solve_plain(problem, "CLARABEL", options.tolerance, asked, canon, warm_start, options.verbose)
    return done
