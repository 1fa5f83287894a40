"""A market with ladders: each compared to the market's own instrument, moment, unit and mark before it counts."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.files.given import Given
from hedgeopt.files.names import advice
from hedgeopt.inputs.depth.forms import Unit, read_ladders
from hedgeopt.models.costs.ladder import Ladder

if TYPE_CHECKING:
    from hedgeopt.inputs.market import Market

__all__ = ["with_depth"]

_FAR = {"option": 50.0, "other": 2.0}
"""How many times the mark a best price may be, or a share of it: beyond is another unit or instrument."""


def with_depth(market: Market, *files: Given, window_seconds: float = 60.0, venue: str | None = None) -> Market:
    """The market with the order books and pools of files.

    The best levels take the place of the market's bid and ask, and sizes that of its sizes; trades cost what walking the
    ladder does, and no more than it holds is traded. An instrument without a ladder stays as it is.

    Parameters
    ----------
    files
        Replies of venues, pools, tables of levels; ``NAME=FILE`` for a reply that names no instrument.
    window_seconds
        How far a ladder may lie from its instrument's quote.
    venue
        Venue of tables that do not give theirs.

    Raises
    ------
    InputError
        One line, for a ladder that is crossed or out of order, of an instrument that the market does not have, of another
        moment, or in another unit.
    """
    found: dict[str, Ladder] = {}
    for given in files:
        name, source = _named(given)
        for ladder, unit in read_ladders(source, venue, name):
            key = ladder.instrument
            if key in found:
                raise InputError("is given twice", file=ladder.source, field=key, fix="give one snapshot of each instrument")
            ladder, unit = _in_coins(market, ladder, unit)
            _check(market, ladder, unit, window_seconds)
            found[key] = ladder
    if not found:
        return market
    quotes = market.quotes.copy()
    for column in ("bid_size", "ask_size"):
        if column not in quotes.columns:
            quotes[column] = np.nan
    for key, ladder in found.items():
        for word, levels in (("bid", ladder.bids), ("ask", ladder.asks)):
            best = (float(levels.price[0]), float(levels.size[0])) if len(levels) else (np.nan, np.nan)
            quotes.loc[key, [f"{word}_price", f"{word}_size"]] = best
    note = f"{many(len(found), 'ladder')} from {len(files)} file{'s' if len(files) > 1 else ''}"
    return replace(market, quotes=quotes, depth={**market.depth, **found}, notes=(*market.notes, note))


def _named(given: Any) -> tuple[str, Any]:
    """The instrument and file of ``NAME=FILE``."""
    if not isinstance(given, str | os.PathLike):
        return "", given
    text = os.fspath(given)
    name, equals, file = text.partition("=")
    return (name, file) if equals and not os.path.exists(text) else ("", given)


def _check(market: Market, ladder: Ladder, unit: str, window_seconds: float) -> None:
    key = ladder.instrument
    item = market.instruments.get(key)
    if item is None:
        raise InputError("is no instrument of the market", file=ladder.source, field="instrument", value=key,
                         fix=advice(key, market.instruments))  # fmt: skip
    if not item.nature.quoted:
        raise InputError("is not traded at quotes", file=ladder.source, field="instrument", value=key, fix="leave it out")
    quoted: Any = market.quotes.loc[key, "timestamp"]
    moment = market.timestamp if pd.isna(quoted) else pd.Timestamp(quoted).to_pydatetime()
    apart = abs((ladder.timestamp - moment).total_seconds())
    if apart > window_seconds:
        raise InputError(f"is {apart:,.0f} s from the market's quote of {moment.isoformat()}", file=ladder.source,
                         field=f"{key} timestamp", value=ladder.timestamp.isoformat(),
                         fix=f"give a snapshot within {window_seconds:g} s, or a larger --depth-window")  # fmt: skip
    _check_unit(item, ladder, unit)
    mark = float(market.quoted("mark_price", [key])[0])
    most = _FAR["option" if item.nature.option else "other"]
    for word, levels in (("bids", ladder.bids), ("asks", ladder.asks)):
        if not len(levels) or not mark > 0.0:
            continue
        best = float(levels.price[0])
        deep = item.nature.option and best < mark  # a bid far below the mark is a low bid
        if best > most * mark or (best * most < mark and not deep):
            raise InputError(f"is far from mark {mark:g}", file=ladder.source, field=f"{key} {word}.0.price", value=best,
                             fix="prices of inverse options are in coins, others in dollars")  # fmt: skip


def _in_coins(market: Market, ladder: Ladder, unit: Unit) -> tuple[Ladder, Unit]:
    """Contracts as what positions count, where the market gives the contract's size (a venue's list of instruments does)."""
    if unit != "contracts" or ladder.instrument not in market.instruments:
        return ladder, unit
    size = float(market.quoted("contract_size", [ladder.instrument])[0])
    if not size > 0.0:
        return ladder, unit
    bids, asks = (replace(side, size=side.size * size, reserve=side.reserve * size) for side in (ladder.bids, ladder.asks))
    return replace(ladder, bids=bids, asks=asks), "ours"


def _check_unit(item: Any, ladder: Ladder, unit: str) -> None:
    """Refuse sizes that count anything but what positions do."""
    ours = "USD" if item.nature.payoff == "linear" and getattr(item, "inverse", False) else "coins"
    if unit in ("ours", "unknown", ours):
        return
    what = "contracts, whose size the file does not give" if unit == "contracts" else unit
    raise InputError(f"counts {what}", file=ladder.source, field=f"{ladder.instrument} size", value=unit,
                     fix=f"read the market with the venue's list of instruments (or a column contract_size), or "
                     f"give sizes in {ours}: multiply by the contract's size")  # fmt: skip
