"""Bybit: ``v5/market/tickers`` (options, linear, inverse), the web socket's tickers, and order books as quotes.

Prices of options are dollars of their settlement coin, vols decimals, sizes coins (USD for inverse contracts). A bid of 0 is
none. Times are milliseconds of the envelope. Source: Bybit API v5, market/tickers, websocket/public/ticker.
"""

from __future__ import annotations

import math

from hedgeopt.inputs.payloads.form import Findings, Form, keys
from hedgeopt.inputs.payloads.item import Item

__all__ = ["LINEAR_TICKERS", "OPTION_TICKERS", "ORDER_BOOK"]

_SOURCE = "bybit-exchange.github.io/docs/v5, "


def _read_options(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        vols = [item.number(key) for key in ("markPriceIv", "markIv")]
        bids = [item.number(key) for key in ("bidPrice", "bid1Price")]
        asks = [item.number(key) for key in ("askPrice", "ask1Price")]
        sizes = [[item.number(key) for key in keys] for keys in (("bidSize", "bid1Size"), ("askSize", "ask1Size"))]
        found.quote(
            "bybit",
            item.text("symbol"),
            item.moment("@time", "ms"),
            item.where,
            bid=_first(bids),
            ask=_first(asks),
            bid_size=_first(sizes[0]),
            ask_size=_first(sizes[1]),
            mark=item.number("markPrice"),
            iv=_first(vols),
            forward=item.number("underlyingPrice"),
            index=item.number("indexPrice"),
            open_interest=item.number("openInterest"),
            volume=item.number("volume24h"),
            delta=item.number("delta"),
        )


def _first(values: list[float]) -> float:
    return next((value for value in values if not math.isnan(value)), math.nan)


def _read_linear(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        name = item.text("symbol")
        if item.text("@category", "") == "spot":
            found.skip("spot: give its price with --price", name)
            continue
        hours = item.number("fundingIntervalHour", 8.0)
        found.quote(
            "bybit",
            name,
            item.moment("@time", "ms"),
            item.where,
            bid=item.number("bid1Price"),
            ask=item.number("ask1Price"),
            bid_size=item.number("bid1Size"),
            ask_size=item.number("ask1Size"),
            mark=item.number("markPrice"),
            index=item.number("indexPrice"),
            open_interest=item.number("openInterest"),
            volume=item.number("volume24h"),
            funding_8h=item.number("fundingRate") * 8.0 / hours,
        )


def _read_book(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        bids, asks = item.levels("b"), item.levels("a")
        found.quote(
            "bybit",
            item.text("s"),
            item.moment("ts", "ms") or item.moment("@time", "ms"),
            item.where,
            bid=bids[0][0] if bids else math.nan,
            bid_size=bids[0][1] if bids else math.nan,
            ask=asks[0][0] if asks else math.nan,
            ask_size=asks[0][1] if asks else math.nan,
        )


OPTION_TICKERS = Form(
    name="Bybit option tickers",
    venue="bybit",
    holds="quotes",
    keys=frozenset({"symbol", "markPrice", "underlyingPrice", "openInterest", "delta"}),
    absent=frozenset({"positionValue"}),
    read=_read_options,
    ignored=keys(
        "bidIv askIv bid1Iv ask1Iv lastPrice highPrice24h lowPrice24h turnover24h totalVolume "
        "totalTurnover gamma vega theta predictedDeliveryPrice change24h"
    ),
    source=_SOURCE + "market/tickers, category=option",
    checked="real payload",
)
LINEAR_TICKERS = Form(
    name="Bybit tickers",
    venue="bybit",
    holds="quotes",
    keys=frozenset({"symbol", "bid1Price", "ask1Price", "lastPrice", "volume24h"}),
    absent=frozenset({"underlyingPrice"}),
    read=_read_linear,
    ignored=keys(
        "tickDirection price24hPcnt lastPrice prevPrice24h highPrice24h lowPrice24h prevPrice1h "
        "openInterestValue turnover24h nextFundingTime predictedDeliveryPrice basisRate basis "
        "deliveryFeeRate deliveryTime preOpenPrice preQty curPreListingPhase fundingCap usdIndexPrice "
        "preIEP preIQ"
    ),
    source=_SOURCE + "market/tickers, category=linear or inverse",
    checked="real payload",
)
ORDER_BOOK = Form(
    name="Bybit order book",
    venue="bybit",
    holds="quotes",
    keys=frozenset({"s", "b", "a"}),
    read=_read_book,
    ignored=frozenset({"u", "seq", "cts"}),
    source=_SOURCE + "market/orderbook",
    checked="real payload",
)
