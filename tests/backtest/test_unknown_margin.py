"""Margin that no rule tells is never counted as nought in silence: refused, or said at every step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.simple import DoNothing
from hedgeopt.backtest.results.measures import measures
from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

FEW = Settings(scenarios=ParametricScenarios(count=64, vol={"BTC": 0.6}))
OPEN = replace(FEW, unknown_margin="not counted")
LACKING = {"venue": "bybit", "margin": "bybit_portfolio"}
CASES = [({"venue": "okx", "margin": "otc"}, "no rule knows it .margin otc."), (LACKING, r"\[portfolio_margin.BTC\] ")]


def held(toys: Any, settings: Settings, positions: dict[str, float], **where: str) -> Any:
    markets = toys.path([80_000.0, 60_000.0], venue=where["venue"], settlement="USDC", half=0.0, expiries=())
    book = toys.Given(collateral={"USDC": 100_000.0}, positions=positions, **where)
    return simulate(markets, book, DoNothing(), settings)


@pytest.mark.parametrize(("where", "why"), CASES)
def test_a_run_with_unknown_margin_is_refused_with_what_to_write(toys: Any, where: dict[str, str], why: str) -> None:
    with pytest.raises(InputError, match=rf": the margin of account main is unknown: .*{why}.*unknown_margin"):
        held(toys, FEW, {"BTC-PERPETUAL": -1.0}, **where)


@pytest.mark.parametrize(("where", "why"), CASES)
def test_where_it_is_allowed_every_step_says_so(toys: Any, where: dict[str, str], why: str) -> None:
    result = held(toys, OPEN, {"BTC-PERPETUAL": 1.0}, **where)
    said = [event for event in result.events if event["kind"] == "margin_unknown"]
    assert [event["account"] for event in said] == ["main", "main"]
    assert [event["timestamp"] for event in said] == list(result.steps.index)
    assert result.steps[["initial_margin", "maintenance_margin"]].isna().all().all()
    assert not result.steps["liquidated"].any()
    assert measures(result.steps)["final_equity"] == pytest.approx(80_000.0)


def test_an_account_that_needs_no_margin_is_no_matter(toys: Any) -> None:
    result = held(toys, FEW, {}, venue="okx", margin="otc")
    assert (result.steps["initial_margin"] == 0.0).all()
