"""Problems without boxes: those that fall for ever are told by a direction, those that do not are proven."""

from __future__ import annotations

import cvxpy as cp
import numpy as np

import hedgeopt.tail as tail

S, N, BETA = 3_000, 160, 0.975


def market(drift: float, seed: int = 3):
    """Gains per unit with a common factor, and a book; ``drift`` per deviation makes a gain certain where it is large."""
    r = np.random.default_rng(seed)
    load = r.normal(size=N)
    P = np.outer(r.standard_t(4, size=S), load) + 0.3 * r.normal(size=(S, N))
    P += drift * P.std(axis=0) - P.mean(axis=0)
    return P, P @ r.normal(size=N) * 0.05, 0.05 * P.std(axis=0)


def cvar_of(losses: np.ndarray, beta: float) -> float:
    """The mean of the worst share, the scenario at the level counted in part."""
    k = (1 - beta) * len(losses)
    worst = np.sort(losses)[::-1]
    whole = int(k)
    return float((worst[:whole].sum() + (k - whole) * worst[min(whole, len(losses) - 1)]) / k)


def problem(P: np.ndarray, base: np.ndarray, cost: np.ndarray, budget: float):
    """Cost and tail, with a budget for the tail, as for a desk that quotes both."""
    x = cp.Variable(N)
    level = cp.cvar(-(P @ x) - base, BETA)
    other = cp.cvar(-(P @ x) - 1.5 * base, 0.9)
    return cp.Problem(cp.Minimize(cost @ cp.abs(x) + level + 0.5 * other), [level <= budget]), x


def test_a_problem_that_falls_for_ever_is_told_by_a_direction_over_all_scenarios() -> None:
    P, base, cost = market(0.6)
    made, x = problem(P, base, cost, 2.0 * cvar_of(-base, BETA))
    assert made.solve(method="tail") == -np.inf
    assert made.status == "unbounded"
    r = made.solver_stats.extra_stats["ray"][x]
    assert cvar_of(-(P @ r), BETA) <= 0.0
    assert cost @ np.abs(r) + cvar_of(-(P @ r), BETA) + 0.5 * cvar_of(-(P @ r), 0.9) < 0.0


def test_a_sample_that_misleads_is_left_and_the_whole_is_proven() -> None:
    # The first relaxation has no optimum; the program of directions says which scenarios give it one.
    P, base, cost = market(0.0)
    made, _ = problem(P, base, 0.2 * cost, 2.0 * cvar_of(-base, BETA))
    made.solve(method="tail")
    assert made.status == "optimal"
    assert tail.verify(made).gap <= 1e-6


def test_rays_are_looked_for_once(monkeypatch) -> None:
    import hedgeopt.tail.strays as strays

    calls = []
    look = strays.falling
    monkeypatch.setattr(strays, "falling", lambda *a: calls.append(1) or look(*a))
    P, base, cost = market(0.6)
    made, _ = problem(P, base, cost, 2.0 * cvar_of(-base, BETA))
    made.solve(method="tail")
    assert len(calls) == 1
