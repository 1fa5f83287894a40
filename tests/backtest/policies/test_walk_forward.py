"""Choices made inside the backtest: from the past alone, purged and embargoed, and told in the result."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.simple import DeltaBand, DoNothing
from hedgeopt.backtest.policies.walk_forward import WalkForward
from hedgeopt.backtest.settings import BacktestConfig
from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

FEW = Settings(scenarios=ParametricScenarios(count=32, vol={"BTC": 0.6}))
PERPETUAL = "BTC-PERPETUAL"


def prices(days: int) -> np.ndarray:
    return 80_000.0 * np.exp(np.cumsum(0.03 * np.random.default_rng(2).standard_normal(days)))


def choosing(**options: Any) -> WalkForward:
    made = {"nothing": lambda model: DoNothing(), "band": lambda model: DeltaBand({"BTC": 0.1})}
    return WalkForward(made, **{"refit_days": 5.0, "train_days": 15.0, **options})


def run(toys: Any, path: Any, policy: Any) -> Any:
    return simulate(toys.path(list(path), expiries=()), toys.Given(collateral={"BTC": 5.0}), policy, FEW)


def test_the_hedge_is_chosen_once_there_is_a_past_to_choose_by(toys: Any) -> None:
    result = run(toys, prices(40), choosing())
    chosen = result.config["chosen"]
    assert [one["choice"] for one in chosen] == ["band"] * len(chosen)
    first = chosen[0]
    assert first["scores"]["band"] < first["scores"]["nothing"]
    assert result.trades["timestamp"].min() == pd.Timestamp(first["timestamp"])
    assert pd.Timestamp(first["to"]) == pd.Timestamp(first["timestamp"]) - pd.Timedelta(days=1)
    assert [event["kind"] for event in result.events].count("walk_forward") == len(chosen)


def test_the_score_is_that_of_the_steps_inside_the_window(toys: Any) -> None:
    """Worked out here from the run that does nothing: steps that began and ended between the two moments."""
    path = prices(40)
    alone = run(toys, path, DoNothing()).steps["pnl"]
    chosen = run(toys, path, choosing(score="max_drawdown")).config["chosen"][-1]
    begin, end = pd.Timestamp(chosen["from"]), pd.Timestamp(chosen["to"])
    began = [when for when in alone.index if when >= begin]
    inside = alone[(alone.index > began[0]) & (alone.index <= end)].to_numpy()
    total = np.cumsum(inside)
    depth = (np.maximum(np.maximum.accumulate(total), 0.0) - total).max()
    assert chosen["scores"]["nothing"] == pytest.approx(depth)


def test_what_lies_in_the_embargo_or_ahead_changes_no_choice(toys: Any) -> None:
    """The last four days before a choice, and all after it, are another market: the choice and its scores stay."""
    path = prices(40)
    other = path.copy()
    first = run(toys, path, choosing(embargo_days=4.0)).config["chosen"][0]
    at = (pd.Timestamp(first["timestamp"]) - pd.Timestamp(toys.START)).days
    other[at - 3 :] = other[at - 4] * np.linspace(0.7, 0.4, len(path) - at + 3)
    again = run(toys, other, choosing(embargo_days=4.0)).config["chosen"][0]
    assert again["scores"] == first["scores"]
    unheeded = [run(toys, prices_, choosing(embargo_days=0.0)).config["chosen"] for prices_ in (path, other)]
    assert [one["scores"] for one in unheeded[0]] != [one["scores"] for one in unheeded[1]]


def test_the_model_is_fitted_to_the_window_and_its_numbers_are_told(toys: Any) -> None:
    """Vols that answer spot with a slope of -2: the policy is made anew with what was fitted."""
    seen: list[Any] = []

    def made(model: Any) -> Any:
        seen.append(model)
        return DoNothing()

    path = 80_000.0 * np.exp(np.cumsum(0.02 * np.random.default_rng(2).standard_normal(60)))
    expiries = [toys.START + timedelta(days=d) for d in (80, 110, 160)]
    markets = []
    for k, price in enumerate(path):
        moment = toys.START + timedelta(days=k)
        vol = 0.6 * float((price / 80_000.0) ** -2.0)
        strikes = tuple(np.arange(50_000.0, 130_000.0, 5_000.0))
        markets.append(toys.market(moment, float(price), vol=vol, strikes=strikes, expiries=expiries))
    policy = WalkForward({"one": made}, refit_days=45.0, train_days=45.0, fit=True)
    result = simulate(markets, toys.Given(), policy, FEW)
    chosen = result.config["chosen"]
    assert len(chosen) == 1
    assert isinstance(chosen[0]["model"], dict), chosen[0]["model"]
    assert seen[-1] == chosen[0]["model"]
    assert chosen[0]["model"]["by_asset"]["BTC"]["vol_beta"] == pytest.approx(-2.0, abs=0.6)


def test_it_is_in_a_configuration_and_refuses_names_that_stand_for_two() -> None:
    table = {"kind": "walk_forward", "choices": [{"kind": "do_nothing"}, {"kind": "delta_band"}], "refit_days": 7}
    config = BacktestConfig(replay={"chains": ["x.parquet"]}, books=[{"kind": "short_gamma"}], policies=[table])
    assert list(config.policies[0].build().choices) == ["do nothing", "delta band"]
    with pytest.raises(InputError, match="two choices have one name"):
        BacktestConfig(
            replay={"chains": ["x.parquet"]}, books=[{"kind": "short_gamma"}],
            policies=[{**table, "choices": [{"kind": "delta_band"}, {"kind": "delta_band"}]}],
        )  # fmt: skip
