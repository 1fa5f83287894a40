"""Tables in files: CSV read strictly, within bounds of size, with one-line errors; Parquet and Excel by their own readers.

A CSV has one header without repeated names, as many cells in every row as in the header, and a line break at its end: a
file cut short ends in the middle of a row. :mod:`hedgeopt.files.ragged` has what happens to other lines.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt._extras import installed
from hedgeopt.errors import InputError
from hedgeopt.files.cells import NUMBER
from hedgeopt.files.counted import many
from hedgeopt.files.excel import excel_table
from hedgeopt.files.parquet_file import parquet_table
from hedgeopt.files.plain_csv import plain_column, plain_header, plain_rows
from hedgeopt.files.ragged import left_told, without_cut_end, without_ragged
from hedgeopt.files.regular import require_file
from hedgeopt.files.table_parts import MOST_ROWS, headers_told, meant_headers, no_column_twice, tell_unread, unreadable
from hedgeopt.files.tidy import CellText, delimiter_of, plain_numbers, without_apostrophes, without_headers, without_title
from hedgeopt.files.unpack import packing, unpacked

__all__ = ["read_table"]


# words for "nothing" that pandas, R and spreadsheets write
_NOTHING = ["", "NaN", "nan", "-nan", "-NaN", "NA", "N/A", "n/a", "<NA>", "#N/A", "NULL", "null", "None", "NaT"]
_NOTHING += ["-", "--"]
_GROUPED = r"^[+-]?[0-9][0-9.]*(?:,[0-9.,]*|['’][0-9]{3}['’0-9.,]*)$"
_ENDINGS = (".csv", ".tsv", ".txt", ".gz", ".bz2", ".xz", ".zst", ".zip")


def read_table(
    path: str | Path,
    what: str,
    *,
    field: str | None = None,
    columns: Collection[str] | None = None,
    text: Collection[str] = (),
    aside: bool = False,
) -> pd.DataFrame:
    """The table in a ``.parquet``, ``.csv`` or ``.csv.gz`` file.

    Parameters
    ----------
    what
        What it holds, for messages: "market", "price history".
    columns
        Columns to keep where they exist; none: all. ``attrs["unread"]`` names the others, where there are any.
    text
        Columns of a CSV that are text though every cell looks like a number.
    aside
        Leave out single lines of a CSV that have too few or too many cells or may be cut, instead of refusing them;
        ``attrs["left_lines"]`` holds them, a note counts them.

    Raises
    ------
    InputError
        For what is no ordinary file, too large, cut short, not UTF-8, ragged, without rows, or with a column twice.
    """
    path = require_file(path, what, field=field, largest=None)
    form, endings = _packing(path, field), {ending.lower() for ending in path.suffixes}
    if ".parquet" in endings:
        frame = parquet_table(path, what, columns)
    elif form == "excel":
        frame = excel_table(path, columns)
    elif form or endings & set(_ENDINGS):
        frame = _csv(path, what, columns, text, aside)
    else:
        fix = f"tables end with {', '.join(_ENDINGS)}, .xlsx or .parquet, in small or large letters"
        raise InputError("is neither .csv nor .parquet", file=path, field=field, fix=fix)
    if frame.empty:
        raise InputError("holds no rows", file=path, field=field, fix="give a table with a row beneath its header")
    return frame


def _packing(path: Path, field: str | None) -> str:
    try:
        return packing(path)
    except OSError as error:
        raise InputError(f"cannot be read: {(error.strerror or str(error)).lower()}", file=path, field=field) from None


def _csv(
    path: Path, what: str, columns: Collection[str] | None, text: Collection[str] = (), aside: bool = False
) -> pd.DataFrame:
    data, title = without_title(_text(path, what))
    header = data[: data.find(b"\n")].decode("utf-8-sig", "replace")
    delimiter = delimiter_of(header)
    notes = [title] if title else []
    if delimiter != ",":
        words = {";": "semicolons", "\t": "tabs", "|": "bars"}
        notes.append(f"cells are separated by {words[delimiter]}")
    first = 2 if title else 1
    data, left, whole = without_cut_end(data, delimiter, path, first, aside)
    notes += [whole] if whole else []
    meant = meant_headers(names := header.rstrip("\r").split(delimiter), columns or ())
    if meant:
        data = delimiter.join(meant.get(name, name) for name in names).encode() + data[len(data.split(b"\n", 1)[0]) :]
    read = _arrow_csv if installed("pyarrow") else _plain_csv
    try:
        frame = read(path, data, columns, delimiter, notes, text)
    except InputError as error:
        if not error.problem.startswith("cannot be read as csv"):
            raise
        better, ragged = without_ragged(data, delimiter, path, first, aside)
        if not ragged:
            raise
        left = [*ragged, *left]
        frame = read(path, better, columns, delimiter, notes, text)
    notes += left_told(left)
    if left:
        frame.attrs["left_lines"] = left
    frame.attrs["notes"] = [*headers_told(meant, path.name), *(f"{path.name}: {note}" for note in notes)]
    return frame


def _plain_csv(
    path: Path,
    data: bytes,
    columns: Collection[str] | None,
    delimiter: str = ",",
    notes: list[str] | None = None,
    text: Collection[str] = (),
) -> pd.DataFrame:
    """Slower than pyarrow, and the same."""
    notes = [] if notes is None else notes
    try:
        names = plain_header(data, delimiter)
        no_column_twice(names, path)
        cells = plain_rows(data, names if columns is None else columns, _NOTHING, delimiter)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise unreadable(path, "csv", error) from None
    rows = len(next(iter(cells.values()), ()))
    if rows > MOST_ROWS:
        raise InputError(f"holds {many(rows, 'row')}, at most {MOST_ROWS:,} are read", file=path)
    cells = _tidied(cells, path, delimiter, notes)
    frame = _frame(cells, text)
    return tell_unread(frame, names, cells)


def _tidied(cells: dict[str, list[CellText]], path: Path, delimiter: str, notes: list[str]) -> dict[str, list[CellText]]:
    """Without repeated headers, and with numbers as Python writes them."""
    cells, repeated = without_headers(cells)
    if repeated:
        notes.append(f"{repeated} row{'s' if repeated > 1 else ''} that repeat the header are left out")
    better, grouped = without_apostrophes(cells)
    cells = {**cells, **better}
    better, note = plain_numbers(cells, path, delimiter)
    notes += [told for told in (grouped, note) if told]
    return {**cells, **better}


def _arrow_csv(
    path: Path,
    data: bytes,
    columns: Collection[str] | None,
    delimiter: str = ",",
    notes: list[str] | None = None,
    text: Collection[str] = (),
) -> pd.DataFrame:
    notes = [] if notes is None else notes
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    parse = csv.ParseOptions(delimiter=delimiter)
    try:
        names = csv.open_csv(pa.BufferReader(data), csv.ReadOptions(block_size=_block(data)), parse).schema.names
        no_column_twice(names, path)
        table = csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(block_size=_block(data)),
            parse,
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=[name for name in names if columns is None or name in columns],
                null_values=_NOTHING,
                strings_can_be_null=True,
            ),
        )
    except InputError:
        raise
    except (pa.ArrowException, ValueError, OSError) as error:
        raise unreadable(path, "csv", error) from None
    if table.num_rows > MOST_ROWS:
        raise InputError(f"holds {many(table.num_rows, 'row')}, at most {MOST_ROWS:,} are read", file=path)
    first = table.column_names[0] if table.column_names else ""
    repeats = bool(table.num_rows) and pc.any(pc.equal(table[first], first)).as_py()
    grouped = any(pc.any(pc.match_substring_regex(table[name], _GROUPED)).as_py() for name in table.column_names)
    if repeats or grouped or delimiter == ";":  # cell by cell: slower, and seldom
        cells = _tidied(table.to_pydict(), path, delimiter, notes)
        frame = _frame(cells, text)
    else:
        frame = pd.DataFrame({name: _column(table[name], _is_text(name, text)) for name in table.column_names})
    return tell_unread(frame, names, table.column_names)


def _is_text(name: str, text: Collection[str]) -> bool:
    return name.strip().lower() in text


def _frame(cells: dict[str, list[CellText]], text: Collection[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            name: plain_column(column, (lambda _: None) if _is_text(name, text) else NUMBER.fullmatch)
            for name, column in cells.items()
        }
    )


def _column(cells: Any, text: bool = False) -> Any:
    """Numbers where every cell is one and no ``text`` is meant, else text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if cells.null_count == len(cells):
        return np.full(len(cells), np.nan)
    if text or not pc.all(pc.match_substring_regex(cells, f"^(?:{NUMBER.pattern})$")).as_py():
        return cells.to_pandas()
    cells = pc.replace_substring_regex(cells, r"^\+", "")
    if cells.null_count == 0 and pc.all(pc.match_substring_regex(cells, "^-?[0-9]{1,18}$")).as_py():
        return cells.cast(pa.int64()).to_pandas()
    return cells.cast(pa.float64()).to_pandas()


def _text(path: Path, what: str) -> bytes:
    """The bytes of a CSV: UTF-8 without NUL."""
    data = unpacked(path, what)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError("is UTF-16", file=path, fix="save it as UTF-8 (PowerShell: Out-File -Encoding utf8)")
    if (at := data.find(b"\0")) >= 0:
        raise InputError(f"is not text (byte {at} is NUL)", file=path, fix=f"give a {what} file")
    if not data.strip(b"\xef\xbb\xbf \t\r\n"):
        raise InputError("is empty", file=path, fix=f"give a {what} file")
    return data


def _block(data: bytes) -> int:
    return min(max(2**20, len(data)), 2**24)
