"""Pools in JSON: reserves, ranges of liquidity, or the initialised ticks of a contract.

Always ``kind = "pool"``, ``instrument``, ``venue``, ``timestamp``, ``fee`` (a share), ``gas_usd`` where swaps cost it; then

- ``base_reserve`` and ``quote_reserve``: a constant-product pool;
- ``price`` and ``ranges``, a list of ``{lower, upper, liquidity}`` in quote per base;
- ``sqrtPriceX96``, ``ticks`` (``{tick, liquidityNet}``), ``decimals`` (of token0 and token1) and ``base`` ("token0" or
  "token1"): a Uniswap v3 pool as its contract holds it.
"""

from __future__ import annotations

from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.files.regular import parse_moment
from hedgeopt.models.costs.ladder import Ladder
from hedgeopt.models.costs.pool import concentrated, constant_product, ranges_of_ticks

__all__ = ["is_pool", "read_pool"]

_ALWAYS = {"kind", "instrument", "venue", "timestamp", "fee", "gas_usd"}
_MORE = (
    {"base_reserve", "quote_reserve"},
    {"price", "ranges"},
    {"sqrtPriceX96", "ticks", "decimals", "base"},
)


def is_pool(data: dict[str, Any]) -> bool:
    """Whether a JSON object is a pool."""
    return data.get("kind") == "pool"


def read_pool(data: dict[str, Any], file: str) -> Ladder:
    """The ladder of a pool."""
    for name in ("instrument", "venue", "timestamp", "fee"):
        if name not in data:
            raise InputError("is missing", file=file, field=name, fix="see docs/costs.md, section Pools")
    form = next((one for one in _MORE if one <= data.keys()), None)
    if form is None:
        fix = "give base_reserve and quote_reserve, or price and ranges, or sqrtPriceX96 with ticks, decimals and base"
        raise InputError("has no reserves, ranges or ticks", file=file, field=str(data["instrument"]), fix=fix)
    odd = next((key for key in data if key not in _ALWAYS | form), None)
    if odd is not None:
        raise InputError("is no field of a pool", file=file, field=odd, value=data[odd], fix=advice(odd, _ALWAYS | form))
    name = f"{data['venue']}:{data['instrument']}"
    moment = parse_moment(str(data["timestamp"]), "timestamp")
    fee, gas = _number(data, "fee", file), _number({"gas_usd": 0.0, **data}, "gas_usd", file)
    if not gas >= 0.0:
        raise InputError("must be 0 or more", file=file, field="gas_usd", value=gas)
    if "base_reserve" in form:
        sizes = [_number(data, key, file) for key in ("base_reserve", "quote_reserve")]
        return constant_product(name, moment, sizes[0], sizes[1], fee, gas=gas, source=file)
    if "ranges" in form:
        rows = _rows(data, "ranges", file)
        table = [
            [_number(row, key, file, f"ranges.{k}.") for key in ("lower", "upper", "liquidity")]
            for k, row in enumerate(rows)
        ]
        ranges = [(low, high, liquidity) for low, high, liquidity in table]
        return concentrated(name, moment, _number(data, "price", file), ranges, fee, gas=gas, source=file)
    return _of_contract(data, name, fee, gas, file)


def _of_contract(data: dict[str, Any], name: str, fee: float, gas: float, file: str) -> Ladder:
    if data["base"] not in ("token0", "token1"):
        raise InputError("is no token of the pool", file=file, field="base", value=data["base"], fix="token0 or token1")
    base = 0 if data["base"] == "token0" else 1
    places = data["decimals"]
    if not (isinstance(places, list) and len(places) == 2 and all(type(p) is int and 0 <= p <= 36 for p in places)):
        raise InputError("are no two counts", file=file, field="decimals", value=places, fix="such as [6, 18]")
    ticks = [
        (int(_number(row, "tick", file, f"ticks.{k}.")), int(row["liquidityNet"]))
        for k, row in enumerate(_rows(data, "ticks", file))
    ]
    ranges = ranges_of_ticks(ticks, (places[0], places[1]), 0 if base == 0 else 1, file, name)
    raw = (int(data["sqrtPriceX96"]) / 2**96) ** 2 * 10.0 ** (places[0] - places[1])
    price = raw if base == 0 else 1.0 / raw if raw else 0.0
    moment = parse_moment(str(data["timestamp"]), "timestamp")
    return concentrated(name, moment, price, ranges, fee, gas=gas, source=file)


def _rows(data: dict[str, Any], key: str, file: str) -> list[dict[str, Any]]:
    rows = data[key]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise InputError("is no list of objects", file=file, field=key, value=str(rows)[:60])
    return rows


def _number(data: dict[str, Any], key: str, file: str, where: str = "") -> float:
    value = data.get(key)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError("is not a number", file=file, field=f"{where}{key}", value=data.get(key))
    return float(value)
