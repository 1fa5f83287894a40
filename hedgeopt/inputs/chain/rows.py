"""Rows of a chain to a :class:`~hedgeopt.inputs.market.Market`; a row that cannot be trusted is set aside or refused."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.files.faults import validation_line
from hedgeopt.files.names import advice
from hedgeopt.inputs.chain.checks import check_quotes
from hedgeopt.inputs.chain.set_aside import SetAside, refuse
from hedgeopt.inputs.columns import COLUMNS, MORE_FIELDS, QUOTE_FIELDS
from hedgeopt.inputs.market import Market
from hedgeopt.models.data import venues
from hedgeopt.models.pricing.families import FAMILIES, quoted_kinds
from hedgeopt.venues.known import PARSERS, increments, parser

__all__ = ["market_from_rows", "refuse"]

_RIGHTS = {"c": "call", "p": "put", "call": "call", "put": "put"}
_GIVEN = ("strike", "expiry")


def market_from_rows(
    rows: pd.DataFrame,
    prices: dict[str, float],
    source: str,
    notes: tuple[str, ...],
    left: dict[str, str] | None = None,
    *,
    stated: Collection[str] = (),
    invert: bool,
) -> Market:
    """Check typed rows with their venues, and name their instruments; ``invert`` fills in vols.

    ``prices`` of assets are kept where a row that counts is about the asset or ``stated`` names it. ``left`` holds the
    reasons of rows that were set aside already, by ``venue:name``.
    """
    said, gone = [*notes], {} if left is None else left
    rows = _once(rows, source, said)
    stamp = rows["timestamp"].max()
    aside = SetAside(source, rows)
    for column in (c.name for c in COLUMNS if c.type == "number" and not c.signed):
        if column in rows:
            aside.where(rows[column] < 0, column, "is negative")
    aside.where(rows["mark_price"].isna(), "mark_price", "is missing", "every instrument needs a mark")
    rows["bid_price"] = rows["bid_price"].where(rows["bid_price"] > 0)
    rows["ask_price"] = rows["ask_price"].where(rows["ask_price"] > 0)
    crossed = rows["bid_price"] > rows["ask_price"]
    aside.where(crossed, "bid_price", "lies above its ask_price (crossed quote)", "drop the row")
    items = _items(rows, source, aside)
    is_option = np.array([item is not None and item.nature.option for item in items], bool)
    over = np.array([getattr(item, "expiry", None) is not None and item.expiry <= stamp for item in items], bool)
    for at in np.flatnonzero(over).tolist():
        only = np.zeros(len(rows), bool)
        only[at] = True
        aside.where(only, "expiry", f"had passed at the snapshot of {stamp.isoformat()}: it is expired", "drop the row")
    for column in ("underlying_price",) if invert else ("mark_iv", "underlying_price"):
        bad = is_option & ~(rows[column] > 0).to_numpy()
        aside.where(bad, column, "must be positive for an option", FIX[column])
    kept = np.ones(len(rows), bool)
    kept[list(aside.why)] = False
    unread = set(rows["currency"].dropna())
    rows = aside.kept(said, gone)
    said += _least_orders(rows, [item for item, keep in zip(items, kept, strict=True) if keep])
    unread -= set(rows["currency"].dropna())  # a name that only set aside rows have is no asset
    prices = {asset: price for asset, price in prices.items() if asset in stated or asset not in unread}
    instruments = {item.id: item for item, keep in zip(items, kept, strict=True) if keep}
    quotes = rows[[*QUOTE_FIELDS, *(name for name in MORE_FIELDS if name in rows)]].set_axis(list(instruments), axis=0)
    checked = check_quotes(quotes, instruments, prices, stamp.to_pydatetime(), source, invert=invert)
    return Market(
        stamp.to_pydatetime(), prices, instruments, quotes, source, (*said, *checked.notes), checked.doubtful, gone
    )


def _least_orders(rows: pd.DataFrame, items: list[Any]) -> list[str]:
    """A note where the smallest order of a file is below the lot, which then counts."""
    if "min_size" not in rows:
        return []
    lots = rows["lot"].to_numpy(float) if "lot" in rows else np.full(len(rows), np.nan)
    found = []
    for item, lot, least in zip(items, lots, rows["min_size"].to_numpy(float), strict=True):
        if least > 0:
            step = lot if lot > 0 else increments(item).lot
            if least < step * (1.0 - 1e-9):
                found.append(f"{item.name}: {least:g}, a lot is {step:g}")
    if not found:
        return []
    some = "; ".join(found[:3]) + ("; …" if len(found) > 3 else "")
    one = len(found) == 1
    return [f"min_size of {len(found)} instrument{' is' if one else 's is'} below the lot, which counts instead ({some})"]


def _once(rows: pd.DataFrame, source: str, notes: list[str]) -> pd.DataFrame:
    """Without rows that repeat another to the digit; two different ones of an instrument are refused."""
    key = ["venue", "instrument_name"]
    twice = rows.duplicated(key)
    if not twice.any():
        return rows.copy()
    same = rows.duplicated()
    refuse(source, rows, twice & ~same, "instrument_name", "appears more than once with different values", "keep one row")
    names = ", ".join(rows.loc[same, "instrument_name"].astype(str).iloc[:3])
    notes.append(
        f"{many(int(same.sum()), 'row that repeats another to the digit is', 'rows that repeat another to the digit are')} "
        f"left out ({names})"
    )
    return rows[~same].copy()


def _items(rows: pd.DataFrame, source: str, aside: SetAside) -> list[Any]:
    """The instrument of each row, None for rows set aside; terms beside the name must say the same."""
    readers = {venue: _reader(str(venue)) for venue in dict.fromkeys(rows["venue"])}
    found: list[Any] = []
    faults: list[InputError] = []
    bad: dict[int, InputError] = {}
    for at, row in enumerate(rows.itertuples(index=False)):
        try:
            item = readers[row.venue](row)
            _agrees(item, row)
        except InputError as error:
            bad[at], item = error.at(source), None
            faults.append(bad[at])
        found.append(item)
    if bad and len(bad) > 0.05 * len(rows):
        raise faults[0]
    for at, fault in bad.items():
        only = np.zeros(len(rows), bool)
        only[at] = True
        aside.where(only, fault.field or "instrument_name", fault.problem, fault.fix)
    return found


def _reader(venue: str) -> Callable[[Any], Any]:
    """Reads the instrument of a row: from its name, or from its terms where the venue's names are not known."""
    if venue not in venues() and venue not in PARSERS:
        return lambda row: _from_terms(row, venue)
    parse = parser(venue)

    def read(row: Any) -> Any:
        name = str(row.instrument_name)
        try:
            return parse(name)
        except InputError:
            if name != name.lower() or name == name.upper():
                raise
            return parse(name.upper())

    return read


def _from_terms(row: Any, venue: str) -> Any:
    kind = row.kind if "kind" in row._fields else None
    if not isinstance(kind, str):
        parser(venue)  # refuses the venue
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise InputError(
            "unknown venue, and the row does not give the instrument's kind",
            field="venue",
            value=venue,
            fix=f"{advice(venue, venues())}; or fill in kind ({', '.join(quoted_kinds())}), underlying and settlement",
        )
    fields: dict[str, Any] = {"name": str(row.instrument_name), "venue": venue}
    known = FAMILIES[kind].instrument.model_fields
    terms = {
        "underlying": row.currency, "asset": row.currency, "settlement": row.settlement, "strike": row.strike,
        "expiry": None if pd.isna(row.expiry) else row.expiry.to_pydatetime(), "right": _right(row.option_type),
    }  # fmt: skip
    fields |= {key: value for key, value in terms.items() if key in known and not (value is None or value != value)}
    try:
        return FAMILIES[kind].instrument(**fields)
    except ValidationError as error:
        line = validation_line(error, None)
        fix = f"a row of a venue without a table needs every term of a {kind}"
        raise InputError(
            f"{line.field}: {line.problem}", field="instrument_name", value=row.instrument_name, fix=fix
        ) from None


def _right(text: Any) -> str | None:
    return _RIGHTS.get(text.strip().lower(), text) if isinstance(text, str) else None


def _agrees(item: Any, row: Any) -> None:
    """The name and the columns beside it must describe the same instrument; an empty column says nothing."""
    base = getattr(item, "underlying", getattr(item, "asset", None))
    given = row.currency
    if isinstance(given, str) and given.upper() != str(base).upper():
        raise InputError(f"unknown currency for {item.name}", field="currency", value=given, fix=f"the name says {base}")
    settles = getattr(row, "settlement", None)
    if isinstance(settles, str) and item.nature.derivative and settles.upper() != item.settlement.upper():
        fix = f"at {item.venue} the name means settlement in {item.settlement}: is the venue right?"
        raise InputError(f"contradicts the name {item.name}", field="settlement", value=settles, fix=fix)
    expiry = getattr(item, "expiry", None)
    if expiry is not None and not pd.isna(row.expiry) and row.expiry != expiry:
        raise InputError(
            f"contradicts the name {item.name}",
            field="expiry",
            value=row.expiry.isoformat(),
            fix=f"the name says {expiry.isoformat()}",
        )
    if not item.nature.option:
        return
    right = _right(row.option_type)
    if right is not None and right != item.right:
        raise InputError(f"contradicts the name {item.name}", field="option_type", value=row.option_type)
    if not pd.isna(row.strike) and abs(row.strike - item.strike) > 1e-6 * item.strike:
        raise InputError(f"contradicts the name {item.name}", field="strike", value=row.strike)


# The fix for an option without one of these.
FIX = {
    "mark_iv": "fill it in, drop the row, or let --invert-marks find it",
    "underlying_price": "fill in the forward of the expiry or drop the row",
}
