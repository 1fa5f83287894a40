"""Tables of levels: one row per level, with instrument, moment, side, price, size and what sizes count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.cells import numbers

__all__ = ["COLUMNS_OF_LEVELS", "Sheet", "sheets"]

COLUMNS_OF_LEVELS = {
    "venue": ("venue", "exchange"),
    "instrument": ("instrument", "instrument_name", "symbol"),
    "timestamp": ("timestamp", "ts", "time"),
    "side": ("side",),
    "price": ("price",),
    "size": ("size", "qty", "quantity", "amount"),
    "unit": ("unit",),
}
"""Columns of a table of levels, and other names that they go by."""
_SIDES = {"bid": "bid", "bids": "bid", "buy": "bid", "b": "bid", "ask": "ask", "asks": "ask", "sell": "ask", "a": "ask"}


@dataclass(frozen=True)
class Sheet:
    """One instrument's levels at one moment; pairs (L, 2) of price and size in the order of the file."""

    venue: str
    instrument: str
    moment: datetime
    bids: np.ndarray
    asks: np.ndarray
    unit: Literal["coins", "USD", "contracts", "unknown"]


def sheets(frame: pd.DataFrame, file: str) -> Iterator[Sheet]:
    """Every instrument and moment of a table."""
    column = {
        ours: next((name for name in names if name in frame.columns), None) for ours, names in COLUMNS_OF_LEVELS.items()
    }
    for name in ("instrument", "timestamp", "side", "price", "size"):
        if column[name] is None:
            known = ", ".join(COLUMNS_OF_LEVELS)
            raise InputError("is missing", file=file, field=f"column {name}", fix=f"a table of levels has {known}")
    told = {name: frame[at] for name, at in column.items() if at is not None}
    told["price"], told["size"] = numbers(told["price"]), numbers(told["size"])
    side = told["side"].astype(str).str.strip().str.lower().map(_SIDES)
    if side.isna().any():
        k = int(np.flatnonzero(side.isna())[0])
        raise InputError("is no side", file=file, field=f"row {k + 2}: {column['side']}", value=told["side"].iloc[k],
                         fix="write bid or ask")  # fmt: skip
    names = told["instrument"].astype(str)
    places = told["venue"].astype(str) if "venue" in told else pd.Series("", index=frame.index)
    stamps = told["timestamp"].astype(str)
    for (place, name, stamp), rows in frame.groupby([places, names, stamps], sort=False).groups.items():
        at = frame.index.get_indexer(rows)
        units = set(told["unit"].iloc[at].astype(str)) if "unit" in told else {""}
        if len(units) > 1:
            raise InputError("differs between levels of one book", file=file, field=f"{name} unit", value=", ".join(units))
        pairs = np.column_stack([told["price"].to_numpy()[at], told["size"].to_numpy()[at]])
        mine = side.to_numpy()[at]
        yield Sheet(str(place), str(name), _moment(stamp, file, str(name)), pairs[mine == "bid"], pairs[mine == "ask"],
                    _unit(units.pop()))  # fmt: skip


def _moment(stamp: Any, file: str, name: str) -> datetime:
    try:
        count = float(stamp)
    except ValueError:
        from hedgeopt.files.regular import parse_moment

        return parse_moment(str(stamp), f"{name} timestamp")
    if not 946_684_800.0 <= count < 7_258_118_400.0:
        raise InputError("is no count of seconds", file=file, field=f"{name} timestamp", value=stamp,
                         fix="write seconds since 1970, or 2026-02-05T21:29:37Z")  # fmt: skip
    return datetime.fromtimestamp(count, UTC)


def _unit(text: str) -> Literal["coins", "USD", "contracts", "unknown"]:
    """What sizes count, from words such as ``coins`` or ``price USD, qty contracts``."""
    words = text.lower().rpartition("qty")[2] if "qty" in text.lower() else text.lower()
    if "1 usd" in words:
        return "USD"
    if "contract" in words:
        return "contracts"
    if "coin" in words or "base" in words:
        return "coins"
    return "USD" if "usd" in words and "price" not in words else "unknown"
