"""Vol and funding histories over the same windows as prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.files.record import LARGEST
from hedgeopt.files.table_file import read_table
from hedgeopt.models.scenarios.history import TIMES, Windows, parse_times
from hedgeopt.models.scenarios.sample_settings import HistoricalScenarios

__all__ = ["JointMoves", "joint_moves", "read_series"]

_PERIODS_PER_DAY = 3.0


@dataclass
class JointMoves:
    """``columns`` holds (field, asset column, (W,) values); ``known`` (W,) says for which windows all are known."""

    known: np.ndarray
    columns: list[tuple[str, int, np.ndarray]] = field(default_factory=list)


def joint_moves(settings: HistoricalScenarios, assets: Sequence[str], prices: pd.DataFrame, windows: Windows) -> JointMoves:
    """Log vol changes and funding sums over each window.

    Funding counts beyond its own mean, because carry holds the quoted rate already: the sum over the window of
    ``3 per day * (rate - mean rate)``, a share of notional.
    """
    found = JointMoves(np.ones(len(windows.start), bool))
    index = pd.DatetimeIndex(prices.index)
    for what, files in (("vols", settings.vols), ("funding", settings.funding)):
        for asset, path in files.items():
            if asset not in assets:
                raise InputError("has no prices here", file="policy", field=f"scenarios.{what}", value=asset)
            series = read_series(path).reindex(index).to_numpy(float)
            if what == "vols":
                if (series <= 0).any():
                    raise InputError(f"vol of {asset} is not positive", file=path, value=float(np.nanmin(series)))
                values = np.log(series[windows.start + windows.lag]) - np.log(series[windows.start])
                found.columns.append(("log_vol_shift", assets.index(asset), np.nan_to_num(values)))
            else:
                step_days = windows.years * 365.0 / windows.lag
                paid = (series - np.nanmean(series)) * _PERIODS_PER_DAY * step_days
                total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(paid))])
                values = total[windows.start + windows.lag] - total[windows.start]
                missing = np.concatenate([[0], np.cumsum(np.isnan(series))])
                hole = missing[windows.start + windows.lag] != missing[windows.start]
                values = np.where(hole, np.nan, values)
                found.columns.append(("funding", assets.index(asset), np.nan_to_num(values)))
            found.known &= np.isfinite(values)
    return found


@strict_call
def read_series(path: str | Path) -> pd.Series:
    """One number in time: the first column of a CSV that is a time, and the first other numeric one; UTC times in the index.

    Raises
    ------
    InputError
        For a missing file, no time column, unreadable or repeated times, times out of order, or no numeric column.
    """
    path = Path(path)
    frame = read_table(path, "history")
    when = next((column for column in frame.columns if str(column).lower() in TIMES), None)
    numeric = [column for column in frame.columns if column != when and pd.api.types.is_numeric_dtype(frame[column])]
    if when is None or not numeric:
        raise InputError("needs a time column and a numeric one", file=path)
    times = parse_times(frame[when], path)
    if times.has_duplicates:
        raise InputError("holds the same time twice", file=path, value=times[times.duplicated()][0].isoformat())
    if not times.is_monotonic_increasing:
        raise InputError("has times out of order", file=path, fix="sort the rows by time")
    values = frame[numeric[0]].to_numpy(float)
    wrong = np.flatnonzero(np.abs(values) > LARGEST)  # infinite too; NaN is a hole
    if len(wrong):
        raise InputError(f"is beyond {LARGEST:g}", file=path, field=str(numeric[0]), value=values[wrong[0]])
    return pd.Series(values, index=times)
