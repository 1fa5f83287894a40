"""What cvxpy's own tests found, each kind once: verdicts with certificates, rounding in the data, cones at their edge."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail

P = np.random.default_rng(0).normal(size=(400, 3))


def test_an_infeasible_tail_has_multipliers_that_prove_it() -> None:
    """With weights q of the record: q·L(x) + 3 + nu (sum x - 1) - lam·x is positive and the same for every x."""
    x = cp.Variable(3)
    limits = [cp.sum(x) == 1, x >= 0, tail.cvar(-(P @ x), 0.9) <= -3]
    problem = cp.Problem(cp.Minimize(tail.cvar(-(P @ x), 0.95)), limits)
    problem.solve(method="tail")
    assert problem.status == "infeasible"
    nu, lam, mu = (np.asarray(limit.dual_value) for limit in limits)
    record = max(problem.solver_stats.extra_stats["tails"], key=lambda t: t.multiplier)
    q = record.weights
    assert record.multiplier == pytest.approx(float(mu))
    assert q.sum() == pytest.approx(1.0)
    assert -1e-12 <= q.min() <= q.max() <= 1 / (0.1 * 400) + 1e-12
    assert lam.min() >= 0.0
    assert -float(mu) * P.T @ q + nu - lam == pytest.approx(np.zeros(3), abs=1e-9)
    assert 3.0 * float(mu) - float(nu) > 1e-3


def test_crossed_bounds_and_cones_have_multipliers_too() -> None:
    x = cp.Variable(3)
    loss = tail.cvar(-(P @ x), 0.95)
    limits = [x >= 1, x <= 0.5]
    cp.Problem(cp.Minimize(loss), limits).solve(method="tail")
    low, high = limits[0].dual_value, limits[1].dual_value
    assert low == pytest.approx(high)
    assert low @ np.ones(3) - high @ np.full(3, 0.5) > 0.1
    limits = [cp.sum(x) == 1, cp.norm(x) <= 0.1]
    problem = cp.Problem(cp.Minimize(loss), limits)
    problem.solve(method="tail")
    assert problem.status == "infeasible"
    # nu (sum x - 1) + lam (|x| - .1) >= |x| (lam - sqrt(3) |nu|) - nu - .1 lam
    nu, lam = float(limits[0].dual_value), float(limits[1].dual_value)
    assert lam >= np.sqrt(3) * abs(nu) * (1 - 1e-6)
    assert -nu - 0.1 * lam > 0.1
    a = cp.Variable()
    limits = [a >= 2, a <= 1]
    cp.Problem(cp.Maximize(a), limits).solve(method="tail")
    assert limits[0].dual_value == pytest.approx(limits[1].dual_value, rel=1e-6)
    assert limits[0].dual_value > 0.1


def test_an_unbounded_tail_has_a_ray() -> None:
    x, y = cp.Variable(3), cp.Variable(2)
    problem = cp.Problem(cp.Minimize(tail.cvar(-(P @ x), 0.95) - y[0]), [cp.sum(x) == 1, y[0] >= y[1]])
    problem.solve(method="tail")
    assert problem.status == "unbounded"
    ray = problem.solver_stats.extra_stats["ray"]
    fall = np.sort(-(P @ ray[x]))[-20:].mean() - ray[y][0]
    assert fall < -1e-6
    assert abs(ray[x].sum()) <= 1e-12
    assert ray[y][0] >= ray[y][1]
    free = cp.Problem(cp.Minimize(tail.cvar(-(P @ x) - 5 * cp.sum(x), 0.95)), [x >= 0])
    free.solve(method="tail")
    ray = free.solver_stats.extra_stats["ray"]
    assert np.sort(-(P @ ray[x]) - 5 * ray[x].sum())[-20:].mean() < 0
    assert ray[x].min() >= 0


@pytest.mark.parametrize("kind", ["entropy", "semidefinite"])
def test_rounding_of_complex_data_contradicts_nothing(kind: str) -> None:
    """Imaginary parts of what is real: 1e-16 of each x, equal to zero; x > 0 was "infeasible"."""
    x = cp.Variable(3)
    dust = np.array([3.0 + 1.1e-16j, 1.0 + 2.2e-16j, 2.0 + 1.3e-16j])
    more = [x <= 3] if kind == "entropy" else [cp.bmat([[x[0], x[1]], [x[1], x[2]]]) >> 0]
    problem = cp.Problem(cp.Maximize(cp.sum(cp.entr(x))), [dust @ x == 4.0, *more])
    want = cp.Problem(problem.objective, [dust.real @ x == 4.0, *more]).solve(solver=cp.CLARABEL)
    assert problem.solve(method="tail") == pytest.approx(want, rel=1e-6)
    assert problem.status == "optimal"
    # A row in other units is no rounding.
    small = [np.array([3.0, 1.0, 2.0]) @ x == 4.0, 1e-12 * cp.sum(x) == -1e-12, x >= 0]
    never = cp.Problem(cp.Maximize(cp.sum(cp.entr(x))), small)
    never.solve(method="tail")
    assert never.status == "infeasible"


@pytest.mark.parametrize("unit", [1e-12, 1e-15])
@pytest.mark.parametrize("kind", ["linear", "quadratic", "cone", "tail", "equality"])
def test_rows_in_units_of_their_own_are_limits(kind: str, unit: float) -> None:
    """x - y <= 1 in units of 1e12 and x + y <= .5 in units of 1e-12: the second was taken for rounding of the first."""
    x = cp.Variable(2)
    small = unit * cp.sum(x)
    limits = [(x[0] - x[1]) / unit <= 1 / unit, small == 0.5 * unit if kind == "equality" else small <= 0.5 * unit]
    more = {"quadratic": 0.01 * cp.sum_squares(x), "tail": 0.01 * tail.cvar(x, 0.5)}.get(kind, 0.0)
    limits += [x <= 10, x >= -10, *([cp.norm(x) <= 20] if kind == "cone" else [])]
    problem = cp.Problem(cp.Minimize(-cp.sum(x) + more), limits)
    problem.solve(method="tail")
    assert float(np.sum(x.value)) == pytest.approx(0.5, rel=1e-5)
    shown = tail.verify(problem)
    assert problem.status == "optimal"
    assert shown.gap <= 1e-5


def test_exponents_as_they_were_written_down() -> None:
    """0.02999541 + ... is one but for 1e-8: Clarabel panicked."""
    w, z = cp.Variable(4), cp.Variable()
    a = np.array([0.02999541, 0.24340343, 0.03687151, 0.68972966])
    problem = cp.Problem(cp.Maximize(z), [cp.PowConeND(w, z, a), cp.sum(w) <= 1.0])
    assert problem.solve(method="tail") == pytest.approx(float(np.prod(a**a)), rel=1e-6)
    assert problem.status == "optimal"


def test_nothing_to_minimise_inside_a_cone() -> None:
    x = cp.Variable()
    problem = cp.Problem(cp.Maximize(cp.sum(cp.log(x - 1) + cp.log(2 - x) + np.array([]))))
    problem.solve(method="tail")
    assert problem.status == "optimal"
    assert 1 < x.value < 2


def test_a_density_matrix_of_most_entropy() -> None:
    """log 3, for a semidefinite program whose multipliers move as their barrier lets them."""
    N = cp.Variable((3, 3), symmetric=True)
    problem = cp.Problem(cp.Maximize(cp.von_neumann_entr(N)), [cp.trace(N) == 1, N >> 0])
    problem.solve(method="tail")
    assert problem.status == "optimal"
    assert problem.solver_stats.extra_stats["proven"]
    assert problem.value == pytest.approx(np.log(3), abs=1e-5)


def test_the_largest_eigenvalue_of_a_sum() -> None:
    """min lambda_max(A + diag x) with sum x = 0 is at least trace(A) / n; points keep to their rows."""
    A = np.random.default_rng(1).normal(size=(4, 4))
    A = A + A.T
    x = cp.Variable(4)
    problem = cp.Problem(cp.Minimize(cp.lambda_max(A + cp.diag(x))), [cp.sum(x) == 0])
    problem.solve(method="tail")
    stats = problem.solver_stats.extra_stats
    assert problem.status == "optimal"
    assert stats["gap"] <= 1e-5
    assert np.linalg.eigvalsh(A + np.diag(x.value))[-1] == pytest.approx(problem.value, abs=1e-5)
    assert problem.value >= np.trace(A) / 4 - 1e-6


@pytest.mark.parametrize("norm", [1, 2])
def test_logistic_regression_is_proven_through_sparse_equations(norm: int) -> None:
    """One second-order cone among hundreds of exponentials: the second entry gives way where it is a number."""
    r = np.random.default_rng(3)
    X = r.normal(size=(150, 8))
    y = np.sign(X @ r.normal(size=8) + r.normal(size=150))
    w = cp.Variable(8)
    problem = cp.Problem(cp.Minimize(cp.sum(cp.logistic(-cp.multiply(y, X @ w))) / 150 + 0.1 * cp.norm(w, norm)))
    want = problem.solve(solver=cp.CLARABEL)
    assert problem.solve(method="tail") == pytest.approx(want, rel=1e-6)
    stats = problem.solver_stats.extra_stats
    assert stats["proven"]
    assert stats["gap"] <= 1e-6


def test_most_positions_at_zero_are_no_measure_of_a_row() -> None:
    """x >= 0 of interior points ends at -1e-12: that is rounding beside the others, and the first solve is taken."""
    r = np.random.default_rng(3)
    x = cp.Variable(40)
    problem = cp.Problem(cp.Maximize(r.random(40) @ x), [r.random((3, 40)) @ x <= 10 * r.random(3), x >= 0])
    problem.solve(method="tail")
    stats = problem.solver_stats.extra_stats
    assert stats["master"] == "CLARABEL"
    assert stats["proven"]
    assert problem.value == pytest.approx(problem.solve(solver=cp.HIGHS), rel=1e-6)


def test_what_a_solver_refuses_as_not_convex_stays_refused() -> None:
    """-x'x under ``assume_PSD=True``: zero was called optimal by the next master."""
    x = cp.Variable(3)
    with pytest.raises(cp.SolverError):
        cp.Problem(cp.Minimize(cp.quad_form(x, -np.eye(3), assume_PSD=True))).solve(method="tail")
