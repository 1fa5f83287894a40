"""ccxt's unified structures: tickers, greeks, option chains, positions, balances and markets.

The structures name no venue: give it with ``--venue``. Symbols become the venue's names. Values are the venue's own, but for
names and times (ms): vols are per cent at Deribit, decimals elsewhere; ``contracts`` times ``contractSize`` is the size,
``side`` the sign. Forms unverified: taken from ccxt's manual.
Source: docs.ccxt.com, manual: "Ticker structure", "Greeks structure", "Option chain structure", "Position structure",
"Balance structure", "Market structure".
"""

from __future__ import annotations

import math

from hedgeopt.errors import InputError
from hedgeopt.inputs.payloads.form import PUBLISHED, Findings, Form, HeldLine, Posted, Reader, Spec, keys
from hedgeopt.inputs.payloads.item import Item
from hedgeopt.inputs.payloads.signs import refuse_contradictions
from hedgeopt.venues.unified import is_unified, native_name

__all__ = ["BALANCE", "CHAIN", "GREEKS", "MARKETS", "POSITIONS", "TICKERS"]

_PER_CENT = ("deribit",)
_NEAR = 0.02
_SIDES = {"long": 1.0, "short": -1.0, "buy": 1.0, "sell": -1.0}
_SOURCE = "docs.ccxt.com, manual, "


def _name(item: Item, found: Findings, venue: str) -> str | None:
    """The venue's name of a symbol; None, with a note, for what it does not trade in a form that is read."""
    symbol = item.text("symbol")
    if not venue:
        fix = "give --venue: unified symbols are the same at every venue"
        raise item.fault("is a unified symbol without its venue", "symbol", symbol, fix)
    if not is_unified(symbol):
        raise item.fault("is no unified symbol", "symbol", symbol, "such as BTC/USD:BTC-240628-70000-C")
    if ":" not in symbol:
        found.skip("spot: give its price with --price", symbol)
        return None
    try:
        return native_name(symbol, venue)
    except InputError:
        found.skip(f"{venue} has no name of this form", symbol)
        return None


def _quotes(**names: str) -> Reader:
    """A reader of one structure: the structure's key of each column of ours."""

    def read(items: list[Item], found: Findings, venue: str) -> None:
        for item in items:
            name = _name(item, found, venue)
            if name is None:
                continue
            columns = item.columns(**names)
            if "iv" in columns:
                columns["iv"] /= 100.0 if venue in _PER_CENT else 1.0
            found.quote(venue, name, item.moment("timestamp", "ms"), item.where, contracts=True, **columns)

    return read


def _read_positions(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        name = _name(item, found, venue)
        if name is None:
            continue
        contracts, size = item.number("contracts", 0.0), item.number("contractSize")
        if contracts == 0:
            continue
        side = item.text("side", "")
        if side not in _SIDES:
            raise item.fault("is neither long nor short", "side", side, "contracts have no sign of their own")
        lot = f"{side if item.raw('hedged') is True else ''} {item.text('marginMode', '')}".strip()
        mark, notional = item.number("markPrice"), abs(item.number("notional"))
        inverse, option = ":" in item.text("symbol") and "/USD:" in item.text("symbol"), name.endswith(("-C", "-P"))
        raw = item.item("info") if isinstance(item.data.get("info"), dict) else None
        settled = raw.number("settlement_price") if raw is not None and venue == "deribit" and not option else math.nan
        refuse_contradictions(
            item,
            _SIDES[side],
            "side",
            minus=("contracts", "notional"),
            entries=() if settled > 0 else ("entryPrice",),  # Deribit counts from the last settlement
            mark="markPrice",
            profits=("unrealizedPnl",),
            option=option,
        )
        if math.isnan(size):
            found.holdings.append(
                HeldLine(
                    venue,
                    name,
                    _SIDES[side] * abs(contracts),
                    item.where,
                    unit="contracts",
                    mark=mark,
                    notional=math.nan if inverse or option else notional,
                    reference=mark,
                    option=option,
                    lot=lot,
                )
            )
            continue
        quantity = _SIDES[side] * abs(contracts) * size
        linear = not inverse and not option
        if linear and mark > 0 and notional > 0 and abs(abs(quantity) * mark / notional - 1.0) > _NEAR:
            fix = "contracts times contractSize are coins of a linear contract"
            raise item.fault(f"of {size:g} at markPrice {mark:g} is not notional {notional:g}", "contracts", contracts, fix)
        found.holdings.append(
            HeldLine(
                venue,
                name,
                quantity,
                item.where,
                mark=mark,
                value=quantity * mark if option else math.nan,
                option=option,
                contract=size,
                lot=lot,
            )
        )


def _read_balance(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        if not venue:
            raise item.fault("is a balance without its venue", "total", None, "give --venue")
        totals = item.item("total")
        when = item.moment("timestamp", "ms")
        if when is not None:
            found.times.append((when, item.where))
        if totals is None:
            raise item.fault("is missing", "total", None, "save the whole structure")
        for asset in totals.data:
            item.raw(asset)
            amount = totals.number(asset, 0.0)
            parts = [side.number(asset) for side in (item.item("free"), item.item("used")) if side is not None]
            if len(parts) == 2 and abs(sum(parts) - amount) > _NEAR * max(abs(amount), abs(sum(parts))):
                fix = "save the structure as it came"
                raise item.fault(f"is not free and used, {sum(parts):g}", f"total.{asset}", amount, fix)
            if amount:
                found.posted.append(Posted(venue, asset, amount, f"{item.where}.total", with_options=True))


def _read_markets(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        name = _name(item, found, venue)
        if name is None:
            continue
        precision, limits = item.item("precision"), item.item("limits")
        smallest, least = (limits.item(word) if limits is not None else None for word in ("amount", "cost"))
        found.specs[venue, name] = Spec(
            venue,
            name,
            multiplier=item.number("contractSize", 1.0),
            tick=precision.number("price") if precision is not None else math.nan,
            lot=precision.number("amount") if precision is not None else math.nan,
            min_size=smallest.number("min") if smallest is not None else math.nan,
            min_notional=least.number("min") if least is not None else math.nan,
        )


TICKERS = Form(
    name="ccxt tickers",
    venue="",
    holds="quotes",
    keys=keys("symbol timestamp bid ask bidVolume askVolume"),
    read=_quotes(bid="bid", ask="ask", bid_size="bidVolume", ask_size="askVolume", mark="markPrice", index="indexPrice"),
    ignored=keys(
        "info datetime high low vwap open close last previousClose change percentage average baseVolume quoteVolume"
    ),
    source=_SOURCE + "Ticker structure",
)
GREEKS = Form(
    name="ccxt greeks",
    venue="",
    holds="quotes",
    keys=keys("symbol timestamp delta markImpliedVolatility underlyingPrice"),
    read=_quotes(
        bid="bidPrice",
        ask="askPrice",
        bid_size="bidSize",
        ask_size="askSize",
        mark="markPrice",
        iv="markImpliedVolatility",
        forward="underlyingPrice",
        delta="delta",
    ),
    ignored=keys("info datetime gamma theta vega rho vanna volga charm bidImpliedVolatility askImpliedVolatility lastPrice"),
    source=_SOURCE + "Greeks structure",
    checked=PUBLISHED,
)
CHAIN = Form(
    name="ccxt option chain",
    venue="",
    holds="quotes",
    keys=keys("symbol timestamp impliedVolatility underlyingPrice"),
    read=_quotes(
        bid="bidPrice",
        ask="askPrice",
        mark="markPrice",
        iv="impliedVolatility",
        forward="underlyingPrice",
        open_interest="openInterest",
    ),
    ignored=keys("info datetime currency midPrice lastPrice change percentage baseVolume quoteVolume"),
    source=_SOURCE + "Option chain structure",
)
POSITIONS = Form(
    name="ccxt positions",
    venue="",
    holds="positions",
    keys=keys("symbol contracts contractSize side"),
    read=_read_positions,
    ignored=keys(
        "info id timestamp datetime lastUpdateTimestamp lastPrice leverage collateral initialMargin "
        "maintenanceMargin initialMarginPercentage maintenanceMarginPercentage realizedPnl liquidationPrice "
        "marginRatio percentage stopLossPrice takeProfitPrice isolated"
    ),
    source=_SOURCE + "Position structure",
    checked=PUBLISHED,
)
BALANCE = Form(
    name="ccxt balance",
    venue="",
    holds="collateral",
    keys=keys("free used total"),
    read=_read_balance,
    ignored=keys("info datetime free used debt"),
    source=_SOURCE + "Balance structure",
)
MARKETS = Form(
    name="ccxt markets",
    venue="",
    holds="sizes",
    keys=keys("symbol contractSize precision limits"),
    read=_read_markets,
    ignored=keys(
        "info id lowercaseId base quote settle baseId quoteId settleId type spot margin swap future option active contract "
        "linear inverse subType taker maker expiry expiryDatetime strike optionType created percentage tierBased feeSide "
        "limits.leverage limits.price limits.cost.max limits.amount.max limits.market precision.base precision.quote "
        "precision.cost marginModes index tiers"
    ),
    source=_SOURCE + "Market structure",
)
