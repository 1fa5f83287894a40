"""Cells of tables as numbers and times: what is neither stays empty, and the reader of the table names its row.

A number is written as Python or a spreadsheet in English writes it (``-1.5e3``); ``1_000``, ``0x10``, ``1,000``, ``True``
and ``" 5 "`` stay text.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["NUMBER", "epochs", "moments", "numbers", "wrong_numbers"]

NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?i:inf|infinity)")
"""Texts that are numbers."""

_FIRST_YEAR, _LAST_YEAR = 2000, 2200
_EPOCH_SCALES = (1, 1_000, 1_000_000, 1_000_000_000)  # nanoseconds in a count of ns, us, ms, s
_FIRST_NS, _LAST_NS = 946_684_800 * 10**9, 7_258_118_400 * 10**9


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


def _number(value: Any) -> float:
    if isinstance(value, str):
        return float(value) if NUMBER.fullmatch(value) else np.nan
    if value is None or value is pd.NA or isinstance(value, bool | np.bool_):
        return np.nan
    if isinstance(value, int | float | np.integer | np.floating | Decimal):
        try:
            return float(value)
        except OverflowError:
            return np.inf
    return np.nan
