"""Tails whose shape is odd: probabilities on few scenarios, drawdowns; against the whole program in HiGHS."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import brentq

import hedgeopt.tail as tail


def tilted(P: np.ndarray, effective: float) -> np.ndarray:
    """Exponential tilt towards losses of the equal portfolio, with so many effective scenarios."""
    g = -(P.mean(axis=1)) / P.mean(axis=1).std()

    def weights(rate: float) -> np.ndarray:
        p = np.exp(rate * (g - g.max()))
        return p / p.sum()

    return weights(brentq(lambda rate: 1 / (weights(rate) @ weights(rate)) - effective, 1e-3, 60))


@pytest.mark.parametrize("effective", [1.5, 4.8, 40.0])
def test_entropy_tilting(effective: float) -> None:
    r = np.random.default_rng(0)
    P = 0.01 * (r.standard_t(4, size=(6_000, 3)) @ r.normal(size=(3, 25)) + r.standard_t(4, size=(6_000, 25)))
    p, x = tilted(P, effective), cp.Variable(25)
    problem = cp.Problem(cp.Minimize(tail.cvar(-(P @ x), 0.95, p)), [cp.sum(x) == 1, x >= 0])
    value = problem.solve(method="tail")
    stats = problem.solver_stats.extra_stats
    assert (problem.status, stats["proven"]) == ("optimal", True)
    assert stats["rounds"] <= 12
    assert value == pytest.approx(problem.solve(solver=cp.HIGHS), rel=2e-6, abs=1e-9)


def test_drawdown_at_risk() -> None:
    """Every scenario has an argument of its own, its peak: a sparse program that nothing makes smaller."""
    r = np.random.default_rng(0)
    T, N = 700, 8
    R = 0.01 * r.standard_t(4, size=(T, N)) + 0.0005
    w, peak = cp.Variable(N), cp.Variable(T)
    wealth = cp.cumsum(R @ w)
    rows = [cp.sum(w) == 1, w >= 0, peak >= wealth, peak >= 0, peak[1:] >= peak[:-1]]
    problem = cp.Problem(cp.Minimize(cp.cvar(peak - wealth, 0.95)), rows)
    value = problem.solve(method="tail")
    assert problem.status == "optimal"
    assert problem.solver_stats.extra_stats["rounds"] == 1
    drawdown = np.maximum.accumulate(np.maximum(np.cumsum(R @ w.value), 0)) - np.cumsum(R @ w.value)
    assert np.sort(drawdown)[-35:].mean() == pytest.approx(value, rel=1e-6)
    assert value == pytest.approx(problem.solve(solver=cp.CLARABEL), rel=1e-5)
