"""Starts on the central path: the four conditions of every pair, and what a solve makes of an earlier path."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hedgeopt.tail.masters.pairs import Places, longest, outliers
from hedgeopt.tail.masters.start import Iterate, Warm, centred_level, centred_scenarios, spread


@given(
    st.lists(st.floats(-10, 10), min_size=1, max_size=20),
    st.floats(1e-6, 10),
    st.floats(1e-10, 1e2),
)
def test_pairs_meet_their_four_conditions(excess: list[float], total: float, mu: float) -> None:
    e, u = np.array(excess), np.full(len(excess), total)
    xi, w, q, r = centred_scenarios(e, u, mu)
    assert min(xi.min(), w.min(), q.min(), r.min()) > 0
    np.testing.assert_allclose(xi - w, e, atol=1e-9 * (1 + mu / total + np.abs(e).max()))
    np.testing.assert_allclose(xi * r, mu)
    np.testing.assert_allclose(w * q, mu)
    np.testing.assert_allclose(q + r, u, rtol=1e-7)


@settings(max_examples=300, deadline=None)
@example(237, 0.01, 1e-8, -41.10760250566523)
@given(st.integers(0, 10**6), st.floats(0.01, 0.99), st.floats(1e-8, 10.0), st.floats(-50, 50))
def test_the_level_gives_the_weights_their_sum(seed: int, share: float, mu: float, begin: float) -> None:
    r = np.random.default_rng(seed)
    losses, total = r.standard_t(3, 40), r.uniform(0.01, 0.1, 40)
    alpha = centred_level(losses, total, share * total.sum(), mu, begin)
    q = centred_scenarios(losses - alpha, total, mu)[2]
    np.testing.assert_allclose(q.sum(), share * total.sum(), rtol=1e-6)


def test_a_small_mu_tells_the_tail_apart() -> None:
    losses = np.arange(10.0)
    alpha = centred_level(losses, np.full(10, 0.5), 1.0, 1e-9, 0.0)
    q = centred_scenarios(losses - alpha, np.full(10, 0.5), 1e-9)[2]
    # The worst two of ten carry their caps, the others nothing: CVaR = 8.5.
    np.testing.assert_allclose(q @ losses, 8.5, rtol=1e-6)


def test_iterates_are_offered_from_the_last_that_is_wide_enough() -> None:
    path = [Iterate(np.full(2, float(k)), np.zeros(0), share) for k, share in enumerate((5.0, 0.5, 0.05, 0.005))]
    assert [x.share for x in Warm(np.zeros(2), path, 0.01).iterates()] == [0.05, 0.5, 5.0]
    # Nobody has judged it: a third of the objective is assumed.
    assert [x.share for x in Warm(np.zeros(2), path).iterates()] == [0.5, 5.0]
    wide = spread(path[:1], np.array([True, False, True]))
    assert wide[0].v.tolist() == [0.0, 0.0, 0.0]
    assert Warm(np.arange(3.0), wide).within(np.array([False, True, True])).path[0].v.shape == (2,)


def test_places_cover_the_flat_vectors_once() -> None:
    places = Places(3, [2, 0, 4])
    seen = np.zeros(places.size, dtype=int)
    for part in (places.rows, *places.excess, *places.slack):
        seen[part] += 1
    assert np.all(seen == 1)
    assert places.size == 3 + 2 * 6
    assert [part.stop - part.start for part in places.slack] == [2, 0, 4]


@given(st.lists(st.tuples(st.floats(1e-3, 10), st.floats(-10, 10)), min_size=1, max_size=10))
def test_the_longest_step_ends_at_the_boundary(pairs: list[tuple[float, float]]) -> None:
    x, dx = (np.array(part) for part in zip(*pairs, strict=True))
    step = longest(x, dx, 1.0)
    assert 0 < step <= 1.0
    assert np.all(x + step * dx >= -1e-12 * (1 + np.abs(dx)))
    assert step == 1.0 or np.any(x + 1.001 * step * dx < 0)


def test_only_outlying_products_are_pulled() -> None:
    x = z = np.ones(3)
    # Products after a step of one: 1 (kept), 0.01 (below a tenth), 400 (above ten times).
    dx, dz = np.array([0.0, -0.9, 19.0]), np.array([0.0, -0.9, 19.0])
    found = outliers(np.zeros(3), x, dx, z, dz, (1.0, 1.0), 1.0)
    np.testing.assert_allclose(found, [0.0, -0.09, 10.0])
