"""Backtests trade whole lots by default: repaired quickly, with the gap of each step; limits hold on what is traded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.multi_period import MultiPeriod
from hedgeopt.backtest.policies.optimizer import Optimizer
from hedgeopt.errors import CertificateError, InputError
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

SAMPLE = ParametricScenarios(count=300, vol={"BTC": 0.6}, seed=5)
FEW = Settings(scenarios=SAMPLE, mark_half_spread=None)
SHORT = {"BTC-27MAR26-80000-C": -5.0, "BTC-27MAR26-80000-P": -5.0}
STRIKES = (72_000.0, 80_000.0, 88_000.0)
WIDE = tuple(60_000.0 + 1_000.0 * k for k in range(40))


def rules(*limits: Any, **more: Any) -> ho.Policy:
    options: dict[str, Any] = {"minimize": ho.TransactionCost() + 0.5 * ho.CVaR(0.95), "scenarios": SAMPLE, "lot_gap": 0.02}
    return ho.Policy(subject_to=limits, **options | more)


def in_lots(trades: Any) -> bool:
    lot = np.where(trades["instrument"].str.contains("PERP"), 10.0, 0.1)
    count = trades["quantity"].to_numpy() / lot
    return bool(np.all(np.abs(count - np.round(count)) < 1e-9))


@pytest.mark.parametrize("strikes", [STRIKES, WIDE], ids=["few", "columns"])
def test_trades_are_whole_lots_and_each_step_says_its_gap(toys: Any, strikes: tuple[float, ...]) -> None:
    prices = 80_000.0 * np.exp(np.cumsum(0.03 * np.random.default_rng(2).standard_normal(3)))
    policy = rules(ho.Delta("BTC").within(-1, 1))
    assert policy.whole
    result = simulate(toys.path(prices, strikes=strikes), toys.Given(positions=SHORT), Optimizer(policy), FEW)
    assert len(result.trades)
    assert in_lots(result.trades)
    told = [event for event in result.events if event["kind"] == "lots"]
    assert len(told) == len(prices)
    assert all(event["gap"] >= -1e-6 and event["valid"] is (event["gap"] <= 0.02) for event in told)
    assert told[0]["gap"] <= 0.02
    assert result.steps["delta_BTC"].abs().max() <= 1.0 + 0.01
    ideal = simulate(toys.path(prices, strikes=strikes), toys.Given(positions=SHORT), Optimizer(rules(lots="ideal")), FEW)
    assert not in_lots(ideal.trades)


def test_the_whole_search_is_an_option(toys: Any) -> None:
    market = toys.path([80_000.0], strikes=STRIKES)
    found = [
        simulate(market, toys.Given(positions=SHORT), Optimizer(rules(), exact_lots=exact), FEW).events[0]["gap"]
        for exact in (False, True)
    ]
    assert found[1] <= 0.02
    assert abs(found[0] - found[1]) <= 0.02


def test_a_variance_is_repaired_too(toys: Any) -> None:
    policy = rules(minimize=ho.TransactionCost() + 1e-5 * ho.Variance())
    result = simulate(toys.path([80_000.0], strikes=STRIKES), toys.Given(positions=SHORT), Optimizer(policy), FEW)
    assert len(result.trades)
    assert in_lots(result.trades)
    assert result.events[0]["gap"] <= 0.02


def test_plans_over_several_periods_are_rounded(toys: Any) -> None:
    policy = MultiPeriod(rules(ho.Delta("BTC").within(-1, 1)), periods=2)
    result = simulate(toys.path([80_000.0], strikes=STRIKES), toys.Given(positions=SHORT), policy, FEW)
    assert in_lots(result.trades)
    with pytest.raises(InputError, match="limits that count trades"):
        MultiPeriod(rules(ho.MaxTrades(most=3)))


def test_few_trades_hold_in_a_backtest(toys: Any) -> None:
    policy = Optimizer(rules(ho.MaxTrades(most=1), lot_gap=0.09))
    result = simulate(toys.path([80_000.0], strikes=STRIKES), toys.Given(positions=SHORT), policy, FEW)
    assert len(result.trades) == 1
    assert in_lots(result.trades)


def test_the_closest_point_keeps_limits_that_count_trades(toys: Any) -> None:
    limits = (ho.MaxTrades(most=1), ho.CVaR(0.95) <= 10.0, ho.OrderLimit(notional=300_000))
    policy = Optimizer(rules(*limits, lot_gap=0.09), infeasible="minimise violation")
    result = simulate(toys.path([80_000.0], strikes=STRIKES), toys.Given(positions=SHORT), policy, FEW)
    assert [event["kind"] for event in result.events] == ["infeasible"]
    assert len(result.trades) <= 1
    assert in_lots(result.trades)
    assert result.events[0]["action"] == ("minimise violation" if len(result.trades) else "hold")


def test_a_quick_search_without_a_list_leaves_the_step_to_the_full_program(
    toys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: Any, **__: Any) -> Any:
        raise CertificateError("no list in whole lots was found")

    monkeypatch.setattr("hedgeopt.backtest.policies.optimizer.whole_lots", none)
    policy = Optimizer(rules(ho.Delta("BTC").within(-1, 1)))
    result = simulate(toys.path([80_000.0], strikes=WIDE), toys.Given(positions=SHORT), policy, FEW)
    assert [event["kind"] for event in result.events] == ["lots"]
    assert len(result.trades)


def test_a_plan_whose_roundings_miss_a_limit_sends_whole_lots_or_nothing(toys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hedgeopt.backtest.policies.multi_period._HOLDS", -1.0)
    policy = MultiPeriod(rules(ho.Delta("BTC").within(-1, 1)), periods=2)
    result = simulate(toys.path([80_000.0], strikes=STRIKES), toys.Given(positions=SHORT), policy, FEW)
    assert in_lots(result.trades)
    assert any("rounded to lots" in str(event.get("message")) for event in result.events)
