"""The engine judges each step over its own length, and refutes a model that leaves out what moves the market."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.protocol import Decision
from hedgeopt.backtest.policies.regime import RegimeSwitching
from hedgeopt.backtest.policies.simple import DoNothing
from hedgeopt.backtest.results.promise import tail_report
from hedgeopt.backtest.valuation import Promise, value
from hedgeopt.models.risk.cvar import tail_loss
from hedgeopt.models.scenarios.draw import draw
from hedgeopt.models.scenarios.noise import noise_by_asset, strike_size
from hedgeopt.models.scenarios.sample_settings import GivenScenarios, HistoricalScenarios, ParametricScenarios

CALL, PUT = "BTC-27MAR26-80000-C", "BTC-27MAR26-80000-P"
SAMPLE = ParametricScenarios(count=300, vol={"BTC": 0.6}, horizon_days=0.25)


def uneven(toys: Any) -> list[Any]:
    hours = np.cumsum([0, 6, 13, 5])
    return [
        toys.market(toys.START + timedelta(hours=float(h)), p)
        for h, p in zip(hours, (8e4, 8.1e4, 8.0e4, 7.9e4), strict=True)
    ]


def test_each_step_is_judged_by_the_model_over_its_own_length(toys: Any) -> None:
    """13 hours are judged by draws over 13 hours of the book and market before them, found here by another way."""
    book, markets = toys.Given(positions={CALL: -3.0, PUT: -3.0}), uneven(toys)
    result = simulate(markets, book, DoNothing(), Settings(scenarios=SAMPLE, promise="engine"))
    assert list(24.0 * result.steps["judged_days"])[1:] == pytest.approx([6, 13, 5])
    assert np.isnan(result.steps["judged_var"].iloc[0])
    sample = draw(SAMPLE.model_copy(update={"horizon_days": 13.0 / 24.0}), ["BTC"], markets[1])
    losses = -value(book.open(markets[1]), markets[1], sample).exposures.base_pnl
    assert result.steps["judged_cvar"].iloc[2] == pytest.approx(tail_loss(losses, 0.99), rel=1e-9)
    assert result.steps["judged_louder"].iloc[2] == np.mean(1.5 * losses > result.steps["judged_var"].iloc[2])
    assert not result.steps["judged_scaled"].any()


def test_a_promise_that_nothing_can_state_anew_is_scaled_and_says_so(toys: Any) -> None:
    class Promising:
        name, horizon_days = "promising", 0.25

        def decide(self, state: Any) -> Decision:
            return Decision(promise=Promise(100.0, 80.0, 0.99))

    result = simulate(uneven(toys), toys.Given(positions={CALL: -3.0}), Promising(), Settings(scenarios=SAMPLE))
    assert list(result.steps["judged_cvar"])[1:] == pytest.approx([100.0 * (h / 6) ** 0.5 for h in (6, 13, 5)])
    assert list(result.steps["judged_scaled"]) == [False, False, True, True]


def wandering(toys: Any, steps: int) -> tuple[list[Any], list[str]]:
    """Spot stands still; the vol of every strike moves by itself, as measured, and as only the noise of strikes can say."""
    rng = np.random.default_rng(8)
    expiry = toys.START + timedelta(days=40)
    strikes = (80_000.0, 84_000.0)
    noise = noise_by_asset("measured", ("BTC",))["BTC"].strike
    assert noise is not None
    vols = dict.fromkeys(strikes, 0.6)
    found = []
    for k in range(steps):
        moment = toys.START + timedelta(hours=6 * k)
        market = toys.market(moment, 80_000.0, strikes=strikes, expiries=[expiry])
        quotes = market.quotes.copy()
        for key, item in market.instruments.items():
            if item.nature.option:
                mark = toys.black(80_000.0, item.strike, item.years_from(moment), vols[item.strike], item.right) / 80_000.0
                fields = ["mark_iv", "mark_price", "bid_price", "ask_price"]
                quotes.loc[key, fields] = vols[item.strike], mark, mark - 5e-4, mark + 5e-4
        found.append(replace(market, quotes=quotes))
        days = (expiry - moment).total_seconds() / 86_400.0
        size = strike_size(noise, np.full(2, days), np.array([0.5, 0.4]), 0.25)
        t = rng.standard_t(noise.degrees, 2) / np.sqrt(noise.degrees / (noise.degrees - 2.0))
        vols = {strike: vols[strike] * float(np.exp(s * z)) for strike, s, z in zip(strikes, size, t, strict=True)}
    names = [item.name for item in found[0].instruments.values() if item.nature.option and item.right == "call"]
    return found, names


def test_a_model_without_the_noise_of_strikes_is_refuted_where_strikes_move_alone(toys: Any) -> None:
    """One strike against its neighbour: with the noise the promise is kept, without it the same losses refute it."""
    markets, (near, far) = wandering(toys, 120)
    book = toys.Given(collateral={"USDC": 1e6}, positions={near: -10.0, far: 10.0})
    still = {"vol": {"BTC": 0.001}, "vol_of_vol": 0.0, "vol_beta": 0.0, "vol_beta_up": 0.0, "horizon_days": 0.25}
    verdicts = {}
    for noise in ("measured", "none"):
        sample = ParametricScenarios(count=2_000, noise=noise, **still)
        result = simulate(markets, book, DoNothing(), Settings(scenarios=sample, beta=0.95, promise="engine"))
        verdicts[noise] = tail_report(result.steps, simulations=2_000)
    assert verdicts["measured"].judged == 1.0
    assert verdicts["measured"].kept
    assert verdicts["none"].kept is False
    assert verdicts["none"].hits > 3 * verdicts["none"].expected_hits


def test_samples_that_know_no_such_time_are_scaled_and_end_nothing(toys: Any, tmp_path: Any) -> None:
    """Daily histories have no 13 hours, scenarios given one by one no time at all."""
    times = pd.date_range(toys.START - timedelta(days=300), periods=301, freq="D")
    prices = 80_000.0 * np.exp(np.cumsum(0.02 * np.random.default_rng(3).standard_normal(301)))
    pd.DataFrame({"timestamp": times, "BTC": prices}).to_csv(tmp_path / "history.csv", index=False)
    history = HistoricalScenarios(prices=str(tmp_path / "history.csv"), count=200)
    given = GivenScenarios(spot={"BTC": (0.9, 1.0, 1.1, 0.95)}, horizon_days=1.0)
    for sample in (history, given):
        steps = simulate(uneven(toys), toys.Given(), DoNothing(), Settings(scenarios=sample, promise="engine")).steps
        assert steps["judged_scaled"].tolist() == [False, True, True, True]
        root = (13.0 / 24.0) ** 0.5
        assert steps["judged_cvar"].iloc[2] == pytest.approx(root * steps["promised_cvar"].iloc[1])


def test_the_horizon_of_a_promise_is_that_of_its_own_sample(toys: Any) -> None:
    """A policy of six hours under a regime, whose promise over a day is that of the policy alone."""
    sample = SAMPLE.model_copy(update={"count": 100})

    class Six:
        name = "six"

        def decide(self, state: Any) -> Decision:
            return Decision(promise=Promise(100.0, 80.0, 0.99), scenarios=sample)

    day = toys.path([8e4, 8.1e4])
    alone = simulate(day, toys.Given(), Six(), Settings(scenarios=sample)).steps["judged_var"].iloc[1]
    regime = RegimeSwitching(lambda state: 0.0, Six(), Six(), enter=1.0)
    switched = simulate(day, toys.Given(), regime, Settings(scenarios=sample)).steps["judged_var"].iloc[1]
    assert switched == alone > 1_000.0
