"""Tardis: ``options_chain`` and ``derivative_ticker`` as quotes, a table at once.

Columns are the vendor's, values the venue's own: premiums in coins for Deribit's inverse options, dollars elsewhere; vols in
per cent for Deribit, decimals for OKX, Bybit and Binance (as the venues send them); times in microseconds. Every row
carries its own stamp: a day of rows is one file, and ``--at`` chooses the moment.
Source: docs.tardis.dev, downloadable CSV files.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.cells import numbers, wrong_numbers

__all__ = ["COLUMNS", "DERIVATIVE_TICKER", "IGNORED", "OPTIONS_CHAIN", "tardis_quotes"]

OPTIONS_CHAIN = frozenset(
    {"exchange", "symbol", "timestamp", "local_timestamp", "strike_price", "mark_iv", "underlying_price"}
)
DERIVATIVE_TICKER = frozenset({"exchange", "symbol", "timestamp", "local_timestamp", "funding_rate", "mark_price"})
IGNORED = frozenset(
    {
        "local_timestamp", "last_price", "bid_iv", "ask_iv", "underlying_index", "delta", "gamma", "vega", "theta", "rho",
        "funding_timestamp", "predicted_funding_rate",
    }
)  # fmt: skip
"""Columns that are left unread."""

_VENUES = {
    "deribit": ("deribit", 100.0), "okex-options": ("okx", 1.0), "okex-swap": ("okx", 1.0), "okex-futures": ("okx", 1.0),
    "bybit-options": ("bybit", 1.0), "bybit": ("bybit", 1.0), "binance-european-options": ("binance", 1.0),
    "binance-futures": ("binance", 1.0), "binance-delivery": ("binance", 1.0), "hyperliquid": ("hyperliquid", 1.0),
}  # fmt: skip
"""The vendor's names of exchanges: ours, and what its vols are divided by."""
_HOURLY = {"hyperliquid": 8.0}
_US = 1_000
_FIRST, _LAST = 946_684_800_000_000, 7_258_118_400_000_000
_COLUMNS = {
    "bid": "bid_price", "ask": "ask_price", "bid_size": "bid_amount", "ask_size": "ask_amount", "mark": "mark_price",
    "iv": "mark_iv", "forward": "underlying_price", "index": "index_price", "open_interest": "open_interest",
    "funding_8h": "funding_rate", "strike": "strike_price",
}  # fmt: skip


COLUMNS = frozenset({"exchange", "symbol", "timestamp", "local_timestamp", "type", "expiration", *_COLUMNS.values()})
"""Columns that are used, or tell the form."""


def tardis_quotes(frame: pd.DataFrame, file: object) -> pd.DataFrame:
    """The neutral table of a vendor's file; prices of the index are filled from forwards where the file has none.

    Raises
    ------
    InputError
        For an exchange that is not known, times that are not microseconds, and what is no number.
    """
    exchanges = frame["exchange"].astype(str)
    strange = sorted(set(exchanges) - set(_VENUES))
    if strange:
        raise InputError(
            "is no exchange that is known", file=file, field="exchange", value=strange[0], fix=f"known: {', '.join(_VENUES)}"
        )
    out = pd.DataFrame(
        {
            "timestamp": _microseconds(frame["timestamp"], file, "timestamp"),
            "venue": exchanges.map({name: ours for name, (ours, _) in _VENUES.items()}),
            "instrument": frame["symbol"].astype(str),
        }
    )
    for ours, theirs in _COLUMNS.items():
        if theirs not in frame.columns:
            continue
        read = numbers(frame[theirs])
        wrong = wrong_numbers(frame[theirs], read)
        if wrong.any():
            row = int(np.flatnonzero(wrong.to_numpy())[0])
            raise InputError(f"is not a number in row {row + 2}", file=file, field=theirs, value=frame[theirs].iloc[row])
        out[ours] = read
    if "iv" in out:
        out["iv"] /= exchanges.map({name: unit for name, (_, unit) in _VENUES.items()}).to_numpy(float)
    if "funding_8h" in out:
        out["funding_8h"] *= exchanges.map(_HOURLY).fillna(1.0).to_numpy(float)
    if "type" in frame.columns:
        out["right"] = frame["type"].astype(str).str.lower()
    if "expiration" in frame.columns:
        out["expiry"] = _microseconds(frame["expiration"], file, "expiration")
    if "bid_size" in out:
        coins = out["venue"].isin(["deribit", "bybit", "binance", "hyperliquid"])
        out["multiplier"] = np.where(coins, 1.0, np.nan)
        for name in ("bid_size", "ask_size", "open_interest"):
            if name in out:
                out[name] = out[name].where(coins)
    elif "open_interest" in out:
        out["multiplier"] = np.where(out["venue"] == "okx", np.nan, 1.0)
        out["open_interest"] = out["open_interest"].where(out["venue"] != "okx")
    return out


def _microseconds(column: pd.Series, file: object, name: str) -> pd.Series:
    count = numbers(column)
    bad = ~((count > _FIRST) & (count < _LAST))
    if bad.any():
        row = int(np.flatnonzero(bad.to_numpy())[0])
        fix = "times of this form count microseconds since 1970"
        raise InputError(
            f"is no time in microseconds in row {row + 2}", file=file, field=name, value=column.iloc[row], fix=fix
        )
    whole = column if column.dtype.kind in "iu" else count.round().astype("int64")
    return pd.Series(pd.to_datetime(whole.to_numpy("int64") * _US, utc=True), column.index)
