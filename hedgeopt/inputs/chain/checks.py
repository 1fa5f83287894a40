"""The options of one snapshot, checked against themselves: units, forwards, vols, marks and quotes must agree.

One rule values an option: **the mark**. Where vol and forward reprice to it but for rounding, they are kept as
given. Where they do not, the vol is read from the mark at the forward of the expiry (where the mark implies one), and a note
counts it; far from the mark the option is no hedge either. A column that is wrong in most rows is refused:
:mod:`hedgeopt.inputs.chain.units`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.files.counted import many
from hedgeopt.inputs.chain.marks_to_vols import fill_vols
from hedgeopt.inputs.chain.parity import forwards_from_marks
from hedgeopt.inputs.chain.quote_checks import (
    check_funding,
    check_interest,
    check_linear_marks,
    far_linear_quotes,
    question_forwards,
    refuse_quotes_in_other_units,
    too_good,
)
from hedgeopt.inputs.chain.repricing import NOTHING, OptionRows, disagree, option_rows
from hedgeopt.inputs.chain.units import refuse_wrong_units
from hedgeopt.inputs.columns import PRICED

__all__ = ["Checked", "check_quotes"]

_STRAY = 0.01
"""An option's forward this far from the median of its expiry is not a forward of it (recorded chains: at most 0.4 %)."""
_ROUNDED = 1e-4, 5e-3
"""A vol that reprices to within this share of the forward and this part of the price is kept: marks are rounded to a tick.
Over the recorded snapshots no mark lies further away."""
_LAST_HOUR = 1.0 / 8_760.0


@dataclass
class Checked:
    """Findings of the checks: notes, and by instrument id the reason it may not be chosen as a hedge."""

    notes: list[str] = field(default_factory=list)
    doubtful: dict[str, str] = field(default_factory=dict)

    def doubt(self, ids: Sequence[str], why: str) -> None:
        """Mark instruments that carry no other doubt yet."""
        for key in ids:
            self.doubtful.setdefault(key, why)


def check_quotes(
    quotes: pd.DataFrame,
    instruments: Mapping[str, Any],
    index: Mapping[str, float],
    now: datetime,
    source: str,
    *,
    parity: bool = True,
    invert: bool = False,
    against_index: bool = True,
) -> Checked:
    """Check one snapshot; ``mark_iv`` and ``underlying_price`` of ``quotes`` are mended in place where the rules require it.

    Parameters
    ----------
    quotes
        Rows by instrument id with the columns of :data:`~hedgeopt.inputs.columns.QUOTE_FIELDS`.
    index
        USD price of each underlying.
    parity
        Take forwards from put-call parity of the marks where those lie elsewhere.
    invert
        Fill in vols that are missing from the marks.
    against_index
        Refuse forwards, perpetuals and futures that are not of their coin's index.

    Raises
    ------
    InputError
        Where a column is in another unit or another coin's; one line.
    """
    found = Checked()
    items = list(instruments.values())
    option = np.array([item.nature.option for item in items], bool)
    columns = {name: quotes[name].to_numpy(float, copy=True) for name in (*PRICED, "funding_8h")}
    _linear(items, option, columns, index if against_index else {}, now, source, found)
    if option.any():
        at = np.flatnonzero(option)
        chosen = [items[i] for i in at.tolist()]
        rows = option_rows(chosen, {name: columns[name][at] for name in PRICED}, index, now)
        refuse_wrong_units(rows, source, against_index=against_index)
        if "interest_rate" in quotes:
            found.notes += check_interest(chosen, quotes["interest_rate"].to_numpy(float)[at], source)
        refuse_quotes_in_other_units(rows, source)
        found.notes += question_forwards(rows) if against_index else []
        rows = _one_forward(rows, chosen, found)
        if parity:
            rows = _parity(rows, chosen, found)
        rows = _vols(rows, chosen, found, invert=invert)
        columns["mark_iv"][at], columns["underlying_price"][at] = rows.vol, rows.forward
        for name in ("mark_iv", "underlying_price"):
            quotes[name] = columns[name]
    good = too_good(items, *(columns[name] for name in ("mark_price", "bid_price", "ask_price", "underlying_price")))
    _say(found, [items[i] for i in np.flatnonzero(good)], "quoted beyond their mark (ask below it or bid above it)")
    locked = columns["bid_price"] == columns["ask_price"]
    _say(found, [items[i] for i in np.flatnonzero(locked)], "quoted with the bid at the ask")
    return found


def _linear(
    items: list[Any], option: np.ndarray, columns: dict[str, np.ndarray], index: Mapping[str, float], now: datetime,
    source: str, found: Checked,
) -> None:  # fmt: skip
    at = np.flatnonzero(~option)
    if not len(at):
        return
    linear = [items[i] for i in at.tolist()]
    found.notes += check_linear_marks(linear, columns["mark_price"][at], index, now, source)
    mark, bid, ask = (columns[name][at] for name in ("mark_price", "bid_price", "ask_price"))
    stubs = far_linear_quotes(linear, mark, bid, ask, source)
    _say(found, [linear[i] for i in stubs], "quoted a factor of five or more from their mark on one side")
    found.notes += check_funding(linear, columns["funding_8h"][at], source)


def _one_forward(rows: OptionRows, items: list[Any], found: Checked) -> OptionRows:
    """A single option whose forward lies far from its expiry's takes the median of the expiry."""
    group, forward = rows.groups, rows.forward
    middle = pd.Series(forward).groupby(group).transform("median").to_numpy()
    stray = np.abs(forward / middle - 1.0) > _STRAY
    if not stray.any():
        return rows
    _say(found, [items[i] for i in np.flatnonzero(stray)], "with another forward than their expiry's, which they take")
    return rows.having(forward=np.where(stray, middle, forward))


def _parity(rows: OptionRows, items: list[Any], found: Checked) -> OptionRows:
    """Forwards that the marks imply; a note says how far they were from those recorded."""
    terms = pd.DataFrame(
        {
            "venue": rows.venue,
            "underlying": rows.coin,
            "inverse": rows.inverse,
            "expiry": rows.expiry,
            "strike": rows.strike,
            "right": np.where(rows.is_call, "call", "put"),
            "mark_price": rows.mark,
            "underlying_price": rows.forward,
        }
    )
    forwards, largest, changed = forwards_from_marks(terms)
    if changed == 0:
        return rows
    found.notes.append(
        f"forwards of {many(changed, 'expiry', 'expiries')} taken from put-call "
        f"parity of the marks, up to {1e4 * largest:.1f} bp away"
    )
    return rows.having(forward=forwards.to_numpy(float))


def _vols(rows: OptionRows, items: list[Any], found: Checked, *, invert: bool) -> OptionRows:
    """Vols from marks: where they are missing and ``invert`` allows it, and where a single row contradicts its mark."""
    missing = ~np.isfinite(rows.vol)
    priced = rows.repriced()
    wrong = ~missing & (rows.years > _LAST_HOUR) & disagree(rows.marked, np.where(missing, rows.marked, priced))
    off = np.abs(rows.marked - priced) > _ROUNDED[0] + _ROUNDED[1] * np.maximum(rows.marked, priced)
    loose = ~missing & ~wrong & (rows.years > _LAST_HOUR) & off
    asked = wrong | loose | (missing & invert)
    if not asked.any():
        return rows
    filled = fill_vols(rows, asked, wrong | loose)
    read = loose & ~filled.lent
    if read.any():
        found.notes.append(
            f"vols of {many(int(read.sum()), 'option')} are read from their marks, which lie up to "
            f"{float(np.max(np.abs(rows.marked - priced)[read])):.2%} of the forward from what the given vols imply"
        )
    if wrong.any():
        _say(
            found,
            [items[i] for i in np.flatnonzero(wrong)],
            "whose mark is not what vol and forward imply: valued by the mark",
        )
    if invert and missing.any():
        found.notes.append(f"implied vol of {many(int((missing & filled.own).sum()), 'option')} is taken from their marks")
    lent = filled.lent & missing
    if lent.any():
        below = lent & (rows.marked < rows.intrinsic) & (rows.intrinsic > NOTHING)
        _say(
            found,
            [items[i] for i in np.flatnonzero(lent)],
            f"whose marks imply no vol ({int(below.sum())} below intrinsic value), so they take the nearest strike's",
        )
    # a mark that carries no vol (0, or at intrinsic value) leaves the given one for Greeks and for how the option moves
    return rows.having(vol=np.where(loose & filled.lent, rows.vol, filled.vol))


def _say(found: Checked, items: list[Any], what: str) -> None:
    """A note that counts and names, and a doubt on each."""
    if not items:
        return
    names = ", ".join(item.name for item in items[:3]) + (", …" if len(items) > 3 else "")
    noun = "instrument is" if len(items) == 1 else "instruments are"
    found.notes.append(f"{len(items)} {noun} not offered as hedges: {what} ({names})")
    found.doubt([item.id for item in items], what)
