"""Costs and limits however they are written: the same program, the same plan, the multipliers of every row."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail
from hedgeopt.tail.epigraph import Lifted
from hedgeopt.tail.register import _splits

S, N, BETA = 2_000, 10, 0.9


def data(seed: int = 0):
    rng = np.random.default_rng(seed)
    P = 0.01 * rng.standard_t(4, size=(S, N))
    return P, P @ rng.normal(size=N) + 0.01 * rng.normal(size=S), 1e-3 * rng.random(N), 0.1 * rng.normal(size=N)


P, BASE, COST, START = data()
FORMS = {
    "abs": lambda r, x: (r + COST @ cp.abs(x), [cp.abs(x) <= 0.5, cp.sum(x) == 0]),
    "box": lambda r, x: (r + COST @ cp.abs(x), [x <= 0.5, x >= -0.4]),
    "moved": lambda r, x: (r + COST @ cp.abs(x - START), [x <= 0.5, x >= -0.4]),
    "limits": lambda r, x: (r, [cp.abs(x) <= 0.3]),
    "pos_neg": lambda r, x: (r + COST @ cp.pos(x) + 2 * COST @ cp.neg(x), [cp.abs(x) <= 0.6]),
    "norm1": lambda r, x: (r + cp.norm1(cp.multiply(COST, x)), [cp.norm1(x) <= 2]),
    "max": lambda r, x: (
        r + cp.sum(cp.maximum(cp.multiply(COST, x) + 0.001, cp.multiply(-0.3 * COST, x))),
        [x <= 0.5, x >= -0.4],
    ),
    "one sign": lambda r, x: (
        r + cp.sum(cp.maximum(cp.multiply(COST, x), cp.multiply(0.3 * COST, x))),
        [x <= 0.5, x >= -0.4],
    ),
    "tiers": lambda r, x: (r + COST @ cp.abs(x) + COST @ cp.pos(x - 0.2), [x <= 0.5, x >= -0.4]),
    "budget": lambda r, x: (COST @ cp.abs(x), [r <= 0.045, cp.abs(x) <= 3]),
    "cost in the budget": lambda r, x: (cp.norm1(x), [r + COST @ cp.abs(x) <= 0.05]),
    "bend outside": lambda r, x: (r + COST @ cp.abs(x), [x >= 0.05, x <= 0.3]),
    "limit below the bend": lambda r, x: (r + COST @ cp.abs(x), [cp.maximum(2 * x, x) <= -0.01, x >= -0.4]),
    "nested": lambda r, x: (r + COST @ cp.pos(cp.maximum(x, -x) - 0.1), [x <= 0.5, x >= -0.4]),
}


def whole(losses: cp.Expression) -> cp.Expression:
    """The tail as everybody's solver reads it."""
    level = cp.Variable()
    return level + cp.sum(cp.pos(losses - level)) / ((1 - BETA) * S)


@pytest.mark.parametrize("form", FORMS)
def test_plan_and_multipliers_are_those_of_the_program_as_written(form: str) -> None:
    x, other = cp.Variable(N), cp.Variable(N)
    goal, limits = FORMS[form](tail.cvar(-P @ x - BASE, BETA), x)
    problem = cp.Problem(cp.Minimize(goal), limits)
    problem.solve(method="tail", tolerance=1e-8)
    goal, same = FORMS[form](whole(-P @ other - BASE), other)
    reference = cp.Problem(cp.Minimize(goal), same)
    reference.solve(solver=cp.CLARABEL, tol_gap_rel=1e-11, tol_gap_abs=1e-13, tol_feas=1e-11)
    assert problem.status == "optimal"
    assert problem.value == pytest.approx(reference.value, rel=1e-7)
    assert np.abs(x.value - other.value).max() <= 1e-3
    for ours, theirs in zip(limits, same, strict=True):
        a, b = (np.concatenate([np.ravel(d.value) for d in c.dual_variables]) for c in (ours, theirs))
        assert np.abs(a - b).max() <= 1e-3 * np.abs(b).max() + 1e-7
    made = _splits[problem].memory["lifted"][1]
    if form != "nested":
        assert isinstance(made, Lifted)
        assert len(made.c) == len(made.old.c) - len(made.bends.t) + len(np.unique(made.bends.x[made.pairs[0] >= 0]))


def test_forms_become_the_same_program() -> None:
    """Costs as purchases and sales, and as absolute values, leave the masters equally many rows and columns."""
    x, buy, sell = cp.Variable(N), cp.Variable(N, bounds=[0, 0.5]), cp.Variable(N, bounds=[0, 0.5])
    problems = [
        cp.Problem(cp.Minimize(tail.cvar(-P @ x - BASE, BETA) + COST @ cp.abs(x)), [cp.abs(x) <= 0.5]),
        cp.Problem(cp.Minimize(tail.cvar(-P @ (buy - sell) - BASE, BETA) + COST @ (buy + sell))),
    ]
    sizes, values = [], []
    for problem in problems:
        values.append(problem.solve(method="tail"))
        sizes.append(_splits[problem].memory["lifted"][1].A_in.shape)
    assert sizes[0] == sizes[1]
    assert values[0] == pytest.approx(values[1], rel=1e-6)


def test_new_numbers_keep_the_matrices() -> None:
    x, at, cost = cp.Variable(N), cp.Parameter(N), cp.Parameter(N, nonneg=True)
    goal = tail.cvar(-P @ x - BASE, BETA) + cost @ cp.abs(x - at)
    problem = cp.Problem(cp.Minimize(goal), [cp.abs(x) <= 0.5])
    known = None
    for seed in (3, 4, 5):
        rng = np.random.default_rng(seed)
        at.value, cost.value = 0.1 * rng.normal(size=N), 1e-3 * (0.1 + rng.random(N))
        value = problem.solve(method="tail")
        other = cp.Variable(N)
        fresh = cp.Problem(
            cp.Minimize(whole(-P @ other - BASE) + cost.value @ cp.abs(other - at.value)), [cp.abs(other) <= 0.5]
        )
        assert value == pytest.approx(fresh.solve(solver=cp.CLARABEL), rel=1e-6)
        made = _splits[problem].memory["lifted"][1]
        assert known is None or made.E is known.E
        known = made
    at.value = np.full(N, 0.7)  # bends outside the limits: another structure
    other = cp.Variable(N)
    value = problem.solve(method="tail")
    fresh = cp.Problem(cp.Minimize(whole(-P @ other - BASE) + cost.value @ cp.abs(other - 0.7)), [cp.abs(other) <= 0.5])
    assert value == pytest.approx(fresh.solve(solver=cp.CLARABEL), rel=1e-6)
