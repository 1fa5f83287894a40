"""Chains as CSV and as neutral tables give the snapshots of the chain in Parquet, by their own venue's names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hedgeopt.backtest.chains import ChainReplay
from hedgeopt.backtest.recorded import index_history
from hedgeopt.errors import InputError
from hedgeopt.inputs.quotes import QUOTE_TABLE

NEUTRAL = {column.chain: column.name for column in QUOTE_TABLE}


@pytest.fixture
def chain(tmp_path: Path, toys: Any) -> pd.DataFrame:
    prices = 80_000.0 * np.exp(np.cumsum(0.03 * np.random.default_rng(1).standard_normal(3)))
    frame = pd.concat([toys.rows_of(m) for m in toys.path(prices, strikes=(72_000.0, 80_000.0))])
    frame.to_parquet(tmp_path / "chain.parquet")
    return frame


def neutral(chain: pd.DataFrame, venue: str | None = "deribit") -> pd.DataFrame:
    found = chain.rename(columns=NEUTRAL)
    return found[[name for name in found.columns if name in NEUTRAL.values()]].assign(venue=venue, multiplier=1.0)


@pytest.mark.parametrize("name", ["chain.csv", "quotes.csv", "quotes.parquet", "unnamed.csv"])
def test_every_form_gives_the_same_snapshots(tmp_path: Path, chain: pd.DataFrame, name: str) -> None:
    frame = chain if name == "chain.csv" else neutral(chain, None if name == "unnamed.csv" else "deribit")
    path = tmp_path / name
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    wanted, found = (list(ChainReplay((one,), window=2)) for one in (tmp_path / "chain.parquet", path))
    assert len(found) == len(wanted) == 3
    for a, b in zip(wanted, found, strict=True):
        assert (a.timestamp, a.prices, a.instruments) == (b.timestamp, b.prices, b.instruments)
        pd.testing.assert_frame_equal(a.quotes, b.quotes, check_dtype=False, rtol=1e-12)
    pd.testing.assert_frame_equal(
        index_history(path, "deribit"), index_history(tmp_path / "chain.parquet"), check_index_type=False, rtol=1e-12
    )


@pytest.mark.parametrize("name", ["quotes.csv", "quotes.parquet"])
def test_rows_of_another_venue_are_refused_with_the_key_to_set(tmp_path: Path, chain: pd.DataFrame, name: str) -> None:
    path, frame = tmp_path / name, neutral(chain, "derive")
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    with pytest.raises(
        InputError, match=r"venue: is not the replay's venue, deribit \(got 'derive'\); set venue = \"derive\""
    ) as caught:
        list(ChainReplay((path,)))
    assert str(caught.value).startswith(str(path))


def test_a_name_of_another_venue_names_file_and_key(tmp_path: Path, chain: pd.DataFrame) -> None:
    path = tmp_path / "other.parquet"
    chain.assign(instrument_name="ETH-20260327-1800-C").drop_duplicates("timestamp").to_parquet(path)
    with pytest.raises(InputError, match=r"is not an instrument name of deribit.*venue in \[replay\] is deribit") as caught:
        list(ChainReplay((path,)))
    assert str(caught.value).startswith(f"{path}: instrument_name: ")


def test_a_cell_that_is_no_number_and_a_missing_column_are_named(tmp_path: Path, chain: pd.DataFrame) -> None:
    path = tmp_path / "bad.csv"
    chain.astype({"mark_iv": object}).assign(mark_iv="high").to_csv(path, index=False)
    with pytest.raises(InputError, match=r"bad\.csv: mark_iv: is not a number in the row of BTC-.*'high'"):
        list(ChainReplay((path,)))
    chain.drop(columns="index_price").to_csv(path, index=False)
    with pytest.raises(InputError, match=r"bad\.csv: index_price: is missing; see docs/backtest"):
        list(ChainReplay((path,)))
