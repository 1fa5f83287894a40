"""Rows of a recording that cannot be used: left out, and told as events; a bad row does not end a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.files.counted import many

__all__ = ["FAULT", "NO_INDEX", "Fault", "as_numbers", "events_of", "sound_rows"]

Fault = tuple[str, list[str]]
"""What is wrong, and the rows it is wrong with, by instrument (or the currency)."""

FAULT = "fault"
"""Column of a recording that was read whole: what was wrong with a row, or none."""

NO_INDEX = "no index price"
_MORE = ("index_price",)
_SHOWN = 3


def as_numbers(frame: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Number columns as floats and expiries as moments; a cell that is neither is empty, and its row says why."""
    fault = frame[FAULT].astype(object) if FAULT in frame else pd.Series(None, index=frame.index, dtype=object)
    for name in (*columns, *_MORE):
        if name in frame and frame[name].dtype.kind not in "fiu":
            truth = frame[name].map(lambda value: isinstance(value, bool))
            read = pd.to_numeric(frame[name].mask(truth), errors="coerce")
            fault = fault.mask((read.isna() & frame[name].notna()) & fault.isna(), f"{name} is not a number")
            frame[name] = read.astype(float)
    if frame["expiry"].dtype.kind != "M":
        moments = pd.to_datetime(frame["expiry"], errors="coerce", utc=True)
        fault = fault.mask((moments.isna() & frame["expiry"].notna()) & fault.isna(), "expiry is not a moment")
        frame["expiry"] = moments
    return frame.assign(**{FAULT: fault})


def sound_rows(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[Fault]]:
    """Rows of one snapshot without those that have a name no more or appear again, and what was wrong with the others.

    A row with a bad cell stays: what the cell says is unknown.
    """
    faults: list[Fault] = []
    nameless = rows["instrument_name"].isna() | rows["currency"].isna()
    if nameless.any():
        faults.append(("rows without a name or a currency", ["?"] * int(nameless.sum())))
        rows = rows[~nameless]
    twice = rows.duplicated(["instrument_name", "rank"])
    if twice.any():
        faults.append(("rows that appear again, of which the first counts", list(rows["instrument_name"][twice])))
    rows = rows[~twice].drop_duplicates("instrument_name")
    if FAULT in rows and rows[FAULT].notna().any():
        bad = rows[rows[FAULT].notna()]
        for what, names in bad.groupby(FAULT)["instrument_name"]:
            faults.append((str(what), [str(name) for name in names]))
    infinite = np.isinf(rows.select_dtypes("number")).any(axis=1)
    if infinite.any():
        faults.append(("numbers that are infinite", list(rows["instrument_name"][infinite])))
        rows = rows.replace([np.inf, -np.inf], np.nan)
    return rows, faults


def events_of(moment: datetime, faults: Sequence[Fault]) -> list[dict[str, Any]]:
    """An event per fault, with how many rows have it and the first of them."""
    found = []
    for what, names in faults:
        shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
        if what == NO_INDEX:
            message = f"no index price of {shown}: its rows are left out"
            found.append({"timestamp": moment, "kind": "missing_index", "currency": names[0], "message": message})
        else:
            message = f"{many(len(names), 'row')}: {what} ({shown})"
            found.append({"timestamp": moment, "kind": "bad_rows", "count": len(names), "message": message})
    return found
