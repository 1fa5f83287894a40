"""Random small problems against an independent LP (Rockafellar–Uryasev in scipy's HiGHS), values and KKT residuals."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import linprog

import hedgeopt.tail as tail


def random_problem(seed: int):
    """Data with ties, duplicates, roundings, zero rows, fractional tails and zero probabilities."""
    r = np.random.default_rng(seed)
    S, N = int(r.integers(1, 40)), int(r.integers(1, 6))
    P = r.normal(size=(S, N))
    if r.random() < 0.3:
        P = np.round(P)
    if r.random() < 0.2:
        P = P[r.integers(0, S, S)]
    if r.random() < 0.1:
        P[:] = P[0]
    if r.random() < 0.15:
        P[:, -1] = P[:, 0]
    beta = float(r.choice([0.0, 0.5, 0.9, 0.95, 0.999, r.random()]))
    p = np.full(S, 1 / S)
    if r.random() < 0.4:
        p = r.random(S) * (r.random(S) < 0.8)
        p[0] += 0.1
        p /= p.sum()
    base = r.normal(size=S) * float(r.random() < 0.6)
    cost = r.normal(size=N) * float(r.random() < 0.5) * 0.3
    return P, base, beta, p, cost, r


def reference(P, base, beta, p, cost, lo, hi, total=None, budget=None):
    """min cost'x + CVaR (or cost'x subject to CVaR <= budget) by the full LP in (x, alpha, xi)."""
    S, N = P.shape
    u = p / (1 - beta)
    tail_row = np.concatenate((np.zeros(N), [1.0], u))
    c = np.concatenate((cost, np.zeros(1 + S))) + (tail_row if budget is None else 0.0)
    A = np.hstack((-P, -np.ones((S, 1)), -np.eye(S)))
    b = base.copy()
    if budget is not None:
        A, b = np.vstack((A, tail_row)), np.append(b, budget)
    A_eq = None if total is None else np.concatenate((np.ones(N), np.zeros(1 + S)))[None, :]
    bounds = [(lo, hi)] * N + [(None, None)] + [(0, None)] * S
    return linprog(c, A, b, A_eq, None if total is None else [total], bounds=bounds, method="highs")


STATUS = {0: "optimal", 2: "infeasible", 3: "unbounded"}


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_minimum_cvar_equals_the_whole_linear_program(first: int) -> None:
    for seed in range(first, first + 50):
        P, base, beta, p, cost, _ = random_problem(seed)
        lo, hi, total = [(-1, 1, None), (0, 1, 1.0), (None, None, 1.0), (0, 0.1, 1.0)][seed % 4]
        want = reference(P, base, beta, p, cost, lo, hi, total)
        x = cp.Variable(P.shape[1])
        limits = [c for c, on in ((x >= (lo or 0), lo is not None), (x <= (hi or 0), hi is not None)) if on]
        if total is not None:
            limits.append(cp.sum(x) == total)
        probabilities = None if np.all(p == p[0]) else p
        risk = tail.cvar(-(P @ x) - base, beta, probabilities)
        problem = cp.Problem(cp.Minimize(risk + cost @ x), limits)
        problem.solve(method="tail", threads=1)
        assert problem.status == STATUS[want.status], seed
        if want.status:
            continue
        assert problem.value == pytest.approx(want.fun, rel=2e-6, abs=2e-7), seed
        stats = problem.solver_stats.extra_stats
        assert stats["lower_bound"] <= want.fun + 1e-6 * max(1, abs(want.fun))
        assert stats["upper_bound"] >= want.fun - 1e-6 * max(1, abs(want.fun))
        record = stats["tails"][0]
        u = p / (1 - beta)
        q = record.weights
        assert np.all(q >= 0)
        assert np.all(q <= u * (1 + 1e-12))
        assert q.sum() == pytest.approx(1, abs=1e-9)
        losses = -(P @ x.value) - base
        assert record.value == pytest.approx(risk.value, abs=1e-9 * max(1, abs(risk.value)))
        assert q @ losses == pytest.approx(risk.value, rel=1e-4, abs=2e-6)


@pytest.mark.parametrize("first", range(1000, 1100, 50))
def test_cvar_constraints_that_bind_and_that_do_not(first: int) -> None:
    for seed in range(first, first + 50):
        P, base, beta, p, _, r = random_problem(seed)
        cost = r.normal(size=P.shape[1])
        budget = float(r.normal() * 0.7 + 0.7)
        want = reference(P, base, beta, p, cost, -1, 1, budget=budget)
        x = cp.Variable(P.shape[1])
        limit = tail.cvar(-(P @ x) - base, beta, p) <= budget
        problem = cp.Problem(cp.Maximize(-cost @ x), [limit, x >= -1, x <= 1])
        problem.solve(method="tail", threads=1)
        assert problem.status == STATUS[want.status], seed
        if want.status:
            continue
        assert -problem.value == pytest.approx(want.fun, rel=2e-6, abs=2e-7), seed
        assert limit.args[0].value <= budget + 1e-7
        multiplier = -want.ineqlin.marginals[-1]
        record = problem.solver_stats.extra_stats["tails"][0]
        assert record.multiplier == pytest.approx(float(limit.dual_value), rel=1e-6, abs=1e-9)
        if record.value < budget - 1e-4:
            assert record.multiplier == pytest.approx(0.0, abs=1e-4)
        if np.linalg.matrix_rank(P) == P.shape[1] and multiplier > 1e-3:
            # Not unique in a degenerate vertex: check it prices the budget from both sides instead.
            step = 1e-3 * max(1.0, abs(budget))
            up = reference(P, base, beta, p, cost, -1, 1, budget=budget + step)
            down = reference(P, base, beta, p, cost, -1, 1, budget=budget - step)
            if up.status == 0 and down.status == 0:
                low, high = (want.fun - up.fun) / step, (down.fun - want.fun) / step
                assert low - 1e-4 <= record.multiplier <= high + 1e-4, seed


@pytest.mark.parametrize("seed", range(40))
def test_kkt_residuals_of_bounds_and_equalities(seed: int) -> None:
    r = np.random.default_rng(seed)
    S, N = 120, 5
    P, base, cost = r.normal(size=(S, N)), r.normal(size=S), r.normal(size=N) * 0.1
    x = cp.Variable(N)
    upper, lower, total = x <= 0.6, x >= -0.3, cp.sum(x) == 1
    problem = cp.Problem(cp.Minimize(3 * tail.cvar(-(P @ x) - base, 0.83) + cost @ x), [upper, lower, total])
    problem.solve(method="tail", tolerance=1e-9, threads=1)
    record = problem.solver_stats.extra_stats["tails"][0]
    assert record.multiplier == pytest.approx(3.0)
    gradient = cost - 3 * record.weights @ P + upper.dual_value - lower.dual_value + total.dual_value
    assert np.abs(gradient).max() < 1e-5
    assert np.all(upper.dual_value >= 0)
    assert np.all(lower.dual_value >= 0)
    assert np.abs(upper.dual_value * (0.6 - x.value)).max() < 1e-5
    assert np.abs(lower.dual_value * (x.value + 0.3)).max() < 1e-5
