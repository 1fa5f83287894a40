"""Binance: options' marks, exchange information and positions, futures' premium index and positions, and balances.

Option marks are USDT, vols decimals, sizes contracts of ``unit`` coins. Replies of marks carry no time: the web socket's do,
and so does ``@time``. Forms unverified: taken from the venue's documentation.
Source: developers.binance.com, eapi/v1/mark, eapi/v1/ticker, eapi/v1/exchangeInfo, eapi/v1/position, fapi/v1/premiumIndex,
fapi/v2/positionRisk, fapi/v2/balance.
"""

from __future__ import annotations

import math

from hedgeopt.inputs.payloads.form import (
    PUBLISHED,
    Findings,
    Form,
    HeldLine,
    Holds,
    Posted,
    Reader,
    Spec,
    keys,
    plain_quotes,
)
from hedgeopt.inputs.payloads.item import Item
from hedgeopt.inputs.payloads.signs import refuse_contradictions

__all__ = ["BALANCES", "FUTURES_POSITIONS", "INFO", "MARKS", "OPTION_POSITIONS", "PREMIUM_INDEX", "STREAM", "TICKERS"]

_VENUE = "binance"
_SOURCE = "developers.binance.com, "
_NEAR = 0.02


def _read_info(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        for symbol in item.items("optionSymbols"):
            name, filters = symbol.text("symbol"), {f.text("filterType"): f for f in symbol.items("filters")}
            price, size = filters.get("PRICE_FILTER"), filters.get("LOT_SIZE")
            found.specs[_VENUE, name] = Spec(
                _VENUE,
                name,
                multiplier=symbol.number("unit", 1.0),
                tick=price.number("tickSize") if price is not None else math.nan,
                lot=size.number("stepSize") if size is not None else math.nan,
                min_size=size.number("minQty") if size is not None else symbol.number("minQty"),
                expiry=symbol.moment("expiryDate", "ms"),
            )


def _read_option_positions(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        name, size, side = item.text("symbol"), item.number("quantity", 0.0), item.text("side")
        if size == 0:
            continue
        if side not in ("LONG", "SHORT"):
            raise item.fault("is neither LONG nor SHORT", "side", side)
        quantity = -abs(size) if side == "SHORT" else abs(size)
        refuse_contradictions(
            item,
            quantity,
            "side",
            signed=("quantity",),
            minus=("markValue",),
            entries=("entryPrice",),
            mark="markPrice",
            profits=("unrealizedPNL",),
            option=True,
        )
        mark, value = item.number("markPrice"), item.number("markValue")
        if mark == mark and value == value and abs(abs(value) - abs(quantity) * mark) > _NEAR * max(abs(value), 1e-9):
            raise item.fault(f"at markPrice {mark:g} is not markValue {value:g}", "quantity", size, "quantity is contracts")
        found.holdings.append(HeldLine(_VENUE, name, quantity, item.where, mark=mark, value=quantity * mark, option=True))


def _read_futures(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        name, size = item.text("symbol"), item.number("positionAmt", 0.0)
        if size == 0:
            continue
        inverse, side = "USD_" in name, item.text("positionSide", "BOTH")
        if side not in ("BOTH", "LONG", "SHORT"):
            raise item.fault("is none of BOTH, LONG, SHORT", "positionSide", side)
        by = "positionAmt" if side == "BOTH" else "positionSide"
        refuse_contradictions(
            item,
            size if side == "BOTH" else abs(size) if side == "LONG" else -abs(size),
            by,
            signed=("positionAmt", "notional"),
            minus=("notionalValue",),
            entries=("entryPrice",),
            mark="markPrice",
            profits=("unRealizedProfit",),
        )
        mark, notional = item.number("markPrice"), abs(item.number("notional"))
        if not inverse and mark == mark and notional == notional and abs(abs(size) * mark - notional) > _NEAR * notional:
            raise item.fault(f"at markPrice {mark:g} is not notional {notional:g}", "positionAmt", size, "it counts coins")
        if item.text("marginType", "cross") == "isolated":
            found.notes.append(f"{name} at Binance is margined by itself; it is read as part of the account")
        found.holdings.append(
            HeldLine(
                _VENUE,
                name,
                size,
                item.where,
                unit="contracts" if inverse else "ours",
                mark=mark,
                notional=notional if not inverse else math.nan,
                profit=item.number("unRealizedProfit", 0.0),
                initial=item.number("positionInitialMargin", item.number("initialMargin")) if not inverse else math.nan,
                maintenance=item.number("maintMargin") if not inverse else math.nan,
                leverage=item.number("leverage"),
                lot=side.removeprefix("BOTH"),
            )
        )
        if inverse and (_VENUE, name) not in found.specs:
            found.specs[_VENUE, name] = Spec(_VENUE, name, multiplier=100.0 if name.startswith("BTC") else 10.0)
            found.notes.append(f"{name}: a contract is {found.specs[_VENUE, name].multiplier:g} USD at Binance")


def _read_balances(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        amount = item.number("balance", 0.0)
        if amount:
            found.posted.append(Posted(_VENUE, item.text("asset"), amount, item.where))


def _form(name: str, holds: Holds, has: str, read: Reader, ignored: str, source: str, absent: str = "") -> Form:
    return Form(
        name=f"Binance {name}",
        venue=_VENUE,
        holds=holds,
        keys=keys(has),
        absent=keys(absent),
        read=read,
        ignored=keys(ignored),
        checked="form unverified" if name == "option tickers" else PUBLISHED,
        source=_SOURCE + source,
    )


MARKS = _form(
    "option marks",
    "quotes",
    "symbol markPrice bidIV askIV markIV",
    plain_quotes(_VENUE, "symbol", "@time", mark="markPrice", iv="markIV", delta="delta"),
    "bidIV askIV theta gamma vega highPriceLimit lowPriceLimit riskFreeInterest",
    "eapi/v1/mark",
)
STREAM = _form(
    "option mark stream",
    "quotes",
    "s mp E i vo",
    plain_quotes(
        _VENUE, "s", "E", mark="mp", iv="vo", bid="bo", ask="ao", bid_size="bq", ask_size="aq", index="i", delta="d"
    ),
    "e P b a hl ll rf t g v",
    "<underlying>@optionMarkPrice",
)
TICKERS = _form(
    "option tickers",
    "quotes",
    "symbol bidPrice askPrice strikePrice exercisePrice",
    plain_quotes(_VENUE, "symbol", "closeTime", bid="bidPrice", ask="askPrice", volume="volume"),
    "priceChange priceChangePercent lastPrice lastQty open high low amount openTime firstTradeId tradeCount strikePrice "
    "exercisePrice",
    "eapi/v1/ticker",
)
INFO = _form(
    "option exchange information",
    "sizes",
    "optionSymbols",
    _read_info,
    "timezone serverTime optionContracts optionAssets rateLimits optionSymbols.id optionSymbols.contractId "
    "optionSymbols.underlying optionSymbols.quoteAsset optionSymbols.side optionSymbols.strikePrice optionSymbols.minQty "
    "optionSymbols.makerFeeRate optionSymbols.takerFeeRate optionSymbols.maxQty optionSymbols.initialMargin "
    "optionSymbols.maintenanceMargin optionSymbols.minInitialMargin optionSymbols.minMaintenanceMargin "
    "optionSymbols.priceScale optionSymbols.quantityScale optionSymbols.status optionSymbols.liquidationFeeRate "
    "optionSymbols.filters.minPrice optionSymbols.filters.maxPrice optionSymbols.filters.maxQty",
    "eapi/v1/exchangeInfo",
)
OPTION_POSITIONS = _form(
    "option positions",
    "positions",
    "symbol side quantity markValue",
    _read_option_positions,
    "reducibleQty ror positionCost priceScale quantityScale quoteAsset time optionSide "
    "strikePrice expiryDate bidQuantity askQuantity",
    "eapi/v1/position",
)
PREMIUM_INDEX = _form(
    "premium index",
    "quotes",
    "symbol markPrice indexPrice lastFundingRate time",
    plain_quotes(_VENUE, "symbol", "time", mark="markPrice", index="indexPrice", funding_8h="lastFundingRate"),
    "estimatedSettlePrice interestRate nextFundingTime pair",
    "fapi/v1/premiumIndex",
)
FUTURES_POSITIONS = _form(
    "futures positions",
    "positions",
    "symbol positionAmt entryPrice markPrice",
    _read_futures,
    "breakEvenPrice liquidationPrice maxNotionalValue isolatedMargin isAutoAddMargin "
    "isolatedWallet updateTime isolated adlQuantile "
    "openOrderInitialMargin bidNotional askNotional marginAsset",
    "fapi/v2/positionRisk, dapi/v1/positionRisk",
)
BALANCES = _form(
    "futures balances",
    "collateral",
    "asset balance crossWalletBalance",
    _read_balances,
    "accountAlias crossWalletBalance crossUnPnl availableBalance maxWithdrawAmount marginAvailable updateTime",
    "fapi/v2/balance",
)
