"""The bound of arbitrary multipliers never exceeds the optimum, and equals it at the simplex' own."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hedgeopt.tail as tail
from hedgeopt.tail.compiled import compile_base
from hedgeopt.tail.masters.bound import envelope, repaired_dual
from hedgeopt.tail.masters.simplex import SimplexMaster
from hedgeopt.tail.model import build_models
from hedgeopt.tail.split import split


def program(seed: int, quadratic: bool = False) -> tuple[cp.Problem, cp.Problem]:
    """A hedge with a second tail in a constraint: for us, and in cvxpy's own atoms."""
    r = np.random.default_rng(seed)
    P, base, cost = r.standard_t(4, size=(40, 5)), 2 * r.normal(size=40), 0.05 * r.random(5)
    both = []
    for cvar in (tail.cvar, cp.cvar):
        buy, sell = cp.Variable(5), cp.Variable(5)
        loss = -(P @ (buy - sell)) - base
        objective = cvar(loss, 0.75) + cost @ (buy + sell) + (0.1 * cp.sum_squares(buy - sell) if quadratic else 0)
        limits = [buy >= 0, sell >= 0, buy <= 1, sell <= 1, cvar(loss, 0.5) <= 3.0, cp.sum(buy) <= 2.5]
        both.append(cp.Problem(cp.Minimize(objective), limits))
    return both[0], both[1]


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), spread=st.floats(0.0, 3.0))
def test_any_multipliers_prove_a_bound(seed: int, spread: float) -> None:
    ours, theirs = program(seed)
    if theirs.solve(solver=cp.HIGHS) == np.inf:
        return
    parts = split(ours)
    compiled = compile_base(parts)
    models = build_models(parts.tails, [slice(0, 5)], 5)
    from hedgeopt.tail.active import ActiveSet

    pieces = []
    for m in models:
        a = ActiveSet(m)
        a.rebuild(m.losses(np.zeros(5)), m.size)
        pieces.append(a.piece())
    master = SimplexMaster(compiled)
    point = master.solve(pieces, 1e-9, None)
    assert point.lower == pytest.approx(theirs.value, rel=1e-8, abs=1e-8)
    p = master.layout.scaled(pieces)
    r = np.random.default_rng(seed)
    found = repaired_dual(
        p, r.normal(size=p.n), spread * r.normal(size=len(p.b_eq)), spread * r.normal(size=len(p.b)),
        [spread * r.normal(size=len(u)) for u in p.caps],
    )  # fmt: skip
    if found.loose == 0.0:
        assert found.value * p.unit * p.weight + compiled.offset <= theirs.value + 1e-8 * (1 + abs(theirs.value))


@pytest.mark.parametrize("master", ["SIMPLEX", "INTERIOR"])
def test_a_tail_in_the_objective_and_one_in_a_constraint(master: str) -> None:
    for seed in range(8):
        ours, theirs = program(seed)
        theirs.solve(solver=cp.HIGHS)
        ours.solve(method="tail", master=master, tolerance=1e-7)
        assert ours.status == theirs.status
        if ours.status == "optimal":
            assert ours.value == pytest.approx(theirs.value, rel=1e-6, abs=1e-7)


def test_quadratic_programs_prove_their_bound() -> None:
    for seed in range(5):
        ours, theirs = program(seed, quadratic=True)
        theirs.solve(solver=cp.CLARABEL)
        if theirs.status == "optimal":
            ours.solve(method="tail", tolerance=1e-7)
            stats = ours.solver_stats.extra_stats
            assert stats["master"] == "INTERIOR"
            assert stats["lower_bound"] <= theirs.value * (1 + 1e-6) + 1e-6
            assert ours.value == pytest.approx(theirs.value, rel=1e-6, abs=1e-6)


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=8), st.floats(0, 1), st.integers(0, 99))
def test_envelope_is_feasible(q: list[float], share: float, seed: int) -> None:
    caps = np.random.default_rng(seed).random(len(q)) + 0.01
    total = share * caps.sum()
    fixed = envelope(np.array(q), caps, total)
    assert np.all(fixed >= 0)
    assert np.all(fixed <= caps)
    assert fixed.sum() == pytest.approx(total, abs=1e-12)


def test_a_dense_plan_is_handed_over_and_a_sparse_one_is_not() -> None:
    r = np.random.default_rng(3)
    P = r.standard_t(4, size=(4_000, 90))
    x = cp.Variable(90)
    dense = cp.Problem(cp.Minimize(tail.cvar(-(P @ x), 0.9)), [cp.sum(x) == 1, x >= 0])
    dense.solve(method="tail")
    assert dense.solver_stats.extra_stats["master"] == "INTERIOR"
    assert dense.solve(method="tail", master="SIMPLEX") == pytest.approx(dense.value, rel=1e-6)
    buy, sell = cp.Variable(90, bounds=[0, 1]), cp.Variable(90, bounds=[0, 1])
    factors = r.standard_t(4, size=(4_000, 3))
    Q = factors @ r.normal(size=(3, 90))
    loss = -(Q @ (buy - sell)) - factors.sum(axis=1) - r.normal(size=4_000)
    sparse = cp.Problem(cp.Minimize(tail.cvar(loss, 0.99) + 0.1 * cp.sum(buy + sell)))
    value = sparse.solve(method="tail")
    assert sparse.solver_stats.extra_stats["master"] == "SIMPLEX"
    assert sparse.solve(method="tail", master="INTERIOR", warm_start=False) == pytest.approx(value, rel=2e-6)


def test_parameters_of_the_base_problem_are_read_anew() -> None:
    P = np.random.default_rng(0).standard_t(4, size=(300, 4))
    x, cost, cap = cp.Variable(4), cp.Parameter(4), cp.Parameter()
    problem = cp.Problem(cp.Minimize(tail.cvar(-(P @ x), 0.9) + cost @ x), [cp.sum(x) == 1, x >= 0, x <= cap])
    for scale in (1.0, 2.0, 2.0, 0.5):
        cost.value, cap.value = scale * np.arange(4.0), 0.3 + 0.2 * scale
        value = problem.solve(method="tail")
        z = cp.Variable(4)
        limits = [cp.sum(z) == 1, z >= 0, z <= cap.value]
        mirror = cp.Problem(cp.Minimize(cp.cvar(-(P @ z), 0.9) + cost.value @ z), limits)
        assert value == pytest.approx(mirror.solve(solver=cp.HIGHS), rel=1e-7)
