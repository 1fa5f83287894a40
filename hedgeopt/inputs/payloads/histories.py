"""Price histories of others: CryptoDataDownload, yfinance and ccxt's OHLCV, as a time column and closes per asset.

CryptoDataDownload: a title line above the header, newest row first, ``unix`` (s or ms), ``date``, ``symbol``, ``close``.
yfinance: ``Date`` or ``Datetime`` and ``Close`` (or a column of closes per ticker such as ``BTC-USD``).
ccxt: rows of timestamp (ms), open, high, low, close, volume. Forms unverified: taken from their documentation.
Source: cryptodatadownload.com; ranaroussi.github.io/yfinance, download; docs.ccxt.com, manual, "OHLCV candlestick charts".
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.cells import epochs, moments, numbers
from hedgeopt.files.counted import many

__all__ = ["candles", "history_of", "is_candles"]

_ROUNDING = 1e-3
_TIMES = ("date", "datetime", "timestamp", "unix", "time")
_FIX = "give the closes of one asset, or a column of closes per ticker"


def is_candles(value: Any) -> bool:
    """Whether a JSON value is a list of [time, open, high, low, close, volume]."""
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(row, list) and len(row) in (5, 6) for row in value)
        and all(isinstance(row[0], int | float) for row in value)
        and all(cell is None or isinstance(cell, int | float) for row in value for cell in row)
    )


def candles(value: list[list[float]], asset: str, file: str) -> pd.DataFrame:
    """A history from ccxt's candles."""
    frame = pd.DataFrame([row[:5] for row in value], columns=["timestamp", "open", "high", "low", "close"])
    return _history(frame, "timestamp", {asset: frame["close"]}, file)


def history_of(frame: pd.DataFrame, file: str, asset: str | None = None) -> pd.DataFrame | None:
    """A history from a table of closes; None where it is none.

    Raises
    ------
    InputError
        For a time that is none, repeated times with two closes, and closes whose asset is not said.
    """
    lower = {str(column).strip().lower(): column for column in frame.columns}
    when = next((name for name in ("unix", *_TIMES) if name in lower), None)
    if when is None:
        return None
    if "close" in lower and ("open" in lower or "volume" in lower or "symbol" in lower):
        symbol = frame[lower["symbol"]].astype(str).iloc[0] if "symbol" in lower else None
        if symbol is not None and len(set(frame[lower["symbol"]])) > 1:
            return _wide(frame, lower, when, file)
        named = asset or (None if symbol is None else _asset(symbol))
        if named is None:
            raise InputError(
                "holds closes of an asset that is not named",
                file=file,
                field="close",
                fix="rename the column to it, such as BTC",
            )
        _within(frame, lower, file)
        return _history(frame, lower[when], {named: frame[lower["close"]]}, file)
    tickers = {str(column): column for column in frame.columns if re.fullmatch(r"[A-Z0-9]{2,10}-USD[TC]?", str(column))}
    if tickers:
        return _history(frame, lower[when], {_asset(name): frame[column] for name, column in tickers.items()}, file)
    return None


def _within(frame: pd.DataFrame, lower: dict[str, Any], file: str) -> None:
    """Refuse closes outside of the day's low and high in more than a twentieth of the rows."""
    if "low" not in lower or "high" not in lower:
        return
    close, low, high = (numbers(frame[lower[name]]).to_numpy() for name in ("close", "low", "high"))
    out = (close < low * (1.0 - _ROUNDING)) | (close > high * (1.0 + _ROUNDING))
    if out.sum() > 0.05 * len(frame):
        row = int(np.flatnonzero(out)[0])
        fix = "closes, lows and highs are in one unit: save the vendor's file as it came"
        problem = f"lies outside of low and high in {int(out.sum())} of {many(len(frame), 'row')}"
        raise InputError(problem, file=file, field=str(lower["close"]), value=float(close[row]), fix=fix)


def _wide(frame: pd.DataFrame, lower: dict[str, Any], when: str, file: str) -> pd.DataFrame:
    parts = []
    for symbol, rows in frame.groupby(lower["symbol"], sort=False):
        part = _history(rows, lower[when], {_asset(str(symbol)): rows[lower["close"]]}, file)
        parts.append(part.set_index("timestamp"))
    return pd.concat(parts, axis=1).sort_index().reset_index()


def _asset(symbol: str) -> str:
    """BTC of BTC/USDT, BTC-USD, BTCUSDT."""
    base = re.split(r"[-_/]", symbol)[0]
    for quote in ("USDT", "USDC", "USD"):
        if base.endswith(quote) and len(base) > len(quote):
            return base.removesuffix(quote)
    return base


def _history(frame: pd.DataFrame, when: Any, closes: dict[str, pd.Series], file: str) -> pd.DataFrame:
    times = epochs(frame[when]) if frame[when].dtype.kind in "iuf" else moments(frame[when])
    if times.isna().any():
        row = int(np.flatnonzero(times.isna().to_numpy())[0])
        raise InputError(f"is no time in row {row + 2}", file=file, field=str(when), value=frame[when].iloc[row])
    out = pd.DataFrame(
        {"timestamp": times.to_numpy(), **{name: numbers(column).to_numpy() for name, column in closes.items()}}
    )
    for name in closes:
        bad = ~(out[name] > 0)
        if bad.any():
            row = int(np.flatnonzero(bad.to_numpy())[0])
            raise InputError(
                f"is no price in row {row + 2}", file=file, field=name, value=next(iter(closes.values())).iloc[row]
            )
    out = out.drop_duplicates().sort_values("timestamp", kind="stable").reset_index(drop=True)
    twice = out["timestamp"].duplicated()
    if twice.any():
        raise InputError(
            "has two closes at one time", file=file, field=str(when), value=str(out["timestamp"][twice].iloc[0]), fix=_FIX
        )
    out["timestamp"] = pd.to_datetime(out["timestamp"], utc=True)
    return out
