"""One market, written as the world writes files: read to the same numbers, or refused with the fix."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.inputs.importing import import_payloads

from .payloads import replies
from .payloads.replies import save


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The neutral table of Deribit's example."""
    path = save(tmp_path_factory.mktemp("in"), "summary.json", replies.deribit_summary())
    return import_payloads(path).quotes


def same(path: Path, table: pd.DataFrame, rel: float = 0.0) -> ho.Market:
    """The market of a file, which must be that of the table."""
    wanted, found = ho.read_market(table), ho.read_market(path)
    assert list(found.instruments) == list(wanted.instruments)
    assert found.timestamp == wanted.timestamp
    assert found.prices == wanted.prices
    for column in wanted.quotes.columns.drop("timestamp"):
        left, right = (market.quotes[column].to_numpy(float) for market in (wanted, found))
        np.testing.assert_allclose(right, left, rtol=rel, atol=0, err_msg=column)
    return found


def text_of(table: pd.DataFrame, sep: str = ",", decimal: str = ".") -> str:
    return table.to_csv(index=False, sep=sep, decimal=decimal, date_format="%Y-%m-%dT%H:%M:%S.%fZ")


def zstd(data: bytes) -> bytes:
    return bytes(pytest.importorskip("zstandard").ZstdCompressor().compress(data))


def zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("quotes.csv", data)
    return out.getvalue()


def plain(data: bytes) -> bytes:
    return data


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "q.csv": plain, "Q.CSV": plain, "q.TXT": plain, "q.csv.gz": gzip.compress, "q.CSV.GZ": gzip.compress,
    "q.csv.bz2": bz2.compress, "q.csv.xz": lzma.compress, "q.csv.zst": zstd, "q.zip": zipped, "Q.ZIP": zipped,
}  # fmt: skip


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a byte order mark"])
def test_packed_and_marked(name: str, mark: bytes, table: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(PACKED[name](mark + text_of(table).encode()))
    same(tmp_path / name, table)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(("sep", "decimal"), [(",", "."), (";", ","), (";", "."), ("\t", "."), ("\t", ","), ("|", ".")])
def test_separators_and_decimal_marks(sep: str, decimal: str, end: str, table: pd.DataFrame, tmp_path: Path) -> None:
    name = "q.TSV" if sep == "\t" else "q.csv"
    (tmp_path / name).write_bytes(text_of(table, sep, decimal).replace("\n", end).encode())
    market = same(tmp_path / name, table)
    assert sep == "," or any("separated by" in note for note in market.notes)
    assert decimal == "." or any("decimal commas" in note for note in market.notes)


@pytest.mark.parametrize("decimal", [".", ","])
def test_thousands(decimal: str, table: pd.DataFrame, tmp_path: Path) -> None:
    other = "," if decimal == "." else "."
    frame = table.copy().astype(object)
    for column in ("forward", "index", "strike", "open_interest"):
        texts = [f"{value:,.2f}" if value == value else "" for value in table[column]]
        frame[column] = [text.translate(str.maketrans(",.", f"{other}{decimal}")) for text in texts]
    for column in table.select_dtypes("float"):
        if column not in ("forward", "index", "strike", "open_interest"):
            frame[column] = [repr(float(v)).replace(".", decimal) if v == v else "" for v in table[column]]
    for column in ("timestamp", "expiry"):
        frame[column] = [value.isoformat() if not pd.isna(value) else "" for value in table[column]]
    frame.to_csv(tmp_path / "q.csv", index=False, sep=";")
    market = same(tmp_path / "q.csv", table)
    assert any(f"{other} between thousands" in note for note in market.notes)


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9], ids=["s", "ms", "us", "ns"])
def test_epochs(unit: int, table: pd.DataFrame, tmp_path: Path) -> None:
    frame = table.copy().astype(object)
    for column in ("timestamp", "expiry"):
        seconds = [None if pd.isna(value) else round(value.timestamp()) for value in table[column]]
        frame[column] = ["" if count is None else count * unit for count in seconds]
    frame.to_csv(tmp_path / "q.csv", index=False)
    same(tmp_path / "q.csv", table)


@pytest.mark.parametrize("nothing", ["-", "--", "", "NaN", "N/A", "null"])
def test_nothing(nothing: str, table: pd.DataFrame, tmp_path: Path) -> None:
    frame = table.assign(bid=[np.nan, *table["bid"].iloc[1:]])
    frame.to_csv(tmp_path / "q.csv", index=False, na_rep=nothing, date_format="%Y-%m-%dT%H:%M:%S.%fZ")
    same(tmp_path / "q.csv", frame)


@pytest.mark.parametrize("write", [str.upper, str.lower, str.title, lambda text: text[:1].upper(), lambda text: text[:1]])
def test_calls_and_puts(write: Callable[[str], str], table: pd.DataFrame, tmp_path: Path) -> None:
    frame = table.assign(right=[write(text) if isinstance(text, str) else text for text in table["right"]])
    frame.to_csv(tmp_path / "q.csv", index=False)
    same(tmp_path / "q.csv", table)


def test_lower_case_names(table: pd.DataFrame, tmp_path: Path) -> None:
    frame = table.assign(instrument=table["instrument"].str.lower())
    frame.to_csv(tmp_path / "q.csv", index=False)
    same(tmp_path / "q.csv", table)


@pytest.mark.parametrize("name", ["q.xlsx", "Q.XLSX"])
def test_excel(name: str, table: pd.DataFrame, tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    frame = table.copy()
    for column in ("timestamp", "expiry"):
        frame[column] = frame[column].dt.tz_localize(None)
    out = io.BytesIO()
    frame.to_excel(out, index=False)
    (tmp_path / name).write_bytes(out.getvalue())
    same(tmp_path / name, table, rel=1e-12)


@pytest.mark.parametrize("form", ["csv", "parquet", "json", "jsonl", "xlsx", "frame", "rows"])
def test_headers_of_other_case(form: str, table: pd.DataFrame, tmp_path: Path) -> None:
    """Every form that holds a table reads its headers whatever their case and the spaces around them, with a note."""
    other = table.rename(columns={name: f" {name.upper()} " for name in table.columns})
    path, texts = tmp_path / f"q.{form}", other.map(lambda cell: str(cell) if isinstance(cell, pd.Timestamp) else cell)
    given: object = path
    if form == "parquet":
        other.to_parquet(path)
    elif form == "xlsx":
        pytest.importorskip("openpyxl")
        texts.to_excel(path, index=False)
    elif form == "csv":
        texts.to_csv(path, index=False)
    elif form in ("json", "jsonl"):
        texts.to_json(path, orient="records", lines=form == "jsonl")
    else:
        given = other if form == "frame" else texts.to_dict("records")
    found, plain = ho.read_market(given), ho.read_market(table)
    assert found.prices == plain.prices
    assert found.instruments == plain.instruments
    pd.testing.assert_frame_equal(found.quotes, plain.quotes)
    name = path.name if given is path else ""
    assert any(note.startswith(name) and "TIMESTAMP" in note for note in found.notes)


def test_a_header_in_the_middle_and_identical_rows(table: pd.DataFrame, tmp_path: Path) -> None:
    header, *rows = text_of(table).splitlines()
    (tmp_path / "q.csv").write_text("\n".join([header, *rows[:3], header, *rows[3:], rows[0], rows[1]]) + "\n")
    market = same(tmp_path / "q.csv", table)
    assert any("repeats the header" in note or "repeat the header" in note for note in market.notes)
    assert any("2 rows that repeat another to the digit are left out" in note for note in market.notes)
    other = rows[0].replace(",0.6,", ",0.61,")
    assert other != rows[0]
    (tmp_path / "q.csv").write_text("\n".join([header, *rows, other]) + "\n")
    with pytest.raises(ho.InputError, match="appears more than once with different values"):
        ho.read_market(tmp_path / "q.csv")


@pytest.mark.parametrize("some", ["one row", "every other row", "a venue"])
def test_index_prices_of_a_coin_too_far_apart_are_refused(some: str, table: pd.DataFrame, tmp_path: Path) -> None:
    """Their median moved the equity of coins by half the difference; now both are named."""

    def written(factor: float) -> Path:
        frame = table.copy()
        if some == "a venue":
            other = frame[frame["kind"] == "option"].assign(venue="elsewhere")
            frame = pd.concat([frame, other], ignore_index=True)
            frame.loc[frame["venue"] == "elsewhere", "index"] *= factor
        else:
            frame.loc[:: 1000 if some == "one row" else 2, "index"] *= factor
        frame.to_csv(tmp_path / "q.csv", index=False)
        return tmp_path / "q.csv"

    market = ho.read_market(written(1.04))
    assert any("index of BTC drifts" in note for note in market.notes)
    for factor, high, low in ((1.06, "106,000", "100,000"), (1.3, "130,000", "100,000"), (0.9, "100,000", "90,000")):
        with pytest.raises(ho.InputError, match=rf"q\.csv: .*of BTC is {high} in the row of .* and {low} in .*index in USD"):
            ho.read_market(written(factor))


BAD = {
    "no number": ("mark", "n.a.!"), "negative": ("bid", "-0.5"), "crossed": ("bid", "0.9"),
    "no name": ("instrument", "BTC-??"), "no time": ("timestamp", "soon"), "no mark": ("mark", ""),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD)
def test_one_bad_row_is_set_aside_unless_it_is_held(fault: str, table: pd.DataFrame, tmp_path: Path) -> None:
    column, value = BAD[fault]
    many = pd.concat([table, *(_other_expiry(table, week) for week in range(1, 4))], ignore_index=True)
    frame = many.astype(object)
    for name in ("timestamp", "expiry"):
        frame[name] = [stamp.isoformat() if not pd.isna(stamp) else "" for stamp in many[name]]
    name = str(frame.loc[0, "instrument"])
    frame.loc[0, column] = value
    frame.to_csv(tmp_path / "q.csv", index=False)
    market = ho.read_market(tmp_path / "q.csv")
    assert len(market) == len(many) - 1
    assert any(note.startswith("1 of ") and "set aside" in note for note in market.notes)
    if fault == "no name":
        return
    posted = (ho.Collateral(asset="BTC", amount=5.0),)
    for held in (name, str(frame.loc[1, "instrument"])):
        account = ho.Account(
            name="a", venue="deribit", collateral=posted, positions=(ho.Position(instrument=held, quantity=1.0),)
        )
        book = ho.Book(accounts=(account,))
        if held == name:
            with pytest.raises(ho.InputError, match="was set aside by the reader"):
                ho.resolve(book, market) if hasattr(ho, "resolve") else _resolve(book, market)
        else:
            _resolve(book, market)


def test_a_ragged_line_is_set_aside_unless_it_is_held(table: pd.DataFrame, tmp_path: Path) -> None:
    """One line of garbage among the rows used to refuse the market; a cut row of what is held still does."""
    many = pd.concat([table, *(_other_expiry(table, week) for week in range(1, 4))], ignore_index=True)
    header, *rows = text_of(many).splitlines()
    path = tmp_path / "q.csv"
    path.write_text("\n".join([header, *rows, "garbage"]) + "\n")
    assert any("1 line set aside: line" in note and "(garbage)" in note for note in same(path, many).notes)
    at = next(k for k, row in enumerate(rows) if ",option," in row)
    name = str(many.loc[at, "instrument"])
    short = rows[at].rpartition(",")[0].rpartition(",")[0]
    path.write_text("\n".join([header, *rows[:at], short, *rows[at + 1 :]]) + "\n")
    market = ho.read_market(path)
    assert len(market) == len(many) - 1
    for held, words in (
        (name, f"was set aside by the reader: line {at + 2} has "),
        (str(many.loc[at + 1, "instrument"]), ""),
    ):
        account = ho.Account(name="a", venue="deribit", positions=(ho.Position(instrument=held, quantity=1.0),))
        if words:
            with pytest.raises(ho.InputError, match=words):
                _resolve(ho.Book(accounts=(account,)), market)
        else:
            _resolve(ho.Book(accounts=(account,)), market)


def test_a_sign_of_per_cent_is_refused_with_the_decimal(table: pd.DataFrame, tmp_path: Path) -> None:
    table.assign(iv=[f"{100 * vol:g}%" for vol in table["iv"]]).to_csv(tmp_path / "q.csv", index=False)
    with pytest.raises(ho.InputError, match=r"is not a number .*%'?\); write it as a decimal without the sign, 0\.[0-9]+$"):
        ho.read_market(tmp_path / "q.csv")


def _resolve(book: ho.Book, market: ho.Market) -> None:
    from hedgeopt.exposures.resolve import resolve

    resolve(book, market)


def _other_expiry(table: pd.DataFrame, week: int) -> pd.DataFrame:
    """The options at other strikes, so that a bad row is one of many."""
    options = table[table["kind"] == "option"].copy()
    for k in options.index:
        strike = options.loc[k, "strike"] + 1_000 * week
        right = "C" if options.loc[k, "right"] == "call" else "P"
        worth = replies.worth(strike, right) / replies.FORWARD
        options.loc[k, ["strike", "mark", "bid", "ask"]] = strike, worth, 0.98 * worth, 1.02 * worth
        options.loc[k, "instrument"] = f"BTC-27MAR26-{strike:.0f}-{right}"
    return options
