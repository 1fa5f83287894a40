"""Working columns: a program solved in a few of its variables has the optimum and the bound of the whole."""

from __future__ import annotations

import cvxpy as cp
import highspy
import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog

import hedgeopt.tail as tail
from hedgeopt.tail.active import ActiveSet
from hedgeopt.tail.compiled import compile_base
from hedgeopt.tail.masters.interior import InteriorMaster
from hedgeopt.tail.masters.simplex import SimplexMaster
from hedgeopt.tail.model import build_models
from hedgeopt.tail.register import _splits
from hedgeopt.tail.split import split

BETA, SCENARIOS, CANDIDATES = 0.9, 150, 60


def hedge(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nearly collinear candidates, as neighbouring strikes are, of sizes from 1e-2 to 1e3."""
    r = np.random.default_rng(seed)
    P = r.standard_t(4, size=(SCENARIOS, 4)) @ r.normal(size=(4, CANDIDATES)) + 0.05 * r.normal(size=(SCENARIOS, CANDIDATES))
    size = 10.0 ** r.uniform(-2, 3, CANDIDATES)
    return P * size, 5 * r.standard_t(4, size=SCENARIOS), 0.1 * size


def whole(P: np.ndarray, base: np.ndarray, cost: np.ndarray, buys: float) -> float:
    """The linear program of Rockafellar and Uryasev with every variable, in scipy."""
    S, n = P.shape
    tail_cost = np.full(S, 1 / ((1 - BETA) * S))
    A = sparse.hstack([-P, P, -np.ones((S, 1)), -sparse.eye(S)])
    budget = np.concatenate((np.ones(2 * n), np.zeros(1 + S)))[None]
    found = linprog(
        np.concatenate((cost, cost, [1.0], tail_cost)),
        A_ub=sparse.vstack([A, budget]),
        b_ub=np.append(base, buys),
        bounds=[(0, 1)] * (2 * n) + [(None, None)] + [(0, None)] * S,
    )
    return float(found.fun)


def problem_of(P: np.ndarray, base: np.ndarray, cost: np.ndarray, buys: float) -> cp.Problem:
    n = P.shape[1]
    buy, sell = cp.Variable(n, bounds=[0, 1]), cp.Variable(n, bounds=[0, 1])
    loss = -(P @ (buy - sell)) - base
    return cp.Problem(cp.Minimize(tail.cvar(loss, BETA) + cost @ (buy + sell)), [cp.sum(buy + sell) <= buys])


def parts_of(problem: cp.Problem):
    parts = split(problem)
    pieces = []
    for model in build_models(parts.tails, [slice(0, CANDIDATES)], CANDIDATES):
        active = ActiveSet(model)
        active.rebuild(model.losses(np.zeros(CANDIDATES)), model.size)
        pieces.append(active.piece())
    return compile_base(parts), pieces


@pytest.mark.parametrize("kind", [SimplexMaster, InteriorMaster])
@pytest.mark.parametrize("seed", range(4))
def test_any_first_columns_lead_to_the_whole_optimum(kind: type, seed: int) -> None:
    P, base, cost = hedge(seed)
    optimum = whole(P, base, cost, 3.0)
    compiled, pieces = parts_of(problem_of(P, base, cost, 3.0))
    r = np.random.default_rng(seed)
    for share in (0.0, 0.05, 0.5):
        master = kind(compiled)
        n = master.layout.scaled(pieces).n
        assert n >= 2 * CANDIDATES
        master.memory["work"] = r.random(n) < share
        point = master.solve(pieces, 1e-7, None)
        assert point.status == "optimal"
        assert point.value == pytest.approx(optimum, rel=1e-6)
        assert point.lower <= optimum + 1e-9 * abs(optimum)
        assert point.lower == pytest.approx(optimum, rel=1e-6)


@pytest.mark.parametrize("kind", [SimplexMaster, InteriorMaster])
def test_columns_without_a_feasible_plan_are_widened(kind: type) -> None:
    """One equality that the resting columns alone can meet."""
    P, base, cost = hedge(9)
    buy, sell = cp.Variable(CANDIDATES, bounds=[0, 1]), cp.Variable(CANDIDATES, bounds=[0, 1])
    loss = -(P @ (buy - sell)) - base
    problem = cp.Problem(cp.Minimize(tail.cvar(loss, BETA) + cost @ (buy + sell)), [cp.sum(buy) == 0.5])
    compiled, pieces = parts_of(problem)
    master = kind(compiled)
    master.memory["work"] = np.zeros(master.layout.scaled(pieces).n, dtype=bool)
    point = master.solve(pieces, 1e-7, None)
    direct = problem.solve(method="tail", master="SIMPLEX")
    assert point.value == pytest.approx(direct, rel=1e-6)


def test_a_repeated_solve_keeps_few_columns_and_the_same_answer() -> None:
    P, base, cost = hedge(3)
    compiled, pieces = parts_of(problem_of(P, base, cost, 3.0))
    master = InteriorMaster(compiled)
    first = master.solve(pieces, 1e-8, None)
    assert master.memory["work"].sum() < 0.5 * len(master.memory["work"])
    assert master.solve(pieces, 1e-8, first).value == pytest.approx(first.value, rel=1e-7)


@pytest.mark.parametrize("kind", [SimplexMaster, InteriorMaster])
def test_no_seconds_left(kind: type) -> None:
    compiled, pieces = parts_of(problem_of(*hedge(1), 3.0))
    assert kind(compiled, remaining=lambda: 0.0).solve(pieces, 1e-7, None).status == "late"


def test_small_entries_of_scaled_rows_count() -> None:
    """A limit in other units: its coefficients fall below what HiGHS drops by default once the columns are scaled."""
    P, base, cost = hedge(2)
    weight = 1e-7 * np.abs(P).mean(axis=0)
    buy, sell = cp.Variable(CANDIDATES, bounds=[0, 1]), cp.Variable(CANDIDATES, bounds=[0, 1])
    loss = -(P @ (buy - sell)) - base
    anchor = cp.Variable(bounds=[0, 1e3])
    limit = weight @ (buy + sell) + anchor <= 1e-7 * np.abs(P).mean()
    problem = cp.Problem(cp.Minimize(tail.cvar(loss, BETA) + cost @ (buy + sell) - 1e-6 * anchor), [limit])
    problem.solve(method="tail", master="SIMPLEX")
    assert float(limit.violation()) <= 1e-6 * 1e-7 * np.abs(P).mean()
    assert highspy.Highs().getOptionValue("small_matrix_value")[1] == 1e-9


def test_a_row_that_is_a_bound_in_the_working_columns_keeps_its_multiplier() -> None:
    # Many candidates, few in use; sum limits over pairs become bounds of one working column each.
    r = np.random.default_rng(3)
    n, cost = 120, np.linspace(1.0, 2.0, 120)
    x, need = cp.Variable(n, nonneg=True), cp.Parameter()
    problem = cp.Problem(cp.Minimize(cost @ x), [cp.sum(x) >= need, x[:60] + x[60:] <= 0.5, x <= 1])
    for need.value in (0.4, 3.2, 4.1, 0.9, 7.0 + r.uniform()):
        value = problem.solve(method="tail")
        stats = problem.solver_stats.extra_stats
        assert value == pytest.approx(cp.Problem(problem.objective, problem.constraints).solve(solver=cp.HIGHS), rel=1e-7)
        assert stats["gap"] <= 1e-6


@pytest.mark.filterwarnings("ignore::RuntimeWarning:cvxpy")  # its own, of bounds of products
@pytest.mark.parametrize("begin", [None, 20])
def test_columns_join_where_the_working_ones_are_infeasible(begin: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that only cheap columns of no gain can meet: the proof of infeasibility names them, not all columns join."""
    rng = np.random.default_rng(5)
    S, n = 400, 400
    P = 0.01 * rng.standard_t(4, size=(S, n))
    P[:, 300:] *= 1e-3
    base = P[:, :5].sum(axis=1) + 0.005 * rng.normal(size=S)
    rows = np.zeros((70, n))  # more rows than the first choice looks at
    rows[np.arange(70), 300 + np.arange(70) % 30] = 1.0
    rows[:, 290] = 0.5
    if begin is not None:
        # Columns that meet none of the rows: only the proof of infeasibility knows better.
        monkeypatch.setattr("hedgeopt.tail.masters.working.first_columns", lambda p: np.arange(p.n) < begin)
    x = cp.Variable(n)
    cost = np.full(n, 1e-3)
    problem = cp.Problem(cp.Minimize(tail.cvar(-P @ x - base, 0.9) + cost @ cp.abs(x)), [cp.abs(x) <= 1, rows @ x >= 0.8])
    problem.solve(method="tail", master="SIMPLEX")
    work = _splits[problem].memory["program"].work
    assert len(work) < 2 * n
    other = cp.Variable(n)
    level = cp.Variable()
    losses = -P @ other - base
    whole = cp.Problem(
        cp.Minimize(level + cp.sum(cp.pos(losses - level)) / (0.1 * S) + cost @ cp.abs(other)),
        [cp.abs(other) <= 1, rows @ other >= 0.8],
    )
    assert problem.value == pytest.approx(whole.solve(solver=cp.HIGHS), rel=1e-6)
