"""Inputs as callers hold them: a path, an open file, a table (pandas, polars, Arrow), or dicts and lists.

An open file is copied to a temporary one first, so that it is read by the same strict reader as a path.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.files.parsing import from_json, from_toml
from hedgeopt.files.reading import read_text
from hedgeopt.files.regular import LARGEST_FILE
from hedgeopt.files.table_file import read_table
from hedgeopt.files.table_parts import MOST_ROWS, headers_told, meant_headers

__all__ = ["Given", "given_text", "is_table", "named", "read_data", "read_frame"]

Given = str | os.PathLike[str] | IO[str] | IO[bytes] | pd.DataFrame | Mapping[str, Any] | list[dict[str, Any]]
"""A path, an open file, a DataFrame, or dicts and lists; polars and Arrow tables too, which no annotation names."""

_FIX = "give a path, an open file, a DataFrame, or a dict"


def is_table(given: object) -> bool:
    """Whether it is a table of some library: pandas, polars, Arrow."""
    return isinstance(given, pd.DataFrame) or callable(getattr(given, "to_pandas", None))


def named(given: object, what: str = "") -> Path:
    """How messages call it: its path, the open file's name, or its kind, such as ``DataFrame given as market``."""
    if isinstance(given, str | os.PathLike):
        return Path(os.fspath(given))
    name = getattr(given, "name", None)
    if _is_open(given) and isinstance(name, str) and name and not name.startswith("<"):
        return Path(name)
    return Path(f"{type(given).__name__} given{f' as {what}' if what else ''}")


def read_frame(
    given: Any, what: str, *, columns: Collection[str] | None = None, text: Collection[str] = (), aside: bool = False
) -> pd.DataFrame:
    """The table in a path, an open file, a DataFrame, a dict of columns or a list of rows; a copy with a plain index.

    An index that bears the name of one of ``columns`` becomes that column. Columns named in ``text`` are read from a CSV as
    text, whatever is in them. ``aside`` is that of :func:`~hedgeopt.files.table_file.read_table`.

    Raises
    ------
    InputError
        Names the argument, and for a table the column: of repeated or layered columns, of cells that hold lists, without
        rows.
    """
    name = named(given, what)
    if isinstance(given, str | os.PathLike):
        return read_table(_path(given, what), what, columns=columns, text=text, aside=aside)
    if _is_open(given):
        with tempfile.TemporaryDirectory() as folder:
            path = _copied(given, Path(folder), what, name)
            try:
                return read_table(path, what, columns=columns, text=text, aside=aside)
            except InputError as error:
                raise error.at(name) from None
    if is_table(given):
        frame = _pandas(given, what)
    elif isinstance(given, Mapping | list | tuple):
        frame = _from_plain(given, what)
    else:
        raise InputError(f"is no {what}", field=what, value=_kind(given), fix=_FIX)
    return _plain_frame(frame, what, str(name), columns)


def read_data(given: Any, what: str, *, toml: bool = False) -> Any:
    """What a JSON file holds, from a path, an open file or a dict; with ``toml`` TOML, where the name or text says so.

    Raises
    ------
    InputError
        For a file that cannot be read, and for anything else.
    """
    if isinstance(given, Mapping):
        return dict(given)
    name, text = named(given, what), given_text(given, what)
    is_json = name.suffix == ".json"
    if _is_open(given) and name.suffix != ".toml":
        is_json |= text.lstrip()[:1] in ("{", "[")
    return from_toml(text, name) if toml and not is_json else from_json(text, name)


def given_text(given: Any, what: str) -> str:
    """The text of a path or an open file."""
    if isinstance(given, str | os.PathLike):
        return read_text(_path(given, what), what)
    if not _is_open(given):
        raise InputError(f"is no {what}", field=what, value=_kind(given), fix="give a path, an open file, or a dict")
    name = named(given, what)
    with tempfile.TemporaryDirectory() as folder:
        path = _copied(given, Path(folder), what, name)
        try:
            return read_text(path, what)
        except InputError as error:
            raise error.at(name) from None


def _is_open(given: object) -> bool:
    return callable(getattr(given, "read", None))


def _path(given: str | os.PathLike[str], what: str) -> Path:
    text = os.fspath(given)
    if "\n" in text or len(text) > 4096:
        fix = "give its path; text goes in as an open file, io.StringIO(text)"
        raise InputError("is text, not a path", field=what, value=text[:60], fix=fix)
    return Path(text)


def _copied(given: Any, folder: Path, what: str, name: Path) -> Path:
    """The rest of an open file, as a file with the ending that its first bytes ask for."""
    try:
        data = given.read(LARGEST_FILE + 1)
    except (OSError, ValueError, UnicodeError, TypeError) as error:
        raise InputError(f"cannot be read: {error}", file=name, fix=f"give an open {what} file") from None
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    if not isinstance(data, bytes | bytearray | memoryview):
        raise InputError("gives neither text nor bytes", file=name, value=_kind(data), fix=_FIX)
    data = bytes(data)
    if len(data) > LARGEST_FILE:
        raise InputError(f"is larger than {LARGEST_FILE >> 20} MiB", file=name, fix=f"give a {what} file")
    if not data:
        fix = "is it at its end? file.seek(0) starts it again" if isinstance(given, io.IOBase) else None
        raise InputError("is empty", file=name, fix=fix)
    suffix = ".parquet" if data[:4] == b"PAR1" else ".csv.gz" if data[:2] == b"\x1f\x8b" else ".csv"
    path = folder / f"given{suffix}"
    path.write_bytes(data)
    return path


def _pandas(given: Any, what: str) -> pd.DataFrame:
    if isinstance(given, pd.DataFrame):
        return given
    try:
        frame = given.to_pandas()
    except Exception as error:  # any library may fail in its own way
        raise InputError(f"cannot be read as a table: {error}", field=what, value=_kind(given), fix=_FIX) from None
    if not isinstance(frame, pd.DataFrame):
        fix = "give the whole table, not one column"
        raise InputError("is no table", field=what, value=_kind(given), fix=fix)
    return frame


def _from_plain(given: Any, what: str) -> pd.DataFrame:
    rows = isinstance(given, list | tuple)
    if rows and not all(isinstance(row, Mapping) for row in given):
        raise InputError("must be a list of dicts, one per row", field=what, value=_kind(given), fix=_FIX)
    if not rows:
        odd = [key for key, column in given.items() if not isinstance(column, list | tuple | np.ndarray | pd.Series)]
        if odd:
            fix = "give a list of values per column, or a list of dicts"
            raise InputError("is no column", field=f"{what} {odd[0]}", value=_kind(given[odd[0]]), fix=fix)
    try:
        return pd.DataFrame(given if not rows else list(given))
    except (ValueError, TypeError) as error:
        raise InputError(f"is no table: {error}", field=what, fix="give columns of one length") from None


def _plain_frame(frame: pd.DataFrame, what: str, name: str, columns: Collection[str] | None) -> pd.DataFrame:
    if frame.columns.nlevels > 1:
        fix = "give one level: frame.columns = [...]"
        raise InputError("has layered columns (a MultiIndex)", file=name, field=what, fix=fix)
    levels = [level for level in frame.index.names if isinstance(level, str) and level not in frame.columns]
    if any(columns is None or level in columns for level in levels):
        others = [k for k, level in enumerate(frame.index.names) if level not in levels]
        frame = frame.reset_index(level=others, drop=True) if 0 < len(others) < frame.index.nlevels else frame
        frame = frame.reset_index()
    if len(frame) > MOST_ROWS:
        raise InputError(f"holds {many(len(frame), 'row')}, at most {MOST_ROWS:,} are read", file=name)
    meant = meant_headers([column for column in frame.columns if isinstance(column, str)], columns or ())
    if meant:
        frame = frame.rename(columns=meant)
        frame.attrs = {**frame.attrs, "notes": [*frame.attrs.get("notes", []), *headers_told(meant, name)]}
    kept = [column for column in frame.columns if isinstance(column, str) and (columns is None or column in columns)]
    twice = sorted({column for column in kept if kept.count(column) > 1})
    if twice:
        raise InputError("is the name of two columns", file=name, field=twice[0], fix="keep one of them")
    unread = [str(column) for column in frame.columns if column not in kept]
    frame = frame[kept].reset_index(drop=True)
    if frame.empty:
        fix = "give a table with a row per instrument" if what == "market" else "give a table with rows"
        raise InputError("holds no rows" if kept else "holds no known column", file=name, fix=fix)
    for column in kept:
        if frame[column].dtype == object:
            for cell in frame[column]:
                if isinstance(cell, list | tuple | set | dict | np.ndarray | pd.Series | pd.DataFrame):
                    fix = "store one value per cell"
                    raise InputError("holds lists or structures", file=name, field=column, value=_kind(cell), fix=fix)
    frame = frame.copy()
    if unread:
        frame.attrs = {**frame.attrs, "unread": unread}
    return frame


def _kind(given: object) -> str:
    return "None" if given is None else type(given).__name__ if not isinstance(given, int | float | bool) else repr(given)
