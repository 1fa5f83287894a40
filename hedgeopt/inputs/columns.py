"""The one list of market columns: contents, units and readers.

Every other list derives from it.
A new column is a line here; a reader of it asks
:meth:`Market.quoted <hedgeopt.inputs.market.Market.quoted>` for it by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "CHAIN",
    "COLUMNS",
    "MARK_FILES",
    "MORE_FIELDS",
    "NUMBERS",
    "OPTIONAL",
    "PRICED",
    "QUOTE_FIELDS",
    "QUOTE_NUMBERS",
    "RECORDED",
    "RECORDED_REQUIRED",
    "REQUIRED",
    "SIZES",
    "Column",
]


@dataclass(frozen=True)
class Column:
    """One column of a chain.

    Attributes
    ----------
    name, meaning
        As in files, and its contents with their unit; of a number: empty (NaN) where there is none.
    type
        ``moment`` (UTC unless it carries another zone), ``text`` or ``number``.
    required
        Whether a chain must have the column.
    filled
        Whether every row must have a value.
    quote
        Whether it is a column of :attr:`Market.quotes <hedgeopt.inputs.market.Market.quotes>`: always,
        where given, or never.
    signed
        Whether it may be negative.
    recorded
        Whether recorded chains are read for it: always, where given, or never.
    priced
        Whether options are repriced from it.
    """

    name: str
    type: Literal["moment", "text", "number"]
    meaning: str
    required: bool = True
    filled: bool = False
    quote: Literal["always", "given", "never"] = "never"
    signed: bool = False
    recorded: Literal["always", "given", "never"] = "always"
    priced: bool = False


COLUMNS = (
    Column(
        "timestamp",
        "moment",
        "moment of the quote, ISO 8601, UTC unless it carries another zone",
        filled=True,
        quote="always",
    ),
    Column("currency", "text", "asset code of the underlying, such as BTC", filled=True),
    Column(
        "instrument_name",
        "text",
        "the venue's name, Deribit's: BTC-27MAR26-80000-C, BTC-27MAR26, BTC-PERPETUAL, BTC_USDC",
        filled=True,
    ),
    Column("option_type", "text", "call or put; empty for anything but options", recorded="never"),
    Column("strike", "number", "US dollars; empty for anything but options", signed=True, recorded="never"),
    Column("expiry", "moment", "moment of settlement, ISO 8601; may be empty: the name gives it"),
    Column(
        "bid_price",
        "number",
        "best bid in the quote unit (coin for inverse options, USD otherwise); empty or 0: no bid",
        quote="always",
        priced=True,
    ),
    Column("ask_price", "number", "best ask, likewise", quote="always", priced=True),
    Column("mark_price", "number", "the venue's mark, quote unit", filled=True, quote="always", priced=True),
    Column("mark_iv", "number", "annual vol as a decimal, 0.55 is 55 %; options only", quote="always", priced=True),
    Column(
        "underlying_price",
        "number",
        "forward of the option's expiry, USD; options only",
        quote="always",
        priced=True,
    ),
    Column("index_price", "number", "spot index of the currency, USD; one row per currency is enough", signed=True),
    Column("open_interest", "number", "units outstanding", required=False, quote="always", recorded="given"),
    Column("volume", "number", "units traded in 24 hours", required=False, quote="always", recorded="given"),
    Column(
        "funding_8h",
        "number",
        "funding rate per 8 hours as a decimal; perpetuals only",
        required=False,
        quote="always",
        signed=True,
        recorded="never",
    ),
    Column(
        "settlement_average",
        "number",
        "average of the index since the settlement window opened, USD; expiring instruments",
        required=False,
        quote="always",
        signed=True,
        recorded="never",
    ),
    Column(
        "kind", "text", "family of the instrument, where its venue's names are not known", required=False, recorded="never"
    ),
    Column("settlement", "text", "asset in which it settles; the name gives it too", required=False, recorded="never"),
    *(
        Column(name, "number", meaning, required=False, quote="given", recorded="never")
        for name, meaning in (
            ("bid_size", "size at the bid: coins, or USD of an inverse contract"),
            ("ask_size", "size at the ask, likewise"),
            ("tick", "step of the quoted price"),
            ("lot", "step of the size: coins, or USD of an inverse contract"),
            ("min_size", "smallest order, likewise"),
            ("min_notional", "smallest order in USD of underlying; both count where both are given"),
            ("tick_above", "price above which the step is coarse_tick, quote unit"),
            ("coarse_tick", "step of the quoted price above tick_above"),
            (
                "contract_size",
                "what one contract of the venue is: coins, or USD of an inverse contract; sizes stay coins and USD",
            ),
        )
    ),
    Column(
        "interest_rate",
        "number",
        "annual rate of the venue's feed for the expiry as a decimal; options",
        required=False,
        quote="given",
        signed=True,
        recorded="given",
    ),
)
"""Every column, in the order of files."""

CHAIN = tuple(column.name for column in COLUMNS)
REQUIRED = tuple(column.name for column in COLUMNS if column.required)
"""Columns that a chain must have."""
OPTIONAL = tuple(column.name for column in COLUMNS if not column.required)
NUMBERS = tuple(column.name for column in COLUMNS if column.type == "number")
_QUOTED = [column for column in COLUMNS if column.quote == "always"]
QUOTE_FIELDS = {column.name: column.meaning for column in sorted(_QUOTED, key=lambda column: column.type == "moment")}
"""Columns of :attr:`Market.quotes` and their units."""
SIZES = (
    "bid_size", "ask_size", "tick", "lot", "min_size", "min_notional", "tick_above", "coarse_tick", "contract_size",
)  # fmt: skip
"""Sizes and steps that a source may give; columns of nothing but gaps are dropped."""
MORE_FIELDS = {column.name: column.meaning for column in COLUMNS if column.quote == "given"}
"""Columns that :attr:`Market.quotes` may have besides."""
QUOTE_NUMBERS = tuple(column.name for column in COLUMNS if column.type == "number" and column.quote != "never")
"""The quotes' numbers."""
PRICED = tuple(column.name for column in COLUMNS if column.priced)
"""Columns from which options are repriced."""
RECORDED_REQUIRED = tuple(column.name for column in COLUMNS if column.recorded == "always")
"""Columns that a recorded chain must have (the names give strike and right)."""
RECORDED = (*RECORDED_REQUIRED, *(column.name for column in COLUMNS if column.recorded == "given"))
"""Columns of recorded chains that are read."""

MARK_FILES = {
    "perp_futures_mark_price": {
        "obs_datetime": "timestamp",
        "coin": "currency",
        "instrument_name": "instrument_name",
        "perp_futures_mark_price": "mark_price",
    },
    "term_mark_price_final": {
        "timestamp": "timestamp",
        "currency": "currency",
        "futures_instrument_name": "instrument_name",
        "term_mark_price_final": "mark_price",
    },
}
"""Files of marks beside chains, recognised by a column: their names of columns, and ours."""
