"""Squares and norms with integers, where SCIP is installed and where it is not: the optimum of an enumeration, proven."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail
from hedgeopt.tail.register import solve_tail
from hedgeopt.tail.source import Vector

R = np.random.default_rng(0)
N = 4
M, P, T = R.normal(size=(12, N)), R.normal(size=(50, N)), 1.5 * R.normal(size=N)
POINTS = np.array(list(itertools.product(range(-2, 3), repeat=N)), dtype=float)
SQUARES = (((POINTS - T) @ M.T) ** 2).sum(axis=1)
CVAR = np.sort(POINTS @ P.T, axis=1)[:, -10:].mean(axis=1)

_Make = Callable[[cp.Variable], tuple[cp.Expression, list[cp.Constraint]]]
KINDS: dict[str, tuple[_Make, Vector]] = {
    "MIQP": (lambda x: (cp.sum_squares(M @ (x - T)), []), SQUARES),
    "MISOCP": (
        lambda x: (cp.norm(M @ (x - T)), [cp.sum(x) == 1]),
        np.where(POINTS.sum(axis=1) == 1, np.sqrt(SQUARES), np.inf),
    ),
    "quadratic limit": (
        lambda x: (T @ x, [cp.sum_squares(M @ x) <= 30]),
        np.where(((POINTS @ M.T) ** 2).sum(axis=1) <= 30, POINTS @ T, np.inf),
    ),
    "MIQP and a tail": (lambda x: (tail.cvar(P @ x, 0.8) + 0.1 * cp.sum_squares(M @ (x - T)), []), CVAR + 0.1 * SQUARES),
    "MISOCP and a tail": (lambda x: (tail.cvar(P @ x, 0.8) + cp.norm(M @ (x - T)), []), CVAR + np.sqrt(SQUARES)),
}


@pytest.mark.parametrize("scip", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_curved_programs_equal_enumeration(kind: str, scip: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if scip:
        pytest.importorskip("pyscipopt")
    else:
        others = [name for name in cp.installed_solvers() if name != "SCIP"]
        monkeypatch.setattr(cp, "installed_solvers", lambda: others)
    make, values = KINDS[kind]
    x = cp.Variable(N, integer=True)
    objective, limits = make(x)
    problem = cp.Problem(cp.Minimize(objective), [*limits, x >= -2, x <= 2])
    value = problem.solve(method="tail")
    extra = problem.solver_stats.extra_stats
    assert problem.status == "optimal"
    assert extra["proven"]
    assert value == pytest.approx(values.min(), rel=1e-6)
    assert extra["lower_bound"] <= values.min() + 1e-7 * abs(values.min())
    assert np.array_equal(x.value, np.round(x.value))
    best = POINTS[np.argmin(np.abs(POINTS - x.value).max(axis=1))]
    assert values[np.flatnonzero((best == POINTS).all(axis=1))[0]] == pytest.approx(values.min(), rel=1e-6)


def test_scip_is_asked_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of curved integer programs without tails SCIP is asked first, HiGHS and Clarabel never."""
    pytest.importorskip("pyscipopt")

    asked: list[str | None] = []
    where = solve_tail.__globals__
    search = where["search"]

    def watched(parts, models, variables, options, gap, solve):  # type: ignore[no-untyped-def]  # as register.search
        def seen(p, o, m):  # type: ignore[no-untyped-def]
            asked.append(m)
            return solve(p, o, m)

        return search(parts, models, variables, options, gap, seen)

    monkeypatch.setitem(where, "search", watched)
    x = cp.Variable(N, integer=True)
    cp.Problem(cp.Minimize(cp.norm(M @ (x - T))), [x >= -2, x <= 2]).solve(method="tail")
    assert asked[0] == "SCIP"
    assert set(asked) == {"SCIP", None}
