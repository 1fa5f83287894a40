"""Doubts about quotes that several replies give: two values of one thing, and deltas that are not ours."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.inputs.payloads.form import Findings
from hedgeopt.inputs.payloads.gaps import number_in, options_among

__all__ = ["Apart", "check_deltas"]

_DELTA = 0.03
_ROUNDED = 0.01
"""Marks of one instrument at one moment this close are one mark."""
_COMPARED = ("bid", "ask", "mark", "iv", "forward", "index")


class Apart:
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


def check_deltas(rows: list[dict[str, Any]], found: Findings, source: str) -> None:
    """The venue's deltas against ours, ``N(d1)`` of its vol and forward (an inverse option's may be net of its premium)."""
    from hedgeopt.models.pricing.black76 import greeks

    mine = [
        r
        for r in options_among(rows)
        if not math.isnan(number_in(r, "delta")) and number_in(r, "iv") > 0 and number_in(r, "forward") > 0
    ]
    if not mine:
        return
    forward, strike, vol, theirs, mark = (
        np.array([number_in(r, n) for r in mine]) for n in ("forward", "strike", "iv", "delta", "mark")
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
