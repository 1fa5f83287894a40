"""Snapshots that contradict themselves are passed over, and quotes of another moment are not traded."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.chains import ChainReplay
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.protocol import Order
from hedgeopt.backtest.policies.simple import DoNothing
from hedgeopt.backtest.sanity import Sanity, problem_within, without_false_quotes
from hedgeopt.errors import InputError
from hedgeopt.inputs.market import Market
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

SETTINGS = Settings(scenarios=ParametricScenarios(count=50))
CALL = "BTC-27MAR26-80000-C"
STRIKES = (70_000.0, 75_000.0, 80_000.0, 85_000.0, 90_000.0)


def run(toys: Any, markets: list[Market], policy: Any = None, **book: Any) -> Any:
    return simulate(markets, toys.Given(**book), policy or DoNothing(), SETTINGS)


def times(market: Market, factor: float) -> Market:
    """The same snapshot with its index alone multiplied."""
    return replace(market, prices={"BTC": factor * market.price("BTC")})


def kinds(result: Any) -> list[str]:
    return [event["kind"] for event in result.events]


@pytest.mark.parametrize("factor", [10.0, 0.1])
@pytest.mark.parametrize("at", [1, 3])
def test_an_index_jump_in_one_snapshot_is_an_event_and_nothing_else(factor: float, at: int, toys: Any) -> None:
    markets = toys.path([80_000.0, 81_000.0, 79_000.0, 80_500.0], strikes=STRIKES)
    book = {"positions": {CALL: -20.0, "BTC-PERPETUAL": 400_000.0}}
    spoilt = [times(market, factor) if k == at else market for k, market in enumerate(markets)]
    result = run(toys, spoilt, **book)
    without = run(toys, markets[:at] + markets[at + 1 :], **book)
    assert kinds(result) == ["implausible_market"]
    (event,) = result.events
    assert event["timestamp"] == markets[at].timestamp
    assert f"is {factor:.4g} × its options' forwards" in event["message"]
    assert "\n" not in event["message"]
    pd.testing.assert_series_equal(result.steps["equity"], without.steps["equity"])
    assert not result.steps["liquidated"].any()


def test_a_market_that_moves_together_must_be_confirmed(toys: Any) -> None:
    wrong = run(toys, toys.path([80_000.0, 800_000.0, 80_000.0], strikes=STRIKES))
    assert kinds(wrong) == ["implausible_market"]
    assert len(wrong.steps) == 2
    real = run(toys, toys.path([80_000.0, 30_000.0, 31_000.0, 30_500.0], strikes=STRIKES))
    assert kinds(real) == ["implausible_market"]
    assert "0.375 ×" in real.events[0]["message"]
    assert real.steps["equity"].tolist() == pytest.approx([20 * 80_000.0, 20 * 31_000.0, 20 * 30_500.0])


def test_a_recorded_index_settles_only_if_it_lies_by_the_snapshots(toys: Any) -> None:
    """``replay.index``: 810,000 at the moment of expiry, and 81,000 a minute later; the call pays 1,000 / 81,000 coins."""
    later = toys.EXPIRY + timedelta(days=28)
    markets = [
        toys.market(toys.EXPIRY + timedelta(hours=h), price, expiries=(toys.EXPIRY, later), strikes=STRIKES)
        for h, price in ((-6, 80_000.0), (6, 80_500.0))
    ]
    minute = timedelta(minutes=1)
    for wrong in (810_000.0, 8_100.0, 0.0, -81_000.0):
        recorded = pd.DataFrame({"BTC": [wrong, 81_000.0]}, index=pd.DatetimeIndex([toys.EXPIRY, toys.EXPIRY + minute]))
        book = toys.Given(positions={CALL: 10.0})
        result = simulate(markets, book, DoNothing(), replace(SETTINGS, index=recorded))
        assert kinds(result) == ["implausible_index", "settlement"]
        said, settled = result.events
        assert f"{wrong:,.6g}" in said["message"]
        assert "\n" not in said["message"]
        assert settled["price"] == 81_000.0
        assert settled["index_time"] == toys.EXPIRY + minute
        assert settled["received"] == pytest.approx(10.0 * 1_000.0)
    only = pd.DataFrame({"BTC": [810_000.0]}, index=pd.DatetimeIndex([toys.EXPIRY]))
    result = simulate(markets, toys.Given(positions={CALL: 10.0}), DoNothing(), replace(SETTINGS, index=only))
    assert result.events[1]["price"] == 80_000.0  # the snapshot before: as near as the one after, and earlier


def test_a_first_snapshot_that_contradicts_itself_is_refused(toys: Any) -> None:
    (market,) = toys.path([80_000.0])
    with pytest.raises(InputError, match=r"index of BTC .* no book can be opened on it"):
        run(toys, [times(market, 10.0)])


def test_perpetuals_alone_tell_as_well(toys: Any) -> None:
    market = toys.market(toys.START, 80_000.0, expiries=())
    assert problem_within(market) is None
    assert "perpetuals and futures" in str(problem_within(times(market, 2.0)))


class Picker:
    """Buys whatever asks less than its mark."""

    name = "picker"

    def decide(self, state: Any) -> list[Order]:
        quotes = state.market.quotes
        cheap = quotes["mark_price"] - quotes["ask_price"] > 0
        return [Order("main", key.split(":")[1], 1.0) for key in quotes.index[cheap]]


def test_quotes_one_step_old_earn_nothing(toys: Any) -> None:
    """Yesterday's quotes beside today's marks: calls look cheap after a rise, puts after a fall."""
    markets = toys.path([80_000.0, 84_000.0, 78_000.0, 83_000.0], strikes=STRIKES, vol=0.5)
    old = [markets[0]]
    for before, market in pairwise(markets):
        quotes = market.quotes.copy()
        quotes[["bid_price", "ask_price"]] = before.quotes[["bid_price", "ask_price"]]
        old.append(replace(market, quotes=quotes))
    result = run(toys, old, Picker())
    assert result.trades.empty
    assert kinds(result).count("quotes_refused") >= 3
    honest = run(toys, markets, Picker())
    assert kinds(honest) == []


def test_stamps_of_quotes_are_compared_with_the_snapshot(toys: Any) -> None:
    (market,) = toys.path([80_000.0], strikes=STRIKES)
    for gap, refused in ((-599.0, False), (-601.0, True), (0.5, False), (2.0, True)):
        quotes = market.quotes.copy()
        key = f"deribit:{CALL}"
        quotes.loc[key, "timestamp"] = pd.Timestamp(market.timestamp) + timedelta(seconds=gap)
        seen, events = without_false_quotes(replace(market, quotes=quotes), Sanity())
        assert np.isnan(seen.quote("ask_price", key)) == refused
        assert [event["count"] for event in events] == [1] * refused
        assert (key in seen.doubtful) == refused


def test_a_replay_in_other_units_is_refused_with_its_moment(toys: Any, tmp_path: Path) -> None:
    markets = toys.path([80_000.0, 81_000.0], strikes=STRIKES)
    frames = [toys.rows_of(market) for market in markets]
    frames[1]["mark_iv"] *= 100.0
    pd.concat(frames, ignore_index=True).to_parquet(tmp_path / "chain.parquet")
    replay = iter(ChainReplay((tmp_path / "chain.parquet",)))
    next(replay)
    with pytest.raises(InputError, match=r"chain.parquet at 2026-03-03.*mark_iv: is 100 ×"):
        next(replay)
    frames[1]["mark_iv"] /= 100.0
    frames[1]["index_price"] *= 10.0  # the engine's to judge: one bad snapshot need not end the run
    pd.concat(frames, ignore_index=True).to_parquet(tmp_path / "chain.parquet")
    assert len(list(ChainReplay((tmp_path / "chain.parquet",)))) == 2


@pytest.mark.realdata
def test_recorded_days_pass_and_yesterdays_quotes_do_not(shared_data: Path) -> None:
    chain = shared_data / "deribit-chains" / "daily_allstrikes_dev_20251230_20260531.parquet"
    start, end = (pd.Timestamp(text, tz="UTC").to_pydatetime() for text in ("2026-01-28", "2026-02-10"))
    before, refused, moves = None, [], []
    for market in ChainReplay((chain,), start=start, end=end, assets=("BTC",)):
        assert problem_within(market) is None
        assert without_false_quotes(market, Sanity())[1] == []
        assert market.doubtful == {}
        if before is not None:
            assert Sanity().jump(market, before) is None
            quotes = market.quotes.copy()
            for side in ("bid_price", "ask_price"):
                quotes[side] = before.quotes[side].reindex(quotes.index)
            seen, _ = without_false_quotes(replace(market, quotes=quotes), Sanity())
            moves.append(abs(market.price("BTC") / before.price("BTC") - 1.0))
            refused.append(not np.isfinite(seen.quotes["ask_price"].to_numpy(float)).any())
        before = market
    assert np.mean(refused) > 0.9
    assert np.array(refused)[np.array(moves) > 0.01].all()
