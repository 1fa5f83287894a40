"""Policies of the literature, each against its own formula."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.classic import MeanVarianceDelta, TailHedge, WhalleyWilmott
from hedgeopt.backtest.policies.simple import DeltaVegaMinVariance, DoNothing
from hedgeopt.backtest.settings import BacktestConfig
from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.sample_settings import HistoricalScenarios, ParametricScenarios

FEW = Settings(scenarios=ParametricScenarios(count=64, vol={"BTC": 0.6}))
CALL, PUT = "BTC-27MAR26-80000-C", "BTC-27MAR26-80000-P"


def test_the_band_of_whalley_and_wilmott_and_its_edge(toys: Any) -> None:
    book = toys.Given(collateral={"USDC": 4e6}, positions={CALL: -10.0, PUT: -4.0})
    markets = toys.path([80_000.0])
    before = simulate(markets, book, DoNothing(), FEW).steps.iloc[0]
    policy = WhalleyWilmott(1e-3)
    width = (1.5 * 6e-4 * 80_000.0 * before["gamma_BTC"] ** 2 / 1e-3) ** (1 / 3)
    assert 0 < width < abs(before["delta_BTC"])
    after = simulate(markets, book, policy, FEW).steps.iloc[0]
    assert abs(after["delta_BTC"]) == pytest.approx(width, rel=0.05)  # fees in coins count as delta, too
    lazy = WhalleyWilmott(1e-9)  # hardly averse to risk: the band is wider than the delta
    assert lazy.band(80_000.0, before["gamma_BTC"]) > abs(before["delta_BTC"])
    assert simulate(markets, book, lazy, FEW).trades.empty


def test_the_mean_variance_delta_minimises_what_it_says(toys: Any) -> None:
    """Where vol does not answer spot it is near Black's delta; costs make it trade less, and then not at all."""
    sample = ParametricScenarios(count=500, seed=4, vol={"BTC": 0.6}, vol_beta=0.0, vol_beta_up=0.0)
    book = toys.Given(collateral={"USDC": 4e6}, positions={CALL: -10.0, PUT: -4.0})
    free = simulate(toys.path([80_000.0]), book, MeanVarianceDelta(sample, cost_rate=1e-12), FEW)
    dear = simulate(toys.path([80_000.0]), book, MeanVarianceDelta(sample, cost_rate=6e-4, risk_aversion=1e-5), FEW)
    assert 0.0 < dear.trades["quantity"].sum() < free.trades["quantity"].sum()
    before = simulate(toys.path([80_000.0]), book, DoNothing(), FEW).steps["delta_BTC"].iloc[0]
    assert abs(free.steps["delta_BTC"].iloc[0]) < 0.4 * abs(before)  # a day's moves are not small
    averse = MeanVarianceDelta(sample, cost_rate=6e-4, risk_aversion=1e-9)
    assert simulate(toys.path([80_000.0]), book, averse, FEW).trades.empty


def test_the_tail_hedge_is_bought_once_and_rolled(toys: Any) -> None:
    expiries = [toys.START + timedelta(days=d) for d in (20, 28)]
    markets = toys.path([80_000.0] * 12, expiries=expiries, strikes=(60_000.0, 80_000.0, 100_000.0))
    policy = TailHedge({"BTC": 2.0}, days=20.0, roll_days=14.0, band={"BTC": 100.0})
    result = simulate(markets, toys.Given(), policy, FEW)
    bought = result.trades
    assert (bought["quantity"] == 2.0).all()
    assert set(bought["instrument"].str[-1]) == {"C", "P"}
    assert sorted(set(bought["timestamp"]))[:2] == [markets[0].timestamp, markets[7].timestamp]  # 13 days left: again


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ({"kind": "whalley_wilmott", "risk_aversion": 1e-4}, "Whalley–Wilmott band"),
        ({"kind": "mean_variance_delta"}, "mean-variance delta"),
        ({"kind": "tail_hedge", "quantity": {"BTC": 1.0}}, "static tail hedge"),
    ],
)
def test_they_are_in_a_configuration(table: dict[str, Any], name: str) -> None:
    config = BacktestConfig(replay={"chains": ["x.parquet"]}, books=[{"kind": "short_gamma"}], policies=[table])
    assert config.policies[0].build().name == name


def test_what_is_no_policy_is_refused() -> None:
    with pytest.raises(InputError, match="above 0"):
        WhalleyWilmott(-1.0)
    with pytest.raises(InputError, match="less than days"):
        TailHedge({"BTC": 1.0}, days=7.0)
    assert np.isfinite(WhalleyWilmott().band(80_000.0, 0.0))


def test_policies_with_a_history_see_only_the_past_of_it(toys: Any, tmp_path: Path) -> None:
    """The history after the decision is another one: the trades stay."""
    times = pd.date_range(toys.START - timedelta(days=300), periods=330, freq="D")
    prices = 80_000.0 * np.exp(np.cumsum(0.02 * np.random.default_rng(3).standard_normal(330)))
    book = toys.Given(collateral={"USDC": 4e6}, positions={CALL: -10.0, PUT: -4.0})
    for made in (MeanVarianceDelta, DeltaVegaMinVariance):
        done = []
        for wrong in (1.0, 3.0):
            path = tmp_path / f"history{wrong:g}.csv"
            poisoned = np.where(times > toys.START, prices * np.linspace(1.0, wrong, 330), prices)
            pd.DataFrame({"timestamp": times, "BTC": poisoned}).to_csv(path, index=False)
            policy = made(HistoricalScenarios(prices=str(path), count=250))
            done.append(simulate(toys.path([80_000.0]), book, policy, FEW).trades)
        assert len(done[0])
        pd.testing.assert_frame_equal(done[0], done[1])


def test_a_tail_hedge_looks_at_what_is_held_and_refuses_what_nobody_prices(toys: Any) -> None:
    """The same policy in another run buys again; what the book holds already is not bought twice."""
    policy = TailHedge({"BTC": 2.0}, days=25.0, band={"BTC": 100.0})
    for _ in range(2):
        assert len(simulate(toys.path([80_000.0]), toys.Given(), policy, FEW).trades) == 2
    held = toys.Given(positions={CALL: 2.0, PUT: 2.0})
    assert simulate(toys.path([80_000.0]), held, policy, FEW).trades.empty
    with pytest.raises(InputError, match="BTX"):
        simulate(toys.path([80_000.0]), toys.Given(), TailHedge({"BTX": 1.0}), FEW)
    with pytest.raises(InputError, match="no right"):
        TailHedge({"BTC": 1.0}, rights=("Put",))
