"""CSV read without pyarrow: the same tables and the same refusals as with it, whatever the bytes."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgeopt.errors import InputError
from hedgeopt.example import example_files
from hedgeopt.files import table_file

CELLS = (
    "", "1", "-2.5e3", "+7", "NaN", "None", "abc", "true", "1_000", "0x1", " 5", "1e400", "inf", "-Infinity", "9" * 17,
    "9" * 18, "9" * 19, ".5", "5.", "2026-01-01T00:00:00Z", '"a,b"', '"a""b"', '"', 'a"b', "ü", "٣", "١٢", "#N/A", ".",
    "0.1", "0.30000000000000004", "1.7976931348623157e308", "5e-324", "007", "-0", "-0.0", "\ufeff", "'", "\\", "\x1c",
)  # fmt: skip
CELL = st.one_of(st.sampled_from(CELLS), st.floats(allow_nan=False).map(repr))
ROW = st.lists(CELL, min_size=1, max_size=4)


def outcome(text: bytes, folder: Path, arrow: bool, columns: list[str] | None) -> pd.DataFrame | str:
    path = folder / "t.csv"
    path.write_bytes(text)
    reader = table_file._arrow_csv if arrow else table_file._plain_csv
    try:
        frame = reader(path, table_file._text(path, "market"), columns)
        return "holds no rows" if frame.empty else frame
    except InputError as error:
        return error.problem.split(":")[0]


def assert_same(text: bytes, folder: Path, columns: list[str] | None = None) -> None:
    fast, plain = (outcome(text, folder, arrow, columns) for arrow in (True, False))
    assert type(fast) is type(plain), (fast, plain)
    if isinstance(fast, pd.DataFrame):
        pd.testing.assert_frame_equal(fast, plain, check_exact=True)


@settings(max_examples=300, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=5), st.sampled_from(["\n", "\r\n"]), st.integers(0, 2))
def test_any_table(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], line: str, same: int) -> None:
    width = len(rows[0])
    if same:  # most random tables are ragged: bring two thirds of them into shape
        rows = [(row * 4)[:width] for row in rows]
    text = "".join(",".join(row) + line for row in rows)
    assert_same(text.encode(), tmp_path_factory.getbasetemp())


@pytest.mark.parametrize(
    "text",
    [
        b"a,b\n1,2\n\n3,4\n", b"\xef\xbb\xbfa,b\n1,2\n", b"a,b\n1,2\r\n3,4\r\n", b'a,b\n"1\n2",3\n', b"a,b\n1\n",
        b"a,b\n1,2,3\n", b"a,b\n\xff,1\n", b"a,a\n1,2\n", b"a,b\n", b"a,\n1,2\n", b"a\n1\n\n2\n", b'a\n"x"y\n',
        b'a,b\n"1",2\n', b'a\n""\n',
        "a\n٣\n".encode(), b"\n\na,b\n1,2\n", b'a,b\n"x,2\n3,4\n', b"a,b\n1 ,2\n", b"a,b\n-,2\n", b"a\n1\r2\n", b'a\n"\n',
    ],
)  # fmt: skip
def test_odd_tables(text: bytes, tmp_path: Path) -> None:
    assert_same(text, tmp_path)


def test_the_example_and_some_columns_of_it(tmp_path: Path) -> None:
    text = example_files()["market.csv"].encode()
    assert_same(text, tmp_path)
    assert_same(text, tmp_path, ["bid_price", "instrument_name"])
    assert_same(text, tmp_path, ["nothing of it"])
