"""Tables in files: CSV and Parquet read strictly, within bounds of size, with one-line errors.

A CSV has one header without repeated names, as many cells in every row as in the header, and a line break at its end: a
file cut short ends in the middle of a row. A number is written as Python or a spreadsheet in English writes it (``-1.5e3``);
``1_000``, ``0x10``, ``1,000``, ``True`` and ``" 5 "`` stay text, and :func:`numbers` refuses them.

A Parquet file tells in its footer what it unfolds to; what is too large, nested or double is refused unread.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt._extras import installed, require_extra
from hedgeopt.errors import InputError
from hedgeopt.files.excel import excel_table
from hedgeopt.files.plain_csv import plain_column, plain_header, plain_rows
from hedgeopt.files.regular import require_file
from hedgeopt.files.tidy import CellText, delimiter_of, plain_numbers, without_headers, without_title
from hedgeopt.files.unpack import packing, unpacked

__all__ = ["MOST_ROWS", "check_parquet", "epochs", "moments", "numbers", "read_table", "wrong_numbers"]

MOST_ROWS = 2_000_000
"""Rows of the largest table that is read whole."""

_MOST_COLUMNS = 10_000
_MOST_FOOTER = 64 * 2**20
_MOST_UNFOLDED = 2**30
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?i:inf|infinity)")
# words for "nothing" that pandas, R and spreadsheets write
_NOTHING = ["", "NaN", "nan", "-nan", "-NaN", "NA", "N/A", "n/a", "<NA>", "#N/A", "NULL", "null", "None", "NaT"]
_NOTHING += ["-", "--"]
_WITH_COMMA = r"^[+-]?[0-9][0-9.]*,[0-9.,]*$"
_ENDINGS = (".csv", ".tsv", ".txt", ".gz", ".bz2", ".xz", ".zst", ".zip")
_FIRST_YEAR, _LAST_YEAR = 2000, 2200
_EPOCH_SCALES = (1, 1_000, 1_000_000, 1_000_000_000)  # nanoseconds in a count of ns, us, ms, s
_FIRST_NS, _LAST_NS = 946_684_800 * 10**9, 7_258_118_400 * 10**9


def read_table(
    path: str | Path, what: str, *, field: str | None = None, columns: Collection[str] | None = None
) -> pd.DataFrame:
    """The table in a ``.parquet``, ``.csv`` or ``.csv.gz`` file.

    Parameters
    ----------
    what
        What it holds, for messages: "market", "price history".
    columns
        Columns to keep where they exist; none: all. ``attrs["unread"]`` names the others, where there are any.

    Raises
    ------
    InputError
        For what is no ordinary file, too large, cut short, not UTF-8, ragged, without rows, or with a column twice.
    """
    path = require_file(path, what, field=field, largest=None)
    form, endings = _packing(path, field), {ending.lower() for ending in path.suffixes}
    if ".parquet" in endings:
        frame = _parquet(path, what, columns)
    elif form == "excel":
        frame = excel_table(path, columns)
    elif form or endings & set(_ENDINGS):
        frame = _csv(path, what, columns)
    else:
        fix = f"tables end with {', '.join(_ENDINGS)}, .xlsx or .parquet, in small or large letters"
        raise InputError("is neither .csv nor .parquet", file=path, field=field, fix=fix)
    if frame.empty:
        raise InputError("holds no rows", file=path, field=field, fix="give a table with a row beneath its header")
    return frame


def numbers(column: pd.Series) -> pd.Series:
    """The column as floats; NaN for nothing and for what is no number (:func:`wrong_numbers` tells them apart)."""
    values = column.astype("object") if isinstance(column.dtype, pd.CategoricalDtype) else column
    if values.dtype.kind in "fiu":
        return pd.Series(values.to_numpy(dtype=float, na_value=np.nan), column.index, name=column.name)
    return pd.Series([_number(value) for value in values], column.index, float, name=column.name)


def wrong_numbers(column: pd.Series, read: pd.Series) -> pd.Series:
    """Position of the first value in the column that :func:`numbers` could not read."""
    return read.isna() & column.notna()


def moments(column: pd.Series) -> pd.Series:
    """The column as UTC times, of ISO 8601 texts or counts since 1970; NaT for nothing and for no time of 2000 to 2200."""
    values = column.astype("object") if isinstance(column.dtype, pd.CategoricalDtype) else column
    dated = values.dtype.kind == "M"
    if values.dtype.kind in "iuf":
        return epochs(values)
    if values.dtype.kind == "b":
        return pd.Series(pd.NaT, column.index, "datetime64[ns, UTC]", name=column.name)
    try:
        times = pd.to_datetime(values, utc=True, errors="coerce", format=None if dated else "ISO8601")
    except (ValueError, OverflowError, TypeError):
        return pd.Series(pd.NaT, column.index, "datetime64[ns, UTC]", name=column.name)
    return times.where(times.dt.year.between(_FIRST_YEAR, _LAST_YEAR - 1))


def epochs(column: pd.Series) -> pd.Series:
    """Counts since 1970 as UTC times: the size of a count tells seconds, milli-, micro- or nanoseconds.

    No count is a time of the years 2000 to 2200 in two of them. NaT for nothing, and for what is one in none.
    """
    count = column.astype(float) if column.dtype.kind != "f" else column
    out = pd.Series(pd.NaT, column.index, "datetime64[ns, UTC]", name=column.name)
    for scale in _EPOCH_SCALES:
        mine = (count * scale >= _FIRST_NS) & (count * scale < _LAST_NS)
        if mine.any():
            exact = column.dtype.kind in "iu"
            whole = column[mine].astype("int64") * scale if exact else (count[mine] * scale).round().astype("int64")
            out[mine] = pd.to_datetime(whole, utc=True)
    return out


def check_parquet(
    path: Path, columns: Collection[str] | None = None, most: int = MOST_ROWS, unfolded: int = _MOST_UNFOLDED
) -> list[str]:
    """The names of the columns to read, after the footer was found sane.

    Raises
    ------
    InputError
        For a file that is no Parquet, unfolds to too much, or has a column nested or twice.
    """
    require_extra("pyarrow", "reading Parquet", file=path)
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 8))
        tail = stream.read(8)
    if tail[4:] != b"PAR1":
        raise InputError("cannot be read as Parquet: its end is missing", file=path, fix="is it truncated? fetch it again")
    if int.from_bytes(tail[:4], "little") > _MOST_FOOTER:
        raise InputError("cannot be read as Parquet: its footer is too large", file=path)
    try:
        with pq.ParquetFile(path) as file:
            footer, schema = file.metadata, file.schema_arrow
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(path, "Parquet", error) from None
    if footer.num_rows > most:
        raise InputError(f"holds {footer.num_rows:,} rows, at most {most:,} are read", file=path, fix="cut it into files")
    if footer.num_columns > _MOST_COLUMNS:
        raise InputError(f"holds {footer.num_columns:,} columns", file=path, fix="is it the right file?")
    kept = [name for name in schema.names if columns is None or name in columns]
    _once(kept, path)
    for name in kept:
        kind = schema.field(name).type
        if pa.types.is_nested(kind):
            raise InputError("holds lists or structures", file=path, field=name, value=kind, fix="store one value per row")
    wanted = {i for i in range(footer.num_columns) if footer.schema.column(i).name in set(kept)}
    size = sum(
        abs(footer.row_group(group).column(i).total_uncompressed_size)
        for group in range(footer.num_row_groups)
        for i in wanted
    )
    if size > unfolded:
        raise InputError(f"unfolds to {size >> 20:,} MiB", file=path, fix="cut it into files")
    return kept


def _parquet(path: Path, what: str, columns: Collection[str] | None) -> pd.DataFrame:
    kept = check_parquet(path, columns)
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            # text stays a dictionary: a million rows may share one long text
            texts = [n for n in kept if _is_text(file.schema_arrow.field(n).type)]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            frame: pd.DataFrame = file.read(kept, use_pandas_metadata=columns is None).to_pandas()
            _tell_unread(frame, file.schema_arrow.names, kept)
    except MemoryError:
        raise InputError("is too large for the memory", file=path) from None
    except Exception as error:  # any decoder and any metadata may be broken, each in its own way
        if isinstance(error, pa.ArrowException | OSError | ValueError | TypeError | KeyError | AttributeError | IndexError):
            raise _unreadable(path, "Parquet", error) from None
        raise
    return frame


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def _packing(path: Path, field: str | None) -> str:
    try:
        return packing(path)
    except OSError as error:
        raise InputError(f"cannot be read: {(error.strerror or str(error)).lower()}", file=path, field=field) from None


def _csv(path: Path, what: str, columns: Collection[str] | None) -> pd.DataFrame:
    data, title = without_title(_text(path, what))
    header = data[: data.find(b"\n")].decode("utf-8-sig", "replace")
    delimiter = delimiter_of(header)
    notes = [title] if title else []
    if delimiter != ",":
        names = {";": "semicolons", "\t": "tabs", "|": "bars"}
        notes.append(f"cells are separated by {names[delimiter]}")
    read = _arrow_csv if installed("pyarrow") else _plain_csv
    frame = read(path, data, columns, delimiter, notes)
    frame.attrs["notes"] = [f"{path.name}: {note}" for note in notes]
    return frame


def _plain_csv(
    path: Path, data: bytes, columns: Collection[str] | None, delimiter: str = ",", notes: list[str] | None = None
) -> pd.DataFrame:
    """Slower than pyarrow, and the same."""
    notes = [] if notes is None else notes
    try:
        names = plain_header(data, delimiter)
        _once(names, path)
        cells = plain_rows(data, names if columns is None else columns, _NOTHING, delimiter)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise _unreadable(path, "csv", error) from None
    rows = len(next(iter(cells.values()), ()))
    if rows > MOST_ROWS:
        raise InputError(f"holds {rows:,} rows, at most {MOST_ROWS:,} are read", file=path)
    cells = _tidied(cells, path, delimiter, notes)
    frame = pd.DataFrame({name: plain_column(column, _NUMBER.fullmatch) for name, column in cells.items()})
    return _tell_unread(frame, names, cells)


def _tell_unread(frame: pd.DataFrame, names: Collection[str], kept: Collection[str]) -> pd.DataFrame:
    unread = [name for name in names if name and name not in kept]
    if unread:
        frame.attrs["unread"] = unread
    return frame


def _tidied(cells: dict[str, list[CellText]], path: Path, delimiter: str, notes: list[str]) -> dict[str, list[CellText]]:
    """Without repeated headers, and with numbers as Python writes them."""
    cells, repeated = without_headers(cells)
    if repeated:
        notes.append(f"{repeated} row{'s' if repeated > 1 else ''} that repeat the header are left out")
    better, note = plain_numbers(cells, path, delimiter)
    if note:
        notes.append(note)
    return {**cells, **better}


def _arrow_csv(
    path: Path, data: bytes, columns: Collection[str] | None, delimiter: str = ",", notes: list[str] | None = None
) -> pd.DataFrame:
    notes = [] if notes is None else notes
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    parse = csv.ParseOptions(delimiter=delimiter)
    try:
        names = csv.open_csv(pa.BufferReader(data), csv.ReadOptions(block_size=_block(data)), parse).schema.names
        _once(names, path)
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
    except (pa.ArrowException, ValueError, OSError) as error:
        raise _unreadable(path, "csv", error) from None
    if table.num_rows > MOST_ROWS:
        raise InputError(f"holds {table.num_rows:,} rows, at most {MOST_ROWS:,} are read", file=path)
    first = table.column_names[0] if table.column_names else ""
    repeats = bool(table.num_rows) and pc.any(pc.equal(table[first], first)).as_py()
    commas = any(pc.any(pc.match_substring_regex(table[name], _WITH_COMMA)).as_py() for name in table.column_names)
    if repeats or commas or delimiter == ";":  # cell by cell: slower, and seldom
        cells = _tidied(table.to_pydict(), path, delimiter, notes)
        frame = pd.DataFrame({name: plain_column(column, _NUMBER.fullmatch) for name, column in cells.items()})
    else:
        frame = pd.DataFrame({name: _column(table[name]) for name in table.column_names})
    return _tell_unread(frame, names, table.column_names)


def _column(cells: Any) -> Any:
    """Numbers where every cell is one, else text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if cells.null_count == len(cells):
        return np.full(len(cells), np.nan)
    if not pc.all(pc.match_substring_regex(cells, f"^(?:{_NUMBER.pattern})$")).as_py():
        return cells.to_pandas()
    cells = pc.replace_substring_regex(cells, r"^\+", "")
    if cells.null_count == 0 and pc.all(pc.match_substring_regex(cells, "^-?[0-9]{1,18}$")).as_py():
        return cells.cast(pa.int64()).to_pandas()
    return cells.cast(pa.float64()).to_pandas()


def _text(path: Path, what: str) -> bytes:
    """The bytes of a CSV: UTF-8 without NUL, whole to the last line break."""
    data = unpacked(path, what)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError("is UTF-16", file=path, fix="save it as UTF-8 (PowerShell: Out-File -Encoding utf8)")
    if (at := data.find(b"\0")) >= 0:
        raise InputError(f"is not text (byte {at} is NUL)", file=path, fix=f"give a {what} file")
    if not data.strip(b"\xef\xbb\xbf \t\r\n"):
        raise InputError("is empty", file=path, fix=f"give a {what} file")
    if not data.endswith((b"\n", b"\r")):
        last = data[data.rfind(b"\n") + 1 :][-60:].decode("utf-8", "replace")
        fix = "add what is missing, or a line break where nothing is"
        raise InputError("does not end with a line break: is it truncated?", file=path, value=f"…{last}", fix=fix)
    return data


def _block(data: bytes) -> int:
    return min(max(2**20, len(data)), 2**24)


def _once(names: Collection[str], path: Path) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError("is the name of two columns", file=path, field=name or "(no name)", fix="keep one of them")
        seen.add(name)


def _unreadable(path: Path, form: str, error: BaseException) -> InputError:
    reason = " ".join(str(error).split())[:120]
    return InputError(f"cannot be read as {form}: {reason}", file=path, fix="is it truncated? fetch it again")


def _number(value: Any) -> float:
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else np.nan
    if value is None or value is pd.NA or isinstance(value, bool | np.bool_):
        return np.nan
    if isinstance(value, int | float | np.integer | np.floating | Decimal):
        try:
            return float(value)
        except OverflowError:
            return np.inf
    return np.nan
