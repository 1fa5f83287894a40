"""Random small problems (Hypothesis) against the whole Rockafellar–Uryasev LP in scipy's HiGHS, with KKT residuals.

Drawn on purpose: ties at the VaR level, duplicate scenarios, one scenario, all losses equal, scenarios without
probability, beta of 0 and near 1, fractional tails, redundant instruments, directions without cost, CVaR limits that bind
and that do not, infeasible and unbounded problems.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import hedgeopt.tail as tail

# Nightly runs multiply the number of problems; the seeds are fixed, so a failure is always reproducible.
MORE = float(os.environ.get("HEDGEOPT_TEST_EXAMPLES", "1"))


def fixed(examples: int):
    return settings(max_examples=int(examples * MORE), deadline=None, derandomize=True, database=None)


BETAS = st.one_of(
    st.sampled_from([0.0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1 - 1e-6]),
    st.integers(0, 999).map(lambda k: k / 1000),
)
STATUS = {0: "optimal", 2: "infeasible", 3: "unbounded"}


@dataclass
class Losses:
    """Losses ``-P x - base`` with probabilities (None for equal ones)."""

    P: np.ndarray
    base: np.ndarray
    beta: float
    p: np.ndarray | None

    @property
    def caps(self) -> np.ndarray:
        S = len(self.base)
        return (np.full(S, 1 / S) if self.p is None else self.p) / (1 - self.beta)

    def at(self, x: np.ndarray) -> np.ndarray:
        return -self.P @ x - self.base

    def risk(self, x: cp.Variable) -> cp.Expression:
        return tail.cvar(-(self.P @ x) - self.base, self.beta, self.p)


@st.composite
def losses(draw, instruments: int, scenarios: int = 40) -> Losses:
    S = draw(st.one_of(st.just(1), st.integers(1, 8), st.integers(2, scenarios)))
    kind = draw(st.sampled_from(["normal", "heavy", "ties", "duplicates", "equal", "explicit"]))
    r = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    N = instruments
    if kind == "explicit" and S * N <= 24:
        # Every entry is drawn, so that a failure shrinks to the smallest matrix.
        P = np.array(draw(st.lists(st.integers(-3, 3), min_size=S * N, max_size=S * N)), dtype=float).reshape(S, N)
    else:
        P = r.standard_t(3, size=(S, N)) if kind == "heavy" else r.normal(size=(S, N))
    if kind == "ties":
        P = np.round(P)
    if kind == "duplicates":
        P = P[r.integers(0, S, S)]
    if kind == "equal":
        P[:] = P[0]
    redundant = draw(st.sampled_from(["no", "no", "copy", "opposite", "nothing", "sum"]))
    if N > 1 and redundant != "no":
        P[:, -1] = {"copy": P[:, 0], "opposite": -P[:, 0], "nothing": 0.0, "sum": P[:, :-1].sum(axis=1)}[redundant]
    base = {"no": np.zeros(S), "ties": np.round(r.normal(size=S)), "yes": r.normal(size=S)}[
        draw(st.sampled_from(["no", "ties", "yes", "yes"]))
    ]
    p = None
    weighting = draw(st.sampled_from(["equal", "equal", "drawn", "some without", "one has all"]))
    if weighting != "equal":
        p = r.random(S) + 0.01
        p *= (r.random(S) < 0.7) if weighting == "some without" else 1.0
        p = np.zeros(S) if weighting == "one has all" else p
        p[draw(st.integers(0, S - 1))] += 0.5
        p = p / p.sum()
    return Losses(P, base, draw(BETAS), p)


@st.composite
def costs(draw, instruments: int) -> np.ndarray:
    kind = draw(st.sampled_from(["none", "some", "all"]))
    r = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cost = 0.3 * r.normal(size=instruments)
    return cost * (0.0 if kind == "none" else 1.0 if kind == "all" else r.random(instruments) < 0.5)


# Lower bound, upper bound, sum: with room, with none, and without an end.
REGIONS = [(-1, 1, None), (-1, 1, None), (0, 1, 1.0), (None, None, 1.0), (0, None, 1.0), (0, 0.1, 1.0), (0, None, None),
           (None, None, None), (0.25, 0.25, None)]  # fmt: skip


def reference(N, terms, cost, region, limits=()):
    """min cost'x + sum w CVaR subject to CVaR <= budget: the full LP in x and (alpha, excess) of each tail."""
    blocks = [(t, w, None) for t, w in terms] + [(t, 0.0, budget) for t, budget in limits]
    columns = N + sum(1 + len(t.base) for t, _, _ in blocks)
    c, rows, right = np.concatenate((cost, np.zeros(columns - N))), [], []
    lo, hi, total = region
    bounds, at = [(lo, hi)] * N, N
    for t, w, budget in blocks:
        S = len(t.base)
        A = np.zeros((S, columns))
        A[:, :N], A[:, at], A[:, at + 1 : at + 1 + S] = -t.P, -1.0, -np.eye(S)
        rows.append(A)
        right.append(t.base)
        value = np.zeros(columns)
        value[at], value[at + 1 : at + 1 + S] = 1.0, t.caps
        c = c + w * value
        if budget is not None:
            rows.append(value[None])
            right.append([budget])
        bounds += [(None, None)] + [(0, None)] * S
        at += 1 + S
    A_eq = None if total is None else np.concatenate((np.ones(N), np.zeros(columns - N)))[None]
    arguments = (np.vstack(rows), np.concatenate(right), A_eq, None if total is None else [total], bounds)
    found = linprog(c, *arguments, method="highs")
    if found.status == 4 or (found.status in (2, 3) and lo != hi):
        # Presolve may mistake one for the other: feasibility alone decides.
        feasible = linprog(0 * c, *arguments, method="highs").status == 0
        found.status = 3 if feasible else 2
    return found


def region_constraints(x: cp.Variable, region) -> dict[str, cp.Constraint]:
    lo, hi, total = region
    named = {"lower": None if lo is None else x >= lo, "upper": None if hi is None else x <= hi}
    named["total"] = None if total is None else cp.sum(x) == total
    return {name: c for name, c in named.items() if c is not None}


def solve(problem: cp.Problem, **options) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        problem.solve(method="tail", threads=1, **options)
    return problem.status


def check_bounds(problem: cp.Problem, want: float, size: float = 1.0) -> dict:
    slack = 2e-6 * abs(want) + 2e-7 * size
    stats = problem.solver_stats.extra_stats
    assert problem.value == pytest.approx(want, abs=slack)
    assert stats["lower_bound"] <= want + slack
    assert stats["upper_bound"] >= want - slack
    return stats


def check_tail(t: Losses, record: tail.TailRecord, x: np.ndarray, slack: float) -> None:
    """The weights lie in the risk envelope and, where the tail has a price, attain its CVaR."""
    q, L = record.weights, t.at(x)
    assert np.all(q >= 0)
    assert np.all(q <= t.caps * (1 + 1e-9))
    assert q.sum() == pytest.approx(1, abs=1e-9)
    u, order = t.caps, np.argsort(-L)
    share = np.clip(1 - np.concatenate(([0], np.cumsum(u[order])[:-1])), 0, u[order])
    assert record.value == pytest.approx(float(share @ L[order]), abs=1e-9 * (1 + np.abs(L).max()))
    assert record.multiplier >= -1e-12
    assert record.multiplier * (record.value - q @ L) == pytest.approx(0, abs=slack)


def check_stationary(x, cost, parts, limits: dict, region, slack: float) -> None:
    """cost - sum m q'P + upper - lower + total = 0, signs and complementary slackness."""
    gradient = cost - sum(record.multiplier * (record.weights @ t.P) for t, record in parts)
    dual = {name: np.asarray(c.dual_value, dtype=float) for name, c in limits.items()}
    left = gradient + dual.get("upper", 0.0) - dual.get("lower", 0.0) + dual.get("total", 0.0)
    assert np.abs(left).max() <= slack
    for name, sign, end in (("lower", 1, region[0]), ("upper", -1, region[1])):
        if name in dual:
            assert np.all(dual[name] >= -1e-9)
            assert np.all(sign * (x - end) >= -1e-8)
            assert np.abs(dual[name] * (x - end)).max() <= slack


@st.composite
def minimum(draw):
    N = draw(st.integers(1, 6))
    return draw(losses(N)), draw(costs(N)), draw(st.sampled_from(REGIONS))


@fixed(800)
@given(minimum())
def test_minimum_cvar_equals_the_whole_linear_program(case) -> None:
    t, cost, region = case
    N = len(cost)
    want = reference(N, [(t, 1.0)], cost, region)
    x = cp.Variable(N)
    limits = region_constraints(x, region)
    problem = cp.Problem(cp.Minimize(t.risk(x) + cost @ x), list(limits.values()))
    assert solve(problem) == STATUS[want.status]
    if want.status:
        return
    (record,) = check_bounds(problem, want.fun, 1 + np.abs(t.base).max())["tails"]
    assert record.multiplier == pytest.approx(1.0)
    check_tail(t, record, x.value, 1e-5)


@st.composite
def limited(draw):
    N = draw(st.integers(1, 5))
    budget = draw(
        st.one_of(st.sampled_from([0.5, 1.0, 3.0, 100.0]), st.integers(-20, 60).filter(bool).map(lambda k: k / 20))
    )
    return draw(losses(N)), draw(costs(N)), budget


@fixed(250)
@given(limited())
def test_cvar_limits_that_bind_and_that_do_not(case) -> None:
    t, cost, budget = case
    region = (-1, 1, None)
    want = reference(len(cost), [], cost, region, [(t, budget)])
    x = cp.Variable(len(cost))
    limit, named = t.risk(x) <= budget, region_constraints(x, region)
    problem = cp.Problem(cp.Maximize(-cost @ x), [limit, *named.values()])
    # A budget within rounding of the least CVaR may go either way.
    least = reference(len(cost), [(t, 1.0)], 0 * cost, region).fun
    if abs(least - budget) < 1e-6:
        return
    assert solve(problem) == STATUS[want.status]
    if want.status:
        return
    assert -problem.value == pytest.approx(want.fun, abs=2e-6 * abs(want.fun) + 2e-7)
    assert limit.args[0].value <= budget + 1e-7 * (1 + abs(budget))
    (record,) = problem.solver_stats.extra_stats["tails"]
    assert record.multiplier == pytest.approx(float(limit.dual_value), rel=1e-6, abs=1e-9)
    # Not unique at a degenerate vertex: it prices the budget from both sides.
    step = 1e-3 * (1 + abs(budget))
    up = reference(len(cost), [], cost, region, [(t, budget + step)])
    low = (want.fun - up.fun) / step
    assert record.multiplier >= low - 1e-4 * (1 + abs(low))
    down = reference(len(cost), [], cost, region, [(t, budget - step)])
    if down.status == 0:
        high = (down.fun - want.fun) / step
        assert record.multiplier <= high + 1e-4 * (1 + abs(high))


@st.composite
def several(draw):
    N = draw(st.integers(1, 4))
    weights = [draw(st.sampled_from([0.0, 0.3, 1.0, 2.5])), draw(st.sampled_from([0.5, 1.0]))]
    return [draw(losses(N, 25)) for _ in range(3)], weights, draw(costs(N)), draw(st.sampled_from([0.3, 1.0, 2.0]))


@fixed(200)
@given(several())
def test_several_tails_in_objective_and_limit(case) -> None:
    (a, b, c), (wa, wb), cost, budget = case
    region, N = (-1, 1, None), len(cost)
    want = reference(N, [(a, wa), (b, wb)], cost, region, [(c, budget)])
    least = reference(N, [(c, 1.0)], 0 * cost, region).fun
    if abs(least - budget) < 1e-6:
        return
    x = cp.Variable(N)
    named = region_constraints(x, region)
    risks = [part.risk(x) for part in (a, b, c)]
    objective = wa * risks[0] + wb * risks[1] + cost @ x
    problem = cp.Problem(cp.Minimize(objective), [risks[2] <= budget, *named.values()])
    assert solve(problem, tolerance=1e-8) == STATUS[want.status]
    if want.status:
        return
    stats = check_bounds(problem, want.fun, 3.0)
    found = {id(record.atom): record for record in stats["tails"]}
    parts = [(part, found[id(risk)]) for part, risk in zip((a, b, c), risks, strict=True) if id(risk) in found]
    assert len(parts) >= 2
    for part, record in parts:
        if record.multiplier > 1e-9:
            check_tail(part, record, x.value, 1e-5)
    check_stationary(x.value, cost, parts, named, region, 1e-4)


def test_a_budget_of_zero() -> None:
    P, cost = np.random.default_rng(0).normal(size=(2, 2)), 0.3 * np.random.default_rng(1).normal(size=2)
    x = cp.Variable(2)
    risk = tail.cvar(-(P @ x), 0.5)
    problem = cp.Problem(cp.Minimize(cost @ x), [risk <= 0, x >= -1, x <= 1])
    assert solve(problem) == "optimal"


@st.composite
def smooth(draw):
    N = draw(st.integers(2, 5))
    return draw(losses(N)), draw(costs(N)), draw(st.sampled_from(REGIONS[:6])), draw(st.integers(0, 10**6))


@fixed(80)
@given(smooth())
def test_quadratic_objectives_against_clarabel(case) -> None:
    t, cost, region, seed = case
    root = np.random.default_rng(seed).normal(size=(len(cost), len(cost)))
    x = cp.Variable(len(cost))
    named = region_constraints(x, region)
    problem = cp.Problem(cp.Minimize(t.risk(x) + cost @ x + 0.2 * cp.sum_squares(root @ x)), list(named.values()))
    problem.solve(solver=cp.CLARABEL)
    want, status = problem.value, problem.status
    assert solve(problem, tolerance=1e-8) == status
    if status != "optimal":
        return
    check_bounds(problem, want, 1 + np.abs(t.base).max())
    (record,) = problem.solver_stats.extra_stats["tails"]
    check_tail(t, record, x.value, 1e-5)
    check_stationary(x.value, cost + 0.4 * root.T @ root @ x.value, [(t, record)], named, region, 1e-3)


@fixed(120)
@given(minimum())
def test_kkt_residuals_of_bounds_and_the_sum(case) -> None:
    t, cost, region = case
    x = cp.Variable(len(cost))
    named = region_constraints(x, region)
    problem = cp.Problem(cp.Minimize(3 * t.risk(x) + cost @ x), list(named.values()))
    if solve(problem, tolerance=1e-9) == "optimal":
        (record,) = problem.solver_stats.extra_stats["tails"]
        check_stationary(x.value, cost, [(t, record)], named, region, 2e-5)


@fixed(60)
@given(minimum(), st.sampled_from(["INTERIOR", "SIMPLEX", "HIGHS", "CLARABEL"]))
def test_every_master_agrees_with_cvxpy(case, master: str) -> None:
    t, cost, region = case
    x = cp.Variable(len(cost))
    problem = cp.Problem(cp.Minimize(t.risk(x) + cost @ x), list(region_constraints(x, region).values()))
    want = reference(len(cost), [(t, 1.0)], cost, region)
    assert solve(problem, master=master) == STATUS[want.status]
    if want.status == 0:
        assert problem.value == pytest.approx(want.fun, abs=3e-6 * abs(want.fun) + 3e-7)
        assert problem.solve(solver=cp.HIGHS) == pytest.approx(want.fun, rel=1e-6, abs=1e-7)
