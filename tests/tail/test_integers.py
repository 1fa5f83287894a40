"""Integers: against enumeration, proven bounds, limits, forms of cvxpy that make integers."""

from __future__ import annotations

import itertools

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hedgeopt.tail as tail
from benchmarks.campaign.tail_integers import against_enumeration
from hedgeopt.tail.atom import cvar_value
from hedgeopt.tail.cuts import CutNodes
from hedgeopt.tail.nodes import WholeNodes
from tests.tail.test_random_problems import fixed

KINDS = ("lp", "budget", "quadratic", "cone", "maximise")


def integer_problem(seed: int, kind: str) -> tuple[cp.Problem, cp.Variable, cp.Variable]:
    """Two whole lots and two free trades; every form keeps the value of the whole in closed reach of enumeration."""
    r = np.random.default_rng(seed)
    S = int(r.integers(5, 60))
    P, base, p = r.normal(size=(S, 4)), 2 * r.normal(size=S), r.random(S) + 0.1
    n, x = cp.Variable(2, integer=True), cp.Variable(2)
    loss = -(P[:, :2] @ n) - (P[:, 2:] @ x) - base
    risk = tail.cvar(loss, float(r.choice([0.0, 0.5, 0.8, 0.95])), p / p.sum() if seed % 2 else None)
    limits = [n >= -2, n <= 2, cp.abs(x) <= 1]
    cost = r.normal(size=2) @ n + 0.3 * cp.norm1(x)
    objective = cp.Minimize(risk + cost)
    if kind == "budget":
        objective, limits = cp.Minimize(cost), [*limits, risk <= float(np.abs(base).mean()) + 1]
    elif kind == "quadratic":
        objective = cp.Minimize(risk + cp.sum_squares(n - 0.4) + cp.sum_squares(x))
    elif kind == "cone":
        limits = [*limits, cp.norm(cp.hstack([n, x])) <= 2.2]
    elif kind == "maximise":
        objective = cp.Maximize(5 - risk - cost)
    return cp.Problem(objective, limits), n, x


def enumerated(problem: cp.Problem, n: cp.Variable) -> float:
    """The best value over all whole lots, each a continuous problem in an ordinary solver."""
    at = cp.Parameter(2)
    values, pick = [], max if isinstance(problem.objective, cp.Maximize) else min
    fixed_ = cp.Variable(2)
    swapped = _swapped(problem, n, fixed_)
    each = cp.Problem(swapped.objective, [*swapped.constraints, fixed_ == at])
    for lots in itertools.product(range(-2, 3), repeat=2):
        at.value = np.array(lots, dtype=float)
        each.solve(solver=cp.CLARABEL)
        if each.status == "optimal":
            values.append(float(each.value))
    return pick(values) if values else np.nan


def _swapped(problem: cp.Problem, old: cp.Variable, new: cp.Variable) -> cp.Problem:
    def walk(e):
        if e is old:
            return new
        return e.copy([walk(a) for a in e.args]) if e.args else e

    return cp.Problem(walk(problem.objective), [walk(c) for c in problem.constraints])


@given(st.integers(0, 10**6), st.sampled_from(KINDS))
@fixed(15)
def test_whole_lots_equal_enumeration(seed: int, kind: str) -> None:
    problem, n, _ = integer_problem(seed, kind)
    want = enumerated(problem, n)
    problem.solve(method="tail")
    if np.isnan(want):
        assert problem.status == "infeasible"
        return
    stats = problem.solver_stats.extra_stats
    assert problem.status == "optimal"
    assert stats["proven"]
    assert problem.value == pytest.approx(want, rel=2e-6, abs=2e-6)
    assert stats["lower_bound"] <= want + 2e-6 <= stats["upper_bound"] + 4e-6
    assert np.array_equal(n.value, np.round(n.value))
    assert max(np.max(c.violation()) for c in problem.constraints) <= 1e-6


def test_value_is_that_of_the_returned_lots() -> None:
    r = np.random.default_rng(0)
    P, base = r.normal(size=(3000, 6)), 3 * r.normal(size=3000)
    n = cp.Variable(6, integer=True)
    problem = cp.Problem(cp.Minimize(tail.cvar(-(P @ n) - base, 0.9)), [cp.abs(n) <= 3])
    problem.solve(method="tail")
    stats = problem.solver_stats.extra_stats
    exact = cvar_value(-(P @ n.value) - base, np.full(3000, 1 / 3000), 0.9)[0]
    assert problem.value == pytest.approx(exact, rel=1e-12)
    assert stats["lower_bound"] <= problem.value
    assert stats["gap"] <= 1e-5
    assert stats["root_bound"] <= stats["lower_bound"] + 1e-9


@pytest.mark.filterwarnings(r"ignore:\s*You did:FutureWarning")
def test_logic_and_finite_sets() -> None:
    r = np.random.default_rng(1)
    P, base = r.normal(size=(200, 3)), r.normal(size=200)
    a, b, x = cp.Variable(boolean=True), cp.Variable(boolean=True), cp.Variable(3)
    from cvxpy.atoms.elementwise.logic import And, Not, Or, Xor
    from cvxpy.constraints import FiniteSet

    for form in (And(a, b), Or(a, Not(b)), Xor(a, b), Xor(a, b, a)):
        found = []
        for solve in ({"method": "tail"}, {"solver": cp.HIGHS}):
            limits = [cp.abs(x) <= 0.3 + a, FiniteSet(x[1], np.array([-0.7, 0.1, 0.5])), cp.sum(x) <= form]
            problem = cp.Problem(cp.Minimize(tail.cvar(-(P @ x) - base, 0.9) + 0.1 * a - 0.05 * b - 0.04 * form), limits)
            found.append(problem.solve(**solve))
            assert problem.status == "optimal"
        assert found[0] == pytest.approx(found[1], rel=1e-5, abs=1e-6)


@pytest.mark.filterwarnings(r"ignore:\s*You did:FutureWarning")
def test_logic_and_finite_sets_without_tails() -> None:
    from cvxpy.atoms.elementwise.logic import And, Not, Or, Xor
    from cvxpy.constraints import FiniteSet

    for first in (0, 1):
        for second in (0, 1):
            a, b = cp.Variable(boolean=True), cp.Variable(boolean=True)
            forms = And(a, b), Or(a, b), Xor(a, b), Xor(a, b, a), Or(Not(a), b)
            truth = first & second, first | second, first ^ second, second, (1 - first) | second
            for form, value in zip(forms, truth, strict=True):
                problem = cp.Problem(cp.Maximize(form), [a == first, b == second])
                assert problem.solve(method="tail") == pytest.approx(value, abs=1e-9)
                assert problem.status == "optimal"
    x = cp.Variable()
    problem = cp.Problem(cp.Minimize(cp.square(x - 0.4)), [FiniteSet(x, np.array([-0.7, 0.1, 0.5]))])
    assert problem.solve(method="tail") == pytest.approx(0.01, rel=1e-5)
    limit = FiniteSet(x, np.array([-0.7, 0.1, 0.5]))
    problem = cp.Problem(cp.Minimize(x), [limit, x >= -0.5])
    assert problem.solve(method="tail") == pytest.approx(0.1, abs=1e-9)


def test_partly_integer_variables_and_shapes() -> None:
    r = np.random.default_rng(2)
    P, base = r.normal(size=(150, 4)), 2 * r.normal(size=150)
    found = []
    for solve in ({"method": "tail"}, {"solver": cp.HIGHS}):
        x = cp.Variable((2, 2), integer=[(0, 1), (1, 0)], bounds=[-1.7, 2.4])
        problem = cp.Problem(cp.Minimize(tail.cvar(-(P @ cp.vec(x, order="C")) - base, 0.8)))
        found.append(problem.solve(**solve))
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert x.value is not None


def test_infeasible_and_unbounded_integers() -> None:
    P = np.random.default_rng(3).normal(size=(50, 2))
    n = cp.Variable(2, integer=True)
    risk = tail.cvar(-(P @ n), 0.9)
    for limits in ([n >= 0.2, n <= 0.8], [2 * n[0] + 4 * n[1] == 3, cp.abs(n) <= 50], [n >= 1, n <= 0]):
        problem = cp.Problem(cp.Minimize(risk), limits)
        problem.solve(method="tail")
        assert (problem.status, n.value) == ("infeasible", None)
    free = cp.Variable(integer=True)
    for objective, limits, status in (
        (risk - free, [cp.abs(n) <= 3], "unbounded"),
        (risk - free, [cp.abs(n) <= 3, n[0] >= 0.2, n[0] <= 0.8], "infeasible"),
    ):
        problem = cp.Problem(cp.Minimize(objective), limits)
        problem.solve(method="tail")
        assert problem.status == status


def cardinality(scenarios: int = 400, assets: int = 12, most: int = 4) -> tuple[cp.Problem, cp.Variable]:
    r = np.random.default_rng(5)
    P = 0.01 * (
        r.standard_t(4, size=(scenarios, 2)) @ r.normal(size=(2, assets)) + r.standard_t(4, size=(scenarios, assets))
    )
    x, held = cp.Variable(assets), cp.Variable(assets, boolean=True)
    limits = [cp.sum(x) == 1, x >= 0.05 * held, x <= 0.5 * held, cp.sum(held) <= most]
    return cp.Problem(cp.Minimize(tail.cvar(-(P @ x), 0.9)), limits), x


def test_anytime_with_an_honest_gap() -> None:
    problem, x = cardinality()
    best = problem.solve(method="tail")
    assert problem.status == "optimal"
    for nodes in (30, 40, 60):
        problem, x = cardinality()
        problem.solve(method="tail", max_nodes=nodes)
        stats = problem.solver_stats.extra_stats
        assert problem.status in ("optimal", "user_limit")
        assert stats["lower_bound"] <= best * (1 + 1e-6)
        assert problem.value >= best * (1 - 1e-6)
        assert stats["gap"] == pytest.approx((problem.value - stats["lower_bound"]) / abs(problem.value))
        assert np.sum(x.value > 1e-9) <= 4
    problem, _ = cardinality()
    problem.solve(method="tail", integer_gap=0.1)
    stats = problem.solver_stats.extra_stats
    assert problem.status == "optimal"
    assert stats["gap"] <= 0.1
    assert stats["lower_bound"] <= best * (1 + 1e-6)


def test_the_values_of_the_variables_are_a_point_to_begin_from() -> None:
    problem, _ = cardinality()
    best = problem.solve(method="tail")
    problem.solve(method="tail", max_nodes=3)
    assert problem.value == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("seed", range(6, 18))
def test_lots_and_tickets_equal_enumeration(seed: int) -> None:
    """Every point there is, one by one; the campaign ``tail_integers`` asks 600 of them."""
    assert against_enumeration(seed) in ("same", "infeasible")


def test_wrong_multipliers_fix_nothing_falsely(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds and fixed entries follow from the data at any multipliers; a solver's own reduced costs are not believed."""
    r, proven = np.random.default_rng(0), CutNodes._proven

    def noisy(self: CutNodes, dual: np.ndarray) -> tuple[float, np.ndarray]:
        return proven(self, dual * r.uniform(0.7, 1.3, len(dual)))

    monkeypatch.setattr(CutNodes, "_proven", noisy)
    assert {against_enumeration(seed) for seed in (0, 1, 2, 6, 7, 8, 12)} == {"same"}


def test_solvers_multipliers_fix_nothing_where_no_bound_is_computed_from_them() -> None:
    problem, *_ = integer_problem(3, "quadratic")
    seen = []
    original = WholeNodes.relax

    def relax(self, *args, **options):
        seen.append(original(self, *args, **options))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WholeNodes, "relax", relax)
        problem.solve(method="tail")
    assert seen
    assert all(answer.cost is None for answer in seen)
    assert problem.solver_stats.extra_stats["fixed"] == 0


def chain_like(scenarios: int, instruments: int, seed: int = 0) -> tuple[cp.Problem, cp.Expression, cp.Variable]:
    """Strikes of one underlying, neighbours nearly equal; lots of a tenth and at most four trades."""
    r = np.random.default_rng(seed)
    move, strike = 0.05 * r.standard_t(4, size=scenarios), np.linspace(-0.2, 0.2, instruments)
    P = np.maximum(move[:, None] - strike, 0) - np.maximum(-strike, 0) + 1e-4 * r.normal(size=(scenarios, instruments))
    P, base = 1000 * P, -1000 * (np.maximum(move[:, None] - strike[::5] - 0.013, 0) @ r.uniform(2, 8, len(strike[::5])))
    lots, held = cp.Variable(instruments, integer=True), cp.Variable(instruments, boolean=True)
    x = 0.1 * lots
    risk = tail.cvar(-(P @ x) - (base - base.mean()), 0.95)
    limits = [cp.abs(x) <= 50 * held, cp.sum(held) <= 4]
    return cp.Problem(cp.Minimize(risk + 0.3 * cp.norm1(x)), limits), x, held


def test_few_trades_are_near_the_best_before_any_branching() -> None:
    problem, x, held = chain_like(1_000, 30)
    problem.solve(method="tail", max_nodes=2, integer_gap=1e-3)
    first, stats = problem.value, problem.solver_stats.extra_stats
    assert np.sum(np.abs(x.value) > 1e-9) <= 4
    assert np.allclose(10 * x.value, np.round(10 * x.value))
    assert np.all(np.abs(x.value) <= 50 * held.value + 1e-9)
    assert stats["lower_bound"] <= first
    problem, *_ = chain_like(1_000, 30)
    problem.solve(method="tail", max_nodes=60, integer_gap=1e-3)
    assert problem.value <= first + 1e-9 * abs(first)
    assert first <= problem.value + 0.03 * abs(problem.value)


def test_lots_bounded_by_rows_alone_need_no_node_solved_whole() -> None:
    """Lots without bounds of their own: those that rows imply are enough for a node's bound."""
    problem, *_ = chain_like(500, 15)
    whole = []
    original = WholeNodes.relax

    def relax(self, first, last, *args, **options):
        whole.append(not np.array_equal(first, last))
        return original(self, first, last, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WholeNodes, "relax", relax)
        problem.solve(method="tail", max_nodes=60)
    assert problem.solver_stats.extra_stats["nodes"] >= 4
    assert sum(whole) == 1
