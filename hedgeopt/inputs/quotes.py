"""The neutral table of quotes: one row per instrument and venue, the same columns for every venue.

``hedgeopt import`` writes it and ``read_market`` reads it. Prices are in the quote unit of the instrument: coins for
coin-settled options, dollars for everything else. Sizes are contracts of the venue; ``multiplier`` is what one contract
holds (coins, or USD of an inverse future or perpetual), so a table with sizes needs it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.cells import numbers
from hedgeopt.files.counted import many
from hedgeopt.inputs.columns import CHAIN
from hedgeopt.venues.known import parser

__all__ = [
    "QUOTE_COLUMNS",
    "QUOTE_TABLE",
    "QuoteColumn",
    "columns_ignored",
    "columns_left",
    "contracts_told",
    "is_quote_table",
    "quote_schema",
    "quotes_as_chain",
]


@dataclass(frozen=True)
class QuoteColumn:
    """A column of the table; ``chain`` is its name in a chain (:mod:`hedgeopt.inputs.columns`), ``counted`` contracts."""

    name: str
    type: Literal["moment", "text", "number"]
    meaning: str
    chain: str
    required: bool = False
    counted: bool = False


QUOTE_TABLE = (
    QuoteColumn("timestamp", "moment", "moment of the quote, ISO 8601, UTC", "timestamp", required=True),
    QuoteColumn("venue", "text", "venue of the row; empty: the one given with --venue", "venue"),
    QuoteColumn("instrument", "text", "the venue's name of the instrument", "instrument_name", required=True),
    QuoteColumn("kind", "text", "option, future, perpetual or spot; needed where the venue's names are not known", "kind"),
    QuoteColumn("underlying", "text", "asset whose price drives it, such as BTC", "currency"),
    QuoteColumn("settlement", "text", "asset in which it settles: the underlying, or a dollar asset", "settlement"),
    QuoteColumn("strike", "number", "US dollars; options", "strike"),
    QuoteColumn("expiry", "moment", "moment of settlement, ISO 8601, UTC", "expiry"),
    QuoteColumn("right", "text", "call or put (C and P are read); options", "option_type"),
    QuoteColumn("bid", "number", "best bid; empty or 0: none", "bid_price"),
    QuoteColumn("ask", "number", "best ask; empty or 0: none", "ask_price"),
    QuoteColumn("bid_size", "number", "size at the bid, contracts", "bid_size", counted=True),
    QuoteColumn("ask_size", "number", "size at the ask, contracts", "ask_size", counted=True),
    QuoteColumn("mark", "number", "the venue's mark", "mark_price", required=True),
    QuoteColumn("iv", "number", "annual vol of the mark as a decimal, 0.55 is 55 %; options", "mark_iv"),
    QuoteColumn("forward", "number", "forward of the expiry, USD; options", "underlying_price"),
    QuoteColumn("index", "number", "index of the underlying, USD", "index_price"),
    QuoteColumn("open_interest", "number", "contracts outstanding", "open_interest", counted=True),
    QuoteColumn("volume", "number", "contracts traded in 24 hours", "volume", counted=True),
    QuoteColumn("funding_8h", "number", "funding rate per 8 hours as a decimal; perpetuals", "funding_8h"),
    QuoteColumn("multiplier", "number", "coins in one contract (USD of an inverse one); needed with sizes", "contract_size"),
    QuoteColumn("tick", "number", "step of the quoted price", "tick"),
    QuoteColumn("lot", "number", "step of the size, contracts", "lot", counted=True),
    QuoteColumn("min_size", "number", "smallest order, contracts", "min_size", counted=True),
    QuoteColumn("min_notional", "number", "smallest order, USD of underlying", "min_notional"),
    QuoteColumn("tick_above", "number", "price above which the step is coarse_tick", "tick_above"),
    QuoteColumn("coarse_tick", "number", "step of the quoted price above tick_above", "coarse_tick"),
)
"""Every column, in the order of files."""

QUOTE_COLUMNS = tuple(column.name for column in QUOTE_TABLE)
_NEAR = 0.8
_NAMED = 12
_SIGNATURE = {"instrument", "mark", "timestamp"}
_COUNTED = tuple(column.name for column in QUOTE_TABLE if column.counted)
_TYPES = {"moment": "string", "text": "string", "number": "number"}


def is_quote_table(columns: Any) -> bool:
    """Whether these are columns of the neutral table and not of a chain."""
    return set(columns) >= _SIGNATURE and "instrument_name" not in columns


def columns_left(unread: Sequence[str], used: Collection[str], file: object) -> list[str]:
    """A note on columns of a market's table that are not read; one that is almost a column of ours is refused.

    Almost: in other letters, with a slip or two (``open_intrest``), or a chain's name of it in the neutral table
    (``bid_price`` for ``bid``), where the column itself is not there.

    Raises
    ------
    InputError
        Names the column and the one that it is taken for.
    """
    neutral = is_quote_table(used)
    names = QUOTE_COLUMNS if neutral else CHAIN
    other = {column.chain: column.name for column in QUOTE_TABLE} if neutral else {}
    for name in unread:
        plain = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
        near = [plain] if plain in names else difflib.get_close_matches(plain, names, n=1, cutoff=_NEAR)
        near = [meant for meant in near if not plain.startswith(f"{meant}_")]  # open_interest_usd is another thing
        meant = other.get(plain) or next(iter(near), None)
        if meant is None or meant in used:
            continue
        fix = f"did you mean {meant!r}? Rename the column, or leave it out"
        raise InputError("is no column of a table of quotes", file=file, field=name, fix=fix)
    return columns_ignored(unread, (), file)


def columns_ignored(unread: Sequence[str], known: Collection[str], file: object) -> list[str]:
    """A note that names columns left unread, but for those ``known`` to be of no use."""
    strange = [name for name in unread if name not in known]
    if not strange:
        return []
    some = ", ".join(strange[:_NAMED]) + (f" and {len(strange) - _NAMED} more" if len(strange) > _NAMED else "")
    word = "columns that are" if len(strange) > 1 else "a column that is"
    return [f"{file}: {word} not known, and not used: {some}"]


def quote_schema() -> dict[str, Any]:
    """JSON Schema of one row."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Quotes",
        "description": "One row of the neutral table of quotes: one instrument of one venue at one moment.",
        "type": "object",
        "properties": {
            column.name: {
                "type": _TYPES[column.type] if column.required else [_TYPES[column.type], "null"],
                "description": column.meaning,
            }
            for column in QUOTE_TABLE
        },
        "required": [column.name for column in QUOTE_TABLE if column.required],
        "additionalProperties": False,
    }


def contracts_told(frame: pd.DataFrame) -> list[str]:
    """A note where a contract is not one coin (or USD): quantities of books, trades and reports count none of its size."""
    if "multiplier" not in frame.columns:
        return []
    size = numbers(frame["multiplier"])
    other = np.flatnonzero(((size > 0) & (size != 1.0)).to_numpy())
    if not len(other):
        return []
    first = int(other[0])
    return [
        "quantities of books, trades and reports are coins (USD of inverse contracts), not contracts of the venue: one of "
        f"{frame['instrument'].iloc[first]} is {float(size.iloc[first]):g} ({many(len(other), 'row')} of such a size)"
    ]


def quotes_as_chain(frame: pd.DataFrame, file: object, venue: str | None) -> pd.DataFrame:
    """The neutral table with the columns of a chain and sizes in our units; terms that are empty come from the names later.

    Raises
    ------
    InputError
        For a column that is none of the table's, rows of no venue, and sizes without a multiplier.
    """
    strange = [name for name in frame.columns if name not in QUOTE_COLUMNS]
    if strange:
        fix = f"columns: {', '.join(QUOTE_COLUMNS)}"
        raise InputError("is no column of a table of quotes", file=file, field=str(strange[0]), fix=fix)
    chain = frame.copy()
    for name in QUOTE_COLUMNS:
        if name not in chain.columns:
            chain[name] = np.nan
    places = chain["venue"].astype("object")
    missing = places.isna() | (places == "")
    if missing.any() and venue is None:
        row = int(np.flatnonzero(missing.to_numpy())[0])
        raise InputError(
            f"is empty in row {row + 2} ({chain['instrument'].iloc[row]})",
            file=file,
            field="venue",
            fix="fill it in, or give --venue (read_market(..., venue=...)): venues share names",
        )
    chain["venue"] = places.mask(missing, venue)
    _fill_underlying(chain)
    counted = [name for name in _COUNTED if frame.get(name) is not None and frame[name].notna().any()]
    if counted:
        size = numbers(chain["multiplier"])
        for name in counted:
            given = numbers(chain[name])
            without = (given > 0) & ~(size > 0)
            if without.any():
                row = int(np.flatnonzero(without.to_numpy())[0])
                raise InputError(
                    f"is in contracts of unknown size in row {row + 2} ({chain['instrument'].iloc[row]})",
                    file=file,
                    field=name,
                    value=float(given.iloc[row]),
                    fix="fill in multiplier: coins in one contract (1 where sizes are coins, or USD of an inverse contract)",
                )
            chain[name] = chain[name].where(given.isna(), given * size)
    return chain.rename(columns={column.name: column.chain for column in QUOTE_TABLE})


def _fill_underlying(chain: pd.DataFrame) -> None:
    """Underlyings that the names give, where the column is empty."""
    missing = chain["underlying"].isna()
    if not missing.any():
        return
    chain["underlying"] = chain["underlying"].astype("object")
    found: dict[tuple[str, str], str | None] = {}
    keys = list(zip(chain.loc[missing, "venue"].astype(str), chain.loc[missing, "instrument"].astype(str), strict=True))
    for venue, name in dict.fromkeys(keys):
        try:
            item = parser(venue)(name)
        except InputError:
            continue  # the reader names the row
        found[venue, name] = getattr(item, "underlying", getattr(item, "asset", None))
    chain.loc[missing, "underlying"] = [found.get(key, key[1]) for key in keys]
