"""Excel workbooks: the table of the only sheet that holds one."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from hedgeopt._extras import require_extra
from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.files.regular import LARGEST_FILE
from hedgeopt.files.table_parts import headers_told, meant_headers

__all__ = ["excel_table"]

_MOST_CELLS = 20_000_000


def excel_table(path: Path, columns: Collection[str] | None) -> pd.DataFrame:
    """The table in an ``.xlsx`` file: the header is the first row with two cells; formulas count by their last value.

    Raises
    ------
    InputError
        Without openpyxl, for the old ``.xls``, a workbook of several tables, and one that unfolds to too much.
    """
    require_extra("openpyxl", "reading Excel", file=path)
    import openpyxl

    _small(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        filled = {sheet.title: rows for sheet in book.worksheets if (rows := _rows(sheet))}
        book.close()
    except InputError:
        raise
    except Exception as error:  # a damaged workbook may fail in any of its parts
        reason = " ".join(str(error).split())[:100]
        raise InputError(f"cannot be read as Excel: {reason}", file=path, fix="save it again, or as CSV") from None
    if len(filled) != 1:
        fix = "keep the sheet with the table, or save it as CSV"
        raise InputError(
            f"holds {many(len(filled), 'sheet')} with cells ({', '.join(filled) or 'none'})", file=path, fix=fix
        )
    (rows,) = filled.values()
    start = next((k for k, row in enumerate(rows) if sum(cell is not None for cell in row) >= 2), 0)
    names = [str(cell).strip() if cell is not None else "" for cell in rows[start]]
    meant = meant_headers(names, columns or ())
    names = [meant.get(name, name) for name in names]
    twice = next((name for k, name in enumerate(names) if name and name in names[:k]), None)
    if twice is not None:
        raise InputError("is the name of two columns", file=path, field=twice, fix="keep one of them")
    table = pd.DataFrame(rows[start + 1 :], columns=names).loc[:, lambda frame: frame.columns != ""]
    frame = table if columns is None else table[[name for name in table.columns if name in columns]]
    frame = frame.dropna(how="all").reset_index(drop=True)
    notes = [f"{path.name}: read from its only sheet"]
    notes += headers_told(meant, path.name)
    if start:
        notes.append(f"{path.name}: {start} row{'s' if start > 1 else ''} above the header left out")
    frame.attrs["notes"] = notes
    unread = [name for name in table.columns if name not in frame.columns]
    if unread:
        frame.attrs["unread"] = unread
    return frame.infer_objects()


def _rows(sheet: Any) -> list[tuple[Any, ...]]:
    rows = []
    for row in sheet.iter_rows(values_only=True):
        if any(cell is not None and cell != "" for cell in row):
            rows.append(tuple(None if cell in ("", "-", "--") else cell for cell in row))
        if len(rows) * max(len(row), 1) > _MOST_CELLS:
            raise InputError(f"holds more than {_MOST_CELLS:,} cells", file=sheet.title, fix="save it as CSV or Parquet")
    return rows


def _small(path: Path) -> None:
    """Refuse a workbook that unfolds to more than is read, before any of it is unfolded."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(item.file_size for item in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError):
        raise InputError("is no .xlsx workbook", file=path, fix="save it as .xlsx or CSV") from None
    if size > LARGEST_FILE:
        raise InputError(f"unfolds to more than {LARGEST_FILE >> 20} MiB", file=path, fix="save it as CSV or Parquet")
