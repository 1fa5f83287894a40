"""Rows of several payloads joined to one quote per instrument: the neutral table.

What no payload gives is filled in from the others (:mod:`.gaps`). Replies more than five minutes apart are refused; single
rows that old are left out.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.inputs.columns import SIZES
from hedgeopt.inputs.payloads.doubts import Apart, check_deltas
from hedgeopt.inputs.payloads.form import Findings
from hedgeopt.inputs.payloads.gaps import fill_gaps
from hedgeopt.inputs.payloads.nameless import name_the_nameless
from hedgeopt.inputs.quotes import QUOTE_COLUMNS, QUOTE_TABLE
from hedgeopt.venues.known import parser

__all__ = ["quotes_of"]

_SIZES = ("multiplier", *(name for name in SIZES if name not in ("bid_size", "ask_size", "contract_size")))
_NUMBERS = tuple(column.name for column in QUOTE_TABLE if column.type == "number")


def quotes_of(found: Findings, source: str) -> pd.DataFrame:
    """The neutral table of everything quoted; notes are added to ``found``.

    Raises
    ------
    InputError
        For replies that are not of one moment, and for an option whose venue gives no forward and no way to one.
    """
    name_the_nameless(found)
    _one_moment(found, source)
    rows = _joined(found)
    kept = [row for row in rows if _named(row, found)]
    fill_gaps(kept, found)
    check_deltas(kept, found, source)
    for row in kept:
        if math.isnan(row.get("mark", math.nan)):
            found.skip("no mark, and none follows from vol and forward or from bid and ask", row["instrument"])
    kept = [row for row in kept if not math.isnan(row.get("mark", math.nan))]
    frame = pd.DataFrame([{name: row.get(name) for name in QUOTE_COLUMNS} for row in kept], columns=list(QUOTE_COLUMNS))
    for name in ("timestamp", "expiry"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    for name in _NUMBERS:
        frame[name] = frame[name].astype(float)
    return frame


def _one_moment(found: Findings, source: str) -> None:
    newest: dict[str, datetime] = {}
    for row in found.quotes:
        if row["timestamp"] is not None:
            key = row["_file"]
            newest[key] = max(newest.get(key, row["timestamp"]), row["timestamp"])
    if not newest:
        return
    early, late = min(newest, key=lambda k: newest[k]), max(newest, key=lambda k: newest[k])
    apart = newest[late] - newest[early]
    if apart > found.within:
        raise InputError(
            f"is {apart.total_seconds() / 60.0:,.1f} minutes older than {late} ({newest[late].isoformat()})",
            file=early,
            field="timestamp",
            value=newest[early].isoformat(),
            fix="one market is of one moment: give replies taken within five minutes of each other",
        )
    fresh: list[dict[str, Any]] = []
    stale: list[dict[str, Any]] = []
    last = max(newest.values())
    for row in found.quotes:
        old = row["timestamp"] is not None and last - row["timestamp"] > found.within
        (stale if old else fresh).append(row)
    for row in stale:
        found.skip("quoted more than five minutes before the latest", row["instrument"])
    found.quotes = fresh


def _joined(found: Findings) -> list[dict[str, Any]]:
    """One row per instrument: later rows fill and replace what earlier ones gave."""
    joined: dict[tuple[str, str], dict[str, Any]] = {}
    stamps = [row["timestamp"] for row in found.quotes if row["timestamp"] is not None]
    latest = max(stamps, default=None) or max((moment for moment, _ in found.times), default=None)
    order = sorted(found.quotes, key=lambda row: (row["timestamp"] is not None, row["timestamp"] or latest or 0))
    timeless = 0
    apart = Apart()
    for row in order:
        key = row["venue"], row["instrument"]
        one = joined.setdefault(key, {"venue": key[0], "instrument": key[1], "timestamp": None, "_contracts": False})
        for name, value in row.items():
            if isinstance(value, float) and not name.startswith("_") and not math.isnan(value):
                if name == "iv" and value in (-1.0, 0.0):
                    continue  # no vol, as Binance and Bybit write it
                apart.add(key, name, value, row["_file"], row["timestamp"])
                one[name] = value
        one["_contracts"] = one["_contracts"] or row["_contracts"]
        if row["timestamp"] is not None:
            one["timestamp"] = row["timestamp"] if one["timestamp"] is None else min(one["timestamp"], row["timestamp"])
    apart.refuse()
    for one in joined.values():
        if one["timestamp"] is None:
            one["timestamp"], timeless = latest, timeless + 1
    if timeless and latest is not None:
        found.notes.append(
            f"{many(timeless, 'quote carries no time of its own', 'quotes carry no time of their own')}: "
            "the latest of the replies is taken"
        )
    elif timeless:
        first = next(iter(joined.values()))
        raise InputError(
            "carries no time, and neither does any other reply",
            file=found.quotes[0]["_file"],
            field="timestamp",
            value=first["instrument"],
            fix="keep the venue's envelope (it holds the time), or give a reply of the same moment that carries one",
        )
    return list(joined.values())


def _named(row: dict[str, Any], found: Findings) -> bool:
    """Terms of the instrument from its name; False for what cannot be named or is over."""
    try:
        item = parser(row["venue"])(row["instrument"])
    except InputError:
        found.skip(f"{row['venue']}'s name is of no form that is known", row["instrument"])
        return False
    row["kind"], row["underlying"] = item.kind, getattr(item, "underlying", getattr(item, "asset", None))
    row["settlement"] = getattr(item, "settlement", None)
    row["_item"] = item
    expiry = getattr(item, "expiry", None)
    if expiry is not None:
        row["expiry"] = expiry
        if expiry <= row["timestamp"]:
            found.skip("expired at the moment of its quote", row["instrument"])
            return False
    if item.nature.option:
        row["strike"], row["right"] = item.strike, item.right
    spec = found.specs.get((row["venue"], row["instrument"]))
    if spec is not None:
        row.update({name: getattr(spec, name) for name in _SIZES})
        if spec.expiry is not None and expiry is not None and spec.expiry != expiry:
            found.notes.append(
                f"{row['instrument']}: the venue's list gives expiry {spec.expiry.isoformat()}, "
                f"the name {expiry.isoformat()}, which is taken"
            )
    return True
