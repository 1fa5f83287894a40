"""Scenarios drawn with replacement: one of each kind, and weights for all that prove the gap."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail
from hedgeopt.tail.model import LossBlock, LossModel
from hedgeopt.tail.source import ArraySource
from hedgeopt.tail.ties import merged


def _model(matrix: np.ndarray, offset: np.ndarray, p: np.ndarray, beta: float) -> LossModel:
    return LossModel(
        [LossBlock(ArraySource(matrix), slice(0, matrix.shape[1]), 1.0)], offset, p / (1 - beta), matrix.shape[1]
    )


def _drawn(size: int, kinds: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(kinds)
    at = rng.integers(0, kinds, size)
    return rng.standard_t(4, size=(kinds, width))[at] + 0.1, rng.normal(size=kinds)[at], rng.random(size)


def test_merged_models_have_the_same_tail() -> None:
    matrix, offset, p = _drawn(5_000, 300, 6)
    given = _model(matrix, offset, p / p.sum(), 0.9)
    found = merged([given])
    assert found.place is not None
    assert found.models[0].size <= 300
    for y in np.random.default_rng(1).normal(size=(5, 6)):
        few, many = found.models[0], LossModel(given.blocks, given.offset, given.caps, 6, uniform=False)
        assert few.tail(few.losses(y))[0] == pytest.approx(many.tail(many.losses(y))[0], rel=1e-12)
        spread = found.spread([few.worst(few.losses(y))])[0]
        assert spread.sum() == pytest.approx(1.0, rel=1e-12)
        assert np.all(spread <= given.caps * (1 + 1e-12))
        assert spread @ given.losses(y) == pytest.approx(few.tail(few.losses(y))[0], rel=1e-12)


def test_what_differs_is_not_merged() -> None:
    matrix, offset, p = _drawn(5_000, 300, 6)
    p = p / p.sum()
    assert merged([_model(matrix, np.random.default_rng(2).normal(size=5_000), p, 0.9)]).place is None
    assert merged([_model(np.random.default_rng(3).normal(size=(5_000, 6)), offset, p, 0.9)]).place is None
    assert merged([_model(matrix[:3_000], offset[:3_000], p[:3_000], 0.9)]).place is None
    nearly = matrix.copy()
    nearly[7, 0] = np.nextafter(nearly[7, 0], np.inf)
    found = merged([_model(nearly, offset, p, 0.9)])
    assert found.place is None or found.models[0].size == 301


def test_a_bootstrap_is_solved_and_proven_over_all_scenarios() -> None:
    matrix, offset, p = _drawn(8_000, 200, 12)
    x = cp.Variable(12)
    risk = tail.cvar(-(matrix @ x) - offset, 0.95, p / p.sum())
    problem = cp.Problem(cp.Minimize(risk + 0.01 * cp.norm1(x)), [cp.abs(x) <= 2])
    problem.solve(method="tail")
    verified = tail.verify(problem)
    assert problem.status == "optimal"
    assert verified.gap <= 1e-6
    (record,) = problem.solver_stats.extra_stats["tails"]
    assert record.weights.shape == (8_000,)
    first = problem.value
    problem.solve(method="tail")
    assert problem.value == pytest.approx(first, rel=1e-6)
    kinds, place = np.unique(np.column_stack([matrix, offset]), axis=0, return_inverse=True)
    few = tail.cvar(-(kinds[:, :-1] @ x) - kinds[:, -1], 0.95, np.bincount(place.ravel(), p / p.sum()))
    other = cp.Problem(cp.Minimize(few + 0.01 * cp.norm1(x)), [cp.abs(x) <= 2])
    assert other.solve(method="tail", master="SIMPLEX") == pytest.approx(first, rel=1e-6)
