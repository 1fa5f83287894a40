"""Recorded files beside the chains: marks of perpetuals and futures, funding rates, index prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from hedgeopt._extras import require_extra
from hedgeopt.backtest.chain_tables import as_dataset, is_text_table
from hedgeopt.backtest.venue_rules import rules
from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.files.cells import moments, numbers, wrong_numbers
from hedgeopt.files.parquet_file import check_parquet
from hedgeopt.files.record import LARGEST
from hedgeopt.files.regular import require_file
from hedgeopt.files.table_file import read_table
from hedgeopt.inputs.columns import MARK_FILES, RECORDED_REQUIRED
from hedgeopt.inputs.quotes import is_quote_table

__all__ = ["FundingRate", "dataset", "index_history", "mark_table", "time_scalar"]

_MOST_ROWS, _MOST_UNFOLDED = 1_000_000_000, 2**37


def mark_table(paths: Sequence[Path]) -> pd.DataFrame:
    """Marks of all files by time: columns time (UTC), asset, name, mark. They are few, so they are read whole.

    Raises
    ------
    InputError
        For a file of another shape, or an instrument that has two marks at one moment.
    """
    tables = []
    for path in paths:
        frame = read_table(path, "marks")
        signature = next((name for name in MARK_FILES if name in frame.columns), None)
        if signature is None:
            raise InputError("holds no marks", file=path, fix=f"it needs a column {' or '.join(MARK_FILES)}")
        when, asset, name = (column for column in MARK_FILES[signature] if column != signature)
        for column in (when, asset, name):
            if column not in frame.columns:
                raise InputError(f"column {column!r} is missing", file=path, fix=f"files with {signature} need it")
        times, marks = moments(frame[when]), numbers(frame[signature])
        _refuse(path, frame, name, when, times.isna(), "is not a date and time of the years 2000 to 2200")
        _refuse(path, frame, name, name, frame[name].isna(), "is empty")
        _refuse(path, frame, name, signature, wrong_numbers(frame[signature], marks), "is not a number")
        _refuse(path, frame, name, signature, marks.abs() > LARGEST, f"is beyond {LARGEST:g}")
        columns = {"time": times, "asset": frame[asset].astype(object), "name": frame[name].astype(object)}
        table = pd.DataFrame({**columns, "mark": marks})
        twice = table.duplicated(["time", "name"])
        if twice.any():
            row = table[twice].iloc[0]
            said = f"{row['name']} at {row['time'].isoformat()}"
            raise InputError("appears more than once", file=path, field="instrument_name", value=said)
        tables.append(table)
    if not tables:
        return pd.DataFrame({"time": pd.DatetimeIndex([], tz="UTC"), "asset": [], "name": [], "mark": []})
    return pd.concat(tables, ignore_index=True).sort_values("time", kind="stable", ignore_index=True)


def _refuse(path: Path, frame: pd.DataFrame, label: str, column: str, bad: pd.Series, problem: str) -> None:
    """Name the first row where ``bad`` holds, by its ``label``."""
    if bad.any():
        row = frame.iloc[int(np.argmax(bad.to_numpy()))]
        raise InputError(f"{problem} in the row of {row[label]}", file=path, field=column, value=str(row[column]))


@dataclass(frozen=True)
class FundingRate:
    """Funding per 8 hours: fixed, from the premium, or from a recorded series (the last known)."""

    how: Literal["fixed", "premium", "series"]
    value: float = 0.0
    venue: str = ""
    series: pd.Series | None = None

    @classmethod
    def of(cls, how: float | str, venue: str, asset: str) -> FundingRate:
        """From a configuration's word: a number, ``premium``, or the name of a CSV whose first column is the time."""
        if isinstance(how, int | float):
            return cls("fixed", float(how))
        if how == "premium":
            return cls("premium", venue=venue)
        path, field = Path(how), f"replay.funding.{asset}"
        try:
            frame = read_table(path, "funding", field=field)
        except InputError as error:
            if error.fix is not None:
                raise
            fix = 'give a number, "premium" or a CSV'
            raise InputError(error.problem, file=path, field=field, value=error.value, fix=fix) from None
        first = str(frame.columns[0])
        times = moments(frame[first])
        _refuse(path, frame, first, first, times.isna(), "is not a date and time of the years 2000 to 2200")
        column = next((c for c in frame.columns[1:] if "funding" in str(c).lower() or "rate" in str(c).lower()), None)
        if column is None:
            raise InputError("holds no column of rates", file=path, fix="name it funding_rate (decimals per 8 hours)")
        unit = 0.01 if "pct" in str(column).lower() or "percent" in str(column).lower() else 1.0
        rates = numbers(frame[column])
        _refuse(path, frame, first, str(column), ~(rates.abs() <= LARGEST), "is not a finite number")
        series = pd.Series(unit * rates.to_numpy(float), pd.DatetimeIndex(times)).sort_index()
        return cls("series", series=series)

    def at(self, stamp: pd.Timestamp, mark: float, index: float) -> float:
        """The rate known at a moment; NaN before a series begins."""
        if self.how == "fixed":
            return self.value
        if self.how == "premium":
            rule = rules("funding").get(self.venue)
            if rule is None:
                raise InputError("has no funding formula", field="replay.funding", value=self.venue, fix="give a number")
            premium = mark / index - 1.0
            rate = max(rule["damper"], premium) + min(-rule["damper"], premium)
            return float(np.clip(rate, -rule["cap"], rule["cap"]))
        assert self.series is not None
        at = int(self.series.index.searchsorted(stamp, side="right")) - 1
        return float(self.series.iloc[at]) if at >= 0 else float("nan")


@strict_call
def index_history(path: Path, venue: str | None = None) -> pd.DataFrame:
    """Median index price by moment (UTC index) and currency (columns) of a chain file: what expiries settle on.

    ``venue`` is that of rows of quotes that do not name theirs.
    """
    parts: list[pd.DataFrame] = []
    for batch in dataset(path, venue).to_batches(columns=["timestamp", "currency", "index_price"], batch_size=65_536):
        frame = batch.to_pandas()
        frame["currency"] = frame["currency"].astype(object)
        parts.append(frame.groupby(["timestamp", "currency"], observed=True)["index_price"].median().reset_index())
    table = pd.concat(parts).pivot_table(index="timestamp", columns="currency", values="index_price", aggfunc="median")
    table.index = pd.to_datetime(table.index, utc=True)
    return table.sort_index()


def dataset(path: Path, venue: str | None = None) -> Any:
    """A Parquet file or a folder of them, opened without reading its rows; CSV and tables of quotes are read whole.

    ``venue`` is that of rows of quotes that do not name theirs.
    """
    require_extra("pyarrow", "replaying recorded chains", file=path, field="replay.chains")
    import pyarrow as pa
    import pyarrow.dataset as ds

    if not path.exists():
        raise InputError(
            "there is no such file or folder", file=path, field="replay.chains", fix="give the path of recorded chains"
        )
    if is_text_table(path):
        return as_dataset(path, venue)
    if not path.is_dir():
        check_recording(require_file(path, "chain", field="replay.chains", largest=None))
    try:
        found = ds.dataset(path, format="parquet")
    except (pa.ArrowInvalid, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"cannot be read as Parquet: {reason}", file=path, fix="is it truncated? fetch it again") from None
    if is_quote_table(found.schema.names):
        return as_dataset(path, venue)
    texts = pa.types.is_string, pa.types.is_large_string
    if any(
        name in found.schema.names and any(is_text(found.schema.field(name).type) for is_text in texts)
        for name in ("timestamp", "index_price")
    ):  # moments or numbers written as text: read whole, cell by cell
        return as_dataset(path, venue)
    numbers = pa.types.is_floating, pa.types.is_integer, pa.types.is_null
    for name, known in (("timestamp", (pa.types.is_timestamp,)), ("index_price", numbers)):
        kind = found.schema.field(name).type if name in found.schema.names else None
        if kind is None:
            raise InputError(
                "is missing",
                file=path,
                field=name,
                fix="see docs/backtest.md for the columns of a chain, and of a table of quotes",
            )
        if not any(is_kind(kind) for is_kind in known):
            fix = "store moments with their time zone" if name == "timestamp" else "store numbers"
            raise InputError("is of a type that cannot be used", file=path, field=name, value=kind, fix=fix)
    return found


@lru_cache(maxsize=1024)
def check_recording(path: Path) -> None:
    """Refuse a recorded file whose footer tells of more than a recording can hold; it is read a window at a time."""
    check_parquet(path, RECORDED_REQUIRED, most=_MOST_ROWS, unfolded=_MOST_UNFOLDED)


def time_scalar(moment: pd.Timestamp, unit: Any) -> Any:
    """A moment in the type of a file's time column."""
    import pyarrow as pa

    aware = getattr(unit, "tz", None) is not None
    return pa.scalar(moment.to_pydatetime() if aware else moment.tz_convert("UTC").tz_localize(None).to_pydatetime(), unit)
