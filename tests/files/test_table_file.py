"""Tables that are cut short, too large, nested, not text, or no files: refused in one line, without hanging."""

import contextlib
import gzip
import os
import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hedgeopt as ho
from hedgeopt.backtest.recorded import FundingRate, mark_table
from hedgeopt.errors import InputError
from hedgeopt.example import example_files
from hedgeopt.files.cells import moments, numbers, wrong_numbers
from hedgeopt.files.reading import parse_json, parse_toml
from hedgeopt.files.table_file import read_table
from hedgeopt.models.margin.rules import margin_model
from hedgeopt.models.scenarios.cascade import read_loans
from hedgeopt.models.scenarios.history import read_prices
from hedgeopt.models.scenarios.joint import read_series
from hedgeopt.models.scenarios.stress_table import read_stress

PRICES = "timestamp,BTC\n" + "".join(f"2026-01-{day:02d}T00:00:00Z,{80_000 + day}\n" for day in range(1, 29))
MARKS = "obs_datetime,coin,instrument_name,perp_futures_mark_price\n2026-01-01T00:00:00Z,BTC,BTC-PERPETUAL,80000\n"
# name of the file, its text, how it is read, and a number in it
READERS = {
    "market": ("m.csv", example_files()["market.csv"], ho.read_market, ",0.5,"),
    "prices": ("p.csv", PRICES, lambda path: read_prices(path, ["BTC"]), "80005"),
    "series": ("s.csv", PRICES, read_series, "80005"),
    "marks": ("k.csv", MARKS, lambda path: mark_table([path]), "80000"),
    "funding": ("f.csv", PRICES.replace("BTC", "funding_rate"), lambda p: FundingRate.of(str(p), "deribit", "BTC"), "80005"),
    "loans": ("l.csv", "collateral,debt,threshold\n1000,2000000,0.8\n", read_loans, "1000"),
}
TEXTS = {
    "toml": ("x.toml", lambda path: parse_toml(path, "policy")),
    "json": ("x.json", lambda path: parse_json(path, "book")),
    "stress": ("x.toml", read_stress),
    "table": ("x.toml", lambda path: margin_model(f"table:{path}", "here")),
}


@pytest.fixture(autouse=True, params=["pyarrow", "plain install"])
def csv_reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test of this file twice: CSV is read by pyarrow where it is installed, else by ``hedgeopt.files.plain_csv``."""
    monkeypatch.setattr("hedgeopt.files.table_file.installed", lambda package: request.param == "pyarrow")


def refused(read, path, *words):
    with pytest.raises(InputError) as raised:
        read(path)
    said = str(raised.value)
    assert "\n" not in said
    assert len(said) < 400 + len(str(path))
    assert all(word in said for word in words), said


@pytest.mark.parametrize("reader", READERS)
def test_the_files_themselves_are_read(reader, tmp_path):
    name, text, read, _ = READERS[reader]
    (tmp_path / name).write_text(text)
    read(tmp_path / name)
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())  # spreadsheets begin UTF-8 with a mark
    read(tmp_path / name)


@pytest.mark.parametrize("reader", [*READERS, *TEXTS])
def test_what_is_no_ordinary_file_does_not_hang(reader, tmp_path):
    name, read = (READERS[reader][0], READERS[reader][2]) if reader in READERS else TEXTS[reader]
    path = tmp_path / name
    path.mkdir()
    refused(read, path, "is a folder")
    path.rmdir()
    os.mkfifo(path)
    refused(read, path, "is a pipe or a device")
    path.unlink()
    path.symlink_to("/dev/zero")
    refused(read, path, "is a pipe or a device")
    path.unlink()
    path.symlink_to(path)
    refused(read, path)
    path.unlink()
    path.write_bytes(b"")
    refused(read, path, "is empty")
    refused(read, tmp_path / ("n" * 300), "")
    refused(read, str(tmp_path / "n\0") + name)
    path.write_bytes("a,b\n1,2\n".encode("utf-16"))
    refused(read, path, "UTF-16")


def _whole(folder, text):
    path = folder / "whole.csv"
    path.write_text(text)
    return path


def test_a_last_line_without_its_break_is_whole_where_its_end_is_that_of_other_rows(tmp_path):
    path = tmp_path / "t.csv"
    for last, others, whole in (
        ("deribit", ("deribit", "bybit"), True),
        ("100000.0", ("100000.0", "100000.0"), True),
        ("", ("", ""), True),
        ("", ("", "5"), False),  # the cell may be gone
        ("95", ("95988.2", "95941.6"), False),
        ("10", ("10", "100"), False),
    ):
        path.write_text("\n".join(["a,b", *(f"{k},{other}" for k, other in enumerate(others)), f"9,{last}"]))
        if whole:
            frame = read_table(path, "book")
            assert len(frame) == 3
            assert "line 4, the last, has no line break" in frame.attrs["notes"][0]
        else:
            refused(lambda p: read_table(p, "book"), path, "line 4", "may be truncated", "add a line break")


def test_lines_with_too_few_or_too_many_cells(tmp_path):
    """Left out by number where the caller can do without, refused by number elsewhere and where they are many."""
    path = tmp_path / "t.csv"
    rows = [f"{k},{k / 4}" for k in range(60)]
    path.write_text("\n".join(["a,b", *rows[:20], "garbage", "", *rows[20:], "7,7,7"]) + "\n")
    frame = read_table(path, "market", aside=True)
    assert list(frame["a"]) == list(range(60))
    assert [one.line for one in frame.attrs["left_lines"]] == [22, 64]
    (note,) = frame.attrs["notes"]
    assert note == (
        "t.csv: 2 lines set aside: line 22 has 1 cell, its header 2 (garbage); line 64 has 3 cells, its header 2 (7,7,7)"
    )
    refused(lambda p: read_table(p, "book"), path, "line 22 has 1 cell", "and 1 more line")
    path.write_text("\n".join(["a,b", *rows[:8], "garbage"]) + "\n")
    refused(lambda p: read_table(p, "market", aside=True), path, "line 10 has 1 cell", "remove it")
    path.write_text("\n".join(["a,b", *rows[:30], '"x', *rows[30:]]) + "\n")
    refused(lambda p: read_table(p, "market", aside=True), path)
    path.write_text("\n".join(["a,b", *rows, "garbage"]))
    refused(lambda p: read_table(p, "market", aside=True), path, "line 62, the last, has 1 cell of 2")


@pytest.mark.parametrize("reader", READERS)
def test_a_table_cut_short_is_refused_wherever_it_is_cut(reader, tmp_path):
    name, text, read, _ = READERS[reader]
    path, rng = tmp_path / name, random.Random(1)
    head, last = text.index("\n") + 1, len(text[: text.rindex("\n", 0, len(text) - 1)]) + 1
    for end in {len(text) - 1, len(text) - 2, last + 1, *(rng.randrange(head, len(text)) for _ in range(6))}:
        if text[end - 1] != "\n":
            path.write_text(text[:end])
            cells = text[last - 1 : end].count(",")
            if reader == "market" and cells == text[:head].count(","):  # all its cells, the last perhaps cut: left out
                market = read(path)
                assert len(market) == len(ho.read_market(_whole(tmp_path, text))) - 1
                assert any("may be truncated" in note for note in market.notes)
            else:
                refused(read, path, "truncated")
    path.write_text(text[:head])
    refused(read, path, "holds no rows")
    path.write_text(text[: len(text) // 2] + "\0" + text[len(text) // 2 :])
    refused(read, path, "NUL")


@pytest.mark.parametrize("cell", ["1_000", "0x10", "1e5 ", "True", "1 000", "١", "inf", "1e400", "1e19", "--1"])
@pytest.mark.parametrize("reader", READERS)
def test_cells_that_are_no_numbers(reader, cell, tmp_path):
    name, text, read, number = READERS[reader]
    if reader == "market":  # the marks of calls
        lines = text.strip().split("\n")
        column = lines[0].split(",").index("mark_price")
        for at in (i for i in range(1, len(lines)) if "-C," in lines[i]):
            cells = lines[at].split(",")
            cells[column] = cell
            lines[at] = ",".join(cells)
        text = "\n".join(lines) + "\n"
    else:
        text = text.replace(number, cell, 1)
    (tmp_path / name).write_text(text)
    refused(read, tmp_path / name)


def test_headers_with_a_name_twice_and_other_separators(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,a\n1,2\n")
    refused(lambda p: read_table(p, "market"), path, "two columns")
    path.write_text("a,b\n1\n")
    refused(lambda p: read_table(p, "market"), path, "cannot be read as csv")


def test_a_packed_file_that_unfolds_too_far_or_is_cut(tmp_path, monkeypatch):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 1000))
    assert len(read_table(path, "market")) == 1000
    path.write_bytes(path.read_bytes()[:-9])
    refused(lambda p: read_table(p, "market"), path, "cannot be read")
    monkeypatch.setattr("hedgeopt.files.unpack.LARGEST_FILE", 2000)
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 1000))
    refused(lambda p: read_table(p, "market"), path, "unfolds to more")


def test_parquet_that_unfolds_to_too_much(tmp_path):
    path = tmp_path / "t.parquet"
    one = pa.table({"strike": pa.DictionaryArray.from_arrays(pa.array(np.zeros(3_000_000, np.int8)), pa.array([1.0]))})
    pq.write_table(one, path)
    assert path.stat().st_size < 100_000
    refused(lambda p: read_table(p, "market"), path, "3,000,000 rows")
    pq.write_table(pa.table({"strike": [[1.0]], "x": [1]}), path)
    refused(lambda p: read_table(p, "market"), path, "lists or structures")
    assert list(read_table(path, "market", columns=["x"])) == ["x"]
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), path)
    refused(lambda p: read_table(p, "market"), path, "two columns")


def test_a_long_text_shared_by_many_rows_stays_one_text(tmp_path):
    text = "x" * 1_000_000
    one = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, np.int8)), pa.array([text]))
    pq.write_table(pa.table({"instrument_name": one}), tmp_path / "t.parquet", store_schema=False)  # 20 GB when written out
    frame = read_table(tmp_path / "t.parquet", "market")
    assert len(frame) == 20_000
    assert frame["instrument_name"].iloc[-1] == text


def test_wounded_parquet_is_refused(tmp_path):
    path, rng = tmp_path / "t.parquet", random.Random(3)
    pd.DataFrame({"a": np.arange(50.0), "b": [f"n{i}" for i in range(50)]}).to_parquet(path)
    whole = path.read_bytes()
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 4))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data[: rng.choice((len(data), len(data), rng.randrange(len(data))))])
        with contextlib.suppress(InputError):
            read_table(path, "market")


def test_numbers_and_moments_of_any_column():
    column = pd.Series([1, 2.5, "3", None, "1_0", True, np.nan, pd.NA], dtype=object)
    read = numbers(column)
    assert read[:3].tolist() == [1.0, 2.5, 3.0]
    assert wrong_numbers(column, read).tolist() == [False, False, False, False, True, True, False, False]
    times = moments(pd.Series(["2026-01-01T00:00:00Z", "1677-09-21T00:12:43Z", "2262-04-12", "x", None, "9999-12-31"]))
    assert times.notna().tolist() == [True, False, False, False, False, False]
    assert moments(pd.Series(np.array(["1500-01-01", "2026-01-01"], "datetime64[s]"))).notna().tolist() == [False, True]
    assert moments(pd.Series([1.0, 2.0])).isna().all()
