"""The unit-slip matrix: what every form counts in, and the wrong units that people give it in.

``UNITS`` names the keys of each form by quantity; ``SLIPS`` the factors of each quantity. A key is ``name``,
``parent.name``, or ``name[1]`` for the second number of every level of an order book.
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

__all__ = ["SLIPS", "UNITS", "WITH", "cases", "scaled_text"]

INDEX = 100_000.0
SLIPS: dict[str, dict[str, float]] = {
    "vol": {"per cent for a fraction": 100.0, "fraction for per cent": 0.01},
    "coins": {"dollars for coins": INDEX, "per cent": 100.0, "1/100": 0.01},
    "dollars": {"coins for dollars": 1 / INDEX, "cents": 100.0, "1/100": 0.01},
    "price": {"thousandths": 1000.0, "thousands": 0.001, "1/price": -1.0},
    "ms": {"seconds": 0.001, "microseconds": 1e3, "nanoseconds": 1e6},
    "seconds": {"milliseconds": 1e3, "microseconds": 1e6},
    "us": {"seconds": 1e-6, "milliseconds": 1e-3, "nanoseconds": 1e3},
    "strike": {"thousands": 0.001, "thousandths": 1000.0},
    "funding": {"per cent": 100.0, "a year for its period": 1095.0, "8 times the period": 8.0, "1/8 of the period": 0.125},
    "position": {"contracts for coins": 100.0, "coins for contracts": 0.01, "USD for coins": INDEX,
                 "coins for USD": 1 / INDEX},
    "size": {"contracts for coins": 100.0, "coins for contracts": 0.01},
    "step": {"contracts for coins": 100.0, "coins for contracts": 0.01},
    "contract": {"100 contracts": 100.0, "1/100": 0.01},
    "amount": {"dollars for coins": INDEX, "coins for dollars": 1 / INDEX, "cents": 100.0},
    "delta": {"the other sign": -1.0, "per cent": 100.0},
    "ray": {"a fraction": 1e-27, "wad": 1e-9, "per cent of a ray": 1e-2, "100 rays": 1e2},
    "index ray": {"a fraction": 1e-27, "wad": 1e-9, "basis points": 1e4},
    "basis points": {"a fraction": 1e-4, "per cent": 1e-2, "100 times": 1e2},
    "raw units": {"whole coins": 1e-18, "gwei": 1e-9},
    "rate": {"per cent": 100.0, "basis points": 1e4},
    "close": {"thousandths": 1000.0, "thousands": 0.001},
}  # fmt: skip
"""Factors by quantity and the name of the slip; -1 of a price stands for its reciprocal, of a delta for its sign."""

UNITS: dict[str, dict[str, str]] = {
    "deribit-book-summary": {
        "vol": "mark_iv",
        "coins": "mark_price bid_price|ask_price",
        "price": "underlying_price estimated_delivery_price",
        "ms": "creation_timestamp",
        "funding": "funding_8h",
        "size": "open_interest volume",
    },
    "deribit-ticker": {
        "vol": "mark_iv",
        "coins": "mark_price best_bid_price|best_ask_price",
        "price": "underlying_price index_price",
        "ms": "timestamp",
        "funding": "funding_8h",
        "size": "best_bid_amount|best_ask_amount open_interest",
        "delta": "greeks.delta",
    },
    "deribit-order-book": {
        "vol": "mark_iv",
        "coins": "mark_price best_bid_price|best_ask_price bids[0]|asks[0]",
        "price": "underlying_price index_price",
        "ms": "timestamp",
        "funding": "funding_8h",
        "size": "best_bid_amount|best_ask_amount",
        "delta": "greeks.delta",
    },
    "deribit-instruments": {
        "step": "tick_size contract_size|min_trade_amount",
        "ms": "expiration_timestamp",
    },
    "deribit-combos": {
        "position": "amount",
    },
    "deribit-positions": {
        "position": "size",
        "delta": "delta",
        "coins": "mark_price",
    },
    "deribit-account-summaries": {
        "amount": "equity options_value",
    },
    "deribit-portfolio": {
        "amount": "equity options_value",
    },
    "okx-option-summary": {
        "vol": "markVol",
        "price": "fwdPx",
        "ms": "ts",
        "delta": "deltaBS",
    },
    "okx-tickers": {
        "coins": "bidPx|askPx",
        "ms": "ts",
        "size": "bidSz|askSz vol24h",
    },
    "okx-mark-prices": {
        "coins": "markPx",
        "ms": "ts",
    },
    "okx-index-tickers": {
        "price": "idxPx",
        "ms": "ts",
    },
    "okx-funding-rates": {
        "funding": "fundingRate",
        "ms": "ts fundingTime|nextFundingTime",
    },
    "okx-order-book": {
        "price": "bids[0]|asks[0]",
        "size": "bids[1]|asks[1]",
        "ms": "ts",
    },
    "okx-instruments": {
        "contract": "ctMult|ctVal",
        "step": "lotSz|minSz tickSz",
        "ms": "expTime",
    },
    "okx-position-tiers": {},
    "okx-positions": {
        "position": "pos",
        "coins": "markPx",
        "delta": "deltaBS",
        "price": "idxPx",
    },
    "okx-balance": {
        "amount": "eq",
    },
    "bybit-option-tickers": {
        "vol": "markIv",
        "dollars": "markPrice bid1Price|ask1Price",
        "price": "underlyingPrice indexPrice",
        "ms": "time",
        "size": "bid1Size|ask1Size openInterest|volume24h",
        "delta": "delta",
    },
    "bybit-tickers": {
        "price": "markPrice bid1Price|ask1Price indexPrice",
        "ms": "time",
        "funding": "fundingRate fundingIntervalHour",
        "size": "bid1Size|ask1Size",
    },
    "bybit-order-book": {
        "price": "b[0]|a[0]",
        "size": "b[1]|a[1]",
        "ms": "ts",
    },
    "bybit-instruments": {
        "step": "qtyStep|minOrderQty tickSize",
        "ms": "deliveryTime",
    },
    "bybit-account-info": {},
    "bybit-risk-limits": {
        "amount": "riskLimitValue",
        "rate": "initialMargin maintenanceMargin",
    },
    "bybit-positions": {
        "position": "size",
        "dollars": "markPrice avgPrice",
        "delta": "delta",
    },
    "bybit-wallet": {
        "amount": "equity|walletBalance",
    },
    "derive-ticker": {
        "vol": "iv",
        "dollars": "option_pricing.mark_price|mark_price best_bid_price|best_ask_price",
        "price": "forward_price index_price",
        "ms": "timestamp",
        "seconds": "expiry",
        "funding": "funding_rate",
        "size": "best_bid_amount|best_ask_amount",
        "step": "amount_step|minimum_amount tick_size",
        "delta": "option_pricing.delta",
    },
    "derive-slim-ticker": {
        "vol": "option_pricing.i",
        "dollars": "M|option_pricing.m b|a",
        "price": "option_pricing.f I",
        "ms": "t|timestamp",
        "funding": "instrument_ticker.f",
        "size": "B|A",
        "delta": "option_pricing.d",
    },
    "derive-slim-tickers-by-name": {
        "vol": "option_pricing.i",
        "dollars": "M|option_pricing.m b|a",
        "price": "option_pricing.f I",
        "ms": "t",
        "funding": "BTC-PERP.f",
        "size": "B|A",
        "delta": "option_pricing.d",
    },
    "derive-instruments": {
        "step": "amount_step|minimum_amount tick_size",
        "seconds": "expiry",
    },
    "derive-positions": {
        "position": "amount",
        "dollars": "mark_price",
        "delta": "delta",
    },
    "derive-subaccount": {
        "position": "positions.amount",
        "amount": "collaterals.amount",
        "delta": "delta",
    },
    "hyperliquid-meta-and-contexts": {
        "price": "markPx oraclePx impactPxs[]",
        "funding": "funding",
        "size": "openInterest|dayBaseVlm",
    },
    "hyperliquid-clearinghouse-state": {
        "position": "szi",
        "price": "positionValue",
        "amount": "accountValue",
        "ms": "time",
    },
    "hyperliquid-spot-state": {
        "amount": "total",
    },
    "hyperliquid-spot-meta-and-contexts": {
        "price": "markPx",
    },
    "binance-option-marks": {
        "vol": "markIV",
        "dollars": "markPrice",
        "delta": "delta",
    },
    "binance-option-mark-stream": {
        "vol": "vo",
        "dollars": "mp bo|ao",
        "price": "i",
        "ms": "E",
        "size": "bq|aq",
        "delta": "d",
    },
    "binance-option-tickers": {
        "dollars": "bidPrice|askPrice",
        "ms": "closeTime",
        "size": "volume",
    },
    "binance-option-exchange-information": {
        "contract": "unit",
        "step": "stepSize|minQty tickSize",
        "ms": "expiryDate",
    },
    "binance-option-positions": {
        "position": "quantity",
        "dollars": "markPrice",
    },
    "binance-premium-index": {
        "price": "markPrice indexPrice",
        "funding": "lastFundingRate",
        "ms": "time",
    },
    "binance-futures-positions": {
        "position": "positionAmt",
        "price": "markPrice",
    },
    "binance-futures-balances": {
        "amount": "balance|crossWalletBalance",
    },
    "ccxt-tickers": {
        "price": "bid|ask markPrice indexPrice",
        "ms": "timestamp",
        "size": "bidVolume|askVolume",
    },
    "ccxt-greeks": {
        "vol": "markImpliedVolatility",
        "coins": "markPrice bidPrice|askPrice",
        "price": "underlyingPrice",
        "ms": "timestamp",
        "size": "bidSize|askSize",
        "delta": "delta",
    },
    "ccxt-option-chain": {
        "vol": "impliedVolatility",
        "coins": "markPrice bidPrice|askPrice",
        "price": "underlyingPrice",
        "ms": "timestamp",
        "size": "openInterest",
    },
    "ccxt-positions": {
        "position": "contracts",
        "contract": "contractSize",
        "price": "markPrice",
    },
    "ccxt-balance": {
        "amount": "total.USDT",
    },
    "ccxt-markets": {
        "contract": "contractSize",
        "step": "precision.amount|limits.amount precision.price",
    },
    "uniswap-v3-positions": {
        "raw units": "liquidity",
    },
    "aave-user-reserves": {
        "index ray": "liquidityIndex variableBorrowIndex",
        "ray": "liquidityRate variableBorrowRate",
        "basis points": "baseLTVasCollateral reserveLiquidationThreshold reserveLiquidationBonus",
        "raw units": "scaledATokenBalance|currentATokenBalance|scaledVariableDebt|currentVariableDebt",
    },
    "aave-reserves": {
        "ray": "liquidityRate variableBorrowRate",
        "basis points": "baseLTVasCollateral reserveLiquidationThreshold reserveLiquidationBonus",
        "price": "priceInUsd",
    },
    "tardis-options-chain": {
        "vol": "mark_iv",
        "coins": "mark_price bid_price|ask_price",
        "price": "underlying_price",
        "us": "timestamp expiration",
        "strike": "strike_price",
        "size": "bid_amount|ask_amount",
        "delta": "delta",
    },
    "tardis-derivative-ticker": {
        "price": "mark_price index_price",
        "us": "timestamp",
        "funding": "funding_rate",
        "size": "open_interest",
    },
    "cryptodatadownload": {
        "close": "close",
    },
    "yfinance": {
        "close": "Close",
    },
    "ccxt-ohlcv": {
        "close": "close",
        "ms": "timestamp",
    },
}
"""Keys by quantity; ``a|b`` are in one unit together."""

WITH: dict[str, tuple[str, ...]] = {
    "okx-option-summary": ("okx-tickers", "okx-mark-prices", "okx-index-tickers"),
    "okx-tickers": ("okx-option-summary", "okx-mark-prices", "okx-index-tickers"),
    "okx-mark-prices": ("okx-option-summary", "okx-tickers", "okx-index-tickers"),
    "okx-index-tickers": ("okx-option-summary", "okx-mark-prices"),
    "okx-funding-rates": ("okx-order-book", "okx-index-tickers"),
    "okx-order-book": ("okx-index-tickers",),
    "okx-instruments": ("okx-positions", "okx-option-summary", "okx-tickers", "okx-mark-prices", "okx-index-tickers"),
    "okx-positions": ("okx-instruments",),
    "okx-balance": ("okx-index-tickers",),
    "bybit-order-book": ("bybit-option-tickers",),
    "bybit-instruments": ("bybit-option-tickers",),
    "bybit-wallet": ("bybit-option-tickers",),
    "deribit-instruments": ("deribit-ticker",),
    "deribit-combos": ("deribit-positions",),
    "derive-instruments": ("derive-slim-ticker",),
    "binance-option-marks": ("binance-premium-index", "binance-option-tickers"),
    "binance-option-tickers": ("binance-option-mark-stream",),
    "binance-option-exchange-information": ("binance-option-mark-stream", "binance-option-positions"),
    "ccxt-positions": (),
    "ccxt-markets": ("ccxt-positions",),
    "hyperliquid-meta-and-contexts": ("hyperliquid-clearinghouse-state",),
    "hyperliquid-spot-state": ("hyperliquid-spot-meta-and-contexts",),
    "hyperliquid-spot-meta-and-contexts": ("hyperliquid-spot-state",),
    "aave-reserves": ("aave-user-reserves",),
}
"""Replies that are given with a form, as a desk would."""


def cases() -> list[tuple[str, str, str, str]]:
    """Form, keys, quantity and slip of every cell of the matrix."""
    return [
        (form, group, quantity, slip)
        for form, quantities in UNITS.items()
        for quantity, groups in quantities.items()
        for group in groups.split()
        for slip in SLIPS[quantity]
    ]


def scaled_text(text: str, group: str, quantity: str, slip: str) -> str:
    """A form's text with one group of keys in another unit."""
    factor = SLIPS[quantity][slip]
    wanted = set(group.split("|"))
    if text[0] not in "{[":
        title, _, rest = text.partition("\n") if text.startswith("https") else ("", "", text)
        rows = list(csv.DictReader(io.StringIO(rest)))
        assert wanted <= rows[0].keys(), group
        for row in rows:
            for key in wanted:
                row[key] = str(_times(row[key], factor, quantity)) if row[key] else ""
        out = io.StringIO()
        writer = csv.DictWriter(out, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return (f"{title}\n" if title else "") + out.getvalue()
    seen: set[str] = set()
    value = _scaled(json.loads(text), wanted, factor, quantity, "", seen)
    assert seen == wanted, (group, seen)
    return json.dumps(value)


def _scaled(value: Any, wanted: set[str], factor: float, quantity: str, parent: str, seen: set[str]) -> Any:
    if isinstance(value, list):
        return [_scaled(one, wanted, factor, quantity, parent, seen) for one in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for key, one in value.items():
        names = {key, f"{parent}.{key}"} & wanted
        levels = [re.fullmatch(rf"{re.escape(key)}\[(\d?)\]", name) for name in wanted]
        level = next((match for match in levels if match), None)
        if names and _number(one):
            seen |= names
            out[key] = _times(one, factor, quantity)
        elif level is not None and isinstance(one, list):
            seen.add(level[0])
            at = level[1]
            out[key] = (
                [_times(number, factor, quantity) for number in one]
                if not at
                else [[_times(x, factor, quantity) if str(k) == at else x for k, x in enumerate(row)] for row in one]
            )
        elif names and isinstance(one, dict):
            seen |= names
            out[key] = {name: _times(x, factor, quantity) if _number(x) else x for name, x in one.items()}
        else:
            out[key] = _scaled(one, wanted, factor, quantity, key, seen)
    return out


def _number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)


def _times(value: Any, factor: float, quantity: str) -> Any:
    """The number in another unit, written as it was: whole where it was whole."""
    number = float(value)
    if quantity == "price" and factor == -1.0:
        changed = 1.0 / number if number else number
    else:
        changed = number * factor
    whole = quantity in ("ms", "us", "seconds", "ray", "index ray", "raw units") and abs(changed) >= 1.0
    text: Any = round(changed) if whole else float(f"{changed:.12g}")
    return str(text) if isinstance(value, str) else text
