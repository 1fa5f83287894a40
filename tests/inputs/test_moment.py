"""Which rows of a file are used: the last of each instrument not after ``at``, and a count of the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from hedgeopt.cli import main
from hedgeopt.errors import InputError
from hedgeopt.inputs.chain.reader import read_market

EXPIRY = pd.Timestamp("2026-06-26 08:00", tz="UTC")
START = pd.Timestamp("2026-03-02 10:00", tz="UTC")


def write(folder: Path, rows: list[tuple[float, int, float]]) -> Path:
    """Calls as (seconds after START, strike, vol), each priced at its own stamp's vol; forward and index 80,000."""
    out = []
    for seconds, strike, vol in rows:
        stamp = START + pd.Timedelta(seconds=seconds)
        deviation = vol * np.sqrt((EXPIRY - stamp).total_seconds() / (365 * 86_400))
        d1 = np.log(80_000 / strike) / deviation + deviation / 2
        mark = norm.cdf(d1) - strike / 80_000 * norm.cdf(d1 - deviation)
        name = f"BTC-26JUN26-{strike}-C"
        row = {"timestamp": stamp.isoformat(), "currency": "BTC", "instrument_name": name, "option_type": "call"}
        row |= {"strike": strike, "expiry": EXPIRY.isoformat(), "bid_price": 0.99 * mark, "ask_price": 1.01 * mark}
        out.append({**row, "mark_price": mark, "mark_iv": vol, "underlying_price": 80_000.0, "index_price": 80_000.0})
    path = folder / "stream.csv"
    pd.DataFrame(out).to_csv(path, index=False)
    return path


def test_rows_with_stamps_of_their_own_are_one_moment(tmp_path: Path) -> None:
    path = write(tmp_path, [(0.0, 70_000, 0.6), (0.1, 80_000, 0.6), (0.2, 90_000, 0.6)])
    for options in ({}, {"at": "2026-03-02T10:01:00Z"}, {"at": "2026-03-02T10:00:00.200Z"}):
        market = read_market(path, **options)
        assert len(market) == 3
        assert market.notes == ()
        assert market.timestamp == START + pd.Timedelta(seconds=0.2)
    early = read_market(path, at="2026-03-02T10:00:00.150Z")
    assert len(early) == 2  # the future is not used, and said to be left out
    assert "2 of 3 rows are used; left out: 1 after" in early.notes[0]


def test_the_last_row_not_after_the_moment_counts(tmp_path: Path) -> None:
    path = write(tmp_path, [(0, 80_000, 0.5), (30, 80_000, 0.6), (31, 90_000, 0.6), (60, 80_000, 0.7), (-400, 70_000, 0.6)])
    market = read_market(path, at=START + pd.Timedelta(seconds=45))
    assert market.quote("mark_iv", "deribit:BTC-26JUN26-80000-C") == 0.6
    assert sorted(item.strike for item in market.instruments.values()) == [80_000, 90_000]
    assert "2 of 5 rows are used" in market.notes[0]
    assert "1 more than 300 s older than the latest" in market.notes[0]
    assert "1 after" in market.notes[0]
    assert "1 replaced by a later one" in market.notes[0]
    assert market.notes[1].endswith("is left out: BTC-26JUN26-70000-C")
    wide = read_market(path, at=START + pd.Timedelta(seconds=45), window_seconds=600)
    assert len(wide) == 3
    narrow = read_market(path, at=START + pd.Timedelta(seconds=45), window_seconds=0.5)
    assert [item.strike for item in narrow.instruments.values()] == [90_000]


def test_an_old_file_says_how_old(tmp_path: Path) -> None:
    path = write(tmp_path, [(0, 80_000, 0.5)])
    assert read_market(path, at=START + pd.Timedelta(hours=2)).notes == (
        "stream.csv: the latest row is 7,200 s before 2026-03-02T12:00:00+00:00",
    )
    with pytest.raises(InputError, match="no snapshot at or before"):
        read_market(path, at=START - pd.Timedelta(seconds=1))


def test_repeats_within_a_second_are_one_moment_and_others_need_a_choice(tmp_path: Path) -> None:
    path = write(tmp_path, [(0.0, 80_000, 0.5), (0.4, 80_000, 0.6), (0.5, 90_000, 0.6)])
    market = read_market(path)
    assert market.quote("mark_iv", "deribit:BTC-26JUN26-80000-C") == 0.6
    assert "1 replaced by a later one" in market.notes[0]
    with pytest.raises(InputError, match=r"holds 2 snapshots.*--at"):
        read_market(write(tmp_path, [(0, 80_000, 0.5), (5, 80_000, 0.6)]))
    with pytest.raises(InputError, match="appears more than once"):
        read_market(write(tmp_path, [(0, 80_000, 0.5), (0, 80_000, 0.6)]), at=START)
    again = read_market(write(tmp_path, [(0, 80_000, 0.5), (0, 80_000, 0.5)]), at=START)
    assert any("row that repeats another to the digit is" in note for note in again.notes)


@pytest.mark.parametrize("window", [0.0, -1.0, float("nan"), float("inf")])
def test_a_window_is_positive_seconds(window: float, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="window_seconds"):
        read_market(write(tmp_path, [(0, 80_000, 0.5)]), window_seconds=window)


def test_the_command_takes_a_window(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, [(-400, 70_000, 0.6), (0, 80_000, 0.6)])
    book = tmp_path / "book.json"
    book.write_text(
        '{"accounts": [{"name": "a", "venue": "deribit", "collateral": [{"asset": "BTC", "amount": 1}],'
        ' "positions": [{"instrument": "BTC-26JUN26-70000-C", "quantity": 1}]}]}'
    )
    inputs = [f"--book={book}", f"--market={path}", "--at=2026-03-02T10:00:10Z"]
    main(["check", *inputs])
    assert "1 instrument has no row within 300 s" in capsys.readouterr().out
    main(["check", *inputs, "--window=600"])
    assert "2 instruments at" in capsys.readouterr().out


@pytest.mark.realdata
def test_shared_case_of_rows_with_their_own_stamps(shared_data: Path) -> None:
    market = read_market(shared_data.parent / "cases" / "per-row-stamps" / "market.csv", at="2024-06-01T10:01:00Z")
    assert len(market) == 3
