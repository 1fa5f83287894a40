"""Deflated Sharpe ratio: the paper's numbers, order statistics, and searches among policies without skill."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgeopt.backtest.results.deflated import (
    Similarity,
    deflated_sharpe,
    effective_trials,
    expected_maximum,
    holm,
    probabilistic_sharpe,
    sharpe,
    skew_and_kurtosis,
)
from hedgeopt.errors import InputError

# Bailey and López de Prado (2014), "A numerical example": five years of 250 days, annual ratio 2.5, variance of the trials'
# annual ratios 1/2
RATIO, VARIANCE, STEPS = 2.5 / 250**0.5, 0.5 / 250, 1250


def test_the_papers_example():
    threshold = expected_maximum(VARIANCE, 100)
    assert threshold == pytest.approx(0.1132, abs=5e-5)
    assert probabilistic_sharpe(RATIO, threshold, STEPS, -3.0, 10.0) == pytest.approx(0.9004, abs=5e-5)
    assert probabilistic_sharpe(RATIO, expected_maximum(VARIANCE, 46), STEPS, -3.0, 10.0) == pytest.approx(0.9505, abs=5e-5)
    # the same with 88 trials when returns are normal
    assert probabilistic_sharpe(RATIO, expected_maximum(VARIANCE, 88), STEPS) == pytest.approx(0.9505, abs=5e-5)


# means of the largest of n standard normal draws: Harter (1961), Expected values of normal order statistics, Biometrika 48
@pytest.mark.parametrize(("n", "exact"), [(10, 1.53875), (50, 2.24907), (100, 2.50759)])
def test_expected_maximum_is_near_the_exact_order_statistic(n, exact):
    assert expected_maximum(1.0, n) == pytest.approx(exact, rel=0.025)


def test_one_trial_needs_no_deflation():
    assert expected_maximum(1.0, 1) == 0.0
    assert 0 < expected_maximum(1.0, 1.5) < expected_maximum(1.0, 2)


def test_effective_trials():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 500))
    assert effective_trials(np.repeat(x, 7, axis=0)) == pytest.approx(1.0)
    rows = 0.6 * x + rng.normal(size=(20, 500))
    mean = (np.corrcoef(rows).sum() - 20) / 380
    assert effective_trials(rows) == pytest.approx(mean + (1 - mean) * 20)
    assert effective_trials(np.vstack([x, -x])) == 2.0  # opposite is not alike
    assert effective_trials(np.vstack([x, np.zeros((3, 500))])) == 1.0  # what never moves is no trial
    similar = Similarity()
    similar.add(np.arange(3.0))
    with pytest.raises(InputError, match="different length"):
        similar.add(np.arange(4.0))


def test_the_best_of_many_without_skill_is_seldom_believed():
    rng = np.random.default_rng(1)
    believed, naive = [], []
    for _ in range(100):
        pnl = rng.normal(size=(40, 250))
        winner = int(np.argmax([sharpe(row) for row in pnl]))
        found = deflated_sharpe(pnl, winner)
        believed.append(found.probability > 0.95)
        naive.append(probabilistic_sharpe(found.sharpe, 0.0, 250, found.skewness, found.kurtosis) > 0.95)
    assert np.mean(naive) > 0.8  # the search alone makes it look good
    assert np.mean(believed) < 0.05
    assert deflated_sharpe(np.vstack([rng.normal(size=(40, 250)), rng.normal(0.5, 1, (1, 250))]), 40).probability > 0.99


def test_sharpe_and_moments_by_hand():
    assert sharpe(np.array([1.0, 3.0])) == pytest.approx(2 / 2**0.5)
    assert sharpe(np.zeros(5)) == 0.0
    assert sharpe(np.full(5, -2.0)) == -np.inf
    assert skew_and_kurtosis(np.array([-1.0, 1.0, -1.0, 1.0])) == (0.0, 1.0)
    assert skew_and_kurtosis(np.array([0.0, 0.0, 0.0, 4.0])) == pytest.approx((2 / 3**0.5, 7 / 3))


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 0.3), st.floats(0, 0.3), st.integers(10, 2000), st.floats(-1, 1), st.floats(3, 12))
def test_more_trials_never_help(ratio, spread, steps, skewness, kurtosis):
    values = [
        probabilistic_sharpe(ratio, expected_maximum(spread**2, n), steps, skewness, kurtosis) for n in (1, 1.5, 2, 10, 1000)
    ]
    assert all(a >= b for a, b in pairwise(values))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])


def test_bad_input():
    with pytest.raises(InputError, match="two steps"):
        sharpe(np.array([1.0]))
    with pytest.raises(InputError, match="no distribution"):
        probabilistic_sharpe(1.0, 0.0, 100, 5.0, 3.0)
    with pytest.raises(InputError, match="one finite row"):
        deflated_sharpe(np.ones((2, 5)), 2)
    with pytest.raises(InputError, match="at least 1"):
        expected_maximum(1.0, 0.5)
