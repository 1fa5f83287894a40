"""The neutral table of quotes: columns that are not its own, steps of a file, and files in UTF-16."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import hedgeopt as ho

TABLE = {
    "timestamp": "2026-03-06T10:00:00Z", "venue": "deribit", "instrument": "BTC-PERPETUAL", "bid": 99_990.0,
    "ask": 100_010.0, "mark": 100_000.0, "index": 100_000.0, "multiplier": 1.0,
}  # fmt: skip
SOURCES = ("frame", "csv", "parquet", "rows", "json")


def given(form: str, row: dict[str, Any], folder: Path) -> Any:
    frame = pd.DataFrame([row])
    if form == "csv":
        frame.to_csv(folder / "quotes.csv", index=False)
    elif form == "parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(folder / "quotes.parquet")
    elif form == "json":
        (folder / "quotes.json").write_text(json.dumps([row]))
    else:
        return frame if form == "frame" else [row]
    return folder / f"quotes.{form}"


@pytest.mark.parametrize("form", SOURCES)
@pytest.mark.parametrize(
    ("slip", "column"),
    [("open_intrest", "open_interest"), ("fundng_8h", "funding_8h"), ("volumes", "volume"),
     ("MIN SIZE", "min_size"), ("bid_sise", "bid_size")],
)  # fmt: skip
def test_a_near_miss_of_a_column_is_refused(form: str, slip: str, column: str, tmp_path: Path) -> None:
    with pytest.raises(ho.InputError, match=f"{slip}.*did you mean '{column}'"):
        ho.read_market(given(form, {**TABLE, slip: 0.5}, tmp_path))


@pytest.mark.parametrize("slip", ["Timestamp", " timestamp", "TIMESTAMP ", "Lot", " Mark"])
@pytest.mark.parametrize("form", ["frame", "csv", "xlsx", "rows"])
def test_case_and_spaces_of_headers_are_read_with_a_note(form: str, slip: str, tmp_path: Path) -> None:
    row = {name: value for name, value in TABLE.items() if name != slip.strip().lower()}
    row[slip] = TABLE.get(slip.strip().lower(), 0.5)
    if form == "xlsx":
        pytest.importorskip("openpyxl")
        pd.DataFrame([row]).to_excel(tmp_path / "quotes.xlsx", index=False)
    source = tmp_path / "quotes.xlsx" if form == "xlsx" else given(form, row, tmp_path)
    market = ho.read_market(source)
    assert market.quote("mark_price", "deribit:BTC-PERPETUAL") == 100_000.0
    if form != "xlsx" or slip[0] == "T" or slip == "Lot":
        assert any(slip.strip() in note and f"as {slip.strip().lower()}" in note for note in market.notes)


def test_a_header_that_is_there_in_both_spellings_stays_apart(tmp_path: Path) -> None:
    market = ho.read_market(given("csv", {**TABLE, "Mark": 5.0}, tmp_path))
    assert market.quote("mark_price", "deribit:BTC-PERPETUAL") == 100_000.0


@pytest.mark.parametrize("form", ["frame", "csv"])
def test_headers_of_a_books_table(form: str, tmp_path: Path) -> None:
    row = {"Account": "a", " venue": "deribit", "Instrument": "BTC-PERPETUAL", "QUANTITY ": 10.0}
    assert ho.read_book(given(form, row, tmp_path)).accounts[0].positions[0].quantity == 10.0


@pytest.mark.parametrize("form", SOURCES)
def test_columns_of_no_known_meaning_are_one_note(form: str, tmp_path: Path) -> None:
    market = ho.read_market(given(form, {**TABLE, "desk": "vol", "gamma": 0.1, "bid_price": 1.0}, tmp_path))
    (note,) = [note for note in market.notes if "not known" in note]
    assert note.endswith("columns that are not known, and not used: desk, gamma, bid_price")  # bid is there


def test_a_chains_name_of_a_column_is_refused() -> None:
    row = {name: value for name, value in TABLE.items() if name != "bid"}
    with pytest.raises(ho.InputError, match=r"bid_price.*did you mean 'bid'"):
        ho.read_market([{**row, "bid_price": 1.0}])


def test_a_slip_in_a_chain_is_refused() -> None:
    from hedgeopt.example import example_files

    text = example_files()["market.csv"].replace("funding_8h", "fundng_8h", 1)

    with pytest.raises(ho.InputError, match=r"fundng_8h.*did you mean 'funding_8h'"):
        ho.read_market(io.StringIO(text))


def test_columns_of_a_chain_that_are_not_known_are_one_note() -> None:
    from hedgeopt.example import example_files

    header, rest = example_files()["market.csv"].split("\n", 1)
    lines = [line + ",1,2" for line in rest.rstrip("\n").split("\n")]
    market = ho.read_market(io.StringIO("\n".join([header + ",desk_id,gamma", *lines]) + "\n"))
    (note,) = [note for note in market.notes if "not known" in note]
    assert note.endswith("columns that are not known, and not used: desk_id, gamma")


def steps(row: dict[str, Any]) -> tuple[float, float, float]:
    market = ho.read_market([row])
    book = ho.Book(accounts=[{"name": "a", "venue": "deribit", "collateral": [{"asset": "BTC", "amount": 1.0}]}])
    policy = ho.Policy(
        minimize=ho.TransactionCost(), scenarios={"kind": "parametric", "count": 50, "vol": {"BTC": 0.5}}, lots="ideal"
    )
    e = ho.expose(book, market, policy)
    (at,) = e.candidate
    return float(e.rows.lot[at]), float(e.rows.tick[at]), float(e.rows.minimum_size[at])


def test_steps_of_the_file_win_over_the_venues_table() -> None:
    assert steps(TABLE) == (10.0, 0.5, 10.0)  # the table's
    assert steps({**TABLE, "lot": 50.0, "tick": 2.5, "min_size": 200.0}) == (50.0, 2.5, 200.0)
    assert steps({**TABLE, "lot": 5.0, "min_size": 20.0, "multiplier": 10.0}) == (50.0, 0.5, 200.0)  # contracts of 10 USD
    assert steps({**TABLE, "lot": 50.0}) == (50.0, 0.5, 50.0)  # an order is at least one lot


def test_an_order_smaller_than_a_lot_is_noted() -> None:
    for row, words in (
        ({**TABLE, "lot": 50.0, "min_size": 20.0}, "BTC-PERPETUAL: 20, a lot is 50"),
        ({**TABLE, "min_size": 5.0}, "BTC-PERPETUAL: 5, a lot is 10"),  # of the venue's table
    ):
        (note,) = [note for note in ho.read_market([row]).notes if "min_size" in note]
        assert note == f"min_size of 1 instrument is below the lot, which counts instead ({words})"
    assert not any("min_size" in note for note in ho.read_market([{**TABLE, "lot": 50.0, "min_size": 50.0}]).notes)


@pytest.mark.parametrize("name", ["quotes.csv", "quotes.json", "reply.txt"])
def test_utf_16_is_refused_with_the_fix(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    text = json.dumps([TABLE]) if name != "quotes.csv" else pd.DataFrame([TABLE]).to_csv(index=False)
    path.write_bytes(text.encode("utf-16"))
    for read in (ho.read_market, ho.read_book):
        with pytest.raises(ho.InputError, match="is UTF-16; save it as UTF-8"):
            read(path)
