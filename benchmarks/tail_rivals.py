"""The rivals of ``method="tail"`` at their best, each run in a process of its own with a cap on CPU seconds."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cvxpy as cp
import numpy as np

from benchmarks.process import Measure, run
from benchmarks.tail_cases import Array, Case
from hedgeopt.tail.atom import cvar_value

Answer = tuple[Array, dict[str, Any]]


def program(case: Case, cvar: Callable[..., cp.Expression]) -> tuple[cp.Problem, cp.Expression]:
    """The case as anybody would write it in cvxpy."""
    n = case.P.shape[1]
    if case.long_only:
        x = cp.Variable(n)
        return cp.Problem(cp.Minimize(cvar(-(case.P @ x), case.beta)), [cp.sum(x) == 1, x >= 0]), x
    buy, sell = cp.Variable(n, bounds=[0, case.size]), cp.Variable(n, bounds=[0, case.size])
    x = buy - sell
    cost = case.cost @ (buy + sell)
    return cp.Problem(cp.Minimize(cvar(-(case.P @ x) - case.base, case.beta) + cost)), x


def tail(case: Case) -> Answer:
    """Ours, with the bound recomputed from its dual weights alone."""
    import hedgeopt.tail  # noqa: F401

    problem, x = program(case, cp.cvar)
    began = time.process_time()
    problem.solve(method="tail", threads=1)
    spent = time.process_time() - began
    stats = dict(problem.solver_stats.extra_stats)
    weights = stats.pop("tails")[0].weights
    stats.pop("certificate")
    stats = {k: v if isinstance(v, str | bool | list) else float(v) for k, v in stats.items()}
    return x.value, {"bound": bound(case, weights), "solve_cpu_seconds": spent, "status": problem.status, **stats}


def cvxpy_default(case: Case) -> Answer:
    """``problem.solve()``."""
    problem, x = program(case, cp.cvar)
    problem.solve()
    return x.value, {}


def cvxpy_highs(case: Case) -> Answer:
    """``problem.solve(solver="HIGHS")``."""
    problem, x = program(case, cp.cvar)
    problem.solve(solver=cp.HIGHS)
    return x.value, {}


def dual_lp(case: Case) -> Answer:
    """The whole dual linear program in HiGHS simplex: one bounded column per scenario, one row per instrument."""
    import highspy

    S, n = case.P.shape
    inf = highspy.kHighsInf
    extra = 1 if case.long_only else 2 * n
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = S + extra, n + 1
    # Each scenario column holds its P&L and a one for sum(q) = 1.
    block = np.empty((S, n + 1))
    block[:, :n], block[:, n] = case.P, 1.0
    starts = np.arange(S + 1) * (n + 1)
    index = np.tile(np.arange(n + 1), S)
    cap = 1 / ((1 - case.beta) * S)
    if case.long_only:
        cost, upper = np.append(np.zeros(S), -1.0), np.append(np.full(S, cap), inf)
        lower = np.append(np.zeros(S), -inf)
        more, more_index, sizes = np.ones(n), np.arange(n), np.array([n])
        row_lower, row_upper = np.append(np.full(n, -inf), 1.0), np.append(np.zeros(n), 1.0)
    else:
        cost = np.concatenate((case.base, case.size, case.size))
        lower, upper = np.zeros(S + 2 * n), np.concatenate((np.full(S, cap), np.full(2 * n, inf)))
        more = np.concatenate((np.ones(n), -np.ones(n)))
        more_index, sizes = np.tile(np.arange(n), 2), np.ones(2 * n, dtype=int)
        row_lower, row_upper = np.append(-case.cost, 1.0), np.append(case.cost, 1.0)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, lower, upper
    lp.row_lower_, lp.row_upper_ = row_lower, row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.concatenate((starts, starts[-1] + np.cumsum(sizes)))
    lp.a_matrix_.index_ = np.concatenate((index, more_index))
    lp.a_matrix_.value_ = np.concatenate((block.ravel(), more))
    solver = highspy.Highs()
    for option, value in {"output_flag": False, "threads": 1, "solver": "simplex"}.items():
        solver.setOptionValue(option, value)
    solver.passModel(lp)
    solver.run()
    dual = np.asarray(solver.getSolution().row_dual)[:n]
    return (-dual if dual.sum() < 0 else dual) if case.long_only else dual * _sign(case, dual), {}


def cvqp_default(case: Case) -> Answer:
    """The ADMM of ``cvqp`` at its default tolerances."""
    return _cvqp(case, None)


def cvqp_tight(case: Case) -> Answer:
    """``cvqp`` asked for the accuracy we deliver."""
    return _cvqp(case, 1e-7)


def _cvqp(case: Case, tolerance: float | None) -> Answer:
    import cvqp

    S, n = case.P.shape
    # Variables (x | buy, sell), level t and a constant one; CVaR(-P x - base - t) <= 0.
    if case.long_only:
        A = np.hstack((-case.P, -np.ones((S, 1))))
        q = np.append(np.zeros(n), 1.0)
        B = np.vstack((np.append(np.ones(n), 0.0), np.eye(n, n + 1)))
        lo, hi = np.append(1.0, np.zeros(n)), np.append(1.0, np.full(n, np.inf))
    else:
        A = np.hstack((-case.P, case.P, -np.ones((S, 1)), -case.base[:, None]))
        q = np.concatenate((case.cost, case.cost, [1.0, 0.0]))
        B = np.delete(np.eye(2 * n + 2), 2 * n, axis=0)
        lo, hi = np.append(np.zeros(2 * n), 1.0), np.concatenate((case.size, case.size, [1.0]))
    settings = cvqp.Settings() if tolerance is None else cvqp.Settings(abstol=tolerance, reltol=tolerance)
    found = cvqp.solve(None, q, A, B, lo, hi, case.beta, 0.0, settings=settings)
    x = found.x[:n] if case.long_only else found.x[:n] - found.x[n : 2 * n]
    return x, {"status": found.status}


NEEDS = {"cvqp_default": "cvqp", "cvqp_tight": "cvqp"}
RIVALS = {f.__name__: f for f in (tail, dual_lp, cvxpy_highs, cvxpy_default, cvqp_default, cvqp_tight)}


def objective(case: Case, x: Array) -> float:
    """True objective of a point brought into its bounds."""
    if case.long_only:
        x = np.maximum(x, 0.0)
        x = x / x.sum()
    else:
        x = np.clip(x, -case.size, case.size)
    S = len(case.P)
    risk = cvar_value(-(case.P @ x) - case.base, np.full(S, 1 / S), case.beta)[0]
    return float(risk + (0.0 if case.long_only else case.cost @ np.abs(x)))


def bound(case: Case, q: Array) -> float:
    """Lower bound of the optimum from risk-envelope weights alone, by the closed form over the feasible set."""
    cap = 1 / ((1 - case.beta) * len(q))
    q = np.maximum(q, 0.0) / np.maximum(q, 0.0).sum()
    if q.max() > cap * (1 + 1e-9):
        return -np.inf
    pull = q @ case.P
    if case.long_only:
        return float(-pull.max() - q @ case.base)
    return float(-(q @ case.base) - case.size @ np.maximum(np.abs(pull) - case.cost, 0.0))


def run_capped(case: Case, rival: str, cap: float) -> dict[str, Any]:
    """Run one rival in a forked process that shares the case: CPU seconds and peak extra memory, or why there are none."""
    missing = NEEDS.get(rival)
    if missing is not None and importlib.util.find_spec(missing) is None:
        return {"skipped": f"{missing} is not installed"}
    # Imports are nobody's running time: load everything before the fork.
    for module in ("hedgeopt.tail", "hedgeopt.tail.masters.interior", "highspy", "clarabel", "cvqp", "threadpoolctl"):
        if importlib.util.find_spec(module):
            importlib.import_module(module)
    return run(_measured, case, rival, cap=cap, fork=True)


def _measured(case: Case, rival: str) -> dict[str, Any]:
    # First calls load code; that is nobody's running time either.
    RIVALS["cvqp_default" if rival == "cvqp_tight" else rival](
        replace(case, P=case.P[:60, :3], base=case.base[:60], beta=0.9, cost=case.cost[:3], size=case.size[:3])
    )
    with Measure() as measure:
        x, details = RIVALS[rival](case)
    return {
        "outcome": "solved",
        "cpu_seconds": measure.cpu_seconds,
        "extra_bytes": measure.resident_bytes,
        "x": np.asarray(x),
        **details,
    }


def _sign(case: Case, dual: Array) -> float:
    return 1.0 if objective(case, dual) <= objective(case, -dual) else -1.0
