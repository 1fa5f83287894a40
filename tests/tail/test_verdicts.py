"""A verdict holds at any distance: what is feasible far away is not called infeasible, what no point meets is."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail
from hedgeopt.tail.masters.exactly import outlives

_LAST = 2.0**-52
_LOSSES = np.random.default_rng(1).normal(size=(30, 2))


def _status(kind: str, rows: list[Any]) -> str:
    w = cp.Variable(2)
    if kind == "rows":
        problem = cp.Problem(cp.Minimize(0.0), rows)
    elif kind == "tail":
        problem = cp.Problem(cp.Minimize(tail.cvar(-_LOSSES @ w, 0.8)), [*rows, cp.sum(w) == 1, w >= 0])
    else:
        problem = cp.Problem(cp.Minimize(cp.sum(w)), [*rows, cp.norm(w) <= 1])
    try:
        problem.solve(method="tail")
    except cp.SolverError:
        return "no answer"
    return str(problem.status)


@pytest.mark.filterwarnings("ignore:Bound not proven")
@pytest.mark.parametrize("kind", ["rows", "tail", "cone"])
@pytest.mark.parametrize(("ulps", "far"), [(16, 1e4), (16, 1e8), pytest.param(1024, 1e8, marks=pytest.mark.slow)])
def test_what_holds_far_away_is_not_infeasible(kind: str, ulps: int, far: float) -> None:
    x, y, slope = cp.Variable(), cp.Variable(), 1.0 + ulps * _LAST
    side = ulps * _LAST * far
    assert Fraction(slope) * Fraction(far) - Fraction(far) == Fraction(side)  # met exactly by x = y = far
    assert _status(kind, [x - y == 0, slope * x - y == side]) != "infeasible"


@pytest.mark.parametrize("kind", ["rows", "tail", "cone"])
@pytest.mark.parametrize("seed", range(5))
def test_contradictions_of_free_variables_are_found(kind: str, seed: int) -> None:
    """Rows of which one is a sum of the others but for its side: no gradient of theirs is zero but for rounding."""
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(2, 9)), int(rng.integers(2, 30))
    A = rng.normal(size=(m, n)) * 10.0 ** rng.integers(-3, 4)
    weights = rng.integers(-3, 4, size=m).astype(float)
    weights[0] = 1.0
    b, size = rng.normal(size=m), 10.0 ** rng.integers(-2, 5)
    x = cp.Variable(n)
    rows = [size * (A @ x) <= size * b, -(weights @ A) @ x <= -(weights @ b) - 1.0, -size * (A[1:] @ x) <= -size * b[1:]]
    assert _status(kind, rows) == "infeasible"


def test_multipliers_outlive_rounding_only_where_a_small_move_makes_it_zero() -> None:
    near = np.array([[1.0, -1.0], [1.0 + 16 * _LAST, -1.0]])
    z, sides = np.array([1.0, -1.0]), np.array([0.0, 1.0])
    assert not outlives(near, z, near.T @ z, sides, 1e-3)
    far = np.array([[1.0, -1.0], [1.0 + 1e-3, -1.0 - 1e-3]])
    z = np.array([1.0 + 1e-3, -1.0])
    assert outlives(far, z, far.T @ z + np.array([1e-16, -1e-16]), 1e-6 * sides, 1e-6)
