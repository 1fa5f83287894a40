"""Power: the chance that a wrong promise would have been refuted, against independent counts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm

from hedgeopt.backtest.results.coverage import kupiec
from hedgeopt.backtest.results.power import power
from hedgeopt.backtest.results.promise import tail_report


def flat(steps: int, louder: float) -> tuple:
    return np.full(steps, 100.0), np.full(steps, 130.0), 0.99, np.full(steps, louder)


def test_a_true_promise_is_refuted_as_rarely_as_the_level_says():
    assert power(*flat(250, 0.01), 1.0, histories=1_000) <= 0.05


def test_power_grows_with_steps_and_with_the_fault():
    few, more = power(*flat(60, 0.03), 1.5), power(*flat(600, 0.03), 1.5)
    assert few < more
    assert power(*flat(250, 0.02), 1.5) < power(*flat(250, 0.2), 1.5) == 1.0


def test_power_is_at_least_that_of_the_count_alone_at_a_fifth_of_the_level():
    """Holm over five tests refutes whenever Kupiec's own p-value is below 1 %: that part of the power has a closed form."""
    steps, chance = 300, 0.04
    counts = np.arange(steps + 1)
    seen = [kupiec(np.arange(steps) < k, 0.01).p < 0.01 for k in range(40)] + [True] * (steps - 39)
    alone = float(binom.pmf(counts, steps, chance) @ np.array(seen))
    assert power(*flat(steps, chance), 1.5, histories=2_000) >= alone - 0.03


def test_without_the_models_own_chance_the_tail_is_that_of_a_pareto_or_a_normal():
    """k = ES / (ES - VaR) = 130 / 30: hits with (1 - beta) 1.5^k; of a normal where the two numbers are nearer."""
    own = power(*flat(250, 0.01 * 1.5 ** (130 / 30)), 1.5)
    assert power(*flat(250, np.nan), 1.5) == own
    var, _, beta, _ = flat(60, np.nan)
    light = np.full(60, 105.0), beta
    chance = norm.sf(norm.isf(0.01) / 1.5)
    assert power(var, *light, np.full(60, np.nan), 1.5) == power(var, *light, np.full(60, chance), 1.5)


def test_the_verdict_says_it(result):
    report = tail_report(result(np.random.default_rng(0).normal(0, 9000, 200)).steps, simulations=1_000)
    assert 0.0 < report.power <= 1.0
    with_less = tail_report(result(np.random.default_rng(0).normal(0, 9000, 25)).steps, simulations=1_000)
    assert with_less.power < report.power


@pytest.mark.parametrize("value", [-50.0, 0.0])
def test_values_at_risk_that_are_no_loss_have_an_exponential_tail(value):
    found = power(np.full(200, value), np.full(200, 40.0), 0.99, np.full(200, 0.05), 1.5)
    assert 0.0 <= found <= 1.0
