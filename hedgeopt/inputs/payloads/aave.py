"""Aave v3: user reserves of the subgraph as deposits and loans.

Balances are raw units of the asset's ``decimals``; indices and rates are ray (1e27), thresholds basis points (1e4). The
balance is the scaled one with its index (interest is inside), or the current one without. Forms unverified: taken from the
subgraph's schema. Source: github.com/aave/protocol-subgraphs, schemas/v3.schema.graphql.
"""

from __future__ import annotations

import math
from typing import Any

from hedgeopt.inputs.payloads.form import Findings, Form, keys
from hedgeopt.inputs.payloads.item import Item
from hedgeopt.models.data import dollar_assets

__all__ = ["RESERVES", "USER_RESERVES"]

_RAY, _BASIS = 1e27, 1e4


def _ray(item: Item, key: str, default: float, low: float, high: float) -> float:
    """A ray as a number; outside of ``low`` to ``high`` it is in another unit."""
    if not item.given(key):
        return default
    raw = item.raw(key)
    try:
        value = int(raw) / _RAY
    except (TypeError, ValueError):
        raise item.fault("is no whole number of ray", key, raw, "a ray is 27 digits: 1e27 is 1") from None
    if not low <= value <= high:
        raise item.fault(f"is {value:.3g} as a ray", key, raw, "a ray counts in 1e-27: give it as the chain states it")
    return value


def _amount(item: Item, key: str, decimals: int) -> float:
    raw = item.raw(key)
    if raw is None:
        return 0.0
    try:
        return int(raw) / 10.0**decimals
    except (TypeError, ValueError):
        raise item.fault("is no whole number of raw units", key, raw, "give it as the chain states it") from None


def _terms(reserve: Item) -> tuple[str, int, dict[str, Any]]:
    symbol, decimals = reserve.text("symbol"), int(reserve.needed("decimals"))
    if not 0 <= decimals <= 36:
        raise reserve.fault("is no number of decimals", "decimals", decimals)
    terms: dict[str, Any] = {}
    for key, name in (("baseLTVasCollateral", "ltv"), ("reserveLiquidationThreshold", "liquidation_threshold")):
        points = reserve.number(key)
        if points == points:
            if 0 < points < 100 or not 0 <= points <= _BASIS:
                raise reserve.fault("is not in basis points", key, points, "8050 is 80.5 %")
            terms[name] = points / _BASIS
    bonus = reserve.number("reserveLiquidationBonus")
    if bonus == bonus and bonus > 0:
        if not _BASIS <= bonus < 2 * _BASIS:
            raise reserve.fault("is no bonus in basis points", "reserveLiquidationBonus", bonus, "10500 is a bonus of 5 %")
        terms["liquidation_bonus"] = round(bonus / _BASIS - 1.0, 10)
    pays, costs = (_ray(reserve, key, 0.0, 0.0, 10.0) for key in ("liquidityRate", "variableBorrowRate"))
    if reserve.given("variableBorrowRate") and pays > 1.5 * costs:
        fix = "both are ray a year: save them of one reply"
        raise reserve.fault(f"is {pays:.3g}, and borrowers pay {costs:.3g}", "liquidityRate", pays, fix)
    price = reserve.item("price")
    usd = price.number("priceInUsd") if price is not None else math.nan
    if symbol in dollar_assets() and usd == usd and not 0.5 < usd < 2.0:
        raise reserve.fault(f"is no price of {symbol} in dollars", "price.priceInUsd", usd, "dollars per coin")
    return symbol, decimals, terms


def _read_user(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        reserve = item.item("reserve")
        if reserve is None:
            raise item.fault("is missing", "reserve", None, "ask the subgraph for reserve { symbol decimals ... }")
        user = item.item("user")
        account = user.text("id", "")[:10] if user is not None else ""
        symbol, decimals, terms = _terms(reserve)
        supplied, borrowed = (
            _ray(reserve, "liquidityIndex", 1.0, 0.9, 100.0),
            _ray(reserve, "variableBorrowIndex", 1.0, 0.9, 100.0),
        )
        pays, costs = _ray(reserve, "liquidityRate", 0.0, 0.0, 100.0), _ray(reserve, "variableBorrowRate", 0.0, 0.0, 100.0)
        scaled = item.given("scaledATokenBalance") and reserve.given("liquidityIndex")
        amount = _amount(item, "scaledATokenBalance" if scaled else "currentATokenBalance", decimals)
        if amount:
            instrument = {
                "kind": "lending_supply",
                "name": f"{symbol} supplied",
                "venue": "aave",
                "asset": symbol,
                "rate": pays,
                "index": supplied if scaled else 1.0,
                "collateral": bool(item.raw("usageAsCollateralEnabledOnUser")),
                **terms,
            }
            found.objects.append({"venue": "aave", "account": account, "instrument": instrument, "quantity": amount})
        scaled = item.given("scaledVariableDebt") and reserve.given("variableBorrowIndex")
        debt = _amount(item, "scaledVariableDebt" if scaled else "currentVariableDebt", decimals)
        if debt:
            instrument = {
                "kind": "lending_borrow",
                "name": f"{symbol} borrowed",
                "venue": "aave",
                "asset": symbol,
                "rate": costs,
                "index": borrowed if scaled else 1.0,
            }
            found.objects.append({"venue": "aave", "account": account, "instrument": instrument, "quantity": debt})
        for balance, total in (("currentATokenBalance", amount * (supplied if scaled else 1.0)),):
            current = _amount(item, balance, decimals)
            if current and total and abs(current / total - 1.0) > 0.05:
                found.notes.append(
                    f"{symbol} at Aave: {balance} {current:,.6g}, scaled with its index {total:,.6g}: one is old"
                )
        found.margins["aave", account] = "aave"


def _read_reserves(items: list[Item], found: Findings, venue: str) -> None:
    names = []
    for item in items:
        symbol, _, terms = _terms(item)
        for key in ("liquidityRate", "variableBorrowRate"):
            _ray(item, key, 0.0, 0.0, 100.0)
        price = item.item("price")
        usd = price.number("priceInUsd") if price is not None else float("nan")
        if usd > 0:
            found.prices["aave", symbol] = usd
        names.append(f"{symbol} (LTV {terms.get('ltv', float('nan')):.1%})")
    found.notes.append(
        f"Aave reserves read: {', '.join(names[:6])}{', …' if len(names) > 6 else ''}; terms go with user reserves"
    )


_RESERVE = (
    "id name underlyingAsset usageAsCollateralEnabled borrowingEnabled isActive isFrozen totalLiquidity availableLiquidity "
    "totalCurrentVariableDebt utilizationRate reserveFactor liquidityIndex variableBorrowIndex pool price.priceInEth "
    "price.id eMode totalATokenSupply lastUpdateTimestamp aToken vToken supplyCap borrowCap"
)
USER_RESERVES = Form(
    name="Aave user reserves",
    venue="aave",
    holds="positions",
    keys=keys("reserve currentATokenBalance"),
    read=_read_user,
    ignored=keys(
        "id user currentTotalDebt currentStableDebt scaledStableDebt liquidityRate lastUpdateTimestamp "
        "currentATokenBalance scaledATokenBalance currentVariableDebt scaledVariableDebt reserve.price "
        + " ".join(f"reserve.{key}" for key in _RESERVE.split())
    ),
    source="github.com/aave/protocol-subgraphs, UserReserve",
)
RESERVES = Form(
    name="Aave reserves",
    venue="aave",
    holds="prices",
    keys=keys("symbol decimals baseLTVasCollateral reserveLiquidationThreshold"),
    absent=keys("reserve"),
    read=_read_reserves,
    ignored=keys(_RESERVE),
    source="github.com/aave/protocol-subgraphs, Reserve",
)
