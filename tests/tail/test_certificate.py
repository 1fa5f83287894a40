"""``tail.verify``: the gap of a solve, proven from the problem's data and the returned weights alone."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import linprog

import hedgeopt.tail as tail
from hedgeopt.errors import InputError

R = np.random.default_rng(11)
S, N = 3_000, 12
P = R.standard_t(4, size=(S, N)) * 0.02 + 0.001
TILTED = R.dirichlet(np.full(S, 0.05))


def problems() -> dict[str, cp.Problem]:
    x, y = cp.Variable(N), cp.Variable(N)
    losses, whole = -(P @ x), cp.sum(x) == 1
    return {
        "abs": cp.Problem(cp.Minimize(tail.cvar(losses, 0.95) + 1e-3 * cp.norm1(x - 0.1)), [whole, cp.abs(x) <= 40]),
        "long only": cp.Problem(cp.Minimize(cp.cvar(losses, 0.95)), [whole, x >= 0]),
        "budget": cp.Problem(cp.Maximize(P.mean(0) @ x), [whole, x >= 0, tail.cvar(losses, 0.95) <= 0.03]),
        "tilted": cp.Problem(cp.Minimize(tail.cvar(losses, 0.9, TILTED)), [whole, x >= 0]),
        "free": cp.Problem(cp.Minimize(tail.cvar(losses, 0.9)), [whole]),
        "two": cp.Problem(cp.Minimize(tail.cvar(losses, 0.95) + 0.3 * tail.cvar(P @ y, 0.9)), [whole, y == 0.5 * x, x >= 0]),
        "maximum": cp.Problem(cp.Minimize(cp.maximum(tail.cvar(losses, 0.95), 1.1 * tail.cvar(losses, 0.9))), [whole]),
        "quadratic": cp.Problem(cp.Minimize(tail.cvar(losses, 0.95) + 0.1 * cp.sum_squares(x)), [whole, x >= 0]),
        "free quadratic": cp.Problem(cp.Minimize(tail.cvar(losses, 0.95) + 0.1 * cp.sum_squares(x)), [whole]),
        "cone": cp.Problem(cp.Minimize(tail.cvar(losses, 0.95)), [whole, x >= 0, cp.norm(x) <= 0.4]),
        "entropy": cp.Problem(cp.Minimize(tail.cvar(losses, 0.95) - 1e-3 * cp.sum(cp.entr(x))), [whole]),
        "no tail": cp.Problem(cp.Minimize(cp.sum_squares(P @ x)), [whole, x >= 0]),
    }  # fmt: skip


@pytest.mark.parametrize("kind", list(problems()))
def test_what_was_returned_proves_the_gap(kind: str) -> None:
    problem = problems()[kind]
    problem.solve(method="tail")
    stats = problem.solver_stats.extra_stats
    found = tail.verify(problem)
    assert problem.status == "optimal"
    assert found.violation <= 1e-6
    assert found.gap <= max(stats["gap"], 1e-9) * 1.01 + 1e-9
    sense = -1.0 if isinstance(problem.objective, cp.Maximize) else 1.0
    assert found.upper == pytest.approx(sense * problem.value, rel=1e-7, abs=1e-9)
    # The proof does not pass the optimum that another solver finds.
    if kind == "long only":
        return  # cvxpy's sum_largest cannot be evaluated where (1 - beta) S is not quite a whole number
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        other = problem.solve(solver="CLARABEL", tol_gap_rel=1e-10, tol_gap_abs=1e-12, tol_feas=1e-10)
    assert found.lower <= sense * other + 1e-8 * max(abs(other), 1e-2)


def test_the_weights_alone_prove_it_in_a_program_without_scenarios() -> None:
    """min sum of q L(x) + cost |x - .1| over the same limits, by another solver, is what ``verify`` says."""
    problem = problems()["abs"]
    problem.solve(method="tail")
    q = problem.solver_stats.extra_stats["tails"][0].weights
    assert q.min() >= 0
    assert q.max() <= 1 / (0.05 * S) * (1 + 1e-12)
    assert q.sum() == pytest.approx(1.0, abs=1e-12)
    # x and t >= |x - .1|
    rows = np.block([[np.eye(N), -np.eye(N)], [-np.eye(N), -np.eye(N)]])
    least = linprog(
        np.concatenate((-(q @ P), np.full(N, 1e-3))), A_ub=rows, b_ub=np.concatenate((np.full(N, 0.1), np.full(N, -0.1))),
        A_eq=np.concatenate((np.ones(N), np.zeros(N)))[None], b_eq=[1.0], bounds=[(-40, 40)] * N + [(0, None)] * N,
    )  # fmt: skip
    found = tail.verify(problem)
    assert found.lower <= least.fun + 1e-9
    assert found.lower >= least.fun - 1e-6 * abs(least.fun)
    assert problem.value - least.fun <= 1e-5 * abs(problem.value)


def test_other_weights_and_points_prove_less() -> None:
    problem = problems()["long only"]
    problem.solve(method="tail")
    right, extra = tail.verify(problem), problem.solver_stats.extra_stats
    record = extra["tails"][0]

    def with_weights(q: Any) -> float:
        extra["tails"] = [replace(record, weights=q)]
        return tail.verify(problem).lower

    plain = with_weights(np.full(S, 1 / S))
    assert plain < right.lower - 1e-3
    # Weights outside of the envelope are moved into it first: they prove no more than is true.
    outside = np.zeros(S)
    outside[np.argmax(-(P @ problem.variables()[0].value))] = 1.0
    assert with_weights(outside) <= right.upper
    extra["tails"] = [record]
    x = problem.variables()[0]
    x.save_value(np.full(N, 1 / N))
    assert tail.verify(problem).gap > 1e-3
    x.save_value(2 * x.value)
    assert tail.verify(problem).violation > 0.1


def test_a_problem_that_was_not_solved_here_is_refused() -> None:
    problem = problems()["long only"]
    with pytest.raises(InputError, match="method"):
        tail.verify(problem)
    problem.solve(solver="CLARABEL")
    with pytest.raises(InputError, match="method"):
        tail.verify(problem)
