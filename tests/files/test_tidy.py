"""Files as the world writes them: packed, separated, decimal commas, epochs, Excel; ambiguity is refused."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgeopt.errors import InputError
from hedgeopt.files.cells import epochs, moments
from hedgeopt.files.table_file import read_table
from hedgeopt.files.tidy import plain_numbers

TEXT = "name,price,size\nx,1.5,10\ny,2.25,20\n"


def packed(folder: Path, ending: str, data: bytes) -> Path:
    path = folder / f"table.csv{ending}"
    if ending.lower().endswith(".gz"):
        path.write_bytes(gzip.compress(data))
    elif ending.endswith(".bz2"):
        path.write_bytes(bz2.compress(data))
    elif ending.endswith(".xz"):
        path.write_bytes(lzma.compress(data))
    elif ending.endswith(".zst"):
        zstandard = pytest.importorskip("zstandard")
        path.write_bytes(zstandard.ZstdCompressor().compress(data))
    elif ending.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inside.csv", data)
    else:
        path.write_bytes(data)
    return path


@pytest.mark.parametrize("ending", ["", ".gz", ".GZ", ".bz2", ".xz", ".zst", ".zip"])
def test_packed_files_are_the_same_table(ending: str, tmp_path: Path) -> None:
    frame = read_table(packed(tmp_path, ending, TEXT.encode()), "market")
    assert frame.to_dict("list") == {"name": ["x", "y"], "price": [1.5, 2.25], "size": [10, 20]}


def test_the_packing_is_told_by_content(tmp_path: Path) -> None:
    path = tmp_path / "TABLE.CSV"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + TEXT.encode()))
    assert list(read_table(path, "market").columns) == ["name", "price", "size"]


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz", ".zst", ".zip"])
def test_a_bomb_and_a_cut_file_are_refused(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path, ending, TEXT.encode() + b"z,1,1\n" * 50_000)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cannot be read|line break|truncated"):
        read_table(path, "market")
    path.write_bytes(whole)
    monkeypatch.setattr("hedgeopt.files.unpack.LARGEST_FILE", 20_000)
    with pytest.raises(InputError, match="unfolds to more than"):
        read_table(path, "market")


def test_a_zip_of_several_files_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "both.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", TEXT)
        archive.writestr("b.csv", TEXT)
    with pytest.raises(InputError, match=r"zip of 2 files \(a.csv, b.csv\)"):
        read_table(path, "market")


@pytest.mark.parametrize(
    ("text", "price", "note"),
    [
        ("name;price\nx;1,5\ny;2,25\n", [1.5, 2.25], "decimal commas"),
        ("name;price\nx;1.234,5\ny;2,25\n", [1234.5, 2.25], "decimal commas and . between thousands"),
        ("name\tprice\nx\t1.5\ny\t2.25\n", [1.5, 2.25], "tabs"),
        ('name,price\nx,"1,234.5"\ny,2.25\n', [1234.5, 2.25], "decimal points and , between thousands"),
        ("name;price\nx;1.5\ny;2.25\n", [1.5, 2.25], "semicolons"),
        ("name,price\nx,1.5\nname,price\ny,2.25\n", [1.5, 2.25], "repeat the header"),
        ("A title of somebody\nname,price,size\nx,1.5,1\ny,2.25,2\n", [1.5, 2.25], "title line"),
        ("name,price\nx,79'000\ny,1’234’567.5\n", [79_000.0, 1_234_567.5], "price are read with ' between thousands"),
        ("name;price\nx;79'000,5\ny;2,5\n", [79_000.5, 2.5], "' between thousands"),
        ("name,price\nx,-\ny,--\n", [np.nan, np.nan], ""),
        ('name;price\nx;1.234\ny;2,5\n', [1234.0, 2.5], "between thousands"),
    ],
)  # fmt: skip
def test_what_is_read_with_a_note(text: str, price: list[float], note: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    frame = read_table(path, "market")
    np.testing.assert_array_equal(frame["price"].to_numpy(float), price)
    assert note in " ".join(frame.attrs["notes"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name;price\nx;1.234\ny;5.678\n", "could be thousands or a decimal"),
        ('name,price\nx,"1,234"\ny,7\n', "could be thousands or a decimal"),
        ("name;price;size\nx;1,5;2.25\n", "decimal points .* and decimal commas"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_table(path, "market")


def _written(value: float, digits: int, decimal: str) -> str:
    text = f"{value:,.{digits}f}"
    return text if decimal == "." else text.replace(",", " ").replace(".", ",").replace(" ", ".")


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(st.floats(0, 1e7, allow_nan=False), min_size=1, max_size=6),
    digits=st.integers(0, 6),
    decimal=st.sampled_from([".", ","]),
)
def test_no_number_is_read_as_another(values: list[float], digits: int, decimal: str) -> None:
    cells: list[str | None] = [_written(value, digits, decimal) for value in values]
    wanted = [round(value, digits) for value in values]
    try:
        found, _ = plain_numbers({"x": cells}, "t", ";")
    except InputError:
        return  # ambiguous
    read = [float(str(cell)) for cell in found.get("x", cells)]
    np.testing.assert_allclose(read, wanted, rtol=0, atol=0.51 * 10.0**-digits)


@settings(max_examples=100, deadline=None)
@given(seconds=st.integers(946_684_800, 7_258_118_399), unit=st.sampled_from([1, 10**3, 10**6, 10**9]))
def test_an_epoch_is_the_same_time_in_every_unit(seconds: int, unit: int) -> None:
    (found,) = epochs(pd.Series([seconds * unit]))
    assert found == pd.Timestamp(seconds, unit="s", tz="UTC")


@pytest.mark.parametrize("count", [0, 20260306, 1e30, -5])
def test_other_counts_are_no_time(count: Any) -> None:
    assert moments(pd.Series([count])).isna().all()


def test_excel(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    for row in [["My quotes"], ["name", "price"], ["x", 1.5], ["y", "-"]]:
        sheet.append(row)
    book.create_sheet("empty")
    path = tmp_path / "quotes.XLSX"
    book.save(path)
    frame = read_table(path, "market")
    assert list(frame["name"]) == ["x", "y"]
    assert frame["price"].iloc[0] == 1.5
    assert pd.isna(frame["price"].iloc[1])
    book["empty"].append(["a", "b"])
    book.save(path)
    with pytest.raises(InputError, match="holds 2 sheets"):
        read_table(path, "market")
