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
    pairs, missing = promises(steps)
    # P&L of the next step with the 100 USD that step paid to trade put back
    assert list(pairs["loss"]) == [39_900.0, -600.0]
    assert list(pairs["hit"]) == [True, False]
    assert list(pairs["until"]) == list(steps.index[1:])
    assert missing == 0


def test_what_a_liquidation_costs_is_loss(result):
    steps = result(np.array([0.0, -40_000.0])).steps.assign(liquidated=[False, True])
    assert list(promises(steps)[0]["loss"]) == [40_000.0]


def test_every_decision_is_judged_over_its_own_length(result):
    """Steps of 5 to 13 hours where six were meant: none is left out, and a loss over 12 hours is set against 12 hours."""
    steps = result(np.zeros(6), freq="6h").steps
    steps.index = steps.index[:1].append(steps.index[0] + pd.to_timedelta(np.cumsum([5, 12, 6, 13, 6]), unit="h"))
    pairs, missing = promises(steps, pd.Timedelta(hours=6))
    assert (len(pairs), missing) == (5, 0)
    assert list(pairs["days"] * 24) == pytest.approx([5, 12, 6, 13, 6])
    assert list(pairs["cvar"]) == pytest.approx([20_000.0 * (h / 6) ** 0.5 for h in (5, 12, 6, 13, 6)])
    assert list(pairs["scaled"]) == [True, True, False, True, False]


def test_what_the_engine_judged_by_is_taken_as_it_is(result):
    steps = result(np.array([0.0, -900.0, -900.0])).steps
    more = {"judged_days": [np.nan, 0.5, 2.0], "judged_var": [np.nan, 500.0, 1_000.0], "judged_cvar": [np.nan, 700.0, 1e3]}
    steps = steps.assign(**more, judged_louder=[np.nan, 0.2, 0.1], judged_scaled=False)
    pairs, _ = promises(steps, pd.Timedelta(hours=6))
    assert list(pairs["hit"]) == [True, False]  # 800 lost each time, of 500 and 1,000 promised
    assert list(pairs["louder"]) == [0.2, 0.1]


def test_missing_promises_are_counted_beside_the_verdict(result):
    steps = result(np.zeros(40)).steps
    steps.loc[steps.index[3], "promised_cvar"] = np.nan
    steps.loc[steps.index[4], "promised_cvar"] = -1.0  # no loss promised at all: no tail to test
    report = tail_report(steps, simulations=500)
    assert (len(report.pairs), report.no_promise) == (37, 2)
    assert report.judged == pytest.approx(37 / 39)


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
