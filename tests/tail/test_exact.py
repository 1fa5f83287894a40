"""Bounds, gaps and verdicts against optima in exact rational arithmetic; points inside their bounds to the last digit."""

from __future__ import annotations

import warnings
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import logsumexp

import hedgeopt.tail as tail
from benchmarks.campaign.tail_exact import FALSE, outcome
from hedgeopt.tail.masters.clip import bounds_of, clipped
from hedgeopt.tail.masters.weak import bound_of


def solved(problem: cp.Problem, **options: Any) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.solve(method="tail", **options)
    return problem.solver_stats.extra_stats


@pytest.mark.parametrize("chunk", range(4))
def test_nothing_claimed_is_false(chunk: int) -> None:
    found = [outcome(seed) for seed in range(40 * chunk, 40 * (chunk + 1))]
    assert not set(found) & set(FALSE), [(40 * chunk + i, word) for i, word in enumerate(found) if word in FALSE]
    assert found.count("inexact") + found.count("refused") <= 1


@pytest.mark.parametrize("seed", [99, 131, 199, 238, 631, 650, 969, 1163])
def test_columns_that_lose_nothing_hide_nothing(seed: int) -> None:
    """Epigraphs and far variables without losses of their own set the unit of the rest: inexact at worst, never false."""
    assert outcome(seed) not in FALSE


@pytest.mark.parametrize("seed", [691, 1096])
def test_the_unit_of_a_gap_is_the_objectives_own(seed: int) -> None:
    """A budget in units of 500 beside an objective of 1e-6; a position of 1e-61 that an equality holds at zero."""
    assert outcome(seed) == "right"


@pytest.mark.parametrize("slope", [0.0, 1e-16, 1e-13, 1e-10, 1e-6])
@pytest.mark.parametrize("far", [None, 1e6, 1e12])
def test_what_counts_as_no_slope_is_rounding(slope: float, far: float | None) -> None:
    """``z`` and ``y`` grow together at a cost of -slope each: without a limit nothing above rounding is proven."""
    A = sp.csc_array(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    data = {"A": A, "b": np.zeros(2), "c": np.array([1.0 - slope, -1.0]), "dims": rows_of(0, 2)}
    if far is not None:
        # A third variable carries the limit, in a row of two: implied, not given.
        more = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
        A = sp.csc_array(np.vstack((np.hstack((A.toarray(), np.zeros((2, 1)))), more)))
        data |= {"A": A, "b": np.array([0.0, 0.0, far, 0.0]), "c": np.append(data["c"], 0.0), "dims": rows_of(0, 4)}
    z = np.array([0.0, 1.0, 0.0, 0.0])[: A.shape[0]]
    found = bound_of(data, np.zeros(A.shape[1]), z)
    d = Fraction(data["c"][0]) - 1
    if far is not None:
        # z <= far and z = y: the optimum is far times the exact slope.
        assert found.value <= float(d * Fraction(far)) + 4e-14
    elif abs(d) > Fraction(4e-15) * 2:
        assert found.value == -np.inf
    else:
        assert found.value <= 0.0


def rows_of(zero: int, nonneg: int) -> SimpleNamespace:
    return SimpleNamespace(zero=zero, nonneg=nonneg, soc=[], psd=[], exp=0, p3d=[], pnd=[])


# --- points inside their bounds ----------------------------------------------------------------------------------------


def variance(n: int, seed: int) -> tuple[cp.Problem, cp.Variable]:
    """Least variance of a portfolio, long-only: most weights are zero."""
    F = 0.01 * np.random.default_rng(seed).normal(size=(100, n))
    w = cp.Variable(n)
    S = np.cov(F.T) + 1e-6 * np.eye(n)
    return cp.Problem(cp.Minimize(cp.quad_form(w, cp.psd_wrap(S))), [cp.sum(w) == 1, w >= 0]), w


@pytest.mark.parametrize("master", [None, "INTERIOR", "CLARABEL", "OSQP", "SCS"])
@pytest.mark.parametrize(("n", "seed"), [(20, 1), (40, 3), (60, 3)])
def test_weights_are_not_negative_and_no_value_is_below_the_optimum(master: str | None, n: int, seed: int) -> None:
    problem, w = variance(n, seed)
    stats = solved(problem, master=master)
    assert np.all(w.value >= 0.0)
    assert abs(w.value.sum() - 1.0) <= 1e-12
    scaled, _ = variance(n, seed)
    best = cp.Problem(cp.Minimize(1e4 * scaled.objective.expr), scaled.constraints)
    best.solve(solver=cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    assert problem.value >= best.value / 1e4 * (1 - 1e-9)
    assert stats["lower_bound"] <= best.value / 1e4 * (1 + 1e-9)


@pytest.mark.parametrize("kind", ["tail", "tail and variance", "norm", "exp", "power", "semidefinite"])
def test_bounds_hold_exactly_beside_tails_and_cones(kind: str) -> None:
    r = np.random.default_rng(4)
    P, n = 0.02 * r.normal(size=(150, 12)) + 0.001, 12
    w, risk = cp.Variable(n), None
    low, high = 0.01 * (np.arange(n) % 3 == 0), 0.3
    risk = tail.cvar(-P @ w, 0.9)
    more = {
        "tail": 0.0, "tail and variance": 2.0 * cp.sum_squares(w), "norm": 0.01 * cp.norm(w),
        "exp": 0.01 * cp.log_sum_exp(w), "power": 0.01 * cp.sum(cp.power(w, 1.5)),
        "semidefinite": 0.01 * cp.lambda_max(cp.diag(w) + 0.1 * np.ones((n, n))),
    }[kind]  # fmt: skip
    problem = cp.Problem(cp.Minimize(risk + more), [cp.sum(w) == 1, w >= low, w <= high])
    stats = solved(problem)
    assert np.all(w.value >= low)
    assert np.all(w.value <= high)
    assert abs(w.value.sum() - 1) <= 1e-8
    assert stats["lower_bound"] <= stats["upper_bound"]


@pytest.mark.parametrize("master", [None, "CLARABEL", "ECOS"])
def test_an_entropic_value_at_risk_is_inside_its_bounds(master: str | None) -> None:
    """Cones are met to a tolerance, whose cost is in the gap: the upper bound is no less than the optimum."""
    T, alpha = 100, 0.05
    R = 0.02 * np.random.default_rng(6).normal(size=(T, 8)) + 0.001
    w, t, z, u = cp.Variable(8), cp.Variable(), cp.Variable(nonneg=True), cp.Variable(T)
    rows = [cp.sum(w) == 1, w >= 0, cp.sum(u) <= z, cp.constraints.ExpCone(-R @ w - t, np.ones(T) * z, u)]
    problem = cp.Problem(cp.Minimize(t - z * np.log(alpha * T)), rows)
    stats = solved(problem, master=master)
    assert np.all(w.value >= 0.0)
    x = w.value / w.value.sum()
    loss = -R @ x
    sizes = np.exp(np.linspace(-10, -6, 20_001))
    value = float(np.min(sizes * (logsumexp(loss / sizes[:, None], axis=1) - np.log(alpha * T))))
    # The value of these weights is no less than the optimum, and little more.
    assert stats["lower_bound"] <= value * (1 + 1e-9)
    assert stats["upper_bound"] >= value * (1 - 1e-6)
    assert abs(problem.value - value) <= (stats["gap"] + 1e-6) * value


@pytest.mark.parametrize("solver", [cp.HIGHS, cp.OSQP, cp.CLARABEL, cp.ECOS, cp.SCS])
def test_bounds_are_read_as_solvers_hold_them(solver: str) -> None:
    x = cp.Variable(3)
    rows = [cp.sum(x) == 1, x >= np.array([0.0, -1.0, 0.1]), 2 * x[1] <= 3, x[0] + x[1] <= 4]
    objective = cp.sum_squares(x) if solver == cp.OSQP else cp.norm(x) if solver != cp.HIGHS else x[0]
    data, _, _ = cp.Problem(cp.Minimize(objective), rows).get_problem_data(solver)
    found = set(zip(*bounds_of(data, len(data["c" if "c" in data else "q"])), strict=True))
    assert {(0.0, np.inf), (-1.0, 1.5), (0.1, np.inf)} <= found


def test_a_point_far_outside_is_judged_as_it_is() -> None:
    problem, _ = variance(5, 0)
    data, chain, _ = problem.get_problem_data(cp.OSQP)
    raw = chain.solve_via_data(problem, data, False, False, {})
    x = np.array(raw.x)
    x[0] = -0.5

    class Far:
        def __init__(self) -> None:
            self.x, self.y, self.info = x, raw.y, raw.info

    far = Far()
    assert clipped(cp.OSQP, data, far) is far


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("at", [0.0, 0.3, -7.0])
def test_a_square_of_its_own_bounds_itself_from_any_point(at: float, plain: bool) -> None:
    """min p x^2 / 2 + c x without limits is -c^2 / 2p, and with x >= -0.2 what it is there; never above."""
    p, c = 2.5, 1.5
    for low, want in ((None, -c * c / (2 * p)), (-0.2, 0.5 * p * 0.04 - 0.2 * c)):
        rows = np.array([[0.0]]) if low is None else np.array([[-1.0]])
        A, P = (rows, np.array([[p]])) if plain else (sp.csr_array(rows), sp.csr_array([[p]]))
        data = {"A": A, "b": np.array([1.0 if low is None else -low]), "c": np.array([c]), "P": P, "dims": rows_of(0, 1)}
        found = bound_of(data, np.array([at]), np.zeros(1), enough=lambda bound: True)
        assert found.value == pytest.approx(want, rel=1e-12)
        assert found.value <= want + 1e-15 * max(1.0, p * at * at)
