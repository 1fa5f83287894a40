"""Points of interior points meet every row to the last digits, and stay within their bounds."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail


@pytest.mark.parametrize("seed", range(4))
def test_bounds_hold_exactly_and_rows_to_rounding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    S, n = 2_000, 30
    P = 0.01 * rng.standard_t(4, size=(S, n)) + 5e-4 * rng.normal(size=n)
    x = cp.Variable(n)
    G = rng.normal(size=(5, n)) * 10.0 ** rng.uniform(-3, 3, (5, 1))
    top = np.abs(G).max(axis=1) * 0.2
    problem = cp.Problem(
        cp.Minimize(tail.cvar(-P @ x, 0.95) + 0.1 * cp.sum_squares(x)), [cp.sum(x) == 1, x >= 0, G @ x <= top]
    )
    problem.solve(method="tail", master="INTERIOR")
    assert problem.status == "optimal"
    assert x.value.min() >= 0.0
    assert abs(x.value.sum() - 1) <= 1e-13
    assert np.all(G @ x.value - top <= 1e-12 * (np.abs(G) @ x.value))
    # No feasible point is better than the optimum of an independent solver by more than both tolerances.
    other = cp.Variable(n)
    level = cp.Variable()
    goal = level + cp.sum(cp.pos(-P @ other - level)) / (0.05 * S) + 0.1 * cp.sum_squares(other)
    reference = cp.Problem(cp.Minimize(goal), [cp.sum(other) == 1, other >= 0, G @ other <= top])
    assert problem.value == pytest.approx(reference.solve(solver=cp.CLARABEL), rel=2e-6)
