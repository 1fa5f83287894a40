"""Rows of several payloads joined to one quote per instrument: the neutral table.

Marks that no payload gives come from vol and forward, or from the middle of bid and ask; forwards from put-call parity of
the marks, or from the venue's future. Replies more than five minutes apart are refused; single rows that old are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.inputs.payloads.form import Findings
from hedgeopt.inputs.payloads.nameless import name_the_nameless
from hedgeopt.inputs.quotes import QUOTE_COLUMNS, QUOTE_TABLE
from hedgeopt.venues.known import parser

__all__ = ["quotes_of"]

_NUMBERS = tuple(column.name for column in QUOTE_TABLE if column.type == "number")
_SIZES = ("bid_size", "ask_size", "open_interest", "volume")
_DELTA = 0.03
_ROUNDED = 0.01
"""Marks of one instrument at one moment this close are one mark."""
_COMPARED = ("bid", "ask", "mark", "iv", "forward", "index")


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
    _fill_index(kept, found)
    _fill_forwards(kept, found)
    _fill_marks(kept, found)
    _sizes(kept, found)
    _check_deltas(kept, found, source)
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
    apart = _Apart()
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


class _Apart:
    """Prices and vols that two files give of the same instruments, to be refused where most are many times apart."""

    def __init__(self) -> None:
        self.last: dict[tuple[Any, ...], tuple[float, str, datetime | None]] = {}
        self.ratios: dict[tuple[str, str, str], list[tuple[float, str]]] = {}

    def add(self, key: tuple[str, str], name: str, value: float, file: str, moment: datetime | None) -> None:
        """One value of one file."""
        if name not in _COMPARED or not value > 0:
            return
        before, other, when = self.last.get((key, name), (value, file, moment))
        if other == file and abs(value / before - 1.0) > _ROUNDED and name == "mark" and when == moment:
            raise InputError(
                f"gives {key[1]} the marks {before:g} and {value:g} at one moment",
                file=file,
                field="mark",
                fix="keep one of the rows",
            )
        self.last[key, name] = value, file, moment
        if other != file:
            self.ratios.setdefault((name, file, other), []).append((value / before, key[1]))

    def refuse(self) -> None:
        """Raise where most instruments that two files both give are apart by a factor of ten or more."""
        for (name, file, other), found in self.ratios.items():
            far = [(ratio, instrument) for ratio, instrument in found if abs(math.log(ratio)) >= math.log(9.9)]
            if 2 * len(far) > len(found):
                ratio, instrument = far[0]
                raise InputError(
                    f"is {ratio:.4g} × that of {other} in {len(far)} of {many(len(found), 'instrument')} ({instrument})",
                    file=file,
                    field=name,
                    fix="one of the files is in another unit, or of another moment",
                )


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
        row.update(multiplier=spec.multiplier, tick=spec.tick, lot=spec.lot, min_size=spec.min_size)
        if spec.expiry is not None and expiry is not None and spec.expiry != expiry:
            found.notes.append(
                f"{row['instrument']}: the venue's list gives expiry {spec.expiry.isoformat()}, "
                f"the name {expiry.isoformat()}, which is taken"
            )
    return True


def _options(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["kind"] == "option"]


def _get(row: dict[str, Any], name: str) -> float:
    return float(row.get(name, math.nan))


def _fill_index(rows: list[dict[str, Any]], found: Findings) -> None:
    for row in rows:
        price = found.prices.get((row["venue"], row["underlying"]))
        if math.isnan(_get(row, "index")) and price is not None:
            row["index"] = price


def _fill_forwards(rows: list[dict[str, Any]], found: Findings) -> None:
    """Forwards of options without one, by expiry: parity of marks, the other options', the venue's future."""
    missing = [row for row in _options(rows) if not _get(row, "forward") > 0]
    if not missing:
        return
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in _options(rows):
        groups.setdefault((row["venue"], row["underlying"], row["settlement"], row["expiry"]), []).append(row)
    futures = {(r["venue"], r["underlying"], r["expiry"]): _get(r, "mark") for r in rows if r["kind"] == "future"}
    from_parity, from_future = 0, 0
    for key in {(r["venue"], r["underlying"], r["settlement"], r["expiry"]): None for r in missing}:
        group = groups[key]
        known = [_get(row, "forward") for row in group if _get(row, "forward") > 0]
        forward = float(np.median(known)) if known else _parity(group)
        if not known and forward > 0:
            from_parity += 1
        if not forward > 0 and futures.get((key[0], key[1], key[3]), math.nan) > 0:
            forward, from_future = futures[key[0], key[1], key[3]], from_future + 1
        for row in group:
            if not _get(row, "forward") > 0:
                if forward > 0:
                    row["forward"] = forward
                else:
                    found.skip("options without a forward: no call and put of one strike, and no future", row["instrument"])
    if from_parity:
        found.notes.append(f"forwards of {many(from_parity, 'expiry', 'expiries')} follow from put-call parity of the marks")
    if from_future:
        found.notes.append(f"forwards of {many(from_future, 'expiry', 'expiries')} are the marks of the venue's futures")
    rows[:] = [row for row in rows if row["kind"] != "option" or _get(row, "forward") > 0]


def _parity(group: list[dict[str, Any]]) -> float:
    marks: dict[float, dict[str, float]] = {}
    for row in group:
        if _get(row, "mark") > 0:
            marks.setdefault(row["strike"], {})[row["right"]] = row["mark"]
    inverse = group[0]["underlying"] == group[0]["settlement"]
    found = []
    for strike, pair in marks.items():
        if len(pair) == 2:
            gap = pair["call"] - pair["put"]
            found.append((strike / (1.0 - gap) if gap < 1 else math.nan) if inverse else strike + gap)
    return float(np.nanmedian(found)) if found else math.nan


def _fill_marks(rows: list[dict[str, Any]], found: Findings) -> None:
    from hedgeopt.models.pricing.black76 import black76_price as price

    priced, middle = 0, 0
    for row in rows:
        if not math.isnan(_get(row, "mark")):
            continue
        vol, forward = _get(row, "iv"), _get(row, "forward")
        if row["kind"] == "option" and vol > 0 and forward > 0:
            years = (row["expiry"] - row["timestamp"]).total_seconds() / (365 * 86_400.0)
            call = np.array([row["right"] == "call"])
            terms = [np.array([x]) for x in (forward, row["strike"], years, vol)]
            worth = float(price(terms[0], terms[1], terms[2], terms[3], call)[0])
            row["mark"] = worth / forward if row["underlying"] == row["settlement"] else worth
            priced += 1
        elif _get(row, "bid") > 0 and _get(row, "ask") > 0:
            row["mark"] = 0.5 * (row["bid"] + row["ask"])
            middle += 1
    if priced:
        found.notes.append(
            f"marks of {many(priced, 'option')} follow from the venue's vol and forward: it gave no mark prices"
        )
    if middle:
        found.notes.append(f"marks of {many(middle, 'instrument')} are the middle of bid and ask: the venue gave none")


def _sizes(rows: list[dict[str, Any]], found: Findings) -> None:
    """Sizes in contracts need their contract's size; without it they are left empty."""
    lost = []
    for row in rows:
        if math.isnan(_get(row, "multiplier")):
            if not row["_contracts"]:
                row["multiplier"] = 1.0
            elif any(not math.isnan(_get(row, name)) for name in _SIZES):
                lost.append(row["instrument"])
                for name in _SIZES:
                    row.pop(name, None)
    if lost:
        found.notes.append(
            f"sizes of {many(len(lost), 'instrument')} are contracts of unknown "
            "size and are left out: give the venue's list of "
            f"instruments too ({', '.join(lost[:3])}{', …' if len(lost) > 3 else ''})"
        )


def _check_deltas(rows: list[dict[str, Any]], found: Findings, source: str) -> None:
    """The venue's deltas against ours, ``N(d1)`` of its vol and forward (an inverse option's may be net of its premium)."""
    from hedgeopt.models.pricing.black76 import greeks

    mine = [r for r in _options(rows) if not math.isnan(_get(r, "delta")) and _get(r, "iv") > 0 and _get(r, "forward") > 0]
    if not mine:
        return
    forward, strike, vol, theirs, mark = (
        np.array([_get(r, n) for r in mine]) for n in ("forward", "strike", "iv", "delta", "mark")
    )
    years = np.array([(r["expiry"] - r["timestamp"]).total_seconds() / (365 * 86_400.0) for r in mine])
    call = np.array([r["right"] == "call" for r in mine])
    inverse = np.array([r["underlying"] == r["settlement"] for r in mine])
    ours = greeks(forward, strike, years, vol, call).delta
    net = np.where(inverse & np.isfinite(mark), ours - mark, ours)
    _refuse_deltas([row["instrument"] for row in mine], ours, theirs, source)
    gap = np.minimum(np.abs(ours - theirs), np.abs(net - theirs))
    worst = int(np.argmax(gap))
    word = "agree with" if gap[worst] <= _DELTA else "differ from"
    found.notes.append(
        f"deltas of {many(len(mine), 'option')} {word} the venue's: at most "
        f"{gap[worst]:.4f} apart ({mine[worst]['instrument']}: "
        f"ours {ours[worst]:.4f}, theirs {theirs[worst]:.4f}; tolerance {_DELTA})"
    )


def _refuse_deltas(names: list[str], ours: np.ndarray, theirs: np.ndarray, source: str) -> None:
    """Deltas of the other sign, or above 1, in most options that tell."""
    for telling, bad, problem, fix in (
        (np.abs(ours) > _DELTA, ours * theirs < 0, "has the other sign", "calls are positive, puts negative, per coin held"),
        (np.abs(ours) > _DELTA, np.abs(theirs) > 1.5, "is above 1", "give it per coin: 0.5, not 50 per cent"),
    ):
        at = np.flatnonzero(telling & bad)
        if len(at) and 2 * len(at) > telling.sum():
            raise InputError(
                f"{problem} in {len(at)} of {many(int(telling.sum()), 'option')} ({names[at[0]]}: ours {ours[at[0]]:.4f})",
                file=source,
                field="delta",
                value=float(theirs[at[0]]),
                fix=fix,
            )
