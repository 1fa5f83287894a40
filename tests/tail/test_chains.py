"""Real option chains: nearly collinear neighbours, columns of very different size; certificate from weights alone."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail
from benchmarks.tail_cases import chain_case
from benchmarks.tail_rivals import bound, objective


@pytest.mark.realdata
@pytest.mark.parametrize("which", ["calm", "crash"])
def test_hedge_of_a_chain_is_certified(which: str) -> None:
    case = chain_case(which, 6_000, 60, 0.99)
    buy, sell = cp.Variable(60, bounds=[0, case.size]), cp.Variable(60, bounds=[0, case.size])
    loss = -(case.P @ (buy - sell)) - case.base
    problem = cp.Problem(cp.Minimize(tail.cvar(loss, 0.99) + case.cost @ (buy + sell)))
    problem.solve(method="tail")
    weights = problem.solver_stats.extra_stats["tails"][0].weights
    value = objective(case, (buy - sell).value)
    assert problem.status == "optimal"
    assert value == pytest.approx(problem.value, rel=1e-6)
    assert (value - bound(case, weights)) / abs(value) <= 1e-6
    unhedged = objective(case, np.zeros(60))
    assert value < 0.2 * unhedged
