"""Rows of a chain to a :class:`~hedgeopt.inputs.market.Market`; a row that cannot be trusted is refused in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.inputs.chain.checks import check_quotes
from hedgeopt.inputs.columns import COLUMNS, MORE_FIELDS, QUOTE_FIELDS
from hedgeopt.inputs.market import Market
from hedgeopt.venues.known import parser

__all__ = ["market_from_rows", "refuse"]


def market_from_rows(
    rows: pd.DataFrame, prices: dict[str, float], source: str, notes: tuple[str, ...], *, invert: bool
) -> Market:
    """Check typed rows with their venues, and name their instruments; ``invert`` fills in vols."""
    stamp = rows["timestamp"].max()
    twice = rows.duplicated(["venue", "instrument_name"])
    refuse(source, rows, twice, "instrument_name", "appears more than once", "keep one row")
    for column in (c.name for c in COLUMNS if c.type == "number" and not c.signed):
        refuse(source, rows, rows[column] < 0, column, "is negative")
    refuse(source, rows, rows["mark_price"].isna(), "mark_price", "is missing", "every instrument needs a mark")
    rows = rows.assign(
        bid_price=rows["bid_price"].where(rows["bid_price"] > 0),
        ask_price=rows["ask_price"].where(rows["ask_price"] > 0),
    )
    crossed = rows["bid_price"] > rows["ask_price"]
    refuse(source, rows, crossed, "bid_price", "lies above its ask_price (crossed quote)", "drop the row")

    instruments, parsers = {}, {venue: parser(venue) for venue in dict.fromkeys(rows["venue"])}
    is_option = np.zeros(len(rows), bool)
    for at, row in enumerate(rows.itertuples(index=False)):
        try:
            item = parsers[row.venue](str(row.instrument_name))
        except InputError as error:
            raise error.at(source) from None
        _agrees(item, row, source)
        is_option[at] = item.nature.option
        if getattr(item, "expiry", None) is not None and item.expiry <= stamp:
            raise InputError(
                f"{item.name} had expired at the snapshot of {stamp.isoformat()}",
                file=source,
                field="expiry",
                value=item.expiry.isoformat(),
                fix="drop the row",
            )
        instruments[item.id] = item
    for column in ("underlying_price",) if invert else ("mark_iv", "underlying_price"):
        bad = is_option & ~(rows[column] > 0).to_numpy()
        refuse(source, rows, pd.Series(bad, rows.index), column, "must be positive for an option", FIX[column])
    quotes = rows[[*QUOTE_FIELDS, *(name for name in MORE_FIELDS if name in rows)]].set_axis(list(instruments), axis=0)
    checked = check_quotes(quotes, instruments, prices, stamp.to_pydatetime(), source, invert=invert)
    found = (*notes, *checked.notes)
    return Market(stamp.to_pydatetime(), prices, instruments, quotes, source, found, checked.doubtful)


def _agrees(item: Any, row: Any, source: str) -> None:
    """The name and the columns beside it must describe the same instrument."""
    base = getattr(item, "underlying", getattr(item, "asset", None))
    if base != row.currency:
        raise InputError(
            f"unknown currency for {item.name}",
            file=source,
            field="currency",
            value=row.currency,
            fix=f"the name says {base}",
        )
    expiry = getattr(item, "expiry", None)
    if expiry is not None and not pd.isna(row.expiry) and row.expiry != expiry:
        raise InputError(
            f"contradicts the name {item.name}",
            file=source,
            field="expiry",
            value=row.expiry.isoformat(),
            fix=f"the name says {expiry.isoformat()}",
        )
    if not item.nature.option:
        return
    if row.option_type != item.right:
        raise InputError(
            f"contradicts the name {item.name}",
            file=source,
            field="option_type",
            value=row.option_type,
        )
    if abs(row.strike - item.strike) > 1e-6 * item.strike:
        raise InputError(f"contradicts the name {item.name}", file=source, field="strike", value=row.strike)


# The fix for an option without one of these.
FIX = {
    "mark_iv": "fill it in, drop the row, or let --invert-marks find it",
    "underlying_price": "fill in the forward of the expiry or drop the row",
}
_BY_PROBLEM = {
    "is not a number": "write it such as 0.0125, and nothing where there is none",
    "is not finite": "write it such as 0.0125, and nothing where there is none",
    "is negative": "mend its sign or drop the row",
    "is empty": "fill it in or drop the row",
    "is not a date and time of the years 2000 to 2200": "write 2026-02-05T21:29:37Z",
}


def refuse(source: object, rows: pd.DataFrame, bad: pd.Series, column: str, problem: str, fix: str | None = None) -> None:
    """Raise an InputError for the first row where ``bad`` holds, with a count of such rows."""
    bad = np.asarray(bad, bool)
    if not bad.any():
        return
    at = int(np.flatnonzero(bad)[0])
    name = rows["instrument_name"].iloc[at] if "instrument_name" in rows.columns else "?"
    count = int(bad.sum())
    more = f" (and {count - 1} more rows)" if count > 1 else ""
    value = rows[column].iloc[at]
    raise InputError(
        f"{problem} in the row of {name}{more}",
        file=source,
        field=column,
        value="nothing" if pd.isna(value) else value,
        fix=fix or _BY_PROBLEM.get(problem),
    )
