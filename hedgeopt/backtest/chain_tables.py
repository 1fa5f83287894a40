"""Recordings in other forms than chains in Parquet: CSV, and the neutral table of quotes; read whole, not by windows."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.backtest.bad_rows import FAULT
from hedgeopt.errors import InputError
from hedgeopt.files.cells import moments, numbers, wrong_numbers
from hedgeopt.files.counted import many
from hedgeopt.files.table_file import read_table
from hedgeopt.files.table_parts import MOST_ROWS
from hedgeopt.inputs.columns import RECORDED, RECORDED_REQUIRED
from hedgeopt.inputs.quotes import QUOTE_COLUMNS, is_quote_table, quotes_as_chain
from hedgeopt.models.data import tables_key

__all__ = ["as_dataset", "is_text_table"]

_TEXTS = ("instrument_name", "currency", "venue")
_MOMENTS = ("timestamp", "expiry")
_NOT_READ = {"timestamp": "timestamp is no moment", "expiry": "expiry is no moment", "instrument_name": "no name"}
_NOT_READ["currency"] = "no currency"


def is_text_table(path: Path) -> bool:
    """Whether a file's name says that it is a table of another kind than Parquet."""
    endings = {ending.lower() for ending in path.suffixes}
    return path.is_file() and ".parquet" not in endings and bool(endings & {".csv", ".tsv", ".txt", ".xlsx"})


def as_dataset(path: Path, venue: str | None) -> Any:
    """The recording as a pyarrow dataset with the columns of a chain.

    ``venue`` is that of rows that do not name theirs.

    Raises
    ------
    InputError
        For a table that is too large or of another form, and for cells that are no times or numbers.
    """
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    stamp = tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    return _dataset(path, venue, stamp, tables_key())


@lru_cache(maxsize=16)
def _dataset(path: Path, venue: str | None, stamp: tuple[Any, ...], tables: str) -> Any:
    """The dataset of the files as they are now: every window of a replay asks again."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    frame = _frame(path)
    if is_quote_table(frame.columns):
        frame = quotes_as_chain(frame[[name for name in frame.columns if name in QUOTE_COLUMNS]], path, venue)
    for name in RECORDED_REQUIRED:
        if name not in frame.columns:
            fix = "see docs/backtest.md for the columns of a chain, and of a table of quotes"
            raise InputError("is missing", file=path, field=name, fix=fix)
    kept = [name for name in (*RECORDED, "venue") if name in frame.columns]
    fault = pd.Series(None, index=frame.index, dtype=object)
    read: dict[str, Any] = {}
    for name in kept:
        read[name], wrong = _cells(frame, name, path)
        fault = fault.mask(wrong.to_numpy(bool) & fault.isna(), _NOT_READ.get(name, f"{name} is not a number"))
    table = pd.DataFrame(read).assign(**{FAULT: fault})
    table = table[table["timestamp"].notna()]
    schema = pa.schema([(FAULT, pa.string())])
    made = pa.Table.from_pandas(table.drop(columns=FAULT), preserve_index=False)
    return ds.dataset(
        made.append_column(
            schema.field(0), pa.array([why if isinstance(why, str) else None for why in table[FAULT]], pa.string())
        )
    )


def _frame(path: Path) -> pd.DataFrame:
    import pyarrow.dataset as ds

    if is_text_table(path):
        return read_table(path, "chain", field="replay.chains", text=("instrument", *_TEXTS))
    given = ds.dataset(path, format="parquet")
    rows = given.count_rows()
    if rows > MOST_ROWS:
        fix = "cut it into files, or write it with the columns of a chain, which is read by windows"
        raise InputError(f"holds {many(rows, 'row')}, at most {MOST_ROWS:,} are read", file=path, fix=fix)
    known = {*QUOTE_COLUMNS, *RECORDED}
    found: pd.DataFrame = given.to_table(columns=[name for name in given.schema.names if name in known]).to_pandas()
    return found


def _cells(frame: pd.DataFrame, name: str, path: Path) -> tuple[pd.Series, pd.Series]:
    """A column as times, texts or numbers, and which cells are none; where most are, the column is refused.

    Raises
    ------
    InputError
        Names the first such cell of a column of another kind.
    """
    column = frame[name]
    if name in _TEXTS:
        bad = column.isna() & (name != "venue")
        if name != "venue" and 2 * bad.sum() > len(bad):
            row = int(np.argmax(bad.to_numpy()))
            raise InputError(f"is empty in row {row + 2}", file=path, field=name, fix="fill it in, or leave the row out")
        return column.astype(object).where(column.notna(), None), bad
    if name in _MOMENTS:
        read = moments(column)
        bad, what = read.isna() & (column.notna() | (name == "timestamp")), "a date and time of the years 2000 to 2200"
    else:
        read = numbers(column)
        bad, what = wrong_numbers(column, read), "a number"
    if 2 * bad.sum() > len(bad):
        row = int(np.argmax(bad.to_numpy()))
        problem = f"is not {what} in the row of {frame['instrument_name'].iloc[row]}"
        raise InputError(problem, file=path, field=name, value=str(column.iloc[row]))
    return read.mask(bad), bad
