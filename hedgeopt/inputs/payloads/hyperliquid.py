"""Hyperliquid: ``metaAndAssetCtxs``, ``clearinghouseState`` and ``spotClearinghouseState`` of the info endpoint.

``szi`` is signed coins. Collateral is ``accountValue``, which holds the positions' P&L, and not ``totalRawUsd``, which is
negative where positions are long. Funding is per hour. Spot balances do not margin perpetuals: they are an account of their
own. Pairs that are named by number (``@107``) are the coin that ``spotMeta`` says.
Source: hyperliquid.gitbook.io, API, info endpoint.
"""

from __future__ import annotations

import math
from dataclasses import replace

from hedgeopt.files.counted import many
from hedgeopt.inputs.payloads.form import PUBLISHED, Findings, Form, HeldLine, Posted, Spec, Total, keys
from hedgeopt.inputs.payloads.item import Item
from hedgeopt.inputs.payloads.signs import refuse_contradictions

__all__ = ["META", "SPOT_META", "SPOT_STATE", "STATE"]

_NEAR = 0.02
_WHOLE = "positions are missing, or of another moment: save the venue's whole reply (assetPositions too)"


def _read_meta(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        coins, contexts = list(item.items("universe")), list(item.items("@contexts"))
        if contexts and len(contexts) != len(coins):
            raise item.fault(
                f"lists {many(len(coins), 'coin')}, and contexts of {len(contexts)}", "universe", None, "save both"
            )
        for k, coin in enumerate(coins):
            name = coin.text("name")
            if coin.raw("isDelisted") is True:
                found.skip("delisted", name)
                continue
            step = 10.0 ** -coin.needed("szDecimals")
            found.specs["hyperliquid", name] = Spec("hyperliquid", name, multiplier=1.0, lot=step, min_size=step)
            if not contexts:
                continue
            context = contexts[k]
            bid, ask = _impact(context)
            found.quote(
                "hyperliquid",
                name,
                item.moment("@time", "ms"),
                context.where,
                bid=bid,
                ask=ask,
                mark=context.number("markPx"),
                index=context.number("oraclePx"),
                open_interest=context.number("openInterest"),
                volume=context.number("dayBaseVlm"),
                funding_8h=context.number("funding") * 8.0,
            )
        if contexts:
            found.notes.append("Hyperliquid's bids and asks are its impact prices, for trades of its impact notional")


def _impact(context: Item) -> tuple[float, float]:
    """Impact prices of bid and ask; NaN where there are none."""
    prices = context.raw("impactPxs")
    if prices is None:
        return math.nan, math.nan
    try:
        bid, ask = (math.nan if price is None else float(price) for price in prices)
    except (TypeError, ValueError):
        raise context.fault(
            "is no pair of prices", "impactPxs", str(prices)[:60], "save the venue's reply as it came"
        ) from None
    return bid, ask


def _read_state(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        when, sums = item.moment("time", "ms"), item.item("crossMarginSummary") or item.item("marginSummary")
        if when is not None:
            found.times.append((when, item.where))
        notional = signed = 0.0
        for entry in item.items("assetPositions"):
            position = entry.item("position")
            if position is None:
                raise entry.fault("is missing", "position", None)
            kind = entry.text("type", "oneWay")
            name, size = position.text("coin"), position.needed("szi")
            value = position.number("positionValue")
            leverage = position.item("leverage")
            alone = leverage is not None and leverage.text("type", "cross") == "isolated"
            if alone:
                found.notes.append(
                    f"{name} at Hyperliquid is margined by itself ({kind}); it is read as part of the account"
                )
            if size == 0:
                continue
            entry_price, profit = position.number("entryPx"), position.number("unrealizedPnl")
            sign = 1.0 if size > 0 else -1.0
            refuse_contradictions(
                position,
                size,
                "szi",
                minus=("positionValue",),
                entries=("entryPx",),
                mark=value / abs(size),
                profits=("unrealizedPnl",),
            )
            ours = sign * value - size * entry_price
            if ours == ours and profit == profit and abs(ours - profit) > _NEAR * abs(value):
                fix = "szi is coins, the others USD: save the venue's reply as it came"
                problem = f"from entryPx {entry_price:g} to positionValue {value:g} is a P&L of {ours:g}, not {profit:g}"
                raise position.fault(problem, "szi", size, fix)
            if not alone or item.given("marginSummary"):  # the cross summary leaves isolated positions out
                notional += value
                signed += sign * value
            mark = value / abs(size) if value == value else math.nan
            chosen = math.nan if leverage is None else leverage.number("value")
            used = position.number("marginUsed")
            found.holdings.append(
                HeldLine("hyperliquid", name, size, position.where, mark=mark, notional=value, initial=used, leverage=chosen)
            )
        if sums is None:
            raise item.fault("is missing", "crossMarginSummary", None, "save the venue's whole reply")
        whole = item.item("marginSummary") or sums
        equity = whole.needed("accountValue")
        found.posted.append(Posted("hyperliquid", "USDC", equity, item.where, usd=equity))
        theirs, used = whole.number("totalNtlPos"), whole.number("totalMarginUsed")
        if used == used:
            found.stated["hyperliquid", "initial"] = used
        if theirs == theirs and (theirs > 0 or notional > 0):
            total = Total("notional at Hyperliquid", notional, theirs, 0.01, must=_WHOLE)
            found.totals.append(replace(total, file=item.reading.file, where=f"{whole.where}.totalNtlPos"))
            raw = whole.number("totalRawUsd")
            if raw == raw:
                if abs(equity - raw) > theirs * 1.01:
                    fix = "the three are USD: save the venue's reply as it came"
                    problem = f"less totalRawUsd {raw:g} is more than totalNtlPos {theirs:g}"
                    raise whole.fault(problem, "accountValue", equity, fix)
                room = 0.01 * max(theirs, notional) / max(abs(signed), abs(equity - raw), 1e-9)
                net = Total("long less short at Hyperliquid", signed, equity - raw, room, must=_WHOLE)
                found.totals.append(replace(net, file=item.reading.file, where=whole.where))


def _read_spot(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        for entry in item.items("balances"):
            asset, amount = entry.text("coin"), entry.needed("total")
            if amount == 0:
                continue
            if asset.startswith("+"):
                found.skip("an outcome, which is no coin with a price", asset)
                continue
            if not asset.isalnum() and not asset.startswith("@"):
                found.skip("the name of no coin", asset)
                continue
            found.posted.append(Posted("hyperliquid", asset, amount, entry.where, account="spot"))
        found.margins["hyperliquid", "spot"] = "none"


def _read_spot_meta(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        tokens = {token.needed("index"): token.text("name") for token in item.items("tokens")}
        contexts = {context.text("coin"): context for context in item.items("@contexts")}
        for pair in item.items("universe"):
            name, sides = pair.text("name"), pair.raw("tokens")
            if not (isinstance(sides, list) and len(sides) == 2 and all(side in tokens for side in sides)):
                raise pair.fault("is no pair of two tokens of the list", "tokens", sides, "save the venue's whole reply")
            base, quote = (tokens[side] for side in sides)
            if name.startswith("@"):
                found.coins["hyperliquid", name] = base
            context = contexts.get(name)
            price, middle = math.nan, math.nan
            if context is not None:
                price, middle = context.number("markPx"), context.number("midPx")
                if price > 0 and middle > 0 and not 0.5 < price / middle < 2.0:
                    raise context.fault(f"is far from midPx {middle:g}", "markPx", price, "save the venue's whole reply")
            if price > 0 and quote == "USDC":
                found.prices["hyperliquid", base] = price


META = Form(
    name="Hyperliquid meta and contexts",
    venue="hyperliquid",
    holds="quotes",
    keys=frozenset({"universe"}),
    read=_read_meta,
    ignored=keys(
        "universe.maxLeverage universe.marginTableId universe.onlyIsolated universe.marginMode "
        "universe.growthMode universe.lastGrowthModeChangeTime marginTables collateralToken "
        "@contexts.dayNtlVlm @contexts.prevDayPx @contexts.premium @contexts.midPx"
    ),
    source="hyperliquid.gitbook.io, info endpoint, meta and metaAndAssetCtxs",
    checked=PUBLISHED,
)
STATE = Form(
    name="Hyperliquid clearinghouse state",
    venue="hyperliquid",
    holds="collateral",
    keys=frozenset({"assetPositions", "withdrawable"}),
    read=_read_state,
    ignored=keys(
        "withdrawable crossMaintenanceMarginUsed crossMarginSummary assetPositions.position.returnOnEquity "
        "assetPositions.position.liquidationPx "
        "assetPositions.position.maxLeverage assetPositions.position.cumFunding "
        "assetPositions.position.leverage"
    ),
    source="hyperliquid.gitbook.io, info endpoint, clearinghouseState",
    compared=True,
    checked="real payload",
)
SPOT_STATE = Form(
    name="Hyperliquid spot state",
    venue="hyperliquid",
    holds="collateral",
    keys=frozenset({"balances"}),
    absent=frozenset({"assetPositions"}),
    read=_read_spot,
    ignored=keys("balances.token balances.hold balances.entryNtl tokenToAvailableAfterMaintenance"),
    source="hyperliquid.gitbook.io, info endpoint, spotClearinghouseState",
    checked="real payload",
)
SPOT_META = Form(
    name="Hyperliquid spot meta and contexts",
    venue="hyperliquid",
    holds="prices",
    keys=frozenset({"universe", "tokens"}),
    read=_read_spot_meta,
    ignored=keys(
        "universe.index universe.isCanonical tokens.szDecimals tokens.weiDecimals tokens.tokenId tokens.isCanonical "
        "tokens.evmContract tokens.fullName tokens.deployerTradingFeeShare @contexts.dayNtlVlm @contexts.prevDayPx "
        "@contexts.circulatingSupply @contexts.totalSupply @contexts.dayBaseVlm"
    ),
    source="hyperliquid.gitbook.io, info endpoint, spotMeta and spotMetaAndAssetCtxs",
    checked=PUBLISHED,
)
