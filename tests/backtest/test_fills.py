"""Fills by size: ladders walked by hand, impact by its law, quoted sizes, lots, and orders that rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.optimizer import Optimizer
from hedgeopt.backtest.policies.protocol import Order
from hedgeopt.backtest.settings import BacktestConfig
from hedgeopt.backtest.size_costs import FillRules
from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

SAMPLE = ParametricScenarios(count=64, vol={"BTC": 0.6})
CALL, PERPETUAL = "BTC-27MAR26-80000-C", "BTC-PERPETUAL"


def settings(**rules: Any) -> Settings:
    return Settings(scenarios=SAMPLE, fills=FillRules(**rules))


def one(toys: Any, market: Any, name: str, quantity: float, given: Settings) -> Any:
    return simulate([market], toys.Given(), toys.Scripted({0: [Order("main", name, quantity)]}), given)


def with_book(market: Any, size: float = 50_000.0) -> Any:
    levels = [("bid", 79_960.0), ("bid", 79_900.0), ("ask", 80_040.0), ("ask", 80_140.0)]
    same = {"venue": "deribit", "instrument": PERPETUAL, "timestamp": market.timestamp.isoformat(), "unit": "USD"}
    return market.with_depth(pd.DataFrame([{**same, "side": s, "price": p, "size": size} for s, p in levels]))


def test_a_ladder_is_walked_and_gives_no_more_than_it_holds(toys: Any) -> None:
    market = with_book(toys.path([80_000.0])[0])
    fill = one(toys, market, PERPETUAL, 75_000.0, settings()).trades.iloc[0]
    assert fill["price"] == pytest.approx((80_040.0 * 50_000.0 + 80_140.0 * 25_000.0) / 75_000.0)
    result = one(toys, market, PERPETUAL, -1e6, settings())
    assert result.trades["quantity"].iloc[0] == -100_000.0
    event = next(event for event in result.events if event["kind"] == "partly_filled")
    assert (event["asked"], event["filled"], event["reason"]) == (-1e6, -100_000.0, "its ladder holds no more")


def test_the_ledger_pays_for_size_what_the_policy_counts(toys: Any) -> None:
    """The optimizer's cost with a ladder is the ledger's spread and fees, to the cent."""
    market = with_book(toys.path([80_000.0])[0], 2e6)
    policy = ho.Policy(
        minimize=ho.TransactionCost() + 0.5 * ho.CVaR(0.95),
        scenarios=SAMPLE,
        candidates=ho.Candidates(kinds=("perpetual",)),
        lots="ideal",
    )
    strategy = Optimizer(policy)
    result = simulate([market], toys.Given(), strategy, Settings(scenarios=SAMPLE))
    assert abs(result.trades["quantity"].iloc[0]) > 1e5
    e = policy.expose(toys.Given().open(market), market) if hasattr(policy, "expose") else None
    paid = result.steps["cost"].iloc[0] + result.steps["fees"].iloc[0]
    x = strategy.solution.trades
    from hedgeopt.exposures.expose import expose

    e = e or expose(toys.Given().open(market), market, policy)
    assert paid == pytest.approx(float(e.trade_cost(x).sum()), rel=2e-3)


def test_impact_costs_its_law(toys: Any, tmp_path: Path) -> None:
    (tmp_path / "impact.toml").write_text('power = 1.5\n[instruments."deribit:BTC-PERPETUAL"]\nk = 1e-8\n')
    plain = toys.path([80_000.0])[0]
    market = plain.with_impact(tmp_path / "impact.toml")
    cost = one(toys, market, PERPETUAL, 250_000.0, settings()).steps["cost"].iloc[0]
    without = one(toys, plain, PERPETUAL, 250_000.0, settings()).steps["cost"].iloc[0]
    assert cost - without == pytest.approx(1e-8 * 250_000.0**1.5, rel=1e-6)


def sized(market: Any, **columns: float) -> Any:
    return replace(market, quotes=market.quotes.assign(**columns))


def test_quoted_sizes_and_lots_limit_a_fill(toys: Any) -> None:
    market = sized(toys.path([80_000.0])[0], ask_size=2.34, bid_size=1.0, lot=0.1)
    assert one(toys, market, CALL, 5.0, settings()).trades["quantity"].iloc[0] == 5.0
    assert one(toys, market, CALL, 5.0, settings(sizes="quoted")).trades["quantity"].iloc[0] == 2.34
    both = one(toys, market, CALL, 5.0, settings(sizes="quoted", lots=True))
    assert both.trades["quantity"].iloc[0] == pytest.approx(2.3)
    assert both.events[-1]["reason"] == "no more is quoted"
    unknown = sized(toys.path([80_000.0])[0], ask_size=np.nan)
    result = one(toys, unknown, CALL, 5.0, settings(sizes="quoted"))
    assert result.trades.empty
    assert result.events[-1]["reason"] == "the quoted size is unknown"


def test_a_holding_may_be_closed_to_the_last_part_of_a_lot(toys: Any) -> None:
    market = sized(toys.path([80_000.0])[0], lot=0.1)
    book = toys.Given(positions={CALL: 0.25})
    result = simulate([market], book, toys.Scripted({0: [Order("main", CALL, -0.25)]}), settings(lots=True))
    assert result.trades["quantity"].iloc[0] == -0.25


@pytest.mark.parametrize(("then", "fills"), [(79_900.0, True), (80_000.0, False)])
def test_an_order_that_rests_fills_where_the_market_comes_to_it(toys: Any, then: float, fills: bool) -> None:
    """A purchase rests at the bid, 79,960; the ask of the next snapshot is 5 bp above its price."""
    markets = toys.path([80_000.0, then])
    script = toys.Scripted({0: [Order("main", PERPETUAL, 40_000.0, maker=True)]})
    result = simulate(markets, toys.Given(), script, settings(maker="rest"))
    kinds = [event["kind"] for event in result.events]
    if fills:
        fill = result.trades.iloc[0]
        assert fill["timestamp"] == markets[1].timestamp
        assert fill["price"] == pytest.approx(80_000.0 * 0.9995)
        assert fill["reason"] == "maker"
    else:
        assert result.trades.empty
        assert "maker_unfilled" in kinds


def test_the_configuration_says_it() -> None:
    config = BacktestConfig(
        replay={"chains": ["x.parquet"]}, books=[{"kind": "short_gamma"}], policies=[{"kind": "do_nothing"}],
        fills={"sizes": "quoted", "lots": True, "maker": "rest"},
    )  # fmt: skip
    assert config.settings().fills == FillRules("quoted", True, "rest")


def test_an_order_that_rests_is_limited_as_one_that_does_not(toys: Any) -> None:
    market = sized(toys.path([80_000.0])[0], ask_size=1.0, bid_size=1.0, lot=0.1)
    later = sized(toys.path([80_000.0, 79_000.0])[1], ask_size=1.0, lot=0.1)
    script = toys.Scripted({0: [Order("main", CALL, 0.033, maker=True), Order("main", CALL, 0.27, maker=True)]})
    result = simulate([market, later], toys.Given(), script, settings(sizes="quoted", lots=True, maker="rest"))
    assert result.trades["quantity"].tolist() == pytest.approx([0.2])
    unknown = toys.Scripted({0: [Order("mian", CALL, 1.0, maker=True)]})
    with pytest.raises(InputError, match="mian"):
        simulate([market], toys.Given(), unknown, settings(maker="rest"))
