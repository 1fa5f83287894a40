"""Whole lots by rounding and moves: they keep every row, their values are true, and moves only improve."""

from __future__ import annotations

import warnings

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail
from hedgeopt.tail.cuts import CutNodes
from hedgeopt.tail.few import FewColumns
from hedgeopt.tail.incumbents import Incumbents
from hedgeopt.tail.integers import Relaxation, spell_out
from hedgeopt.tail.model import build_models
from hedgeopt.tail.outcome import Options
from hedgeopt.tail.rounding import Neighbours, dive
from hedgeopt.tail.split import split

N = 12


def hedge(seed: int, uniform: bool = True, band: bool = True) -> cp.Problem:
    """Lots of a short book's hedges, at most four of them, a band on their sum."""
    r = np.random.default_rng(seed)
    P = r.normal(size=(900, 3)) @ r.normal(size=(3, N)) + 0.2 * r.normal(size=(900, N))
    base = P @ (4 * r.normal(size=N)) + r.normal(size=900)
    p = None if uniform else (lambda w: w / w.sum())(r.random(900) + 0.1)
    n, held = cp.Variable(N, integer=True), cp.Variable(N, boolean=True)
    size = cp.abs(0.5 * n)
    limits = [size <= 10 * held, cp.sum(held) <= 4, *([cp.abs(cp.sum(n)) <= 3] if band else [])]
    return cp.Problem(cp.Minimize(tail.cvar(-(0.5 * P @ n) + base, 0.9, p) + 0.02 * cp.sum(size)), limits)


def points_of(problem: cp.Problem) -> tuple[Incumbents, CutNodes]:
    parts = spell_out(split(problem))
    relaxation = Relaxation(parts)
    relaxation.within(relaxation.first, relaxation.last)
    width = sum(v.size for v in parts.inner)
    models = build_models(parts.tails, [slice(0, width)], width)
    nodes = CutNodes(relaxation, lambda options: None, Options(threads=1), 1e-3, models)  # type: ignore[arg-type, return-value]
    points = Incumbents.of(nodes, 1e-3)
    assert points is not None
    return points, nodes


@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_rounding_and_moves_keep_the_rows_and_tell_true_values(seed: int, uniform: bool) -> None:
    points, nodes = points_of(hedge(seed, uniform))
    few: FewColumns = points.whole
    chosen = np.zeros(N, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(N)[:4]] = True
    low, high = points._ends(chosen)
    live = points._live(chosen)
    relaxed, found = few.solve(live, low, high), dive(few, live, low, high, nodes.columns)
    assert relaxed is not None
    assert found is not None
    whole = found.z[nodes.columns]
    assert np.abs(whole - np.round(whole)).max() < 1e-6
    better = Neighbours(few, points.gates, nodes.columns, points.low, points.high).improved(found.z.copy(), 10.0)
    for z in (found.z, better):
        row = nodes.A @ z
        assert (row <= nodes.upper + 1e-6).all()
        assert (row >= nodes.lower - 1e-6).all()
        assert (z[nodes.columns] <= points.high[nodes.columns] + 1e-9).all()
    start, end = points.value(found.z), points.value(better)
    assert relaxed.value <= end + 1e-9
    assert end <= start + 1e-9
    assert np.abs(better[nodes.columns] - np.round(better[nodes.columns])).max() < 1e-6


def test_no_single_lot_and_no_pair_of_lots_improves_what_moves_end_at() -> None:
    points, nodes = points_of(hedge(3, band=False))
    chosen = np.zeros(N, dtype=bool)
    chosen[:4] = True
    low, high = points._ends(chosen)
    found = dive(points.whole, points._live(chosen), low, high, nodes.columns)
    assert found is not None
    z = Neighbours(points.whole, points.gates, nodes.columns, points.low, points.high).improved(found.z, 30.0)
    problem = hedge(3, band=False)
    n = next(v for v in problem.variables() if v.attributes["integer"])
    held = next(v for v in problem.variables() if v.attributes["boolean"])
    lots = next(c for c in (nodes.columns[:N], nodes.columns[N:]) if (np.abs(z[c]) > 1).any())
    held.value = chosen.astype(float)

    def value(at: np.ndarray) -> float:
        n.value = at
        return float(problem.objective.value) if np.abs(at).max() <= 20 else np.inf

    here, units = np.round(z[lots]), np.eye(N)[:4]
    best = value(here)
    moves = [a * u for a in (-1, 1) for u in units]
    moves += [a + b for a in moves for b in moves]
    assert best <= min(value(here + m) for m in moves) + 1e-6 * abs(best)


def test_closing_columns_goes_on_from_the_program_that_is_there() -> None:
    points, _ = points_of(hedge(5))
    few = points.whole
    more = np.ones(N, dtype=bool)
    low, high = points._ends(more)
    assert few.solve(points._live(more), low, high) is not None
    program = few.highs
    for j in range(N):
        fewer = more.copy()
        fewer[j] = False
        low, high = points._ends(fewer)
        warm = few.solve(points._live(fewer), low, high)
        assert few.highs is program
        cold = FewColumns(few.nodes, few.models, few.gates).solve(points._live(fewer), low, high)
        assert warm is not None
        assert cold is not None
        assert warm.value == pytest.approx(cold.value, rel=1e-4)
        assert few.solve(points._live(fewer), low, high, cutoff=0.9 * warm.value) is None


def test_the_first_points_of_a_chain_of_three_hundred_columns_are_near_its_continuous_optimum() -> None:
    from benchmarks.tail_family_cases import instance
    from benchmarks.tail_integers import programs, spec

    drawn, size = spec(0, 2_000, 60)
    continuous, whole = programs(instance(drawn), size, 8)
    continuous.solve(method="tail", threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole.solve(method="tail", threads=1, integer_gap=0.005, max_nodes=20)
    assert continuous.value <= whole.value <= 1.3 * continuous.value
