"""Time and round limits, and masters that fail or change in the middle of a solve: injected, never timed."""

from __future__ import annotations

import importlib

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail
from hedgeopt.errors import InputError
from hedgeopt.tail import outcome
from hedgeopt.tail.compiled import compile_base
from hedgeopt.tail.masters.base import no_point
from hedgeopt.tail.masters.conic import ConicMaster
from hedgeopt.tail.masters.solver import SolverMaster

# The package exports a function of the same name.
register = importlib.import_module("hedgeopt.tail.register")

SLOW = 10.0
"""Seconds one round takes on the injected clock."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch):
    """A clock that only moves when it is told to."""

    class Clock:
        now = 0.0

    monkeypatch.setattr(outcome, "clock", lambda: Clock.now)
    return Clock


def wrapped(monkeypatch: pytest.MonkeyPatch, wrap) -> None:
    """Every list of masters passes through ``wrap(parts, makers, remaining)`` before the loop sees it."""
    original = register.masters_of

    def masters(parts, name, options, small, remaining):
        return wrap(parts, original(parts, name, options, small, remaining), remaining)

    monkeypatch.setattr(register, "masters_of", masters)


class Around:
    """A master that calls ``before(round)`` ahead of each solve and otherwise is the one it holds."""

    def __init__(self, inner, before) -> None:
        self.inner, self.before, self.round, self.starts = inner, before, 0, []

    def __getattr__(self, name: str):
        return getattr(self.inner, name)

    def solve(self, pieces, tolerance, start):
        self.round += 1
        self.starts.append(start)
        answer = self.before(self.round, len(pieces))
        return self.inner.solve(pieces, tolerance, start) if answer is None else answer


def slow(monkeypatch: pytest.MonkeyPatch, clock) -> None:
    """Every solve of a master ends a round's seconds later than it began."""

    class Slow(Around):
        def solve(self, pieces, tolerance, start):
            answer = super().solve(pieces, tolerance, start)
            clock.now += SLOW
            return answer

    def nothing(_round: int, _tails: int) -> None:
        return None

    wrapped(monkeypatch, lambda parts, makers, remaining: [lambda m=m: Slow(m(), nothing) for m in makers])


def heavy(scenarios: int = 20_000, instruments: int = 10) -> np.ndarray:
    r = np.random.default_rng(0)
    return 0.01 * (r.standard_t(4, size=(scenarios, 3)) @ r.normal(size=(3, instruments)) + r.standard_t(4, (scenarios, 10)))


def portfolio(P: np.ndarray, beta: float = 0.99) -> tuple[cp.Problem, cp.Variable]:
    x = cp.Variable(P.shape[1])
    return cp.Problem(cp.Minimize(tail.cvar(-(P @ x), beta)), [cp.sum(x) == 1, x >= 0]), x


def check_honest(problem: cp.Problem, x: cp.Variable, P: np.ndarray, exact: float) -> dict:
    """The value is the true objective of the returned point, and the bounds enclose the optimum."""
    stats = problem.solver_stats.extra_stats
    losses = np.sort(-(P @ x.value))[::-1]
    assert problem.value == pytest.approx(losses[: len(losses) // 100].mean(), rel=1e-9)
    assert np.sum(x.value) == pytest.approx(1)
    assert stats["lower_bound"] <= exact * (1 + 1e-6)
    assert stats["upper_bound"] >= exact * (1 - 1e-6)
    width = (stats["upper_bound"] - stats["lower_bound"]) / abs(stats["upper_bound"])
    assert stats["gap"] == pytest.approx(width, rel=1e-6, abs=1e-12)
    (record,) = stats["tails"]
    assert record.weights.sum() == pytest.approx(1)
    assert record.weights.max() <= 1 / (0.01 * len(P)) * (1 + 1e-9)
    return stats


@pytest.mark.parametrize("rounds", [1, 2, 3, 4, 5])
def test_time_limit_returns_the_best_point_with_its_gap(rounds: int, monkeypatch, clock) -> None:
    P = heavy()
    problem, x = portfolio(P)
    exact = problem.solve(method="tail")
    slow(monkeypatch, clock)
    problem.solve(method="tail", warm_start=False, time_limit=SLOW * (rounds - 0.5))
    stats = check_honest(problem, x, P, exact)
    assert stats["rounds"] <= rounds
    # The first rounds look at a subsample: its point is evaluated on everything, but nothing is proven.
    assert problem.status == ("optimal" if stats["gap"] <= 1e-6 else "user_limit")
    if rounds == 1:
        assert stats["gap"] == np.inf
        assert problem.constraints[0].dual_value is None


def test_a_limit_before_the_first_round_ends_is_named(monkeypatch, clock) -> None:
    problem, _ = portfolio(heavy(400))

    def late(_round: int, tails: int):
        clock.now += SLOW
        return no_point("late", 10, tails)

    wrapped(monkeypatch, lambda parts, makers, remaining: [lambda: Around(makers[0](), late)])
    with pytest.raises(cp.SolverError, match=r"time_limit=3 s ended it before the first round"):
        problem.solve(method="tail", time_limit=3)


def test_max_rounds(monkeypatch) -> None:
    P = heavy()
    problem, x = portfolio(P)
    exact = problem.solve(method="tail")
    problem.solve(method="tail", warm_start=False, max_rounds=1, tolerance=1e-12)
    stats = check_honest(problem, x, P, exact)
    assert problem.status == "user_limit"
    assert np.isfinite(stats["gap"])
    # One round that only finds the relaxation unbounded leaves nothing to return.
    big = np.abs(heavy(4_000)) + 1e-3
    y = cp.Variable(10)
    free = cp.Problem(cp.Minimize(tail.cvar(-(big @ y), 0.9) + cp.sum(y)), [])
    wrapped(monkeypatch, lambda parts, makers, remaining: makers[-1:])
    with pytest.raises(cp.SolverError, match="max_rounds=1"):
        free.solve(method="tail", max_rounds=1)


@pytest.mark.parametrize("options", [{"time_limit": 0.0}, {"time_limit": -1}, {"max_rounds": 0}])
def test_refused_limits(options: dict) -> None:
    problem, _ = portfolio(heavy(200))
    with pytest.raises(InputError, match=next(iter(options))):
        problem.solve(method="tail", **options)


@pytest.mark.parametrize("solver", ["CLARABEL", "HIGHS", "OSQP", "SCS"])
def test_a_solver_gets_the_seconds_that_remain(solver: str, monkeypatch, clock) -> None:
    from hedgeopt.tail.masters import call

    seen = []
    original = call._solve

    def spy(problem, name, options, *more):
        seen.append(options["time_limit_secs" if solver == "SCS" else "time_limit"])
        clock.now += SLOW
        return original(problem, name, options | {k: 1e6 for k in options if k.startswith("time_limit")}, *more)

    monkeypatch.setattr(call, "_solve", spy)
    problem, x = portfolio(P := heavy())
    problem.solve(method="tail", master=solver, time_limit=2.5 * SLOW)
    # The third round starts with 5 seconds and ends late.
    assert seen == pytest.approx([25.0, 15.0, 5.0][: len(seen)])
    assert problem.status in ("user_limit", "optimal")
    assert check_honest(problem, x, P, problem.value)


@pytest.mark.parametrize("fails_in", [2, 3, 4])
@pytest.mark.parametrize("second", ["SOLVER", "CONIC"])
@pytest.mark.parametrize("how", ["fails", "looks no better"])
def test_masters_that_change_between_rounds(fails_in: int, second: str, how: str, monkeypatch) -> None:
    """The points of INTERIOR and of the conic master describe different variables: neither may read the other's."""
    P = heavy()
    problem, x = portfolio(P)
    exact = problem.solve(method="tail")

    def fail(round_: int, tails: int):
        return no_point("failed", 10, tails) if round_ >= fails_in else None

    def masters(parts, makers, remaining):
        if second == "CONIC":
            other = ConicMaster(parts, "CLARABEL", None, remaining)
        else:
            other = SolverMaster(compile_base(parts), "CLARABEL", None, remaining)
        if how == "looks no better":
            # The first master's point keeps the best objective, the second proves the bound.
            other.upper = lambda point, levels, inner=other.upper: (inner(point, levels)[0] * (1 + 1e-7), 0.0)
        return [lambda: Around(makers[1](), fail), lambda: other]

    wrapped(monkeypatch, masters)
    problem.solve(method="tail", warm_start=False)
    assert problem.status == "optimal"
    assert problem.value == pytest.approx(exact, rel=3e-6)
    assert problem.solver_stats.extra_stats["lower_bound"] <= exact * (1 + 1e-6)
    # Duals of the sum and the bounds: gradient of CVaR balances them.
    (record,) = problem.solver_stats.extra_stats["tails"]
    total, lower = problem.constraints
    assert np.abs(-(record.weights @ P) + total.dual_value - lower.dual_value).max() < 1e-6
    assert x.value.min() > -1e-8


def test_unknown_masters_and_options_are_named() -> None:
    problem, _ = portfolio(heavy(200))
    with pytest.raises(InputError, match=r"NOSUCH.*SIMPLEX.*CLARABEL"):
        problem.solve(method="tail", master="nosuch")
    with pytest.raises(InputError, match="eps_abs"):
        problem.solve(method="tail", eps_abs=1e-3)
    x = cp.Variable(10)
    ball = cp.Problem(cp.Minimize(tail.cvar(heavy(200) @ x, 0.9)), [cp.norm(x) <= 1])
    with pytest.raises(InputError, match="linear and convex quadratic"):
        ball.solve(method="tail", master="INTERIOR")
    with pytest.raises(InputError, match="linear problems only"):
        cp.Problem(cp.Minimize(tail.cvar(heavy(200) @ x, 0.9) + cp.sum_squares(x))).solve(method="tail", master="SIMPLEX")


def test_a_failed_master_says_why() -> None:
    x = cp.Variable(10)
    ball = cp.Problem(cp.Minimize(tail.cvar(heavy(200) @ x, 0.9)), [cp.norm(x) <= 1])
    with pytest.raises(cp.SolverError, match=r"HIGHS"):
        ball.solve(method="tail", master="HIGHS")
