"""Gaps in rows of quotes filled from what else the replies hold, each with a note.

Marks that no payload gives come from vol and forward, or from the middle of bid and ask; forwards from put-call parity of
the marks, or from the venue's future; the index from prices of the same venue. Sizes in contracts need the contract's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from hedgeopt.files.counted import many
from hedgeopt.inputs.payloads.form import Findings

__all__ = ["fill_gaps", "number_in", "options_among"]

_SIZES = ("bid_size", "ask_size", "open_interest", "volume")


def fill_gaps(rows: list[dict[str, Any]], found: Findings) -> None:
    """Index, forward, mark and multiplier of every row, in place; options without a forward are left out."""
    _fill_index(rows, found)
    _fill_forwards(rows, found)
    _fill_marks(rows, found)
    _sizes(rows, found)


def options_among(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The options."""
    return [row for row in rows if row["kind"] == "option"]


def number_in(row: dict[str, Any], name: str) -> float:
    """A column of a row; NaN where it has none."""
    return float(row.get(name, math.nan))


def _fill_index(rows: list[dict[str, Any]], found: Findings) -> None:
    for row in rows:
        price = found.prices.get((row["venue"], row["underlying"]))
        if math.isnan(number_in(row, "index")) and price is not None:
            row["index"] = price


def _fill_forwards(rows: list[dict[str, Any]], found: Findings) -> None:
    """Forwards of options without one, by expiry: parity of marks, the other options', the venue's future."""
    missing = [row for row in options_among(rows) if not number_in(row, "forward") > 0]
    if not missing:
        return
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in options_among(rows):
        groups.setdefault((row["venue"], row["underlying"], row["settlement"], row["expiry"]), []).append(row)
    futures = {(r["venue"], r["underlying"], r["expiry"]): number_in(r, "mark") for r in rows if r["kind"] == "future"}
    from_parity, from_future = 0, 0
    for key in {(r["venue"], r["underlying"], r["settlement"], r["expiry"]): None for r in missing}:
        group = groups[key]
        known = [number_in(row, "forward") for row in group if number_in(row, "forward") > 0]
        forward = float(np.median(known)) if known else _parity(group)
        if not known and forward > 0:
            from_parity += 1
        if not forward > 0 and futures.get((key[0], key[1], key[3]), math.nan) > 0:
            forward, from_future = futures[key[0], key[1], key[3]], from_future + 1
        for row in group:
            if not number_in(row, "forward") > 0:
                if forward > 0:
                    row["forward"] = forward
                else:
                    found.skip("options without a forward: no call and put of one strike, and no future", row["instrument"])
    if from_parity:
        found.notes.append(f"forwards of {many(from_parity, 'expiry', 'expiries')} follow from put-call parity of the marks")
    if from_future:
        found.notes.append(f"forwards of {many(from_future, 'expiry', 'expiries')} are the marks of the venue's futures")
    rows[:] = [row for row in rows if row["kind"] != "option" or number_in(row, "forward") > 0]


def _parity(group: list[dict[str, Any]]) -> float:
    marks: dict[float, dict[str, float]] = {}
    for row in group:
        if number_in(row, "mark") > 0:
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
        if not math.isnan(number_in(row, "mark")):
            continue
        vol, forward = number_in(row, "iv"), number_in(row, "forward")
        if row["kind"] == "option" and vol > 0 and forward > 0:
            years = (row["expiry"] - row["timestamp"]).total_seconds() / (365 * 86_400.0)
            call = np.array([row["right"] == "call"])
            terms = [np.array([x]) for x in (forward, row["strike"], years, vol)]
            worth = float(price(terms[0], terms[1], terms[2], terms[3], call)[0])
            row["mark"] = worth / forward if row["underlying"] == row["settlement"] else worth
            priced += 1
        elif number_in(row, "bid") > 0 and number_in(row, "ask") > 0:
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
        if math.isnan(number_in(row, "multiplier")):
            if not row["_contracts"]:
                row["multiplier"] = 1.0
            elif any(not math.isnan(number_in(row, name)) for name in _SIZES):
                lost.append(row["instrument"])
                for name in _SIZES:
                    row.pop(name, None)
    if lost:
        found.notes.append(
            f"sizes of {many(len(lost), 'instrument')} are contracts of unknown "
            "size and are left out: give the venue's list of "
            f"instruments too ({', '.join(lost[:3])}{', …' if len(lost) > 3 else ''})"
        )
