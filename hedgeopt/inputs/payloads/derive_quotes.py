"""Derive: ``public/get_ticker`` (full) and the channel ``ticker_slim`` as quotes.

Prices are dollars, vols decimals, sizes coins, times milliseconds; ``option_details.expiry`` is seconds. The rate of funding
is per hour. A slim ticker does not name its instrument: the channel does, or the key under which it is stored.
Source: docs.derive.xyz, public/get_ticker, channel ticker_slim.{instrument_name}.{interval}.
"""

from __future__ import annotations

import math

from hedgeopt.inputs.payloads.form import BEST, Findings, Form, Spec, keys
from hedgeopt.inputs.payloads.item import Item

__all__ = ["INSTRUMENTS", "SLIM", "SLIM_BARE", "TICKER"]

_HOURS = 8.0
_WORDS = ("option", "perp", "erc20")
"""The venue's words in ``instrument_type``."""


def _sizes(item: Item, found: Findings, name: str) -> None:
    details, word = item.item("option_details"), item.text("instrument_type")
    if word not in _WORDS:
        raise item.fault(f"is none of {', '.join(_WORDS)}", "instrument_type", word)
    expiry = details.moment("expiry", "s") if details is not None else None
    found.specs["derive", name] = Spec(
        "derive",
        name,
        multiplier=1.0,
        tick=item.number("tick_size"),
        lot=item.number("amount_step"),
        min_size=item.number("minimum_amount"),
        expiry=expiry,
    )


def _read_instruments(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        name = item.text("instrument_name")
        if item.raw("is_active") is False:
            found.skip("not active at the venue", name)
            continue
        _sizes(item, found, name)
        item.item("perp_details")


def _read_ticker(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        name = item.text("instrument_name")
        if item.raw("is_active") is False:
            found.skip("not active at the venue", name)
            continue
        if item.text("instrument_type") == "erc20":
            found.skip("spot: give its price with --price", name)
            continue
        _sizes(item, found, name)
        pricing, perp, stats = item.item("option_pricing"), item.item("perp_details"), item.item("stats")
        mark = item.number("mark_price")
        if pricing is not None:
            mark = pricing.number("mark_price", mark)
        found.quote(
            "derive",
            name,
            item.moment("timestamp", "ms"),
            item.where,
            mark=mark,
            iv=math.nan if pricing is None else pricing.number("iv"),
            forward=math.nan if pricing is None else pricing.number("forward_price"),
            **item.columns(**BEST, index="index_price"),
            open_interest=math.nan if stats is None else stats.number("open_interest"),
            volume=math.nan if stats is None else stats.number("contract_volume"),
            funding_8h=math.nan if perp is None else perp.number("funding_rate") * _HOURS,
            delta=math.nan if pricing is None else pricing.number("delta"),
        )


def _name_of(item: Item) -> str:
    if item.text("@key", ""):
        return item.text("@key")
    channel = item.text("@channel", "").split(".")
    if len(channel) >= 2 and channel[0] in ("ticker_slim", "ticker"):
        return channel[1]
    return ""


def _read_slim(items: list[Item], found: Findings, venue: str) -> None:
    for outer in items:
        item = (outer.item("instrument_ticker") if "instrument_ticker" in outer else None) or outer
        name, outer_time = _name_of(outer), outer.moment("timestamp", "ms")
        pricing, stats = item.item("option_pricing"), item.item("stats")
        funding = item.number("f")
        found.quote(
            "derive",
            name,
            item.moment("t", "ms") or outer_time,
            outer.where,
            **item.columns(bid="b", ask="a", bid_size="B", ask_size="A", mark="M", index="I"),
            iv=math.nan if pricing is None else pricing.number("i"),
            forward=math.nan if pricing is None else pricing.number("f"),
            open_interest=math.nan if stats is None else stats.number("oi"),
            volume=math.nan if stats is None else stats.number("c"),
            funding_8h=funding * _HOURS if pricing is None else math.nan,
            delta=math.nan if pricing is None else pricing.number("d"),
        )
        if pricing is not None and "m" in pricing:
            mark = pricing.needed("m")
            if abs(mark - item.number("M", mark)) > 0.02 * mark:
                raise item.fault(f"is not option_pricing.m {mark:g}", "M", item.number("M"), "save both of one moment")


_SPEC_IGNORED = keys(
    "base_asset_address base_asset_sub_id base_currency base_fee maker_fee_rate "
    "mark_price_fee_rate_cap maximum_amount perp_details quote_currency scheduled_activation "
    "scheduled_deactivation taker_fee_rate option_details.index option_details.option_type "
    "option_details.settlement_price option_details.strike erc20_details pro_rata_amount_step "
    "pro_rata_fraction fifo_min_allocation"
)
INSTRUMENTS = Form(
    name="Derive instruments",
    venue="derive",
    holds="sizes",
    keys=frozenset({"instrument_name", "instrument_type", "amount_step", "tick_size", "minimum_amount"}),
    absent=frozenset({"best_bid_price"}),
    read=_read_instruments,
    ignored=frozenset(_SPEC_IGNORED),
    source="docs.derive.xyz, public/get_instruments",
    checked="real payload",
)
TICKER = Form(
    name="Derive ticker",
    venue="derive",
    holds="quotes",
    keys=frozenset(
        {"instrument_name", "instrument_type", "amount_step", "best_bid_price", "base_asset_address", "timestamp"}
    ),
    read=_read_ticker,
    ignored=frozenset(
        [
            *(_SPEC_IGNORED - {"perp_details"}),
            *keys(
                "max_price min_price option_pricing.ask_iv option_pricing.bid_iv option_pricing.gamma "
                "option_pricing.rho option_pricing.theta option_pricing.vega "
                "option_pricing.discount_factor perp_details.aggregate_funding perp_details.index "
                "perp_details.max_rate_per_hour perp_details.min_rate_per_hour "
                "perp_details.static_interest_rate stats.high stats.low stats.num_trades "
                "stats.percent_change stats.usd_change five_percent_ask_depth five_percent_bid_depth "
                "open_interest"
            ),
        ]
    ),
    source="docs.derive.xyz, public/get_ticker",
    checked="real payload",
)
_SLIM_IGNORED = keys(
    "maxp minp option_pricing.ai option_pricing.bi option_pricing.df option_pricing.g "
    "option_pricing.r option_pricing.t option_pricing.v stats.h stats.l stats.n stats.p stats.pr "
    "stats.v"
)
SLIM = Form(
    name="Derive slim ticker",
    venue="derive",
    holds="quotes",
    keys=frozenset({"instrument_ticker", "timestamp"}),
    read=_read_slim,
    ignored=frozenset(f"instrument_ticker.{key}" for key in _SLIM_IGNORED),
    source="docs.derive.xyz, channel ticker_slim",
    checked="real payload",
)
SLIM_BARE = Form(
    name="Derive slim tickers by name",
    venue="derive",
    holds="quotes",
    keys=frozenset({"A", "B", "I", "M", "a", "b", "t"}),
    read=_read_slim,
    ignored=frozenset(_SLIM_IGNORED),
    source="docs.derive.xyz, public/get_tickers",
)
