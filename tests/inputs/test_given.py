"""Books, markets and policies from paths, open files, tables and dicts: one answer, or one line that names the fault."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import hedgeopt as ho
from hedgeopt.example import example_files
from hedgeopt.program.provenance import market_digest

FILES = example_files()


@pytest.fixture(scope="module")
def market() -> ho.Market:
    return ho.read_market(io.StringIO(FILES["market.csv"]))


@pytest.fixture(scope="module")
def frame(market: ho.Market) -> pd.DataFrame:
    return market.to_frame()


class Polars:
    """A table of another library: it only converts itself."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def to_pandas(self) -> pd.DataFrame:
        return self.frame


def parquet(frame: pd.DataFrame) -> io.BytesIO:
    held = io.BytesIO()
    frame.to_parquet(held)
    held.seek(0)
    return held


FORMS: dict[str, Any] = {
    "frame": lambda frame: frame,
    "csv": lambda frame: io.StringIO(frame.to_csv(index=False)),
    "csv bytes": lambda frame: io.BytesIO(frame.to_csv(index=False).encode()),
    "parquet": parquet,
    "rows": lambda frame: frame.to_dict("records"),
    "columns": lambda frame: frame.to_dict("list"),
    "index": lambda frame: frame.set_index("instrument_name"),
    "two indexes": lambda frame: frame.set_index(["venue", "instrument_name"]),
    "indexes, one unknown": lambda frame: frame.assign(row=range(len(frame))).set_index(["row", "instrument_name"]),
    "categorical": lambda frame: frame.astype({"instrument_name": "category", "currency": "category"}),
    "objects": lambda frame: frame.astype(object),
    "nullable": lambda frame: frame.convert_dtypes(),
    "naive": lambda frame: frame.assign(timestamp=frame["timestamp"].dt.tz_localize(None)),
    "another zone": lambda frame: frame.assign(timestamp=frame["timestamp"].dt.tz_convert("Asia/Tokyo")),
    "other columns": lambda frame: frame.assign(note="x").rename(columns={"note": 7}),
    "polars": Polars,
    "arrow": pa.Table.from_pandas,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_market_reads_alike_in_every_form(form: str, market: ho.Market, frame: pd.DataFrame) -> None:
    before = frame.copy()
    assert market_digest(ho.read_market(FORMS[form](frame))) == market_digest(market)
    pd.testing.assert_frame_equal(frame, before)  # and is left alone


def test_a_market_of_two_venues_and_a_price_without_rows_comes_back(market: ho.Market, frame: pd.DataFrame) -> None:
    names = frame["instrument_name"].str.contains("27MAR26")
    other = frame[names].assign(venue="derive", instrument_name=frame["instrument_name"].str.replace("27MAR26", "20260327"))
    table = pd.concat([frame, other[other["currency"] == "ETH"].head(0)], ignore_index=True)
    found = ho.read_market(table, prices={"stETH": 3_100.0})
    again = ho.Market.from_frame(found.to_frame())
    assert again.prices["stETH"] == 3_100.0
    assert market_digest(again) == market_digest(found)


def layered(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat({"chain": frame}, axis=1)


BAD: dict[str, tuple[Any, str]] = {
    "nothing": (lambda frame: None, "is no market"),
    "number": (lambda frame: 3, "is no market"),
    "bytes": (lambda frame: b"timestamp,", "is no market"),
    "text": (lambda frame: FILES["market.csv"], "is text, not a path"),
    "empty": (lambda frame: frame.iloc[:0], "holds no rows"),
    "no columns": (lambda frame: pd.DataFrame(), "holds no known column"),
    "layers": (layered, "layered columns"),
    "twice": (lambda frame: pd.concat([frame, frame[["mark_iv"]]], axis=1), "mark_iv: is the name of two columns"),
    "lists": (lambda frame: frame.assign(instrument_name=[["a"]] * len(frame)), "instrument_name: holds lists"),
    "word": (lambda frame: frame.astype({"bid_price": object}).assign(bid_price="1_000"), "bid_price: is not a number"),
    "truth": (lambda frame: frame.assign(bid_price=True), "bid_price: is not a number"),
    "infinite": (lambda frame: frame.assign(bid_price=np.inf), "bid_price: is not finite"),
    "day as a number": (lambda frame: frame.assign(timestamp=20_260_306), "timestamp: is not a date"),
    "venue": (lambda frame: frame.assign(venue="derbit"), "unknown venue"),
    "one column": (lambda frame: frame["mark_iv"], "is no market"),
    "of no length": (lambda frame: {"timestamp": [1], "mark_iv": [1, 2]}, "is no table"),
    "scalars": (lambda frame: {"timestamp": 3}, "is no column"),
    "broken library": (lambda frame: Polars(3), "is no table"),  # type: ignore[arg-type]
    "read twice": (lambda frame: io.StringIO(""), "file.seek(0)"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_table_is_one_line(case: str, frame: pd.DataFrame) -> None:
    given, words = BAD[case]
    with pytest.raises(ho.InputError) as error:
        ho.read_market(given(frame))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def book() -> ho.Book:
    return ho.read_book(json.loads(FILES["book.json"]))


def test_a_book_reads_alike_in_every_form(tmp_path: Path) -> None:
    one, path = book(), tmp_path / "book.csv"
    one.to_frame().to_csv(path, index=False)
    kept = {"name": one.name, "timestamp": one.timestamp}
    assert ho.Book.from_frame(one.to_frame()) == one
    assert ho.Book.from_frame(pd.read_csv(path), **kept) == one
    assert ho.read_book(path).accounts == one.accounts
    assert ho.read_book(io.StringIO(FILES["book.json"])) == ho.read_book(io.BytesIO(FILES["book.json"].encode())) == one


def test_whole_instruments_links_and_empty_accounts_survive_a_table() -> None:
    spot = {"kind": "spot", "name": "BTC/USDC", "venue": "deribit", "asset": "BTC"}
    data = {
        "accounts": [
            {"name": "one", "venue": "deribit", "margin": "none", "positions": [{"instrument": spot, "quantity": 2.0}]},
            {"name": "two", "venue": "deribit", "tradable": False, "paused": True},
        ],
        "links": [{"source": "one", "target": "two", "asset": "BTC", "delay_hours": 1.0}],
    }
    found = ho.read_book(data)
    assert ho.Book.from_frame(found.to_frame()) == found
    assert ho.Book.from_frame(io.StringIO(found.to_frame().to_csv(index=False)), links=found.links) == found


ROW = {"account": "main", "venue": "deribit", "instrument": "BTC-PERPETUAL", "quantity": 1.0}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([ROW | {"quantity": float("nan")}], "quantity, row 1: is missing"),
        ([ROW | {"quantity": "many"}], "quantity, row 1: is not a finite number"),
        ([ROW | {"quantity": float("inf")}], "quantity, row 1: is not a finite number"),
        ([ROW | {"asset": "BTC"}], "holds an instrument and an asset"),
        ([ROW | {"instrument": None}], "is a quantity of nothing"),
        ([ROW, ROW | {"instrument": "ETH-PERPETUAL", "venue": "aave"}], "venue: differs within account 'main'"),
        ([ROW, ROW], "holds the position 'BTC-PERPETUAL' twice"),
        ([ROW | {"acount": 1}], "did you mean 'account'?"),
        ([{"account": "main", "quantity": 1.0}], "column venue: is missing"),
        ([ROW | {"account": None}], "account, row 1: is empty"),
        ([ROW | {"instrument": "{broken"}], "instrument, row 1"),
    ],
)
def test_a_bad_book_table_is_one_line(rows: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ho.InputError) as error:
        ho.read_book(pd.DataFrame(rows))
    assert words in str(error.value)


def test_a_policy_reads_alike_in_every_form(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(FILES["policy.toml"])
    one = ho.read_policy(path)
    with path.open() as file:
        assert ho.read_policy(file) == one
    assert ho.read_policy(io.StringIO(FILES["policy.toml"])) == one
    assert ho.read_policy(io.StringIO(one.to_json())) == one
    assert ho.read_policy(io.BytesIO(one.to_toml().encode())) == one
    assert ho.read_policy(one.model_dump()) == one
    with pytest.raises(ho.InputError, match="is no policy"):
        ho.read_policy(pd.DataFrame({"minimize": [1]}))  # type: ignore[arg-type]
    with pytest.raises(ho.InputError, match="is not the name of a field"):
        ho.read_policy({"minimize": [], 3: 4})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (lambda frame: frame, "DataFrame given as market"),
        (lambda frame: frame.to_dict(orient="list"), "dict given as market"),
        (lambda frame: frame.to_dict(orient="records"), "list given as market"),
        (lambda frame: io.StringIO(frame.to_csv(index=False)), "StringIO given as market"),
        (lambda frame: io.BytesIO(frame.to_csv(index=False).encode()), "BytesIO given as market"),
    ],
)
def test_a_market_without_a_file_is_named_by_what_was_given(given, name):
    frame = pd.read_csv(io.StringIO(FILES["market.csv"]))
    assert ho.read_market(given(frame)).source == name
    frame["index_price"] = -1.0
    with pytest.raises(ho.InputError) as caught:
        ho.read_market(given(frame))
    assert str(caught.value).startswith(f"{name}: "), caught.value
