"""Bybit: ``v5/market/instruments-info`` as sizes of contracts. Sizes are coins (USD for inverse contracts): multiplier 1."""

from __future__ import annotations

import math

from hedgeopt.inputs.payloads.form import Findings, Form, Spec, keys
from hedgeopt.inputs.payloads.item import Item

__all__ = ["INFO", "INSTRUMENTS"]


def _read(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        name = item.text("symbol")
        if item.text("status", "Trading") != "Trading":
            found.skip("not trading at the venue", name)
            continue
        prices, sizes = item.item("priceFilter"), item.item("lotSizeFilter")
        expires = item.number("deliveryTime", 0.0) > 0
        found.specs["bybit", name] = Spec(
            "bybit",
            name,
            multiplier=1.0,
            tick=prices.number("tickSize") if prices is not None else math.nan,
            lot=sizes.number("qtyStep") if sizes is not None else math.nan,
            min_size=sizes.number("minOrderQty") if sizes is not None else math.nan,
            min_notional=_least_notional(sizes),
            expiry=item.moment("deliveryTime", "ms") if expires else None,
        )


def _least_notional(sizes: Item | None) -> float:
    """USD of the smallest order: ``minNotionalValue`` of contracts, ``minOrderAmt`` of spot (in the quote coin)."""
    if sizes is None:
        return math.nan
    return sizes.number("minNotionalValue", sizes.number("minOrderAmt"))


def _read_info(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        mode = item.text("marginMode")
        if mode == "ISOLATED_MARGIN":
            found.notes.append("Bybit's account is on isolated margin: positions are margined one by one, not together")
        found.margins["bybit", ""] = "bybit_portfolio" if mode == "PORTFOLIO_MARGIN" else "standard"
        if mode == "PORTFOLIO_MARGIN":
            found.notes.append(
                "the account is in Bybit's portfolio margin: margin 'bybit_portfolio', most of whose numbers you give "
                "(docs/margin.md); --margin otc counts none"
            )


INSTRUMENTS = Form(
    name="Bybit instruments",
    venue="bybit",
    holds="sizes",
    keys=frozenset({"symbol", "lotSizeFilter", "priceFilter", "status", "settleCoin"}),
    read=_read,
    ignored=keys(
        "baseCoin quoteCoin settleCoin optionsType launchTime deliveryFeeRate priceFilter.minPrice "
        "priceFilter.maxPrice priceFilter.priceScale lotSizeFilter.maxOrderQty "
        "lotSizeFilter.maxMktOrderQty lotSizeFilter.postOnlyMaxOrderQty "
        "contractType priceScale leverageFilter unifiedMarginTrade "
        "fundingInterval copyTrading upperFundingRate lowerFundingRate isPreListing preListingInfo "
        "riskParameters displayName symbolType"
    ),
    source="bybit-exchange.github.io/docs/v5, market/instruments-info",
    checked="real payload",
)
INFO = Form(
    name="Bybit account info",
    venue="bybit",
    holds="collateral",
    keys=frozenset({"marginMode", "unifiedMarginStatus"}),
    read=_read_info,
    ignored=keys("updatedTime unifiedMarginStatus dcpStatus timeWindow smpGroup isMasterTrader spotHedgingStatus"),
    source="bybit-exchange.github.io/docs/v5, account/info",
    checked="real payload",
)
