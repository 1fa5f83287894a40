"""Bounds of the tail solver against the same program whole, in another solver and in units of one."""

from __future__ import annotations

import warnings

import cvxpy as cp
import numpy as np

import hedgeopt.tail as tail
from benchmarks.campaign.registry import campaign

__all__ = ["FALSE", "bound", "odd"]

FALSE = "bound above the optimum", "gap smaller than it is", "wrong status"


def odd(seed: int, cone: bool, plain: bool) -> cp.Problem:
    """Variables in units of 1e-12 to 1e12, free ones, equalities, far limits; ``plain``: in units of one, cvxpy's atom."""
    r = np.random.default_rng(seed)
    S, N, M = int(r.integers(8, 30)), int(r.integers(2, 5)), 3
    P, units = r.normal(size=(S, N)), 10.0 ** r.integers(-12, 13, size=N + M)
    far = 10.0 ** r.integers(0, 9)
    k = r.normal(size=M) * 10.0 ** r.integers(-6, 1, size=M)
    form, c = seed % 5, 0.1 * r.normal(size=N)
    A, B, b = r.normal(size=(2, N)), r.normal(size=(2, M)), r.normal(size=2)
    base = r.normal(size=S) if seed % 3 else np.zeros(S)
    if plain:
        units = np.ones(N + M)
    x, w = cp.multiply(1 / units[:N], cp.Variable(N)), cp.multiply(1 / units[N:], cp.Variable(M))
    region = {
        0: [x >= 0, cp.abs(w) <= far],
        1: [cp.norm1(x) <= 3, cp.abs(w) <= far, B @ w == 0.1 * B @ np.ones(M)],
        2: [x >= -1, x <= 2, w >= -1, cp.sum(w) <= far],
        3: [cp.norm_inf(x) <= 2, A @ x + B @ w <= np.abs(b) + 5, cp.abs(w) <= far],
        4: [x >= -1, w >= A[0, 0] * x[0] - 1, w <= far],
    }[form]
    if cone:
        region = [*region, cp.norm(w) <= far if seed % 2 else cp.sum_squares(x) <= 4]
    cvar = cp.cvar if plain else tail.cvar
    objective = cvar(-(P @ x) - base, 0.8) + c @ x + k @ w + (0.01 * cp.norm1(x) if form == 2 else 0)
    return cp.Problem(cp.Minimize(objective), [cp.sum(x) == 1, *region])


def bound(seed: int, cone: bool) -> str:
    """What became of one program: "proven", "not proven", "refused", "no reference", or one of ``FALSE``."""
    reference, problem = odd(seed, cone, plain=True), odd(seed, cone, plain=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if cone:
                reference.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
            else:
                reference.solve(solver=cp.HIGHS, primal_feasibility_tolerance=1e-10, dual_feasibility_tolerance=1e-10)
        except cp.SolverError:
            return "no reference"
        if reference.status != "optimal":
            return "no reference"
        try:
            problem.solve(method="tail")
        except cp.SolverError:
            return "refused"
    stats, true = problem.solver_stats.extra_stats, float(reference.value)
    rounding = (1e-6 if cone else 1e-7) * max(1.0, abs(true))
    if problem.status not in ("optimal", "optimal_inaccurate"):
        return FALSE[2]
    if stats["lower_bound"] > true + rounding:
        return FALSE[0]
    if stats["proven"]:
        return "proven" if problem.value - true <= stats["gap"] * abs(problem.value) + rounding else FALSE[1]
    return "not proven" if problem.status == "optimal_inaccurate" else FALSE[2]


@campaign(
    "tail_bounds",
    about="tail problems in units of 1e-12 to 1e12 against the whole in HiGHS or Clarabel; odd numbers have a cone",
    full=600,
    sample=6,
    never=FALSE,
    sources=("hedgeopt/tail",),
    repeatable=False,
)
def case(number: int) -> str:
    """One program."""
    return bound(number // 2, bool(number % 2))
