"""Promise and outcome are paired as a desk would: the right window, the right P&L, nothing counted twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hedgeopt.backtest.results.promise import promises, tail_report
from hedgeopt.errors import InputError

DAY = pd.Timedelta(days=1)


def test_a_decision_answers_for_what_came_after_it_and_not_for_trading_again(result):
    steps = result(np.array([10.0, -40_000.0, 500.0])).steps
    pairs, missing, gaps = promises(steps, DAY)
    # P&L of the next step with the 100 USD that step paid to trade put back
    assert list(pairs["loss"]) == [39_900.0, -600.0]
    assert list(pairs["hit"]) == [True, False]
    assert list(pairs["until"]) == list(steps.index[1:])
    assert (missing, gaps) == (0, 0)


def test_what_a_liquidation_costs_is_loss(result):
    steps = result(np.array([0.0, -40_000.0])).steps.assign(liquidated=[False, True])
    assert list(promises(steps, DAY)[0]["loss"]) == [40_000.0]


def test_windows_of_several_steps_add_up_and_do_not_overlap(result):
    steps = result(np.arange(9.0), freq="6h").steps
    pairs, _, _ = promises(steps, DAY)
    assert list(pairs.index) == [steps.index[0], steps.index[4]]
    assert list(pairs["loss"]) == [-(1 + 2 + 3 + 4 + 400), -(5 + 6 + 7 + 8 + 400)]


def test_gaps_and_missing_promises_are_left_out_and_counted(result):
    steps = result(np.zeros(40)).steps.drop(index=result(np.zeros(40)).steps.index[10:13])
    steps.loc[steps.index[3], "promised_cvar"] = np.nan
    pairs, missing, gaps = promises(steps, DAY)
    assert (len(pairs), missing, gaps) == (36 - 2, 1, 1)
    steps.loc[steps.index[4], "promised_cvar"] = -1.0  # no loss promised at all: no tail to test
    assert promises(steps, DAY)[1] == 2


def test_steps_longer_than_the_horizon_are_not_judged(result):
    report = tail_report(result(np.zeros(40), freq="7D").steps, DAY)
    assert report.kept is None
    assert "longer than the horizon" in report.note
    assert report.gaps == 39


@pytest.mark.parametrize(
    ("change", "words"),
    [({"promised_cvar": np.nan}, "promised no tail"), ({"beta": np.linspace(0.9, 0.95, 40)}, "more than one confidence")],
)
def test_what_cannot_be_tested_says_why(result, change, words):
    report = tail_report(result(np.zeros(40)).steps.assign(**change))
    assert words in report.note
    assert report.kept is None
    assert "too few" in tail_report(result(np.zeros(12)).steps).note


def test_true_promises_are_kept_and_short_ones_broken(result):
    # normal P&L; VaR and CVaR promised in a normal's ratio, so the promise is true at 2.0627 standard deviations
    pnl = np.random.default_rng(3).normal(-100.0, 10_000.0, 500)
    assert tail_report(result(pnl, promise=20_627.0).steps, simulations=4000).kept is True
    short = tail_report(result(pnl, promise=12_000.0).steps, simulations=4000)
    assert short.kept is False
    assert short.hits > 2 * short.expected_hits


def test_a_horizon_must_be_positive(result):
    with pytest.raises(InputError, match="positive"):
        promises(result(np.zeros(40)).steps, 0 * DAY)
