"""One moment of a file: of each instrument the last row that was known then, and a count of what was left out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many

__all__ = ["one_moment"]

_SAME = pd.Timedelta(seconds=1)
"""Rows of a file without ``at`` that lie within this belong to one moment, even where an instrument repeats."""


def one_moment(
    path: Path, frame: pd.DataFrame, at: pd.Timestamp | None, window: pd.Timedelta, notes: list[str]
) -> pd.DataFrame:
    """Rows of ``frame`` (typed) to use: at most one per instrument and stamp is in it.

    With ``at``: the last row of each instrument not after it and at most ``window`` older than the latest of those rows.
    Without: the whole file, where no instrument has rows of several moments, or all lie within a second.

    Raises
    ------
    InputError
        Where the file holds nothing at or before ``at``, or several moments and no choice.
    """
    stamp = frame["timestamp"]
    first, last = stamp.min(), stamp.max()
    if at is None:
        moments = frame.groupby("instrument_name", observed=True)["timestamp"].nunique()
        if (moments <= 1).all():
            return frame
        if last - first > _SAME:
            span = f"{first.isoformat()} to {last.isoformat()}"
            raise InputError(f"holds {stamp.nunique()} snapshots ({span})", file=path, fix="choose one with at=... or --at")
        at = last
    known = frame[stamp <= at]
    if known.empty:
        raise InputError(f"holds no snapshot at or before {at.isoformat()}", file=path, fix=f"the first is {first}")
    latest = known["timestamp"].max()
    recent = known[known["timestamp"] >= latest - window]
    newest = recent.groupby("instrument_name", observed=True)["timestamp"].transform("max")
    rows = recent[recent["timestamp"] == newest]  # a row given twice at one stamp is kept here and refused later
    alive = rows["expiry"].isna() | (rows["expiry"] > latest) | (rows["expiry"] <= rows["timestamp"])
    rows = rows[alive]
    _count(path, frame, known, recent, rows, at, latest, window, notes)
    return rows


def _count(
    path: Path, frame: pd.DataFrame, known: pd.DataFrame, recent: pd.DataFrame, rows: pd.DataFrame, at: pd.Timestamp,
    latest: pd.Timestamp, window: pd.Timedelta, notes: list[str],
) -> None:  # fmt: skip
    """Notes: rows left out, live instruments lost with them, and how long before ``at`` the latest row is."""
    seconds = window.total_seconds()
    if at - latest > window:
        notes.append(f"{path.name}: the latest row is {(at - latest).total_seconds():,.0f} s before {at.isoformat()}")
    if len(rows) == len(frame):
        return
    older, later, replaced = len(known) - len(recent), len(frame) - len(known), len(recent) - len(rows)
    parts = (
        (older, f"more than {seconds:,.0f} s older than the latest"),
        (later, f"after {at.isoformat()}"),
        (replaced, "replaced by a later one, or expired since"),
    )
    said = ", ".join(f"{count:,} {why}" for count, why in parts if count)
    notes.append(
        f"{path.name}: {len(rows):,} of {many(len(frame), 'row')} {'is' if len(rows) == 1 else 'are'} used; left out: {said}"
    )
    lost = known[~known["instrument_name"].isin(recent["instrument_name"])]
    lost = lost[lost["expiry"].isna() | (lost["expiry"] > latest)].drop_duplicates("instrument_name", keep="last")
    if len(lost):
        names = ", ".join(lost["instrument_name"].astype(str).iloc[:3]) + (", …" if len(lost) > 3 else "")
        notes.append(
            f"{many(len(lost), 'instrument has', 'instruments have')} no row within {seconds:,.0f} s "
            f"of the latest and {'is' if len(lost) == 1 else 'are'} left out: {names}"
        )
