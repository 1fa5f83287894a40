"""Liquidation at the moments of the index between snapshots, against prices worked out here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.between import between, moments_between
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.protocol import Decision, TransferOrder
from hedgeopt.backtest.policies.simple import DoNothing
from hedgeopt.inputs.book import Account, Collateral, Link
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

CALL, PUT, PERPETUAL = "BTC-27MAR26-80000-C", "BTC-27MAR26-80000-P", "BTC-PERPETUAL"
SAMPLE = ParametricScenarios(count=64, vol={"BTC": 0.6})


def index_of(toys: Any, hours: dict[int, float]) -> pd.DataFrame:
    times = pd.DatetimeIndex([toys.START + timedelta(hours=h) for h in hours])
    return pd.DataFrame({"BTC": list(hours.values())}, index=times)


def test_the_market_on_the_way_is_black_at_the_index(toys: Any) -> None:
    start = toys.market(toys.START, 80_000.0, perpetual=80_400.0)
    moment = toys.START + timedelta(hours=6)
    then = between(start, moment, {"BTC": 60_000.0}, [f"deribit:{name}" for name in (CALL, PUT, PERPETUAL)])
    years = (toys.EXPIRY - moment).total_seconds() / (365 * 86_400)
    for name, right in ((CALL, "call"), (PUT, "put")):
        found = then.quote("mark_price", f"deribit:{name}")
        assert found == pytest.approx(toys.black(60_000.0, 80_000.0, years, 0.6, right) / 60_000.0, rel=1e-12)
        assert pd.isna(then.quote("ask_price", f"deribit:{name}"))
    assert then.quote("mark_price", f"deribit:{PERPETUAL}") == pytest.approx(80_400.0 * 0.75)
    assert then.prices == {"BTC": 60_000.0}
    late = between(start, toys.EXPIRY, {"BTC": 60_000.0}, [f"deribit:{CALL}", f"deribit:{PERPETUAL}"])
    assert list(late.instruments) == [f"deribit:{PERPETUAL}"]


def test_a_crash_that_recovers_before_the_next_snapshot_liquidates(toys: Any) -> None:
    """Short puts that a fall to 55,000 overnight cannot carry; the daily snapshots alone see nothing of it."""
    book = toys.Given(collateral={"BTC": 3.0}, positions={PUT: -8.0})
    markets = toys.path([80_000.0, 80_500.0, 81_000.0])
    index = index_of(toys, {0: 80_000.0, 12: 55_000.0, 24: 80_500.0, 36: 80_700.0})
    blind = simulate(markets, book, DoNothing(), Settings(scenarios=SAMPLE))
    seen = simulate(markets, book, DoNothing(), Settings(scenarios=SAMPLE, index=index))
    assert not blind.steps["liquidated"].any()
    assert list(seen.steps["liquidated"]) == [False, True, False]
    event = next(event for event in seen.events if event["kind"] == "liquidation")
    assert event["between_snapshots"]
    assert event["timestamp"] == toys.START + timedelta(hours=12)
    assert (seen.trades["reason"] == "liquidation").all()
    assert seen.steps["pnl"].iloc[1] < blind.steps["pnl"].iloc[1] - 10_000.0
    assert seen.attribution.iloc[1].sum() == pytest.approx(seen.steps["pnl"].iloc[1])


def test_an_index_that_never_was_liquidates_nobody(toys: Any) -> None:
    book = toys.Given(collateral={"BTC": 3.0}, positions={PUT: -8.0})
    index = index_of(toys, {12: 8_000.0})  # a tenth: no market moves so
    result = simulate(toys.path([80_000.0, 80_500.0]), book, DoNothing(), Settings(scenarios=SAMPLE, index=index))
    assert not result.steps["liquidated"].any()


def test_what_accrues_on_the_way_is_the_same(toys: Any) -> None:
    """Funding booked in parts at a steady index is that of the whole time."""
    book = toys.Given(positions={PERPETUAL: -160_000.0})
    markets = toys.path([80_000.0, 80_000.0], funding=2e-4)
    index = index_of(toys, {6: 80_000.0, 18: 80_000.0})
    result = simulate(markets, book, DoNothing(), Settings(scenarios=SAMPLE, index=index))
    assert result.steps["funding"].iloc[-1] == pytest.approx(3 * 2e-4 * 160_000.0)


def test_only_moments_strictly_between_count(toys: Any) -> None:
    index = index_of(toys, {0: 1.0, 12: 2.0, 24: 3.0})
    assert list(moments_between(index, toys.START, toys.START + timedelta(days=1))["BTC"]) == [2.0]
    assert moments_between(None, toys.START, toys.START + timedelta(days=1)).empty


def test_no_ladder_of_before_the_crash_is_hit_in_it(toys: Any) -> None:
    """A perpetual liquidated at 60,000 with the order book of 80,000 still in the market: it is closed near 60,000."""
    levels = [("bid", 79_960.0), ("ask", 80_040.0)]
    markets = []
    for market in toys.path([80_000.0, 80_500.0]):
        same = {"venue": "deribit", "instrument": PERPETUAL, "timestamp": market.timestamp.isoformat(), "unit": "USD"}
        table = pd.DataFrame([{**same, "side": s, "price": p, "size": 1e7} for s, p in levels])
        markets.append(market.with_depth(table))
    book = toys.Given(collateral={"USDC": 40_000.0}, positions={PERPETUAL: 160_000.0})
    settings = Settings(scenarios=SAMPLE, index=index_of(toys, {12: 60_500.0}))
    done = simulate(markets, book, DoNothing(), settings).trades
    done = done[done["timestamp"] == toys.START + timedelta(hours=12)]
    assert len(done)
    assert (done["price"] < 61_000.0).all()


def test_what_arrives_before_the_moment_counts_at_it(toys: Any) -> None:
    class Sending:
        name = "sending"

        def decide(self, state: Any) -> Decision:
            return Decision(transfers=(TransferOrder("reserve", "main", "BTC", 12.0),) if state.step == 0 else ())

    reserve = Account(name="reserve", venue="derive", margin="none", collateral=(Collateral(asset="BTC", amount=12.0),))
    link = Link(source="reserve", target="main", asset="BTC", delay_hours=1.0)
    book = toys.Given(collateral={"BTC": 3.0}, positions={PUT: -8.0}, extra=(reserve,), links=(link,))
    settings = Settings(scenarios=SAMPLE, index=index_of(toys, {12: 55_000.0}))
    assert not simulate(toys.path([80_000.0, 80_500.0]), book, Sending(), settings).steps["liquidated"].any()
