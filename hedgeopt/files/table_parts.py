"""What readers of tables share: how large a table may be, columns without repeated names, and those left unread."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from hedgeopt.errors import InputError

__all__ = ["MOST_ROWS", "headers_told", "meant_headers", "no_column_twice", "tell_unread", "unreadable"]

MOST_ROWS = 2_000_000
"""Rows of the largest table that is read whole."""


def no_column_twice(names: Collection[str], path: Path) -> None:
    """Refuse a table with two columns of one name."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError("is the name of two columns", file=path, field=name or "(no name)", fix="keep one of them")
        seen.add(name)


def meant_headers(names: Collection[str], columns: Collection[str]) -> dict[str, str]:
    """Names of a header that are a known column but for case and spaces around them, and that column.

    A name that could be two known columns, or whose column is there too, stays as it is.
    """
    by_fold: dict[str, list[str]] = {}
    for column in columns:
        by_fold.setdefault(column.casefold(), []).append(column)
    found: dict[str, str] = {}
    for name in names:
        near = by_fold.get(name.strip().strip('"').strip().casefold(), [])
        if name not in columns and len(near) == 1 and near[0] not in names and near[0] not in found.values():
            found[name] = near[0]
    return found


def headers_told(meant: Mapping[str, str], name: str) -> list[str]:
    """The note on headers read as another column, if any; ``name`` is that of the table."""
    some = ", ".join(f"{given!r} as {column}" for given, column in list(meant.items())[:6])
    more = ", …" if len(meant) > 6 else ""
    return [f"{name}: headers are read but for case and spaces: {some}{more}"] if meant else []


def tell_unread(frame: pd.DataFrame, names: Collection[str], kept: Collection[str]) -> pd.DataFrame:
    """The table with the names of columns left unread in its ``attrs``."""
    unread = [name for name in names if name and name not in kept]
    if unread:
        frame.attrs["unread"] = unread
    return frame


def unreadable(path: Path, form: str, error: BaseException) -> InputError:
    """The error of a file that a library gave up on."""
    reason = " ".join(str(error).split())[:120]
    return InputError(f"cannot be read as {form}: {reason}", file=path, fix="is it truncated? fetch it again")
