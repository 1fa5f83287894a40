"""Acerbi and Székely's tests against their published critical values and on data whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hedgeopt.backtest.results.shortfall import acerbi_szekely
from hedgeopt.errors import InputError

STEPS, ALPHA = 250, 0.025


def promise(nu: float) -> tuple[np.ndarray, np.ndarray]:
    """Value at risk and expected shortfall of a Student t, closed form (normal for infinity), 250 times."""
    if np.isinf(nu):
        q = stats.norm.ppf(1 - ALPHA)
        es = stats.norm.pdf(q) / ALPHA
    else:
        q = stats.t.ppf(1 - ALPHA, nu)
        es = stats.t.pdf(q, nu) / ALPHA * (nu + q * q) / (nu - 1)
    return np.full(STEPS, q), np.full(STEPS, es)


# the paper: 5 % critical values of Z2 at 2.5 % and 250 days are -0.7 for a normal and every t from 5 degrees of freedom on,
# -0.82 for 3 degrees of freedom
@pytest.mark.parametrize(("nu", "published"), [(np.inf, -0.70), (10, -0.71), (5, -0.74), (3, -0.82)])
def test_critical_values_from_two_numbers_are_the_published_ones(nu, published):
    var, es = promise(nu)
    _, z2 = acerbi_szekely(np.zeros(STEPS), var, es, 1 - ALPHA, simulations=20_000)
    assert z2.critical_value == pytest.approx(published, abs=0.025)


def test_statistics_by_hand():
    losses, var, es = np.array([1.0, 6.0, 2.0, 10.0]), np.full(4, 4.0), np.array([5.0, 5.0, 5.0, 8.0])
    z1, z2 = acerbi_szekely(losses, var, es, 0.75)
    assert z1.statistic == pytest.approx(1 - (6 / 5 + 10 / 8) / 2)
    assert z2.statistic == pytest.approx(1 - (6 / 5 + 10 / 8) / (4 * 0.25))


def test_a_true_promise_is_rejected_as_often_as_the_level_says_and_a_short_one_almost_always():
    rng = np.random.default_rng(7)
    var, es = promise(5)
    z1, z2 = (test.critical_value for test in acerbi_szekely(np.zeros(STEPS) + 9, var, es, 1 - ALPHA, simulations=20_000))

    def rejected(losses: np.ndarray) -> tuple[float, float]:
        pairs = [acerbi_szekely(row, var, es, 1 - ALPHA, simulations=1) for row in losses]
        first = [a.statistic < z1 for a, _ in pairs if not np.isnan(a.statistic)]
        return float(np.mean(first)), float(np.mean([b.statistic < z2 for _, b in pairs]))

    true = stats.t.rvs(5, size=(1000, STEPS), random_state=rng)
    size_1, size_2 = rejected(true)
    assert 0.03 < size_1 < 0.07
    assert 0.03 < size_2 < 0.07
    assert rejected(1.6 * true[:300])[1] > 0.85


def test_z1_sees_the_size_of_the_hits_and_not_their_number():
    var, es = np.full(STEPS, 2.0), np.full(STEPS, 3.0)
    losses = np.zeros(STEPS)
    losses[::10] = 3.0  # four times as many as promised, each as large as promised
    z1, z2 = acerbi_szekely(losses, var, es, 1 - ALPHA)
    assert z1.statistic == pytest.approx(0.0)
    assert not z1.rejected()
    assert z2.statistic == pytest.approx(1 - 4.0)
    assert z2.rejected()
    assert z2.p_value < 0.001


def test_no_hit_leaves_z1_unjudged_and_z2_at_one():
    z1, z2 = acerbi_szekely(np.zeros(STEPS), np.ones(STEPS), np.full(STEPS, 2.0), 0.99)
    assert np.isnan(z1.statistic)
    assert not z1.rejected()
    assert z2.statistic == 1.0
    assert z2.p_value == 1.0


@pytest.mark.parametrize("tail", ["pareto", "exponential"])
def test_simulated_histories_keep_the_promise_on_average(tail):
    # level 0.5 gives the median; the mean of Z2 is zero, so with many steps the median is near it
    steps = 4000
    _, z2 = acerbi_szekely(
        np.zeros(steps), np.full(steps, -1.0), np.full(steps, 3.0), 0.9, level=0.5, simulations=2000, tail=tail
    )
    assert z2.critical_value == pytest.approx(0.0, abs=0.02)


def test_the_seed_decides():
    var, es = promise(5)
    one, two, other = (acerbi_szekely(es + 1, var, es, 1 - ALPHA, seed=seed) for seed in (1, 1, 2))
    assert one == two != other


@pytest.mark.parametrize(
    ("losses", "var", "es", "beta", "words"),
    [
        ([1.0], [1.0, 2.0], [2.0], 0.9, "one length"),
        ([np.nan], [1.0], [2.0], 0.9, "finite"),
        ([1.0], [1.0], [0.5], 0.9, "not below"),
        ([1.0], [-2.0], [-1.0], 0.9, "positive"),
        ([1.0], [1.0], [2.0], 1.0, "beta"),
    ],
)
def test_what_is_no_promise_is_refused(losses, var, es, beta, words):
    with pytest.raises(InputError, match=words):
        acerbi_szekely(np.array(losses), np.array(var), np.array(es), beta)
