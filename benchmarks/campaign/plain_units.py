"""Programs without tails whose every variable, row and objective has a unit of its own, against the same in units of one.

Linear, quadratic and second-order cone programs; some rows are equalities, some variables free, some programs infeasible or
unbounded. The solver is handed numbers from 1e-24 to 1e24 where the reference gets numbers of order one.
"""

from __future__ import annotations

import warnings
from typing import Any

import cvxpy as cp
import numpy as np

import hedgeopt.tail as tail
from benchmarks.campaign.registry import campaign

__all__ = ["FALSE", "KINDS", "asked", "outcome"]

KINDS = "linear", "quadratic", "cone", "norm", "least squares", "equalities"
FALSE = "bound above the optimum", "value off", "wrong status", "optimal but unproven", "a limit is broken"
_FAR, _ROUNDING, _GAP = 12, 2e-6, 1e-5


def asked(seed: int, plain: bool) -> tuple[cp.Problem, float, Any]:
    """The program, in units of one if ``plain``, the unit of its objective, and the limits in units of one."""
    r = np.random.default_rng((seed, 5))
    n, m = int(r.integers(1, 6)), int(r.integers(1, 6))
    kind = KINDS[seed % len(KINDS)]
    A, c, inside = r.normal(size=(m, n)), r.normal(size=n), r.normal(size=n)
    A *= r.random((m, n)) < 0.7
    b = A @ inside + r.random(m) * (r.random(m) < 0.7) - (r.random(m) < 0.05) * 3.0
    equal = r.random(m) < (0.6 if kind == "equalities" else 0.15)
    if seed % 11 == 0:
        b = np.where(equal, b, np.maximum(b, 0.0)) * (r.random(m) < 0.5)
    low, high = inside - 1 - r.random(n), inside + 1 + r.random(n)
    free = r.random(n) < 0.15
    u, v, one = (10.0 ** r.integers(-_FAR, _FAR + 1, size=size) for size in (n, m, None))
    u = np.ones(n) if plain or seed % 5 == 0 else u  # of every fifth only the rows are in units of their own
    v, one = (np.ones(m), 1.0) if plain else (v, float(one))
    z = cp.Variable(n)
    rows: list[Any] = []
    for i in range(m):
        left, right = (v[i] * A[i] / u) @ z, v[i] * b[i]
        rows.append(left == right if equal[i] else left <= right)
    held = np.flatnonzero(~free)
    if len(held):
        rows += [z[held] >= (low * u)[held], z[held] <= (high * u)[held]]
    objective = (one * c / u) @ z
    turned = r.normal(size=(n, n))
    if kind == "quadratic":
        objective = objective + one * cp.sum_squares((turned / u) @ z)
    elif kind == "cone":
        rows.append(cp.norm((turned / u) @ z) <= float(np.linalg.norm(turned @ inside)) + 0.5)
    elif kind == "norm":
        objective = objective + one * cp.norm((turned / u) @ z)
    elif kind == "least squares":
        objective = one * cp.sum_squares((turned / u) @ z - r.normal(size=n))
    return cp.Problem(cp.Minimize(objective), rows), one, (A, b, equal, low, high, free, u, z)


def outcome(seed: int) -> str:
    """What became of one program: "right", a verdict, "inexact", "refused", "no reference", or one of ``FALSE``."""
    reference, _, _ = asked(seed, plain=True)
    problem, one, (A, b, equal, low, high, free, u, z) = asked(seed, plain=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            reference.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
        except cp.SolverError:
            return "no reference"
        if reference.status == "unbounded":
            # It may have no point as well.
            some = cp.Problem(cp.Minimize(0), reference.constraints)
            some.solve(solver=cp.CLARABEL)
            reference._status = "infeasible" if some.status == "infeasible" else reference.status
        if reference.status not in ("optimal", "infeasible", "unbounded"):
            return "no reference"
        try:
            problem.solve(method="tail")
        except cp.SolverError:
            return "refused"
    if problem.status not in ("optimal", "optimal_inaccurate") or reference.status != "optimal":
        if problem.status == reference.status:
            return str(problem.status)
        return "inexact" if problem.status == "optimal_inaccurate" else FALSE[2]
    stats, true = problem.solver_stats.extra_stats, float(reference.value)
    slack = _ROUNDING * max(1.0, abs(true))
    if stats["proven"] and stats["lower_bound"] / one > true + slack:
        return FALSE[0]
    if problem.status != "optimal":
        return "inexact"
    if not stats["proven"]:
        return FALSE[3]
    x = z.value / u
    apart = np.where(equal, np.abs(A @ x - b), A @ x - b)
    terms = np.maximum(np.abs(A) @ np.abs(x), np.abs(b)) + 1.0
    held = ~free
    away = np.maximum(np.maximum(low - x, x - high)[held], 0.0)
    if np.any(apart > 2 * _GAP * terms) or np.any(away > 2 * _GAP * (1.0 + np.abs(x[held]))):
        return FALSE[4]
    if abs(problem.value / one - true) > slack + _GAP * max(1.0, abs(true)):
        return FALSE[1]
    shown = tail.verify(problem)
    if shown.lower / one > true + slack:
        return FALSE[0]
    # Without tails no multipliers are kept: verify looks for its own, and may find worse ones.
    return "right" if shown.gap <= 1.5 * _GAP or abs(true) < 1e-6 else "right, not verified"


@campaign(
    "plain_units",
    about="programs without tails, each variable and row in a unit of 1e-12 to 1e12, against the same in units of one",
    full=600,
    sample=12,
    never=FALSE,
    sources=("hedgeopt/tail",),
    repeatable=False,
)
def case(number: int) -> str:
    """One program."""
    return outcome(number)
