"""Every call of a solver ends: time limits where nobody set one."""

from __future__ import annotations

import warnings

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail
from hedgeopt.program.order import solver_order
from hedgeopt.tail.masters.options import LONGEST, solver_options

LIMITS = {
    "CLARABEL": "time_limit", "HIGHS": "time_limit", "OSQP": "time_limit", "SCS": "time_limit_secs", "GUROBI": "TimeLimit",
}  # fmt: skip


@pytest.mark.parametrize(("solver", "key"), LIMITS.items())
def test_every_solver_with_a_time_limit_gets_one(solver: str, key: str) -> None:
    assert solver_options(solver, {}, 1e-6, False, None)[key] == LONGEST
    assert solver_options(solver, {key: 7_200}, 1e-6, False, None)[key] == 7_200
    assert solver_options(solver, {key: 7_200}, 1e-6, False, 60.0)[key] == 60
    assert solver_options(solver, {key: 5}, 1e-6, False, 60.0)[key] == 5


def test_the_one_without_comes_last() -> None:
    x = cp.Variable(2)
    order = solver_order(cp.Problem(cp.Minimize(x[0]), [cp.sum_squares(x) <= 1]), "auto")
    assert order[-1] == "ECOS"
    assert "time_limit" not in solver_options("ECOS", {}, 1e-6, False, None)


def test_a_simplex_that_takes_too_long_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    r = np.random.default_rng(0)
    x, P = cp.Variable(30), r.normal(size=(400, 30))
    problem = cp.Problem(cp.Minimize(tail.cvar(-(P @ x), 0.9)), [cp.sum(x) == 1, x >= 0])
    problem.solve(method="tail", master="INTERIOR")
    want = problem.value
    monkeypatch.setattr("hedgeopt.tail.masters.simplex.LONGEST", 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.solve(method="tail", master="SIMPLEX", warm_start=False)
    stats = problem.solver_stats.extra_stats
    assert problem.status == "optimal"
    assert problem.value == pytest.approx(want, rel=1e-6)
    assert [f["master"] for f in stats["failures"]] == ["SIMPLEX"]
    assert stats["failures"][0]["reason"].startswith("no answer within")
