"""Price history: reading it, refusing what is wrong with it, and cutting it into windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.files.cells import moments, numbers
from hedgeopt.files.counted import many
from hedgeopt.files.record import LARGEST
from hedgeopt.files.table_file import read_table

__all__ = ["FEWEST", "TIMES", "Windows", "cut_windows", "parse_times", "read_prices"]

FEWEST = 30
"""Windows that a history must give before it is called one."""

TIMES = ("timestamp", "date", "time", "datetime")
_LABELS = ("symbol", "asset", "currency", "base")
_CLOSES = ("close", "price")


@strict_call
def read_prices(path: str | Path, assets: Sequence[str]) -> pd.DataFrame:
    """A price history as a frame: UTC times in the index, one column per asset, strictly positive.

    Takes a table with a time column (timestamp, date, time or datetime) and either one column per asset (``BTC``, ``btc`` or
    ``btc_close``) or rows of ``symbol``/``asset``/``currency`` with a ``close``/``price``. Times that not every asset has
    are left out; they then count as gaps.

    Raises
    ------
    InputError
        For a missing asset, an unreadable, repeated or unordered time, or a price that is not positive and finite.
    """
    path = Path(path)
    frame = read_table(path, "price history", field="scenarios.prices")
    if frame.index.name and str(frame.index.name).lower() in TIMES:
        frame = frame.reset_index()
    lower = {str(column).lower(): column for column in frame.columns}
    when = next((lower[name] for name in TIMES if name in lower), None)
    if when is None:
        raise InputError(f"no time column ({', '.join(TIMES)})", file=path)
    times = parse_times(frame[when], path)
    label = next((lower[name] for name in _LABELS if name in lower), None)
    close = next((lower[name] for name in _CLOSES if name in lower), None)
    columns: dict[str, pd.Series] = {}
    for asset in assets:
        if label is not None:
            mine = (frame[label].astype(str).str.upper().str.split(r"[-_/]").str[0] == asset.upper()).to_numpy()
            column = close if mine.any() else None
        else:
            mine = np.ones(len(frame), bool)
            column = next((lower[n] for n in (asset.lower(), f"{asset.lower()}_close") if n in lower), None)
        if column is None:
            known = sorted(set(map(str, frame[label]))) if label is not None else list(map(str, frame.columns))
            raise InputError(f"holds no prices of {asset}", file=path, fix=f"it holds {', '.join(known[:8])}")
        columns[asset] = _checked(asset, times[mine], frame.loc[mine, column], path)
    joint = pd.DataFrame(columns).dropna()
    if joint.empty:
        raise InputError(f"no time has a price of each of {', '.join(assets)}", file=path)
    return joint


def parse_times(column: pd.Series, path: Path) -> pd.DatetimeIndex:
    """ISO 8601 times (or a column of times) as UTC; an InputError names the first that is neither."""
    if pd.api.types.is_numeric_dtype(column):
        raise InputError("needs ISO 8601 times", file=path, field=str(column.name), value=column.iloc[0])
    times = moments(column)
    if times.isna().any():
        raise InputError("a time cannot be read", file=path, field=str(column.name), value=column[times.isna()].iloc[0])
    return pd.DatetimeIndex(times)


def _checked(asset: str, times: pd.DatetimeIndex, prices: pd.Series, path: Path) -> pd.Series:
    twice = times.duplicated()
    if twice.any():
        raise InputError(
            f"{asset} has the same time twice", file=path, value=times[twice][0].isoformat(), fix="keep one row per time"
        )
    back = np.flatnonzero(np.diff(times.asi8) < 0)
    if len(back):
        raise InputError(
            f"{asset} has times out of order", file=path, value=times[back[0] + 1].isoformat(), fix="sort the rows by time"
        )
    values = numbers(prices).to_numpy(float)
    bad = np.flatnonzero(~((values > 0) & (values <= LARGEST)))
    if len(bad):
        raise InputError(
            f"price of {asset} at {times[bad[0]].isoformat()} is not a positive number",
            file=path,
            value=prices.iloc[int(bad[0])],
        )
    return pd.Series(values, index=times)


@dataclass(frozen=True)
class Windows:
    """Joint moves over every window of a history.

    Attributes
    ----------
    log_return : (W, A)
        In time order of their starts.
    start : (W,)
        Row of the history at which each window starts.
    lag
        Steps of the history in one window; windows overlap by ``lag - 1`` of them.
    years
        Length of one window, years of 365 days.
    """

    log_return: np.ndarray
    start: np.ndarray
    lag: int
    years: float


@strict_call
def cut_windows(prices: pd.DataFrame, horizon_days: float, *, gaps: str = "refuse", file: object | None = None) -> Windows:
    """Every overlapping window of the horizon.

    Parameters
    ----------
    gaps
        ``refuse``: an InputError names the first gap; ``skip``: windows that reach across one are left out.

    Raises
    ------
    InputError
        For a gap, a step that does not divide the horizon, a history coarser than the horizon, or fewer than 30 windows.
    """
    index = pd.DatetimeIndex(prices.index)
    if len(index) < 2:
        raise InputError(f"price history has {many(len(index), 'row')}, too short", file=file)
    seconds = np.diff(index.as_unit("ns").asi8) / 1e9
    step = float(np.median(seconds))
    if step <= 0 or (seconds <= 0).any():
        raise InputError("price history has times that repeat or run backwards", file=file)
    lag = round(horizon_days * 86_400.0 / step)
    if lag < 1 or abs(lag * step - horizon_days * 86_400.0) > 0.01 * horizon_days * 86_400.0:
        raise InputError(
            f"is not a whole number of the history's steps of {pd.Timedelta(seconds=step)}",
            file=file,
            field="scenarios.horizon_days",
            value=horizon_days,
            fix="choose a multiple, or a finer history",
        )
    broken = np.abs(seconds - step) > 0.5 * step
    if broken.any() and gaps != "skip":
        at = int(np.flatnonzero(broken)[0])
        raise InputError(
            f"price history has {many(int(broken.sum()), 'gap or uneven step', 'gaps or uneven steps')}, "
            f"the first from {index[at].isoformat()} to {index[at + 1].isoformat()}",
            file=file,
            fix='fill them, or set gaps = "skip" to leave out windows across gaps',
        )
    crossed = np.concatenate([[0], np.cumsum(broken)])
    start = np.flatnonzero(crossed[lag:] == crossed[: len(crossed) - lag]) if lag < len(index) else np.array([], int)
    if len(start) < FEWEST:
        raise InputError(
            f"price history of {many(len(index), 'row')} gives {many(len(start), 'move')} "
            f"over the horizon, {FEWEST} are needed",
            file=file,
            fix="give a longer history or a shorter horizon",
        )
    logs = np.log(prices.to_numpy(float))
    return Windows(logs[start + lag] - logs[start], start, lag, lag * step / (365.0 * 86_400.0))
