"""Promises judged over a record: kept by the model that drew it, refuted without its noise, and honest about gaps."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.backtest.chains import ChainReplay
from hedgeopt.backtest.judged_model import judge_model, standard_books
from hedgeopt.backtest.record_coverage import HeldThen, RecordJudge, _worth, books_like, coverage_over, record_coverage
from hedgeopt.backtest.snapshot import Snapshot
from hedgeopt.errors import InputError
from hedgeopt.inputs.book import Account, Book, Collateral, Position
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios
from tests.models.scenarios.drawn_chains import TRUTH, drawn_chains, recorded

STEPS = 140


@pytest.fixture(scope="module")
def markets(tmp_path_factory: pytest.TempPathFactory) -> list[Snapshot]:
    path = tmp_path_factory.mktemp("record") / "chains.parquet"
    recorded(drawn_chains(STEPS, seed=11)).to_parquet(path)
    return [Snapshot.of(market) for market in ChainReplay(chains=(path,))]


def settings(**changes: Any) -> ParametricScenarios:
    """The model that drew the record."""
    truth = {name: value for name, value in TRUTH.items() if name not in ("noise", "basis_noise")}
    noise = dict.fromkeys(("BTC", "ETH"), TRUTH["noise"])
    vol = {"BTC": 0.5, "ETH": 0.5}
    return ParametricScenarios(**{**truth, "noise": noise, "vol": vol, "horizon_days": 0.25, "count": 800, **changes})


def ladder(market: ho.Market) -> HeldThen:
    """Two strikes sold against those around and between them: what shared moves hardly touch."""
    items = [i for i in market.instruments.values() if i.nature.option and i.underlying == "BTC" and i.right == "call"]
    days = np.array([365.0 * i.years_from(market.timestamp) for i in items])
    expiry = items[int(np.argmin(np.abs(days - 20.0)))].expiry
    spot = market.price("BTC")
    near = sorted((i for i in items if i.expiry == expiry), key=lambda i: abs(i.strike / spot - 1.0))[:5]
    rungs = sorted(near, key=lambda i: i.strike)
    held = tuple(Position(instrument=i.name, quantity=q) for i, q in zip(rungs, (1.0, -4.0, 6.0, -4.0, 1.0), strict=True))
    return HeldThen(Book(accounts=(Account(name="main", venue="deribit", positions=held),)))


def test_the_model_that_drew_a_record_keeps_its_promises_and_one_without_noise_does_not(markets: list[Snapshot]) -> None:
    told = {"record_name": "drawn", "likeness": "pairs", "level": 0.9}
    kept = coverage_over(ladder, settings(), markets, **told)
    assert kept.windows == STEPS
    assert kept.expected == pytest.approx(0.1 * STEPS)
    assert abs(kept.hits - kept.expected) < 3.3 * np.sqrt(0.09 * STEPS)
    bare = coverage_over(ladder, settings(noise="none"), markets, **told)
    assert bare.p_value < 1e-4
    assert bare.hits > 1.8 * kept.hits


def test_a_book_is_like_itself_and_its_coins_are_its_delta(markets: list[Snapshot]) -> None:
    market = markets[0]
    held = ladder(market).book.accounts[0].positions
    book = Book(
        accounts=(Account(name="main", venue="deribit", positions=held, collateral=(Collateral(asset="BTC", amount=3.0),)),)
    )
    make, told = books_like(book, market, 0.25)
    again = make(market)
    assert again is not None
    assert {p.instrument: p.quantity for p in again.book.accounts[0].positions} == {p.instrument: p.quantity for p in held}
    assert again.coins == {"BTC": 3.0}
    assert "left out" not in told
    later = make(markets[60])
    assert later is not None
    for position in later.book.accounts[0].positions:
        item = markets[60].instruments[f"deribit:{position.instrument}"]
        assert 10.0 < 365.0 * item.years_from(markets[60].timestamp) < 40.0


def test_coins_alone_are_exceeded_as_a_student_is(markets: list[Snapshot]) -> None:
    book = Book(accounts=(Account(name="main", venue="deribit", collateral=(Collateral(asset="ETH", amount=100.0),)),))
    policy = ho.Policy(minimize=ho.TransactionCost(), scenarios=settings(), lots="ideal")
    found = record_coverage(book, markets[0], policy, markets, record_name="drawn", level=0.9)
    prices = np.array([market.price("ETH") for market in markets])
    losses = -100.0 * np.diff(prices)
    assert found.windows == len(losses)
    assert abs(found.hits - 0.1 * len(losses)) < 3.3 * np.sqrt(0.09 * len(losses))
    assert found.first.startswith("2026-01-01T08")


def test_gaps_are_left_out_and_windows_do_not_overlap(markets: list[Snapshot]) -> None:
    few = [*markets[:9], *markets[17:25]]
    day = coverage_over(ladder, settings(horizon_days=1.0), few, record_name="drawn", likeness="pairs")
    assert (day.windows, day.left_out) == (3, 1)  # 0-4, 4-8; then two days without a market; 17-21
    none = coverage_over(lambda market: None, settings(), few, record_name="drawn", likeness="pairs")
    assert (none.windows, none.left_out) == (0, len(few) - 1)
    assert np.isnan(none.p_value)


def test_an_option_without_a_quote_has_the_vol_of_the_nearest_strike(markets: list[Snapshot]) -> None:
    market = markets[3]
    name = ladder(market).book.accounts[0].positions[0].instrument
    item = market.instruments[f"deribit:{name}"]
    twin = item.id[:-1] + "P"
    rest = {key: one for key, one in market.instruments.items() if key != item.id}
    quotes = market.quotes.drop(index=[item.id])
    without = Snapshot(market.timestamp, market.prices, rest, quotes, market.source)
    assert np.isfinite(market.quote("mark_iv", twin))
    assert _worth(item, without, market) == pytest.approx(_worth(item, market, market), rel=1e-3)
    over = Snapshot(item.expiry, market.prices, {}, quotes.iloc[:0], market.source)
    assert _worth(item, over, market) == max(market.price("BTC") - item.strike, 0.0)


def test_samples_that_hold_the_future_are_refused(markets: list[Snapshot]) -> None:
    given = ho.given_returns({"BTC": np.linspace(-0.1, 0.1, 40)})
    with pytest.raises(InputError, match="backtest it"):
        RecordJudge(ladder, given, record_name="", likeness="")
    book = Book(accounts=(Account(name="main", venue="deribit", collateral=(Collateral(asset="USDC", amount=1.0),)),))
    with pytest.raises(InputError, match="nothing that a record"):
        books_like(book, markets[0], 1.0)
    with pytest.raises(InputError, match="horizons"):
        judge_model(settings(), markets, horizons=())


def test_seven_books_are_judged_and_what_cannot_be_opened_is_left_out(markets: list[Snapshot]) -> None:
    found = judge_model(settings(count=100), markets[:3], horizons=(0.25,), name="drawn")
    assert [name for name, _ in found.rows] == list(standard_books())
    by_name = dict(found.rows)
    assert by_name["AMM LP, BTC"].windows == 2
    assert by_name["looped staking, ETH"].left_out == 2  # no price of stETH
    assert found.to_dict()["refuted"] == []
    assert datetime(2026, 1, 1, 8, tzinfo=UTC) == pd.Timestamp(by_name["AMM LP, BTC"].first)


@pytest.mark.realdata
def test_the_first_days_of_march_are_as_the_docs_say() -> None:
    """A sample of the command in docs/scenarios.md: the packaged model of January and February, over a week of March."""
    chain = Path(__file__).parents[3] / "shared/data/deribit-chains/daily_allstrikes_dev_20251230_20260531.parquet"
    start, end = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 6, tzinfo=UTC)
    replay = ChainReplay(chains=(chain,), start=start, end=end, clock="quotes", ratios={"stETH": ("ETH", 0.999)})
    found = judge_model(ParametricScenarios(model="measured"), map(Snapshot.of, replay), horizons=(1.0,))
    for name, one in found.rows:
        assert (one.windows, one.hits, one.left_out) == (4, 0, 0), name
        assert one.worst < 0.6, name
    assert found.refuted == ()
