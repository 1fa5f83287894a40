"""Recorded files beside the chains: marks of perpetuals and futures, funding rates, index prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from hedgeopt.backtest.data import rules
from hedgeopt.errors import InputError

__all__ = ["FundingRate", "dataset", "index_history", "mark_table", "time_scalar"]

_MARKS = {
    "perp_futures_mark_price": ("obs_datetime", "coin", "instrument_name"),
    "term_mark_price_final": ("timestamp", "currency", "futures_instrument_name"),
}


def mark_table(paths: Sequence[Path]) -> pd.DataFrame:
    """Marks of all files by time: columns time (UTC), asset, name, mark. They are few, so they are read whole.

    Raises
    ------
    InputError
        For a file of another shape, or an instrument that has two marks at one moment.
    """
    tables = []
    for path in paths:
        if not path.is_file():
            raise InputError("marks file not found", file=path)
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        signature = next((name for name in _MARKS if name in frame.columns), None)
        if signature is None:
            raise InputError("holds no marks", file=path, fix=f"it needs a column {' or '.join(_MARKS)}")
        when, asset, name = _MARKS[signature]
        times = pd.to_datetime(frame[when], utc=True, format=None if frame[when].dtype.kind == "M" else "ISO8601")
        columns = {"time": times, "asset": frame[asset].astype(object), "name": frame[name].astype(object)}
        table = pd.DataFrame({**columns, "mark": frame[signature].astype(float)})
        twice = table.duplicated(["time", "name"])
        if twice.any():
            row = table[twice].iloc[0]
            said = f"{row['name']} at {row['time'].isoformat()}"
            raise InputError("stands there twice", file=path, field="instrument_name", value=said)
        tables.append(table)
    if not tables:
        return pd.DataFrame({"time": pd.DatetimeIndex([], tz="UTC"), "asset": [], "name": [], "mark": []})
    return pd.concat(tables, ignore_index=True).sort_values("time", kind="stable", ignore_index=True)


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
        path = Path(how)
        if not path.is_file():
            fix = 'give a number, "premium" or a CSV'
            raise InputError("funding file not found", file=path, field=f"replay.funding.{asset}", fix=fix)
        frame = pd.read_csv(path)
        times = pd.to_datetime(frame.iloc[:, 0], utc=True, format="ISO8601")
        column = next((c for c in frame.columns[1:] if "funding" in str(c).lower() or "rate" in str(c).lower()), None)
        if column is None:
            raise InputError("holds no column of rates", file=path, fix="name it funding_rate (decimals per 8 hours)")
        unit = 0.01 if "pct" in str(column).lower() or "percent" in str(column).lower() else 1.0
        series = pd.Series(unit * frame[column].to_numpy(float), pd.DatetimeIndex(times)).sort_index()
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


def index_history(path: Path) -> pd.DataFrame:
    """Median index price by moment (UTC index) and currency (columns) of a chain file: what expiries settle on."""
    parts: list[pd.DataFrame] = []
    for batch in dataset(path).to_batches(columns=["timestamp", "currency", "index_price"], batch_size=65_536):
        frame = batch.to_pandas()
        frame["currency"] = frame["currency"].astype(object)
        parts.append(frame.groupby(["timestamp", "currency"], observed=True)["index_price"].median().reset_index())
    table = pd.concat(parts).pivot_table(index="timestamp", columns="currency", values="index_price", aggfunc="median")
    table.index = pd.to_datetime(table.index, utc=True)
    return table.sort_index()


def dataset(path: Path) -> Any:
    """A Parquet file or a folder of them, opened without reading its rows."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    if not path.exists():
        raise InputError(
            "there is no such file or folder", file=path, field="replay.chains", fix="give the path of recorded chains"
        )
    try:
        found = ds.dataset(path, format="parquet")
    except (pa.ArrowInvalid, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"cannot be read as Parquet: {reason}", file=path, fix="is it truncated?") from None
    numbers = pa.types.is_floating, pa.types.is_integer, pa.types.is_null
    for name, known in (("timestamp", (pa.types.is_timestamp,)), ("index_price", numbers)):
        kind = found.schema.field(name).type if name in found.schema.names else None
        if kind is None:
            raise InputError("is missing", file=path, field=name, fix="see docs/backtest.md for the columns of a chain")
        if not any(is_kind(kind) for is_kind in known):
            fix = "store moments with their time zone" if name == "timestamp" else "store numbers"
            raise InputError("is of a type that cannot be used", file=path, field=name, value=kind, fix=fix)
    return found


def time_scalar(moment: pd.Timestamp, unit: Any) -> Any:
    """A moment in the type of a file's time column."""
    import pyarrow as pa

    aware = getattr(unit, "tz", None) is not None
    return pa.scalar(moment.to_pydatetime() if aware else moment.tz_convert("UTC").tz_localize(None).to_pydatetime(), unit)
