"""Market files to :class:`~hedgeopt.inputs.market.Market`: Deribit chain snapshots, with perpetual and futures marks
beside them.

Tables are recognised by their columns, as CSV or Parquet, and may be mixed in one call:

* chain: ``timestamp currency instrument_name option_type strike expiry bid_price ask_price mark_price mark_iv
  underlying_price index_price`` and optionally ``open_interest volume funding_8h settlement_average
  interest_rate``; rows of perpetuals,
  futures and spot leave the option columns empty;
* perpetual marks: ``obs_datetime coin instrument_name perp_futures_mark_price``;
* book summary: Deribit's ``get_book_summary_by_currency`` as a table, see
  :mod:`hedgeopt.inputs.payloads.deribit_book_summary`;
* futures marks: ``timestamp currency futures_instrument_name term_mark_price_final``.

A missing bid or ask means no quote on that side. Everything else that is missing, negative, crossed, expired or given twice
is refused with one line that names file, column, row and fix. A column ``venue`` names the venue row by row. Moments without
a time zone are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.files.cells import moments, numbers, wrong_numbers
from hedgeopt.files.given import Given
from hedgeopt.files.record import LARGEST
from hedgeopt.files.regular import parse_moment
from hedgeopt.inputs.chain.moment import one_moment
from hedgeopt.inputs.chain.rows import market_from_rows, refuse
from hedgeopt.inputs.chain.set_aside import SetAside
from hedgeopt.inputs.chain.sources import DEFAULT, chains_of
from hedgeopt.inputs.columns import CHAIN, MARK_FILES, NUMBERS, OPTIONAL, REQUIRED, SIZES
from hedgeopt.inputs.market import Market

__all__ = ["read_market"]

_INDEX_DRIFT, _INDEX_APART = 0.005, 1.05
"""Drift of a coin's index within a snapshot that is noted, and largest over least that is refused.

Recorded chains are at most 1.2 % apart; 5 % is a depeg, a fault or another coin, and the equity of coins would move with it.
"""
_MARKS_WITHIN = pd.Timedelta(minutes=5)


@strict_call
def read_market(
    *sources: Given,
    at: datetime | str | None = None,
    venue: str | None = None,
    prices: Mapping[str, float] | None = None,
    invert_marks: bool = False,
    window_seconds: float = 300.0,
    instrument: str | None = None,
) -> Market:
    """Read one moment of the market.

    Parameters
    ----------
    sources
        One chain, and optionally perpetual or futures marks taken within five minutes of it: each a path, an open file, a
        DataFrame (pandas, polars, Arrow), a dict of columns, or a list of rows.
    at
        Which moment to read from a file that holds several: of each instrument the last row not after it. Rows after it are
        never used. Without it a file may hold one moment only; each row may carry its own stamp.
    window_seconds
        With ``at``: rows this much older than the latest one used are left out. What is left out is counted in a note.
    venue
        Venue that the instruments belong to, where the table has no column ``venue``; none: Deribit for chains, and needed
        for neutral tables without it and for payloads that do not name theirs.
    prices
        USD prices of assets that the files do not hold, such as ``{"stETH": 3_120.0, "USDC": 0.999}``.
    invert_marks
        Take implied vols from the marks where ``mark_iv`` is missing (:mod:`hedgeopt.inputs.chain.marks_to_vols`);
        noted on the market. Options whose marks imply no vol (0, or below intrinsic value) stay, are no hedges, and
        are counted in a note.
    instrument
        Instrument of the one reply that does not name its own, such as an order book of OKX without its channel.

    Raises
    ------
    InputError
        On anything that cannot be trusted; see the module's docstring.
    """
    if not sources:
        raise InputError("no market given", field="market", fix="give a path, an open file, or a DataFrame")
    given = _given_prices(prices)
    moment = None if at is None else pd.Timestamp(parse_moment(at, "at"))
    window = _seconds(window_seconds)
    notes: list[str] = []
    known: dict[str, float] = {}
    left: dict[str, str] = {}
    tables = chains_of(sources, venue, notes, known, instrument or "", left)
    if invert_marks:
        tables = [(path, _with_vol_column(frame)) for path, frame in tables]
    chains = [(path, frame) for path, frame in tables if _kind(path, frame) == "chain"]
    if not chains:
        raise InputError("holds no chain (bid, ask, mark per instrument)", file=tables[0][0])
    pieces = [
        one_moment(path, _typed(path, part, place, notes, left), moment, window, notes).assign(venue=place)
        for path, frame in chains
        for place, part in _by_venue(path, frame, venue or DEFAULT)
    ]
    _together([path for path, frame in chains for _ in _by_venue(path, frame, venue or DEFAULT)], pieces, window)
    stamp = max(piece["timestamp"].max() for piece in pieces)
    for path, frame in tables:
        kind = _kind(path, frame)
        if kind != "chain":
            pieces.append(_marks(path, frame, kind, stamp).assign(venue=venue or DEFAULT))
    rows = pd.concat(pieces, ignore_index=True)
    rows = rows.drop(columns=[name for name in SIZES if rows[name].isna().all()])
    source = ", ".join(path.name for path, _ in tables)
    index = _index_prices(rows, source, notes, given)
    twice = sorted(set(given) & set(index))
    if twice:
        raise InputError("is in the file already", file=source, field=f"price of {twice[0]}", value=given[twice[0]])
    stated = {*known, *given}
    return market_from_rows(
        rows, {**known, **index, **given}, source, tuple(notes), left, stated=stated, invert=invert_marks
    )


def _together(paths: list[Path], pieces: list[pd.DataFrame], window: pd.Timedelta) -> None:
    """Refuse chains of several files or venues that are not of one moment."""
    latest = [piece["timestamp"].max() for piece in pieces]
    early, late = int(np.argmin(latest)), int(np.argmax(latest))
    apart = latest[late] - latest[early]
    if apart > max(window, _MARKS_WITHIN):
        place, other = (pieces[at]["venue"].iloc[0] for at in (early, late))
        raise InputError(
            f"of {place} are {apart.total_seconds() / 60.0:,.1f} minutes older than those of {other}",
            file=paths[early],
            field="timestamp",
            value=latest[early].isoformat(),
            fix="give snapshots within five minutes of each other, or choose the moment with at=... or --at",
        )


def _given_prices(prices: Any) -> dict[str, float]:
    if not isinstance(prices, Mapping | None):
        raise InputError("must be a dict of USD by asset", field="prices", value=prices, fix='such as {"stETH": 3120.0}')
    for asset, price in (prices or {}).items():
        if isinstance(price, bool) or not isinstance(price, int | float | np.number) or not 0.0 < price <= LARGEST:
            raise InputError("must be a positive number of USD", field=f"price of {asset}", value=price)
    return {str(asset): float(price) for asset, price in (prices or {}).items()}


def _by_venue(path: Path, frame: pd.DataFrame, venue: str) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each venue, in the order of first use."""
    if "venue" not in frame.columns:
        return [(venue, frame)]
    places = frame["venue"].astype("object")
    refuse(path, frame, places.isna(), "venue", "is empty")
    text = places.map(str)
    return [(str(place), frame[text == place]) for place in dict.fromkeys(text)]


def _seconds(window: float) -> pd.Timedelta:
    number = isinstance(window, int | float | np.number) and not isinstance(window, bool)
    if not number or not 0.0 < window < 1e9:  # NaN too
        raise InputError("must be a positive number of seconds", field="window_seconds", value=window, fix="such as 300")
    return pd.Timedelta(seconds=window)


def _with_vol_column(frame: pd.DataFrame) -> pd.DataFrame:
    marks = any(signature in frame.columns for signature in MARK_FILES)
    return frame if marks or "mark_iv" in frame.columns else frame.assign(mark_iv=np.nan)


def _kind(path: Path, frame: pd.DataFrame) -> str:
    for signature in MARK_FILES:
        if signature in frame.columns:
            return signature
    missing = [column for column in REQUIRED if column not in frame.columns]
    if missing:
        fix = f"a chain needs {', '.join(REQUIRED)}"
        if missing == ["mark_iv"]:
            fix = "read_market(..., invert_marks=True) takes implied vols from the marks"
        raise InputError(f"column {missing[0]!r} is missing", file=path, fix=fix)
    return "chain"


def _typed(path: Path, frame: pd.DataFrame, venue: str, notes: list[str], left: dict[str, str]) -> pd.DataFrame:
    """Columns of a chain with their types; single rows that cannot be read are set aside with a note."""
    if frame.empty:
        raise InputError("holds no rows", file=path, fix="give a market file with a row per instrument")
    frame = frame[[c for c in CHAIN if c in frame.columns]].copy()
    for column in OPTIONAL:
        if column not in frame.columns:
            frame[column] = np.nan
    aside = SetAside(path, frame, venue)
    for column in NUMBERS:
        read = numbers(frame[column])
        aside.where(wrong_numbers(frame[column], read), column, "is not a number")
        aside.where(np.isinf(read), column, "is not finite")
        aside.where(read.abs() > LARGEST, column, f"is beyond {LARGEST:g}", "check the unit")
        frame[column] = read
    for column in ("instrument_name", "currency"):
        frame[column] = frame[column].astype("object")
        aside.where(frame[column].isna(), column, "is empty")
    frame["currency"] = frame["currency"].replace(
        {name: name.upper() for name in frame["currency"].unique() if isinstance(name, str) and name.islower()}
    )
    frame["option_type"] = frame["option_type"].astype("object")
    for column, required in (("timestamp", True), ("expiry", False)):
        times = moments(frame[column])
        bad = times.isna() if required else times.isna() & frame[column].notna()
        aside.where(bad, column, "is not a date and time of the years 2000 to 2200")
        frame[column] = times
    return aside.kept(notes, left)


def _times(path: Path, frame: pd.DataFrame, column: str) -> pd.Series:
    times = moments(frame[column])
    refuse(path, frame, times.isna(), column, "is not a date and time of the years 2000 to 2200")
    return times


def _marks(path: Path, frame: pd.DataFrame, signature: str, stamp: pd.Timestamp) -> pd.DataFrame:
    names = MARK_FILES[signature]
    missing = [column for column in names if column not in frame.columns]
    if missing:
        raise InputError(f"column {missing[0]!r} is missing", file=path)
    rows = frame[list(names)].rename(columns=names)
    rows["timestamp"] = _times(path, rows, "timestamp")
    near = rows[(rows["timestamp"] - stamp).abs() <= _MARKS_WITHIN]
    if near.empty:
        raise InputError(f"holds no marks within five minutes of {stamp.isoformat()}", file=path)
    rows = near.assign(gap=(near["timestamp"] - stamp).abs()).sort_values("gap", kind="stable")
    rows = rows.drop_duplicates("instrument_name").drop(columns="gap")
    for column in CHAIN:
        if column not in rows.columns:
            rows[column] = pd.NaT if column == "expiry" else np.nan
    rows["expiry"] = pd.to_datetime(rows["expiry"], utc=True)
    return _typed(path, rows, DEFAULT, [], {})


def _index_prices(rows: pd.DataFrame, source: str, notes: list[str], given: Mapping[str, float]) -> dict[str, float]:
    prices: dict[str, float] = {}
    for currency, group in rows.groupby("currency", observed=True):
        index = group["index_price"].dropna()
        if index.empty and currency in given:
            continue
        if index.empty:
            fix = f"give it in the chain rows, or with --price {currency}=USD (prices={{...}})"
            raise InputError(f"no index_price for {currency}", file=source, fix=fix)
        if (index <= 0).any():
            raise InputError("must be positive", file=source, field=f"index_price of {currency}", value=index.min())
        low, high = index.idxmin(), index.idxmax()
        if float(index[high] / index[low]) > _INDEX_APART:
            told = [
                f"{index[row]:,.10g} in the row of {rows['instrument_name'][row]} at {rows['venue'][row]}"
                for row in (high, low)
            ]
            raise InputError(
                f"of {currency} is {told[0]} and {told[1]}, {index[high] / index[low]:.4g} × apart; "
                f"at most {_INDEX_APART} × is one price",
                file=source,
                field="index_price",
                value=float(index[high]),
                fix=f"give every row of {currency} its index in USD at the snapshot, or leave out what is wrong",
            )
        prices[str(currency)] = float(index.median())
        drift = float((index.max() - index.min()) / index.median())
        if drift > _INDEX_DRIFT:
            notes.append(f"index of {currency} drifts {drift:.2%} within the snapshot; the median is used")
    return prices
