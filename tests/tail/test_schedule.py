"""Levels from coarse to fine."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgeopt.tail.model import LossBlock, LossModel
from hedgeopt.tail.schedule import Schedule
from hedgeopt.tail.source import ArraySource


def model(scenarios: int, width: int, beta: float = 0.95, caps: np.ndarray | None = None) -> LossModel:
    matrix = np.broadcast_to(np.arange(scenarios, dtype=float)[:, None], (scenarios, width)).copy()
    uniform = caps is None
    caps = np.full(scenarios, 1 / ((1 - beta) * scenarios)) if caps is None else caps
    return LossModel([LossBlock(ArraySource(matrix), slice(0, width), 1.0)], np.zeros(scenarios), caps, width, 1.0, uniform)


@given(st.integers(1, 60_000), st.integers(1, 8), st.booleans())
def test_levels_grow_to_the_whole(scenarios: int, width: int, dense: bool) -> None:
    whole = model(scenarios, width)
    levels = list(Schedule([whole], dense).levels(False))
    sizes = [level.models[0].size for level in levels]
    assert levels[-1].final
    assert levels[-1].models[0] is whole
    assert [level.final for level in levels[:-1]] == [False] * (len(levels) - 1)
    assert sizes == sorted(set(sizes))
    assert all(b / a < 20 for a, b in pairwise(sizes))
    for level in levels:
        # Every sample keeps the caps' sum, so its tail is the same share of it.
        np.testing.assert_allclose(level.models[0].caps.sum(), whole.caps.sum())
        assert level.band(level.models[0]) >= 1


def test_a_point_to_begin_from_needs_no_coarse_level() -> None:
    assert len(list(Schedule([model(50_000, 3)], False).levels(True))) == 1


def test_pairs_of_scenarios_show_both_their_kinds() -> None:
    first = next(iter(Schedule([model(40_000, 3)], False).levels(False))).models[0]
    index = first.rows(np.arange(first.size))[:, 0].astype(int)
    assert 0.4 < np.mean(index % 2) < 0.6


def test_where_few_scenarios_hold_the_probability_they_are_the_sample() -> None:
    caps = np.full(40_000, 1e-9)
    caps[[0, 7_001]] = 12.0, 8.0
    first = next(iter(Schedule([model(40_000, 3, caps=caps)], False).levels(False))).models[0]
    assert not first.uniform or first.size < 40_000
    assert np.sort(first.caps)[-2:] == pytest.approx([8.0, 12.0], rel=1e-5)
    assert first.caps.sum() == pytest.approx(caps.sum())


def test_a_sample_of_an_array_is_a_view_of_it() -> None:
    source = ArraySource(np.arange(60.0).reshape(20, 3))
    every = source.every(slice(1, None, 7))
    assert isinstance(every, ArraySource)
    assert np.shares_memory(every.array, source.array)
    np.testing.assert_array_equal(every.losses(np.ones(3)), source.losses(np.ones(3))[1::7])
    fortran = ArraySource(np.asfortranarray(source.array)).every(slice(1, None, 7))
    np.testing.assert_array_equal(fortran.rows(np.arange(3)), every.rows(np.arange(3)))


@pytest.mark.parametrize("kind", [np.nan, np.inf])
@pytest.mark.parametrize("at", [0, 5_000, 19_999])
def test_numbers_that_are_none_are_named(kind: float, at: int) -> None:
    import cvxpy as cp

    import hedgeopt.tail as tail
    from hedgeopt.errors import InputError

    P = np.random.default_rng(0).normal(size=(20_000, 3))
    P[at, 1] = kind
    for matrix in (tail.ArraySource(P), P):
        x = cp.Variable(3)
        problem = cp.Problem(cp.Minimize(tail.cvar(-(matrix @ x), 0.95)), [cp.sum(x) == 1, x >= 0])
        with pytest.raises(InputError, match=rf"row {at}'"):
            problem.solve(method="tail")
