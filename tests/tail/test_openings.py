"""The search over clusters: its bounds against the best whole lots of every part, its caps against better points."""

from __future__ import annotations

import itertools
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail
from hedgeopt.tail.areas import Area
from hedgeopt.tail.clusters import Clusters
from hedgeopt.tail.slim import Slim

# Before 1.9.3, cvxpy's canonical form of gates has no clusters that the search knows.
OLDER = tuple(int(part) for part in cp.__version__.split(".")[:3]) < (1, 9, 3)


def made(seed: int) -> tuple[cp.Problem, cp.Variable, Any]:
    """Five instruments with up to three lots either way, two of them near-equal; the objective of given lots."""
    r = np.random.default_rng(seed)
    N, S = 5, 60
    P = r.standard_t(4, size=(S, N)) * np.exp(0.5 * r.normal(size=N))
    P[:, 1] = P[:, 0] * (1 + 0.05 * r.normal(size=S))
    lot, cost, beta = r.choice([0.1, 0.5, 1.0], size=N), 0.05 * r.random(N), float(r.choice([0.5, 0.9]))
    base = P @ (lot * r.normal(size=N) * 2.0) + 0.2 * r.normal(size=S)
    ticket = 0.05 * r.random(N) * (seed % 2)
    G, width = r.normal(size=(1, N)), 2.0
    most = int(r.integers(1, 4))
    n, held = cp.Variable(N, integer=True), cp.Variable(N, boolean=True)
    x = cp.multiply(lot, n)
    risk = tail.cvar(-(P @ x) + base, beta)
    objective = risk + cost @ cp.abs(x) + ticket @ held
    limits = [cp.abs(x) <= cp.multiply(3.0 * lot, held), cp.sum(held) <= most, cp.abs(G @ x) <= width]

    def value(k: np.ndarray) -> float:
        at = lot * k
        if (k != 0).sum() > most or abs(float(G[0] @ at)) > width + 1e-9:
            return np.inf
        loss = np.sort(-(P @ at) + base)[::-1]
        u = 1 / ((1 - beta) * S)
        q = np.clip(1 - u * np.arange(S), 0, u)
        return float(q @ loss + cost @ np.abs(at) + ticket @ (k != 0))

    return cp.Problem(cp.Minimize(objective), limits), n, value


@pytest.mark.parametrize("seed", range(8))
def test_no_bound_of_an_area_is_above_its_best_lots(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, n, value = made(seed)
    every = np.array(list(itertools.product(range(-3, 4), repeat=5)), dtype=float)
    worth = np.array([value(k) for k in every])
    seen: list[Slim] = []
    solve, tighten = Slim.solve, Slim.tightened

    def inside(area: Area) -> np.ndarray:
        order = np.argsort(seen[0].shapes.driver)
        k = every[:, np.argsort(order)]
        within = np.all((k <= area.up) & (k >= -area.down), axis=1)
        for cluster in area.open:
            within &= (k[:, cluster] != 0).any(axis=1)
        return within

    def checked(self: Slim, area: Area, cutoff: float, rounds: int = 1, gain: float = 0.05) -> Any:
        seen[:] = [self]
        found = solve(self, area, cutoff, rounds, gain)
        best = worth[inside(area)].min(initial=np.inf)
        assert found.lower <= best + 1e-9 * abs(best) if np.isfinite(best) else True
        return found

    def kept(self: Slim, area: Area, answer: Any, cutoff: float) -> bool:
        before = inside(area)
        out = tighten(self, area, answer, cutoff)
        lost = before & ~inside(area)
        assert worth[lost].min(initial=np.inf) >= cutoff - 1e-9 * abs(cutoff)
        return out

    monkeypatch.setattr(Slim, "solve", checked)
    monkeypatch.setattr(Slim, "tightened", kept)
    problem.solve(method="tail", threads=1)
    if not seen and OLDER:
        assert problem.value == pytest.approx(worth.min(), rel=1e-6)
        pytest.skip("this cvxpy writes gates in a form that the search by nodes takes")
    assert seen
    assert problem.status == "optimal"
    assert problem.value == pytest.approx(worth.min(), rel=2e-6, abs=2e-6)
    assert value(np.round(n.value)) == pytest.approx(worth.min(), rel=2e-6, abs=2e-6)


def test_a_cluster_is_what_moves_the_losses_alike() -> None:
    r = np.random.default_rng(3)
    kinds = r.normal(size=(4, 50))
    effects = np.repeat(kinds, 5, axis=0) * r.uniform(0.5, 2.0, (20, 1)) + 0.05 * r.normal(size=(20, 50))
    found = Clusters(effects, either=False)
    assert len(found.members) == 39
    assert len(found.members[-1]) == 20
    for g in range(20):
        five = [found.members[name] for name in found.above(g) if len(found.members[name]) == 5]
        assert sorted(five[0]) == list(range(5 * (g // 5), 5 * (g // 5) + 5))
    both = Clusters(effects * np.where(np.arange(20) % 2, 1.0, -1.0)[:, None], either=True)
    assert sorted(map(len, both.members)) == sorted(map(len, found.members))


def test_a_limit_that_strikes_in_the_search_leaves_a_true_bound() -> None:
    problem, _, value = made(3)
    best = min(value(np.array(k, dtype=float)) for k in itertools.product(range(-3, 4), repeat=5))
    for nodes in (1, 2, 3, 5):
        try:
            problem.solve(method="tail", threads=1, max_nodes=nodes, warm_start=False)
        except cp.SolverError:
            continue
        assert problem.solver_stats.extra_stats["lower_bound"] <= best + 1e-9
        assert problem.value >= best - 1e-9


def test_a_follower_of_another_form_changes_no_answer() -> None:
    problem, n, _ = made(2)
    free = cp.Variable(5)
    other = cp.Problem(problem.objective, [*problem.constraints, free == 0.5 * n])
    other.solve(method="tail", threads=1)
    problem.solve(method="tail", threads=1)
    assert other.value == pytest.approx(problem.value, rel=2e-6)
