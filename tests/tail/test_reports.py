"""Public reports and peers' problems, each with its number; answers in closed form or by another route."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail
from hedgeopt.errors import UnsupportedForm


def test_cvxpy_own_cvar_constraint() -> None:
    """cvxpy's test of its atom (test_atoms.py, seed 1): minimise c'x with CVaR(Ax) <= 1, x >= 0."""
    r = np.random.RandomState(1)
    r.randn(100)
    c, A = r.randn(5), r.randn(100, 5)
    x = cp.Variable(5)
    problem = cp.Problem(cp.Minimize(c @ x), [x >= 0, cp.cvar(A @ x, 0.9) <= 1.0])
    value = problem.solve(method="tail")
    assert problem.status == "optimal"
    assert np.sort(A @ x.value)[-10:].mean() <= 1.0 + 1e-9
    same = cp.Problem(cp.Minimize(c @ x), [x >= 0, tail.cvar(A @ x, 0.9) <= 1.0])
    assert value == pytest.approx(same.solve(solver=cp.HIGHS), rel=1e-7)


def test_cvxpy_261_scales_of_constants() -> None:
    """Mean-variance with a closed form, in returns and in dollars."""
    r = np.random.RandomState(1)
    mu, root = np.abs(r.randn(10)), r.randn(10, 10)
    for scale in (1.0, 1e3, 1e6):
        w, m, S = cp.Variable(10), scale * mu, scale**2 * root.T @ root
        problem = cp.Problem(cp.Maximize(m @ w - 0.5 * cp.quad_form(w, cp.psd_wrap(S))))
        problem.solve(method="tail")
        assert problem.value == pytest.approx(0.5 * m @ np.linalg.solve(S, m), rel=1e-5)


def test_cvxpy_270_and_959_the_wrong_side_is_refused() -> None:
    """A sum of largest that is maximised, or bounded from below: no convex problem, and the message says so."""
    x, rows = cp.Variable(2), np.random.RandomState(1).normal(size=(20, 2))
    for objective, limits in (
        (cp.Maximize(cp.sum_largest(rows @ x, 2) - cp.sum_squares(x)), []),
        (cp.Minimize(cp.sum_squares(x)), [cp.sum_largest(rows @ x, 2) >= 1]),
    ):
        with pytest.raises(UnsupportedForm, match="not a convex use"):
            cp.Problem(objective, limits).solve(method="tail")
    smallest = cp.Problem(cp.Maximize(cp.sum_smallest(rows @ x, 2) - cp.sum_squares(x)))
    assert smallest.solve(method="tail") == pytest.approx(smallest.solve(solver=cp.CLARABEL), abs=1e-6)


def test_cvxpy_1256_relative_entropy() -> None:
    """min KL(p, 1/N): zero, at p = 1/N, whatever N."""
    for count in (10, 100):
        p = cp.Variable(count, pos=True)
        problem = cp.Problem(cp.Minimize(cp.sum(cp.kl_div(p, np.full(count, 1 / count)))), [cp.sum(p) == 1])
        problem.solve(method="tail")
        assert problem.value == pytest.approx(0.0, abs=1e-6)
        assert p.value == pytest.approx(np.full(count, 1 / count), rel=1e-3)


def test_cvxpy_2836_duals_of_a_limit_on_cvar() -> None:
    """Most profit with a limit on a tail: HiGHS' duals had no place in cvxpy's solution. A homogeneous program: the
    multiplier of the limit times the limit is the value."""
    r = np.random.RandomState(3)
    pnl = r.uniform(size=(25, 5))
    for atom in (cp.cvar, tail.cvar):
        w = cp.Variable(5, nonneg=True)
        limit = atom(pnl @ w, 0.95) <= 0.5
        problem = cp.Problem(cp.Maximize(pnl.mean(axis=0) @ w), [limit])
        problem.solve(method="tail")
        assert problem.status == "optimal"
        assert problem.value == pytest.approx(0.5 * float(limit.dual_value), rel=1e-6)
        assert tail.verify(problem).gap <= 1e-6
        whole = cp.Problem(cp.Maximize(pnl.mean(axis=0) @ w), [tail.cvar(pnl @ w, 0.95) <= 0.5])
        assert problem.value == pytest.approx(whole.solve(solver=cp.CLARABEL), rel=1e-6)


def test_cvxpy_1585_gini_mean_difference() -> None:
    """T(T-1)/2 pairs are T-1 tails of one matrix: sum |y_i - y_j| = 2 sum_k largest_k(y) - (T-1) sum y."""
    r = np.random.default_rng(0)
    T, N = 24, 5
    R = 0.01 * r.standard_t(4, size=(T, N))
    x = cp.Variable(N)
    plan = [cp.sum(x) == 1, x >= 0]
    y = R @ x
    pairs = cp.Problem(cp.Minimize(cp.sum([cp.abs(y[i] - y[j]) for i in range(T) for j in range(i)])), plan)
    tails = cp.Problem(cp.Minimize(2 * cp.sum([cp.sum_largest(y, k) for k in range(1, T)]) - (T - 1) * cp.sum(y)), plan)
    want = pairs.solve(solver=cp.CLARABEL)
    assert tails.solve(method="tail") == pytest.approx(want, rel=1e-6)
    assert len(tails.solver_stats.extra_stats["tails"]) == T - 1


def test_cvxpy_2668_integers_as_a_list_of_tuples() -> None:
    r = np.random.default_rng(0)
    costs, need = r.random((4, 3)), np.array([2.4, 1.7, 3.3, 2.0])
    x = cp.Variable(costs.shape, integer=[(0, i) for i in range(3)])
    problem = cp.Problem(cp.Minimize(cp.sum(cp.multiply(costs, x))), [cp.sum(x, axis=1) >= need, x >= 0])
    problem.solve(method="tail")
    want = 3 * costs[0].min() + (costs[1:].min(axis=1) * need[1:]).sum()
    assert problem.value == pytest.approx(want, rel=1e-6)
    assert np.array_equal(x.value[0], np.round(x.value[0]))


def test_cvxpy_2863_a_scalar_integer_beside_a_signed_variable() -> None:
    x, n = cp.Variable(nonpos=True), cp.Variable(integer=True)
    problem = cp.Problem(cp.Maximize(x), [n == 1])
    assert problem.solve(method="tail") == pytest.approx(0.0, abs=1e-9)
    assert n.value == 1


@pytest.mark.filterwarnings("ignore:invalid value encountered in matmul:RuntimeWarning")
def test_cvar_of_what_is_not_affine() -> None:
    """Convex losses: an atom as any other, in the program whole."""
    r = np.random.default_rng(3)
    P, x = r.normal(size=(60, 3)), cp.Variable(3)
    whole = cp.Problem(cp.Minimize(cp.sum_largest(cp.abs(P @ x - 1), 6) / 6), [cp.sum(x) == 1])
    value = whole.solve(method="tail")
    assert whole.status == "optimal"
    assert value == pytest.approx(whole.solve(solver=cp.HIGHS), rel=1e-6)
    both = cp.Problem(
        cp.Minimize(tail.cvar(-P @ x, 0.9) + 0.1 * cp.sum_largest(cp.square(P @ x), 5)), [cp.sum(x) == 1, cp.abs(x) <= 3]
    )
    assert both.solve(method="tail") == pytest.approx(both.solve(solver=cp.CLARABEL), rel=1e-5)
    ours = cp.Problem(cp.Minimize(tail.cvar(cp.abs(P @ x), 0.9)), [cp.sum(x) == 1])
    assert ours.solve(method="tail") == pytest.approx(ours.solve(solver=cp.CLARABEL), rel=1e-5)
