"""Bybit: ``v5/market/tickers`` (options, linear, inverse), the web socket's tickers, and order books as quotes.

Prices of options are dollars of their settlement coin, vols decimals, sizes coins (USD for inverse contracts). A bid of 0 is
none. Times are milliseconds of the envelope. Source: Bybit API v5, market/tickers, websocket/public/ticker.
"""

from __future__ import annotations

from hedgeopt.inputs.payloads.form import Findings, Form, keys, plain_quotes
from hedgeopt.inputs.payloads.item import Item

__all__ = ["LINEAR_TICKERS", "OPTION_TICKERS", "ORDER_BOOK"]

_SOURCE = "bybit-exchange.github.io/docs/v5, "
_TOP = {"bid": "bid1Price", "ask": "ask1Price", "bid_size": "bid1Size", "ask_size": "ask1Size"}
_read_options = plain_quotes(
    "bybit",
    "symbol",
    "@time",
    bid=("bidPrice", "bid1Price"),
    ask=("askPrice", "ask1Price"),
    bid_size=("bidSize", "bid1Size"),
    ask_size=("askSize", "ask1Size"),
    mark="markPrice",
    iv=("markPriceIv", "markIv"),
    forward="underlyingPrice",
    index="indexPrice",
    open_interest="openInterest",
    volume="volume24h",
    delta="delta",
)


def _read_linear(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        name = item.text("symbol")
        if item.text("@category", "") == "spot":
            found.skip("spot: give its price with --price", name)
            continue
        columns = item.columns(
            **_TOP, mark="markPrice", index="indexPrice", open_interest="openInterest", volume="volume24h"
        )
        hours = item.number("fundingIntervalHour", 8.0)
        if not 0.0 < hours <= 24.0:
            raise item.fault("is no funding period", "fundingIntervalHour", hours, "hours of 1 to 24")
        funding = item.number("fundingRate") * 8.0 / hours
        found.quote("bybit", name, item.moment("@time", "ms"), item.where, **columns, funding_8h=funding)


def _read_book(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        when = item.moment("ts", "ms") or item.moment("@time", "ms")
        found.quote("bybit", item.text("s"), when, item.where, **item.best("b", "a"))


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
