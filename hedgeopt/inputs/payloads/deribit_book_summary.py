"""Deribit's ``get_book_summary_by_currency`` as a chain.

A book summary names bid, ask and mark (coin), the forward as ``underlying_price``, a time in milliseconds, and the index
only as ``estimated_delivery_price`` (the same number outside the half hour before 08:00 UTC). Strike, expiry and right come
from the name; ``mark_iv`` is in per cent where it is given.
Source: Deribit API reference, public/get_book_summary_by_currency.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.cells import numbers, wrong_numbers
from hedgeopt.inputs.columns import QUOTE_NUMBERS
from hedgeopt.venues.deribit.names import parse_name

__all__ = ["COLUMNS", "as_chain"]

_SIGNATURE = {"creation_timestamp", "estimated_delivery_price", "instrument_name", "mark_price"}
_FIRST, _LAST = 946_684_800_000, 7_258_118_400_000  # milliseconds: the years 2000 and 2200
_OTHERWISE = {"mark_iv", "settlement_average", "interest_rate"}  # in per cent, or not the chain's
_QUOTED = tuple(name for name in QUOTE_NUMBERS if name not in _OTHERWISE)
COLUMNS = (*sorted(_SIGNATURE), *_QUOTED, "mark_iv")
"""Columns of a book summary that are used."""


def as_chain(frame: pd.DataFrame) -> pd.DataFrame:
    """A book summary with the columns of a chain; any other frame as it is."""
    if not set(frame.columns) >= _SIGNATURE:
        return frame
    items = [_parsed(name) for name in frame["instrument_name"]]
    options = [item is not None and item.nature.option for item in items]
    chain = frame[[column for column in _QUOTED if column in frame.columns]].copy()
    chain["timestamp"] = _from_milliseconds(frame["creation_timestamp"])
    chain["currency"] = [getattr(item, "underlying", getattr(item, "asset", None)) for item in items]
    chain["instrument_name"] = frame["instrument_name"]
    chain["option_type"] = [item.right if known else None for item, known in zip(items, options, strict=True)]
    chain["strike"] = [item.strike if known else np.nan for item, known in zip(items, options, strict=True)]
    chain["expiry"] = pd.to_datetime(
        [item.expiry if known else None for item, known in zip(items, options, strict=True)], utc=True
    )
    chain["index_price"] = frame["estimated_delivery_price"]
    if "underlying_price" not in chain:
        chain["underlying_price"] = np.nan
    if "mark_iv" in frame.columns:
        percent = numbers(frame["mark_iv"])
        chain["mark_iv"] = (percent / 100.0).where(
            ~wrong_numbers(frame["mark_iv"], percent), frame["mark_iv"].astype("object")
        )
    return chain


def _from_milliseconds(stamps: pd.Series) -> pd.Series:
    """UTC times; a value that is no count of milliseconds stays as it is, for the reader to name its row."""
    count = numbers(stamps)
    near = (count > _FIRST) & (count < _LAST)
    times = pd.to_datetime(count.where(near), unit="ms", utc=True)
    return times if near.all() else times.astype("object").where(near, stamps.astype("object"))


def _parsed(name: object) -> Any:
    try:
        return parse_name(str(name))
    except InputError:
        return None  # the reader names the row
