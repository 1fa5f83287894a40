"""A recording with something wrong in it: every fault has its event, and the run goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.chains import ChainReplay
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.simple import DoNothing
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

SAMPLE = ParametricScenarios(count=32, vol={"BTC": 0.6})
CALL = "BTC-27MAR26-80000-C"
STRIKES = tuple(70_000.0 + 2_500.0 * k for k in range(9))


def frame(toys: Any) -> pd.DataFrame:
    found = pd.concat([toys.rows_of(m) for m in toys.path([8e4, 8.1e4, 8.05e4, 8e4], strikes=STRIKES)], ignore_index=True)
    other = found.copy()  # a currency that the book does not hold
    other["currency"] = "ETH"
    other["instrument_name"] = other["instrument_name"].str.replace("BTC", "ETH")
    return pd.concat([found, other], ignore_index=True)


def second(rows: pd.DataFrame, currency: str = "BTC") -> pd.Series:
    return (rows["timestamp"] == sorted(rows["timestamp"].unique())[1]) & (rows["currency"] == currency)


def tenfold(rows: pd.DataFrame) -> pd.DataFrame:
    at = second(rows)
    rows.loc[at, "index_price"] *= 10.0
    return rows


def late_quotes(rows: pd.DataFrame) -> pd.DataFrame:
    """Bids and asks of the step before, once the market has moved."""
    at, before = second(rows), rows["timestamp"].min()
    old = rows[(rows["timestamp"] == before)].set_index("instrument_name")
    for side in ("bid_price", "ask_price"):
        rows.loc[at, side] = rows.loc[at, "instrument_name"].map(old[side]).to_numpy() * 1.2
    return rows


def nan_index(rows: pd.DataFrame) -> pd.DataFrame:
    rows.loc[second(rows, "ETH"), "index_price"] = np.nan
    return rows


def missing_currency(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[~second(rows, "ETH")]


def held_currency(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[~second(rows)]


def strings(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.astype({"mark_iv": object})
    rows.loc[rows.index[second(rows)][-1], "mark_iv"] = "high"
    return rows


def twice(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([rows, rows[second(rows)].iloc[[3]]], ignore_index=True)


def negative(rows: pd.DataFrame) -> pd.DataFrame:
    rows.loc[rows.index[second(rows)][-1], "bid_price"] = -0.1
    return rows


def nameless(rows: pd.DataFrame) -> pd.DataFrame:
    rows.loc[rows.index[second(rows)][-1], "instrument_name"] = "BTC-31FEB26-1-X"
    return rows


FAULTS: dict[Callable[[pd.DataFrame], pd.DataFrame], tuple[str, str, int]] = {
    tenfold: ("implausible_market", "index of BTC", 3),
    late_quotes: ("quotes_refused", "cannot be traded", 4),
    nan_index: ("missing_index", "no index price of ETH", 4),
    held_currency: ("implausible_market", "no price of BTC, which the book needs", 3),
    strings: ("bad_rows", "mark_iv is not a number", 4),
    twice: ("bad_rows", "appear again", 4),
    negative: ("bad_rows", "bid_price below zero", 4),
    nameless: ("bad_rows", "names that cannot be read", 4),
}


def run(path: Path, toys: Any) -> Any:
    replay = ChainReplay((path,), synthetic_perpetuals=True)
    return simulate(replay, toys.Given(positions={CALL: -1.0}), DoNothing(), Settings(scenarios=SAMPLE))


@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_every_fault_has_its_event_and_the_run_goes_on(toys: Any, tmp_path: Path, fault: Any, ending: str) -> None:
    kind, words, steps = FAULTS[fault]
    rows, path = fault(frame(toys)), tmp_path / f"chain.{ending}"
    if ending == "csv":
        rows.to_csv(path, index=False)
    elif fault is strings:
        rows.astype({"mark_iv": str}).to_parquet(path)
    else:
        rows.to_parquet(path)
    result = run(path, toys)
    told = [event for event in result.events if event["kind"] == kind]
    assert told, [event["kind"] for event in result.events]
    assert any(words in event["message"] for event in told)
    assert all("\n" not in event["message"] for event in told)
    assert len(result.steps) == steps
    clean = tmp_path / "clean.parquet"
    frame(toys).to_parquet(clean)
    if steps == 4:  # nothing that the book needs was lost: the same equity to the bit
        pd.testing.assert_series_equal(result.steps["equity"], run(clean, toys).steps["equity"])


def test_a_currency_that_nothing_holds_may_be_missing(toys: Any, tmp_path: Path) -> None:
    path = tmp_path / "chain.parquet"
    missing_currency(frame(toys)).to_parquet(path)
    assert len(run(path, toys).steps) == 4


def test_times_may_be_written_as_text(toys: Any, tmp_path: Path) -> None:
    rows = frame(toys)
    plain, text = tmp_path / "plain.parquet", tmp_path / "text.parquet"
    rows.to_parquet(plain)
    rows.assign(**{name: rows[name].astype(str) for name in ("timestamp", "expiry")}).to_parquet(text)
    pd.testing.assert_series_equal(run(plain, toys).steps["equity"], run(text, toys).steps["equity"])


def test_a_recorded_index_that_disagrees_is_told(toys: Any) -> None:
    markets = toys.path([8e4, 8.1e4])
    times = pd.DatetimeIndex([markets[1].timestamp - timedelta(minutes=5)])
    index = pd.DataFrame({"BTC": [7e4]}, index=times)
    result = simulate(markets, toys.Given(), DoNothing(), Settings(scenarios=SAMPLE, index=index))
    event = next(event for event in result.events if event["kind"] == "index_disagrees")
    assert "+15.7% off the recorded one" in event["message"]
