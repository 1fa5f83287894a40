"""Uniswap v3 positions: of the subgraph, and as ``NonfungiblePositionManager.positions`` returns them.

Ticks and raw liquidity are texts, as the chain states them. Decimals come with the subgraph's tokens; the manager returns
addresses only, so its tokens must be described beside it (``token0`` and ``token1`` as objects with symbol and decimals).
Forms unverified: taken from the protocol's documentation.
Source: docs.uniswap.org, v3 subgraph schema (Position), NonfungiblePositionManager.positions.
"""

from __future__ import annotations

from typing import Any

from hedgeopt.inputs.payloads.form import PUBLISHED, Findings, Form, keys
from hedgeopt.inputs.payloads.item import Item
from hedgeopt.models.data import dollar_assets

__all__ = ["POSITIONS"]


def _tick(item: Item, key: str) -> int:
    value = item.raw(key)
    if isinstance(value, dict):
        inner = item.item(key)
        assert inner is not None
        return _tick(inner, "tickIdx")
    return _whole(item, key)


def _whole(item: Item, key: str) -> int:
    """A whole number as it is, or as text: raw units are larger than a float can tell apart."""
    value = item.raw(key)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise item.fault("is no whole number", key, value, "write it as text, as the chain states it")
    try:
        return int(value)
    except ValueError:
        raise item.fault("is no whole number", key, value, "write it as text, as the chain states it") from None


def _read(items: list[Item], found: Findings, venue: str) -> None:
    for k, item in enumerate(items):
        liquidity = _whole(item, "liquidity")
        name = item.text("id", "") or item.text("tokenId", "") or str(k)
        if liquidity == 0:
            found.skip("closed positions without liquidity", name)
            continue
        pool = item.item("pool")
        tokens = []
        for key in ("token0", "token1"):
            where = item if isinstance(item.raw(key), dict) else pool
            token = where.item(key) if where is not None and isinstance(where.raw(key), dict) else None
            if token is None:
                fix = f'describe it: "{key}": {{"symbol": "WETH", "decimals": 18}}'
                raise item.fault("is an address without symbol and decimals", key, item.raw(key), fix)
            tokens.append((token.text("symbol"), _whole(token, "decimals")))
        (first, decimals0), (second, decimals1) = tokens
        base_is_token0 = not (first in dollar_assets() and second not in dollar_assets())
        base, quote = (first, second) if base_is_token0 else (second, first)
        ticks: dict[str, Any] = {
            "lower": _tick(item, "tickLower"),
            "upper": _tick(item, "tickUpper"),
            "liquidity": liquidity,
            "decimals0": decimals0,
            "decimals1": decimals1,
            "base_is_token0": base_is_token0,
        }
        fee = pool.text("feeTier", "") if pool is not None else item.text("fee", "")
        instrument = {
            "kind": "amm_concentrated",
            "name": f"{base}-{quote} {fee} {name}".replace("  ", " "),
            "venue": "uniswap",
            "base": base,
            "quote": quote,
            "ticks": ticks,
        }
        found.objects.append({"venue": "uniswap", "instrument": instrument, "quantity": 1.0})
        found.margins["uniswap", ""] = "none"


POSITIONS = Form(
    name="Uniswap v3 positions",
    venue="uniswap",
    holds="positions",
    keys=keys("liquidity tickLower tickUpper token0 token1"),
    read=_read,
    ignored=keys(
        "owner nonce operator fee depositedToken0 depositedToken1 withdrawnToken0 withdrawnToken1 collectedFeesToken0 "
        "collectedFeesToken1 feeGrowthInside0LastX128 feeGrowthInside1LastX128 tokensOwed0 tokensOwed1 transaction "
        "pool.id pool.tick pool.sqrtPrice pool.liquidity pool.token0Price pool.token1Price pool.token0 pool.token1 "
        "token0.id token0.name token1.id token1.name tickLower.price0 tickLower.price1 tickUpper.price0 tickUpper.price1 "
        "__typename tokenId"
    ),
    source="docs.uniswap.org, v3 subgraph and NonfungiblePositionManager",
    checked=PUBLISHED,
)
