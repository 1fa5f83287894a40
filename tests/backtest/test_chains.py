"""Recorded files: windows of time, gaps, marks, funding; and that nothing is seen before its time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.books.recipes import Flow, RollingSeller
from hedgeopt.backtest.chains import ChainReplay
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.past import as_known
from hedgeopt.backtest.policies.optimizer import Optimizer
from hedgeopt.backtest.policies.simple import DeltaBand
from hedgeopt.backtest.recorded import index_history
from hedgeopt.errors import InputError
from hedgeopt.inputs.candidates import Candidates
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.costs.transaction import TransactionCost
from hedgeopt.models.risk.cvar import CVaR
from hedgeopt.models.scenarios.sample_settings import HistoricalScenarios, ParametricScenarios

FEW = Settings(scenarios=ParametricScenarios(count=64, vol={"BTC": 0.6}))
CALL, PUT = "BTC-27MAR26-80000-C", "BTC-27MAR26-80000-P"
STRIKES = (72_000.0, 80_000.0, 88_000.0)


@pytest.fixture
def chain(tmp_path: Path, toys: Any) -> Path:
    """Eight days, in one file that is not sorted by time (as the recorded ones are not)."""
    prices = 80_000.0 * np.exp(np.cumsum(0.03 * np.random.default_rng(1).standard_normal(8)))
    frame = pd.concat([toys.rows_of(m) for m in toys.path(prices, strikes=STRIKES)])
    frame.sort_values("instrument_name").to_parquet(tmp_path / "chain.parquet")
    return tmp_path / "chain.parquet"


def test_windows_do_not_change_what_is_read(chain: Path) -> None:
    one, all_at_once = (list(ChainReplay((chain,), synthetic_perpetuals=True, window=w)) for w in (1, 100))
    assert [m.timestamp for m in one] == sorted(m.timestamp for m in one)
    assert len(one) == 8
    for a, b in zip(one, all_at_once, strict=True):
        pd.testing.assert_frame_equal(a.quotes, b.quotes)
        assert a.prices == b.prices
        assert a.instruments == b.instruments


def test_start_and_end_and_an_empty_period(chain: Path, toys: Any) -> None:
    start = toys.START + timedelta(days=2)
    assert len(list(ChainReplay((chain,), start=start, end=start + timedelta(days=3)))) == 3
    with pytest.raises(InputError, match="no snapshot in the period"):
        list(ChainReplay((chain,), start=start + timedelta(days=90)))


def test_a_ratio_to_what_the_chain_does_not_price_is_refused(chain: Path) -> None:
    with pytest.raises(InputError, match=r"ratios\.USDC\.of: has no price at this moment \(got 'USD'\).*known: "):
        next(iter(ChainReplay((chain,), ratios={"USDC": ("USD", 1.0)})))


def test_a_missing_column_and_a_file_that_is_none_are_refused(chain: Path, tmp_path: Path) -> None:
    frame = pd.read_parquet(chain)
    frame.drop(columns="mark_iv").to_parquet(tmp_path / "less.parquet")
    with pytest.raises(InputError, match="mark_iv"):
        list(ChainReplay((tmp_path / "less.parquet",)))
    (tmp_path / "cut.parquet").write_bytes(chain.read_bytes()[:200])
    with pytest.raises(InputError, match="truncated"):
        list(ChainReplay((tmp_path / "cut.parquet",)))
    with pytest.raises(InputError, match="no such file or folder"):
        list(ChainReplay((tmp_path / "none.parquet",)))


def test_marks_near_the_snapshot_count_and_others_do_not(chain: Path, tmp_path: Path, toys: Any) -> None:
    marks = pd.DataFrame(
        {
            # three minutes before, in the snapshot's own second, and a minute after it: the last was not known yet
            "obs_datetime": [toys.START + timedelta(minutes=m) for m in (-3, 0.9 / 60, 1, 24 * 60 + 30)],
            "coin": "BTC",
            "instrument_name": "BTC-PERPETUAL",
            "perp_futures_mark_price": [1.0, 81_000.0, 7.0, 99.0],
        }
    )
    marks.to_csv(tmp_path / "perp.csv", index=False)
    first, second = list(ChainReplay((chain,), marks=(tmp_path / "perp.csv",)))[:2]
    assert first.quotes.loc["deribit:BTC-PERPETUAL", "mark_price"] == 81_000.0
    assert "deribit:BTC-PERPETUAL" not in second.instruments
    again = list(ChainReplay((chain,), marks=(tmp_path / "perp.csv",), synthetic_perpetuals=True))[1]
    assert again.quotes.loc["deribit:BTC-PERPETUAL", "mark_price"] == again.prices["BTC"]
    assert any("quoted at the index" in note for note in again.notes)


def test_funding_from_the_premium_by_hand(chain: Path, tmp_path: Path, toys: Any) -> None:
    """Premium 0.1 % less the damper of 0.025 %; within the damper nothing is paid."""
    index = next(iter(ChainReplay((chain,)))).prices["BTC"]
    for premium, rate in ((0.001, 0.00075), (0.0002, 0.0), (-0.001, -0.00075), (0.5, 0.005)):
        marks = pd.DataFrame(
            {
                "obs_datetime": [toys.START],
                "coin": "BTC",
                "instrument_name": "BTC-PERPETUAL",
                "perp_futures_mark_price": [index * (1 + premium)],
            }
        )
        marks.to_csv(tmp_path / "perp.csv", index=False)
        replay = ChainReplay((chain,), marks=(tmp_path / "perp.csv",), funding={"BTC": "premium"})
        assert next(iter(replay)).quotes.loc["deribit:BTC-PERPETUAL", "funding_8h"] == pytest.approx(rate, abs=1e-9)


def test_a_funding_series_counts_from_when_it_is_known(chain: Path, tmp_path: Path, toys: Any) -> None:
    times = [toys.START + timedelta(hours=h) for h in (20, 28)]
    pd.DataFrame({"time": times, "funding_pct": [0.01, 0.03]}).to_csv(tmp_path / "funding.csv", index=False)
    replay = ChainReplay((chain,), funding={"BTC": str(tmp_path / "funding.csv")}, synthetic_perpetuals=True)
    rates = [m.quotes.loc["deribit:BTC-PERPETUAL", "funding_8h"] for m in replay]
    assert np.isnan(rates[0])
    assert rates[1:3] == pytest.approx([1e-4, 3e-4])


def test_the_first_file_wins_and_the_second_fills_in(chain: Path, tmp_path: Path) -> None:
    frame = pd.read_parquet(chain)
    liquid, other = frame[frame["strike"] == 80_000.0], frame.assign(open_interest=7.0)
    liquid.to_parquet(tmp_path / "liquid.parquet")
    other.to_parquet(tmp_path / "all.parquet")
    market = next(iter(ChainReplay((tmp_path / "liquid.parquet", tmp_path / "all.parquet"))))
    assert market.quotes.loc[f"deribit:{CALL}", "open_interest"] == 1_000.0
    assert market.quotes.loc["deribit:BTC-27MAR26-72000-P", "open_interest"] == 7.0


def test_index_history_is_the_median_of_each_moment(chain: Path) -> None:
    history = index_history(chain)
    markets = list(ChainReplay((chain,)))
    assert history["BTC"].tolist() == pytest.approx([m.prices["BTC"] for m in markets])


def poisoned(chain: Path, target: Path, after: pd.Timestamp) -> Path:
    """Every number later than ``after`` is wrong."""
    frame = pd.read_parquet(chain)
    late = frame["timestamp"] > after
    for column in ("mark_price", "bid_price", "ask_price", "mark_iv", "underlying_price", "index_price", "open_interest"):
        frame.loc[late, column] = 3.0 * frame.loc[late, column]
    frame.loc[late & frame["instrument_name"].str.endswith("P"), "mark_iv"] = np.nan
    frame.to_parquet(target)
    return target


def history_file(path: Path, toys: Any, after: pd.Timestamp | None = None) -> Path:
    """400 days of prices that end a month after the replay."""
    times = pd.date_range(toys.START - timedelta(days=370), periods=400, freq="D")
    prices = 80_000.0 * np.exp(np.cumsum(0.02 * np.random.default_rng(3).standard_normal(400)))
    if after is not None:
        prices = np.where(times > after, prices * np.linspace(1.0, 9.0, 400), prices)
    pd.DataFrame({"timestamp": times, "BTC": prices}).to_csv(path, index=False)
    return path


def test_poison_in_the_future_changes_nothing_before_it(chain: Path, tmp_path: Path, toys: Any) -> None:
    """Chain, price history and settlement index are corrupted after day 4: everything up to day 4 stays, bit by bit."""
    after = pd.Timestamp(toys.START) + pd.Timedelta(days=4)
    bad = poisoned(chain, tmp_path / "bad.parquet", after)
    tables, lasts = [], []
    for name, path, cut in (("good", chain, None), ("bad", bad, after)):
        prices = history_file(tmp_path / f"{name}.csv", toys, cut)
        scenarios = HistoricalScenarios(prices=str(prices), count=200, filtered=True)
        rules = Policy(
            minimize=TransactionCost() + 0.5 * CVaR(0.95),
            scenarios=scenarios,
            candidates=Candidates(kinds=("option", "perpetual")),
            lots="ideal",
        )
        settings = Settings(scenarios=scenarios, index=index_history(path))
        book = toys.Given(positions={CALL: -3.0, PUT: -3.0})
        replay = ChainReplay((path,), synthetic_perpetuals=True)
        seen = []
        for market in replay:
            seen.append(market)
            if market.timestamp > after:
                break
        result = simulate(seen, book, Optimizer(rules), settings)
        tables.append(
            (result.steps.loc[:after], result.trades[result.trades["timestamp"] <= after], result.attribution.loc[:after])
        )
        lasts.append(seen[-1].prices["BTC"])
    (steps, trades, parts), (bad_steps, bad_trades, bad_parts) = tables
    assert len(steps) == 5
    assert len(trades) > 0
    pd.testing.assert_frame_equal(steps.drop(columns="solve_seconds"), bad_steps.drop(columns="solve_seconds"))
    pd.testing.assert_frame_equal(trades, bad_trades)
    pd.testing.assert_frame_equal(parts, bad_parts)
    assert lasts[1] == pytest.approx(3.0 * lasts[0])  # the poison was there


def test_poison_in_marks_funding_and_vols_waits_for_its_time(chain: Path, tmp_path: Path, toys: Any) -> None:
    """What comes from files beside the chain: snapshots before the poison stay, and scenarios never read past now."""
    times = [toys.START + timedelta(days=d) for d in range(8)]
    replays = []
    for name, wrong in (("good", 1.0), ("bad", 7.0)):
        factor = np.where(np.arange(8) > 4, wrong, 1.0)
        marks = {"coin": "BTC", "instrument_name": "BTC-PERPETUAL", "perp_futures_mark_price": 80_000.0 * factor}
        pd.DataFrame({"obs_datetime": times, **marks}).to_csv(tmp_path / f"{name}-marks.csv", index=False)
        pd.DataFrame({"time": times, "funding_pct": 0.01 * factor}).to_csv(tmp_path / f"{name}-funding.csv", index=False)
        pd.DataFrame({"time": times, "BTC": 0.5 * factor}).to_csv(tmp_path / f"{name}-vol.csv", index=False)
        funding = {"BTC": str(tmp_path / f"{name}-funding.csv")}
        replays.append(list(ChainReplay((chain,), marks=(tmp_path / f"{name}-marks.csv",), funding=funding)))
    for k, (good, bad) in enumerate(zip(*replays, strict=True)):
        assert good.quotes.equals(bad.quotes) is (k <= 4)
    settings = HistoricalScenarios(
        prices="replay", vols={"BTC": str(tmp_path / "bad-vol.csv")}, funding={"BTC": str(tmp_path / "bad-funding.csv")}
    )
    seen = pd.DataFrame({"BTC": [80_000.0] * 5}, index=pd.DatetimeIndex(times[:5]))
    with as_known(settings, times[4], lambda: seen) as known:
        for path in (known.prices, known.vols["BTC"], known.funding["BTC"]):
            frame = pd.read_csv(path)
            assert len(frame) == 5
            assert pd.to_datetime(frame.iloc[:, 0]).max() == times[4]


@pytest.mark.realdata
def test_the_ledger_adds_up_to_a_cent_over_five_months(shared_data: Path) -> None:
    """Every recorded day, a seller with clients, weekly expiries and funding: equity is the sum of its parts."""
    folder = shared_data / "deribit-chains"
    replay = ChainReplay(
        (folder / "daily_allstrikes_dev_20251230_20260531.parquet",),
        marks=(folder / "perp_prices_6h_to_20260415.csv",),
        funding={"BTC": 1e-4},
        synthetic_perpetuals=True,
        assets=("BTC",),
    )
    book = RollingSeller(every_days=2.0, collateral={"BTC": 30.0}, quantity={"BTC": 2.0}, clients=Flow(seed=1, per_day=1.0))
    result = simulate(replay, book, DeltaBand({"BTC": 0.5}), FEW)
    steps, ledger = result.steps, result.ledger
    assert len(steps) > 140
    assert (steps.index[-1] - steps.index[0]).days > 145
    parts = steps["deposits"] + steps["realised"] + steps["unrealised"] - steps["costs"]
    assert (parts - steps["equity"]).abs().max() < 0.01
    assert ledger.groupby(["entry", "currency"])["amount"].sum().abs().max() < 1e-9
    assert {"cash", "positions", "deposits", "trading", "settlement", "funding", "spread", "fees"} <= set(ledger["side"])
    assert np.allclose(result.attribution.sum(axis=1), steps["pnl"], atol=1e-6)


def test_a_replay_is_read_only_as_far_as_it_is_used(chain: Path) -> None:
    """A broken last snapshot is met when its time comes, not before."""
    frame = pd.read_parquet(chain)
    frame.loc[frame["timestamp"] == frame["timestamp"].max(), "index_price"] = -1.0
    frame.to_parquet(chain)
    whole = ChainReplay((chain,), window=100)
    replay = iter(whole)
    for _ in range(7):
        next(replay)
    assert whole.told() == []
    assert not next(replay).prices
    assert [event["kind"] for event in whole.told()] == ["missing_index"]


def test_gaps_in_time_accrue_over_the_gap(toys: Any) -> None:
    """Two days without a snapshot: funding of two days."""
    markets = [toys.market(toys.START + timedelta(days=d), 80_000.0, funding=1e-4) for d in (0, 2)]
    result = simulate(markets, toys.Given(positions={"BTC-PERPETUAL": 80_000.0}), DeltaBand({"BTC": 1e9}), FEW)
    assert result.steps["funding"].iloc[1] == pytest.approx(-6 * 1e-4 * 80_000.0)
