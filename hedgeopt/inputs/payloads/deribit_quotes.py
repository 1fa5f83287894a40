"""Deribit: ``public/get_book_summary_by_currency``, ``public/ticker`` and ``public/get_order_book`` as quotes.

Premiums are in coins for inverse options and in dollars for linear ones; vols in per cent; times in milliseconds. The index
of a book summary is its ``estimated_delivery_price`` (the same number outside the half hour before 08:00 UTC).
Source: Deribit API reference, the three methods.
"""

from __future__ import annotations

import math
from typing import Any

from hedgeopt.inputs.payloads.deribit_names import is_combo
from hedgeopt.inputs.payloads.form import BEST, Findings, Form, keys
from hedgeopt.inputs.payloads.item import Item

__all__ = ["BOOK_SUMMARY", "ORDER_BOOK", "TICKER"]

_VENUE = "deribit"
_SAME = {"mark": "mark_price", "open_interest": "open_interest", "funding_8h": "funding_8h"}


def _combo(item: Item, found: Findings) -> bool:
    name = item.text("instrument_name")
    if is_combo(name):
        found.skip("combos are not quoted here: their legs are", name)
        return True
    return False


def _inverse_contract(name: str) -> bool:
    """A future or perpetual that counts in USD."""
    return "_" not in name and name.count("-") == 1


def _read_summary(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        if _combo(item, found):
            continue
        name = item.text("instrument_name")
        coins, usd = item.number("volume"), item.number("volume_usd")
        option = name.endswith(("-C", "-P"))
        found.quote(
            _VENUE,
            name,
            item.moment("creation_timestamp", "ms"),
            item.where,
            iv=item.number("mark_iv") / 100.0,
            forward=item.number("underlying_price") if option else math.nan,
            volume=usd if _inverse_contract(name) else coins,
            **item.columns(bid="bid_price", ask="ask_price", index="estimated_delivery_price", **_SAME),
        )


def _read_ticker(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        if _combo(item, found):
            continue
        name = item.text("instrument_name")
        if item.text("state", "open") != "open":
            found.skip("not open for trading", name)
            continue
        stats = item.item("stats")
        volume = math.nan
        if stats is not None:
            coins, usd = stats.number("volume"), stats.number("volume_usd")
            volume = usd if _inverse_contract(name) else coins
        greeks = item.item("greeks")
        columns: dict[str, Any] = {"delta": greeks.number("delta")} if greeks is not None else {}
        option = name.endswith(("-C", "-P"))
        for side in ("bids", "asks"):
            levels = item.levels(side)
            best = item.number(f"best_{side[:-1]}_price")
            if levels and best > 0 and abs(levels[0][0] - best) > 1e-9 * best:
                fix = "save the venue's reply as it came"
                raise item.fault(f"the first level is not the best_{side[:-1]}_price", side, levels[0][0], fix)
        found.quote(
            _VENUE,
            name,
            item.moment("timestamp", "ms"),
            item.where,
            iv=item.number("mark_iv") / 100.0,
            forward=item.number("underlying_price") if option else math.nan,
            volume=volume,
            **item.columns(**BEST, index="index_price", **_SAME),
            **columns,
        )


BOOK_SUMMARY = Form(
    name="Deribit book summary",
    venue=_VENUE,
    holds="quotes",
    keys=frozenset({"instrument_name", "mark_price", "creation_timestamp"}),
    absent=frozenset({"tick_size", "direction"}),
    read=_read_summary,
    ignored=keys(
        "underlying_index mid_price last bid_iv ask_iv interest_rate volume_notional high low "
        "price_change base_currency quote_currency current_funding"
    ),
    source="docs.deribit.com, public/get_book_summary_by_currency",
    checked="real payload",
)
_TICKER_IGNORED = keys(
    "stats.high stats.low stats.price_change stats.volume_notional last_price settlement_price "
    "min_price max_price interest_value current_funding estimated_delivery_price bid_iv ask_iv "
    "interest_rate underlying_index greeks.gamma greeks.vega greeks.theta greeks.rho change_id "
    "delivery_price combo_state implied_bid implied_ask"
)
TICKER = Form(
    name="Deribit ticker",
    venue=_VENUE,
    holds="quotes",
    keys=frozenset({"instrument_name", "best_bid_price", "best_ask_price", "mark_price", "index_price", "timestamp"}),
    absent=frozenset({"base_asset_address", "bids"}),
    read=_read_ticker,
    ignored=_TICKER_IGNORED,
    source="docs.deribit.com, public/ticker and the channel ticker.{instrument_name}.{interval}",
    checked="real payload",
)
ORDER_BOOK = Form(
    name="Deribit order book",
    venue=_VENUE,
    holds="quotes",
    keys=frozenset({"instrument_name", "best_bid_price", "bids", "asks", "timestamp"}),
    absent=frozenset({"base_asset_address"}),
    read=_read_ticker,
    ignored=_TICKER_IGNORED,
    source="docs.deribit.com, public/get_order_book",
    checked="real payload",
)
