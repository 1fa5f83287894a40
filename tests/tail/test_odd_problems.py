"""Problems that few write: complex and structured losses, matrix cones beside tails, finite sets, numbers that are none."""

from __future__ import annotations

import itertools

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail
from hedgeopt.errors import InputError

R = np.random.default_rng(11)
P = R.normal(size=(40, 3)) + 0.05
C = R.normal(size=(40, 3)) + 1j * R.normal(size=(40, 3))
Q = R.normal(size=(40, 2, 2))
H = R.normal(size=(40, 2, 2)) + 1j * R.normal(size=(40, 2, 2))


def agrees(objective: cp.Expression, limits: list[cp.Constraint]) -> None:
    """Optimal, proven by the solve and by ``verify``, and what Clarabel finds for the whole."""
    problem = cp.Problem(cp.Minimize(objective), limits)
    value = problem.solve(method="tail")
    want = cp.Problem(cp.Minimize(objective), limits).solve(solver="CLARABEL")
    assert problem.status == "optimal"
    assert problem.solver_stats.extra_stats["proven"]
    assert value == pytest.approx(want, rel=1e-5)
    problem.solve(method="tail")
    assert tail.verify(problem).gap <= 1e-5


def test_losses_of_complex_variables() -> None:
    z = cp.Variable(3, complex=True)
    agrees(tail.cvar(cp.real(C @ z) + P[:, 0], 0.8), [cp.abs(z) <= 1])
    agrees(cp.cvar(cp.imag(C @ z) + P[:, 0], 0.8), [cp.abs(z) <= 1])
    X = cp.Variable((2, 2), hermitian=True)
    agrees(tail.cvar(cp.hstack([cp.real(cp.trace(h @ X)) for h in H]), 0.8), [X >> 0, cp.real(cp.trace(X)) == 1])
    Y = cp.Variable((2, 2), imag=True)
    agrees(tail.cvar(cp.hstack([cp.trace(q @ cp.imag(Y)) for q in Q]) + P[:, 0], 0.8), [cp.norm(Y, "fro") <= 2])


@pytest.mark.parametrize("kind", ["symmetric", "diag", "NSD"])
def test_losses_of_structured_variables(kind: str) -> None:
    X = cp.Variable((2, 2), **{kind: True})
    agrees(tail.cvar(cp.hstack([cp.trace(q @ X) for q in Q]) + P[:, 0], 0.8), [cp.norm(X, "fro") <= 2, cp.trace(X) == -1])


MATRICES = {
    "lambda_max": lambda x: cp.lambda_max(cp.diag(x) + np.ones((3, 3))),
    "sigma_max": lambda x: cp.sigma_max(cp.reshape(cp.hstack([x, x]), (2, 3), order="F")),
    "matrix_frac": lambda x: cp.matrix_frac(x, cp.diag(x) + np.eye(3)),
    "tr_inv": lambda x: cp.tr_inv(cp.diag(x) + np.eye(3)),
    "geo_mean": lambda x: -cp.geo_mean(x, [1, 2, 3]),
    "power": lambda x: -cp.sum(cp.power(x, 0.3, approx=False)),
}


@pytest.mark.parametrize("kind", MATRICES)
def test_a_tail_beside_matrix_and_power_cones_is_proven(kind: str) -> None:
    """Their multipliers move in the metric of their own cone: nothing was proven where only rows could move."""
    x = cp.Variable(3)
    agrees(tail.cvar(-P @ x, 0.8) + 0.1 * MATRICES[kind](x), [cp.sum(x) == 1, x >= 0])


def test_finite_sets_beside_a_tail_equal_enumeration() -> None:
    """cvxpy 1.9.3 solves this as if the set were not there."""
    choices = [-1.0, 0.0, 2.5]
    x = cp.Variable(3)
    problem = cp.Problem(cp.Minimize(cp.cvar(P @ x, 0.8)), [cp.constraints.FiniteSet(x, choices), cp.sum(x) >= 1])
    points = [np.array(p) for p in itertools.product(choices, repeat=3) if sum(p) >= 1]
    want = min(float(np.sort(P @ p)[-8:].mean()) for p in points)
    assert problem.solve(method="tail") == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_constant_that_is_no_number_is_refused_by_name(bad: float) -> None:
    x, offset = cp.Variable(3), cp.Parameter(name="carry")
    for objective in (cp.cvar(-P @ x, 0.9) + bad, cp.sum_squares(x) + bad, cp.norm(x - 2) + bad, cp.sum(x) + bad):
        with pytest.raises(InputError, match="every number of a problem must be finite"):
            cp.Problem(cp.Minimize(objective), [cp.sum(x) == 1, x >= 0]).solve(method="tail")
    if np.isnan(bad):
        return  # which cvxpy's parameters refuse
    offset.value = bad
    with pytest.raises(InputError, match="carry"):
        cp.Problem(cp.Minimize(cp.cvar(-P @ x, 0.9) + offset), [cp.sum(x) == 1, x >= 0]).solve(method="tail")
