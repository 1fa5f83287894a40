"""Cones, quadratic and linear programs in which variables count in units of their own: solved, not only bounded."""

from __future__ import annotations

import warnings
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail
from hedgeopt.tail.masters.outside import excess
from hedgeopt.tail.masters.units import equilibrated

UNITS = np.array([1e-7, 1.0, 1e7])


def solved(problem: cp.Problem, **options: Any) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.solve(method="tail", **options)
    return problem.solver_stats.extra_stats


def small(
    kind: str, units: np.ndarray, cvar: Any = tail.cvar, weight: float = 1.0, far: float = 1e8
) -> tuple[cp.Problem, cp.Expression]:
    """A portfolio with a cone, its holdings, and a variable that is far from all of them."""
    r = np.random.default_rng(8)
    P, x, z = r.normal(size=(40, 3)) + 0.2, cp.multiply(1.0 / units, cp.Variable(3)), cp.Variable()
    rows = {
        "norm": [cp.norm(x) <= 1.2],
        "exp": [cp.sum(cp.exp(0.5 * x)) <= 3.9],
        "log_sum_exp": [cp.log_sum_exp(x) <= 1.7],
        "power": [cp.sum(cp.power(cp.abs(x), 1.5)) <= 1.4],
        "semidefinite": [cp.lambda_max(cp.bmat([[x[0], x[1]], [x[1], -x[2]]])) <= 0.9],
        "squares": [cp.sum_squares(x) <= 1.5],
        "none": [],
    }[kind]
    curved = 0.1 * cp.sum_squares(x) if kind == "none" else 0
    objective = cvar(-(P @ x), 0.8) + (0.1 / far) * z + 0.01 * cp.norm1(x) + curved
    return cp.Problem(cp.Minimize(weight * objective), [cp.sum(x) == 1, cp.abs(x) <= 2, cp.abs(z) <= far, *rows]), x


@pytest.mark.parametrize("weight", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("kind", ["norm", "exp", "log_sum_exp", "power", "semidefinite", "squares", "none"])
def test_every_cone_in_any_unit_is_solved(kind: str, weight: float) -> None:
    reference, _ = small(kind, np.ones(3), cp.cvar, far=1.0)
    reference.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    problem, _ = small(kind, UNITS, weight=weight)
    stats = solved(problem)
    assert problem.status == "optimal"
    assert problem.value / weight == pytest.approx(reference.value, rel=3e-6)
    assert stats["lower_bound"] / weight <= reference.value + 1e-7
    sizes = [1.0, 1.0, 1e8, *([1.0] if kind != "none" else [])]
    for constraint, size in zip(problem.constraints, sizes, strict=True):
        assert float(np.max(constraint.violation())) <= 1e-6 * size
    assert problem.objective.value == pytest.approx(problem.value, rel=1e-6)


@pytest.mark.parametrize("far", [1e6, 1e9])
def test_a_large_variable_hides_no_broken_row(far: float) -> None:
    """A budget of one beside a variable of 1e9: a point that breaks the budget is not optimal."""
    r = np.random.default_rng(2)
    P, x, z = r.normal(size=(30, 3)), cp.Variable(3), cp.Variable()
    rows = [cp.sum(x) == 1, x >= 0, cp.SOC(cp.Constant(far), cp.hstack([z, 1.0])), cp.SOC(cp.Constant(0.9), x)]
    problem = cp.Problem(cp.Minimize(tail.cvar(-(P @ x), 0.8) - z), rows)
    solved(problem)
    assert problem.status == "optimal"
    assert abs(float(np.sum(x.value)) - 1) <= 1e-6
    assert float(np.linalg.norm(x.value)) <= 0.9 + 1e-6
    data, _, _ = cp.Problem(cp.Minimize(0 * z), rows).get_problem_data(cp.CLARABEL)
    where = data["param_prob"].var_id_to_col
    for wrong, least in ((0.0, 0.0), (1e-3, 1e-4), (0.3, 1e-2)):
        v = np.zeros(data["A"].shape[1])
        v[where[x.id] : where[x.id] + 3] = (1 + wrong) / 3
        v[where[z.id]] = 0.9 * far
        units = equilibrated(data)
        found = excess(units.scaled(data), v / units.columns, False, [])
        assert found > least if wrong else found <= 1e-12


@pytest.mark.parametrize("kind", ["norm", "exp", "power", "squares"])
@pytest.mark.parametrize("apart", [1e-2, 1.0])
def test_what_is_infeasible_beside_a_cone_is_said_so(kind: str, apart: float) -> None:
    for units in (np.ones(3), UNITS):
        problem, x = small(kind, units)
        t = cp.Variable()
        # The objective's own epigraph is no part of the proof.
        objective = cp.Minimize(problem.objective.args[0] + 0.1 * cp.norm(x) + t)
        held = cp.Problem(objective, [*problem.constraints, t >= cp.sum_squares(x), x[0] + x[1] <= 0.4, x[2] <= 0.6 - apart])
        solved(held)
        assert held.status == "infeasible"


@pytest.mark.parametrize("cost", [1e2, 1e4, 1e7, 1e9])
def test_what_only_curves_holds_up_is_no_ray(cost: float) -> None:
    """``x^k <= t``: the least of t - cost x is far away, not nowhere."""
    for power in (1.5, 2.0, 3.0):
        t, x = cp.Variable(), cp.Variable()
        problem = cp.Problem(cp.Minimize(t - cost * x), [cp.power(cp.pos(x), power) <= t])
        try:
            solved(problem)
        except cp.SolverError:
            continue
        assert problem.status in ("optimal", "optimal_inaccurate")
        if problem.status == "optimal":
            least = (1 / power - 1) * cost * (cost / power) ** (1 / (power - 1))
            assert problem.value == pytest.approx(least, rel=1e-5)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_rays_beside_cones(unit: float) -> None:
    x, t, y = cp.Variable(), cp.Variable(), cp.Variable()
    for rows, objective in (
        ([cp.exp(x / unit) <= t], x / unit),
        ([cp.norm(cp.hstack([x / unit, 1])) <= t], -t),
        ([cp.geo_mean(cp.hstack([x / unit, y])) >= t], -t),
        ([cp.sum_squares(x / unit) <= t], -t),
        ([cp.lambda_max(cp.bmat([[x / unit, t], [t, x / unit]])) <= 1], x / unit),
    ):
        problem = cp.Problem(cp.Minimize(objective), rows)
        solved(problem)
        assert problem.status == "unbounded"


def test_a_point_that_breaks_rows_by_far_is_none() -> None:
    """An infeasible program with integers as no one can prove it, or a solver that stops far off: no point is returned."""
    problem, _ = small("norm", UNITS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hedgeopt.tail.masters.conic.excess", lambda *_: 0.3)
        with pytest.raises(cp.SolverError, match="breaks rows of the problem by 3e-01"):
            solved(problem)


@pytest.mark.parametrize(("far", "gain"), [(1e5, 1e-3), (1e7, 0.1), (1e7, 1e-4)])
@pytest.mark.parametrize("kind", ["cone", "rows"])
def test_a_gain_far_away_is_found(far: float, gain: float, kind: str) -> None:
    P = np.random.default_rng(0).normal(size=(20, 2))
    x, z, w = cp.Variable(2), cp.Variable(), cp.Variable()
    best = cp.Problem(cp.Minimize(cp.cvar(-P @ x, 0.8)), [cp.sum(x) == 1, x >= 0]).solve(solver=cp.HIGHS)
    region = cp.norm(cp.hstack([z, w])) <= far if kind == "cone" else cp.abs(z) <= far
    problem = cp.Problem(cp.Minimize(cp.cvar(-P @ x, 0.8) + 1 - (gain / far) * z), [cp.sum(x) == 1, x >= 0, region])
    solved(problem)
    assert problem.status == "optimal"
    assert problem.value == pytest.approx(best + 1 - gain, abs=2e-6)
