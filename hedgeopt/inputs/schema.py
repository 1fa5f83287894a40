"""JSON Schemas of the inputs."""

from __future__ import annotations

from typing import Any

__all__ = ["input_schema"]

_REQUIRED = {
    "timestamp": ("string", "moment of the quote, ISO 8601, UTC unless it says otherwise"),
    "currency": ("string", "asset code of the underlying, such as BTC"),
    "instrument_name": ("string", "Deribit's name: BTC-27MAR26-80000-C, BTC-27MAR26, BTC-PERPETUAL, BTC_USDC"),
    "option_type": ("string", "call or put; empty for anything but options"),
    "strike": ("number", "US dollars; empty for anything but options"),
    "expiry": ("string", "moment of settlement, ISO 8601; may be empty, the name says it"),
    "bid_price": ("number", "best bid in the quote unit (coin for inverse options, USD otherwise); empty or 0: no bid"),
    "ask_price": ("number", "best ask, likewise"),
    "mark_price": ("number", "the venue's mark, quote unit"),
    "mark_iv": ("number", "annual vol as a decimal, 0.55 is 55 %; options only"),
    "underlying_price": ("number", "forward of the option's expiry, USD; options only"),
    "index_price": ("number", "spot index of the currency, USD; one row per currency is enough"),
}
_OPTIONAL = {
    "open_interest": ("number", "units outstanding"),
    "volume": ("number", "units traded in 24 hours"),
    "funding_8h": ("number", "funding rate per 8 hours as a decimal; perpetuals only"),
    "settlement_average": ("number", "average of the index since the settlement window opened, USD; expiring instruments"),
    "interest_rate": ("number", "annual rate of the venue's feed for the expiry as a decimal; options"),
}
_MAY_BE_EMPTY = {"timestamp": False, "currency": False, "instrument_name": False, "mark_price": False}


def input_schema(kind: str) -> dict[str, Any]:
    """Schema of a ``book`` or ``policy`` file, or of one row of a ``market`` table."""
    if kind == "market":
        return _market_row()
    if kind == "book":
        from hedgeopt.inputs.book import Book

        return Book.model_json_schema()
    from hedgeopt.inputs.policy import Policy

    return Policy.model_json_schema()


def _market_row() -> dict[str, Any]:
    columns = {**_REQUIRED, **_OPTIONAL}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Market",
        "description": "One row of a chain (CSV or Parquet): one instrument at one moment.",
        "type": "object",
        "properties": {
            name: {"type": type_ if name in _MAY_BE_EMPTY else [type_, "null"], "description": text}
            for name, (type_, text) in columns.items()
        },
        "required": list(_REQUIRED),
    }
