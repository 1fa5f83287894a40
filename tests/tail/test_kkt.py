"""Optimality conditions at returned points, from the original arrays: stationarity, signs, complementarity.

With TailRecord's weights ``q`` (a subgradient of CVaR in the losses) and multiplier ``m``, a minimisation over
``L = -P x - base`` is optimal where ``grad f - sum m q P + constraint duals = 0``.
"""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail

S, N = 150, 5


def data(seed: int, scenarios: int = S):
    r = np.random.default_rng(seed)
    p = r.random(scenarios) * (r.random(scenarios) < 0.9) + 1e-3
    return r.normal(size=(scenarios, N)) + 0.05, r.normal(size=scenarios), p / p.sum(), r


def solve(problem: cp.Problem, tolerance: float = 1e-9) -> list[tail.TailRecord]:
    problem.solve(method="tail", tolerance=tolerance, threads=1)
    assert problem.status == "optimal"
    return problem.solver_stats.extra_stats["tails"]


def check_weights(record: tail.TailRecord, losses: np.ndarray, p: np.ndarray, beta: float, slack: float = 1e-6) -> None:
    """q lies in the risk envelope and attains the CVaR where it is priced."""
    q = record.weights
    assert np.all(q >= 0)
    assert np.all(q <= p / (1 - beta) * (1 + 1e-12))
    assert q.sum() == pytest.approx(1, abs=1e-9)
    assert record.multiplier * (record.value - q @ losses) == pytest.approx(0, abs=slack)


@pytest.mark.parametrize("seed", range(12))
def test_tail_constraint_with_probabilities(seed: int) -> None:
    P, base, p, r = data(seed)
    cost, beta = r.normal(size=N), float(r.uniform(0.6, 0.97))
    x = cp.Variable(N)
    losses = -(P @ x) - base
    least = tail.cvar(losses, beta, p)
    cheapest = float(cp.Problem(cp.Minimize(least), [x <= 1, x >= -1]).solve(solver="HIGHS"))
    limit, upper, lower = tail.cvar(losses, beta, p) <= cheapest + float(r.uniform(0.05, 1.5)), x <= 1, x >= -1
    (record,) = solve(cp.Problem(cp.Minimize(cost @ x), [limit, upper, lower]))
    m = float(limit.dual_value)
    assert m == pytest.approx(record.multiplier, rel=1e-9)
    assert m >= 0
    assert np.abs(cost - m * (record.weights @ P) + upper.dual_value - lower.dual_value).max() < 1e-5
    assert m * limit.args[1].value - m * record.value == pytest.approx(0, abs=1e-5)
    assert np.abs(upper.dual_value * (1 - x.value)).max() < 1e-5
    assert np.abs(lower.dual_value * (x.value + 1)).max() < 1e-5
    assert min(upper.dual_value.min(), lower.dual_value.min()) >= 0
    check_weights(record, losses.value, p, beta)


@pytest.mark.parametrize("seed", range(12))
def test_tails_in_objective_and_constraints_together(seed: int) -> None:
    P, base, p, r = data(seed + 100)
    Q = r.normal(size=(90, N))
    mean = r.normal(size=N) * 0.2
    x = cp.Variable(N)
    first, second = -(P @ x) - base, -(Q @ x)
    total, limit = cp.sum(x) == 0.5, tail.cvar(second, 0.713) <= float(r.uniform(0.6, 1.2))
    upper, lower = x <= 1, x >= -1
    problem = cp.Problem(cp.Maximize(mean @ x - 0.7 * tail.cvar(first, 0.9, p)), [total, limit, upper, lower])
    records = {record.weights.size: record for record in solve(problem)}
    a, b = records[S], records[90]
    assert a.multiplier == pytest.approx(0.7)
    # A minimisation of the negative: duals have that sign.
    gradient = -mean - 0.7 * (a.weights @ P) - b.multiplier * (b.weights @ Q)
    assert np.abs(gradient + total.dual_value + upper.dual_value - lower.dual_value).max() < 1e-5
    assert b.multiplier * (limit.args[1].value - b.value) == pytest.approx(0, abs=1e-5)
    check_weights(a, first.value, p, 0.9)
    check_weights(b, second.value, np.full(90, 1 / 90), 0.713, 1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_quadratic_objective(seed: int) -> None:
    P, base, p, r = data(seed + 200)
    root = r.normal(size=(N, N)) * 0.3
    x = cp.Variable(N)
    losses = -(P @ x) - base
    total, lower = cp.sum(x) == 1, x >= 0
    problem = cp.Problem(cp.Minimize(cp.sum_squares(root @ x) + 2 * tail.cvar(losses, 0.8, p)), [total, lower])
    (record,) = solve(problem)
    gradient = 2 * root.T @ root @ x.value - 2 * (record.weights @ P) + total.dual_value - lower.dual_value
    assert np.abs(gradient).max() < 1e-4
    assert np.abs(lower.dual_value * x.value).max() < 1e-5
    check_weights(record, losses.value, p, 0.8, 1e-5)


def test_second_order_cone() -> None:
    P, base, p, _ = data(300)
    x = cp.Variable(N)
    losses = -(P @ x) - base
    ball = cp.norm(x, 2) <= 0.4
    (record,) = solve(cp.Problem(cp.Minimize(tail.cvar(losses, 0.9, p)), [ball]), 1e-8)
    # The ball binds: the gradient of CVaR points along x.
    assert np.linalg.norm(x.value) == pytest.approx(0.4, rel=1e-6)
    assert np.abs(-(record.weights @ P) + float(ball.dual_value) * x.value / 0.4).max() < 1e-3
    check_weights(record, losses.value, p, 0.9, 1e-4)


@pytest.mark.parametrize("weighted", [False, True])
def test_several_levels(weighted: bool) -> None:
    P, base, p, r = data(400, 20_000)
    p = p if weighted else np.full(20_000, 1 / 20_000)
    cost = 0.1 * r.normal(size=N)
    x = cp.Variable(N)
    losses = -(P @ x) - base
    upper, lower = x <= 0.1, x >= -0.1
    problem = cp.Problem(cp.Minimize(tail.cvar(losses, 0.98765, p) + cost @ x), [upper, lower])
    (record,) = solve(problem, 1e-9)
    gradient = cost - record.weights @ P + upper.dual_value - lower.dual_value
    assert np.abs(gradient).max() < 1e-4
    assert np.abs(upper.dual_value * (0.1 - x.value)).max() < 1e-5
    assert np.abs(lower.dual_value * (x.value + 0.1)).max() < 1e-5
    check_weights(record, losses.value, p, 0.98765)
