"""Kupiec's published regions, chains counted by hand, and the size of the tests on true promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chi2

from hedgeopt.backtest.results.coverage import christoffersen, conditional_coverage, kupiec, transitions
from hedgeopt.errors import InputError

# Kupiec (1995), table 3, as printed in Jorion, Value at Risk, table 6-2: numbers of failures that do not reject at 95 %
REGIONS = {
    (0.01, 255): (None, 7),
    (0.01, 510): (1, 11),
    (0.01, 1000): (4, 17),
    (0.025, 255): (2, 12),
    (0.025, 510): (6, 21),
    (0.025, 1000): (15, 36),
    (0.05, 255): (6, 21),
    (0.05, 510): (16, 36),
    (0.05, 1000): (37, 65),
    (0.075, 255): (11, 28),
    (0.075, 510): (27, 51),
    (0.075, 1000): (59, 92),
    (0.10, 255): (16, 36),
    (0.10, 510): (38, 65),
    (0.10, 1000): (81, 120),
}


def hits(count: int, total: int) -> np.ndarray:
    return np.arange(total) < count


@pytest.mark.parametrize(("case", "region"), REGIONS.items())
def test_kupiec_rejects_outside_the_published_regions_and_not_inside(case, region):
    (p, total), (low, high) = case, region
    critical = chi2.ppf(0.95, 1)
    assert kupiec(hits(high - 1, total), p).statistic < critical < kupiec(hits(high, total), p).statistic
    if low is not None:
        assert kupiec(hits(low, total), p).statistic > critical > kupiec(hits(low + 1, total), p).statistic


def test_kupiec_closed_forms():
    none = kupiec(hits(0, 100), 0.05)
    assert none.statistic == pytest.approx(-200 * math.log(0.95))
    assert none.exact_p_value == pytest.approx(0.95**100 + sum(_binomial(k, 100, 0.05) for k in range(12, 101)), rel=1e-9)
    assert kupiec(hits(5, 100), 0.05).statistic == pytest.approx(0.0, abs=1e-12)
    assert kupiec(hits(100, 100), 0.05).statistic == pytest.approx(-200 * math.log(0.05))


def _binomial(k: int, n: int, p: float) -> float:
    """Outcomes as unlikely as none at all lie from 12 up: P(12) < P(0) < P(11) for n = 100, p = 5 %."""
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


def test_transitions_are_counted():
    assert transitions(np.array([0, 0, 1, 1, 0, 1, 0, 0], dtype=bool)) == (2, 2, 2, 1)


def test_a_chain_whose_state_tells_nothing_has_no_dependence():
    # after a miss 2 of 6 are hits, after a hit 1 of 3: the same share
    chain = np.array([0, 0, 0, 0, 0, 1, 1, 0, 1, 0], dtype=bool)
    assert transitions(chain) == (4, 2, 2, 1)
    assert christoffersen(chain).statistic == pytest.approx(0.0, abs=1e-12)


def test_strict_alternation_and_one_cluster_by_hand():
    alternating = np.array([0, 1] * 5, dtype=bool)  # 5 moves up, 4 down: the chain is certain, the coin 5/9
    assert christoffersen(alternating).statistic == pytest.approx(-2 * (5 * math.log(5 / 9) + 4 * math.log(4 / 9)))
    cluster = np.array([0] * 6 + [1] * 3, dtype=bool)  # n00 5, n01 1, n10 0, n11 2
    free = 5 * math.log(5 / 6) + math.log(1 / 6)
    assert christoffersen(cluster).statistic == pytest.approx(2 * (free - 5 * math.log(5 / 8) - 3 * math.log(3 / 8)))
    both = conditional_coverage(cluster, 0.05)
    assert both.statistic == pytest.approx(kupiec(cluster, 0.05).statistic + christoffersen(cluster).statistic)
    assert both.degrees == 2
    assert both.rejected()


def test_true_promises_are_rejected_as_often_as_the_level_says():
    rng = np.random.default_rng(5)
    draws = rng.random((300, 1000)) < 0.05
    rejected = [kupiec(row, 0.05).rejected() for row in draws]
    assert 0.02 < np.mean(rejected) < 0.07
    conditional = [conditional_coverage(row, 0.05).rejected() for row in draws]
    assert 0.02 < np.mean(conditional) < 0.09


def test_clusters_are_found():
    rng = np.random.default_rng(6)
    state, chain = False, []
    for u in rng.random(1000):
        state = u < (0.5 if state else 0.0263)  # 5 % on the whole
        chain.append(state)
    assert christoffersen(np.array(chain)).p_value < 1e-6


@pytest.mark.parametrize("bad", [np.array([]), np.array([0.0, 1.0]), np.ones((2, 2), dtype=bool)])
def test_hits_must_be_a_row_of_booleans(bad):
    with pytest.raises(InputError, match="booleans"):
        kupiec(bad, 0.05)


def test_probability_and_length_are_checked():
    with pytest.raises(InputError, match="between 0 and 1"):
        kupiec(hits(1, 10), 0.0)
    with pytest.raises(InputError, match="two observations"):
        christoffersen(np.array([True]))
