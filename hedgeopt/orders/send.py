"""Orders of a plan in the words of a venue, one a line: names of fields, units of amounts and prices are the venue's own.

=============  ==================================================  =======================================================
form           line                                                amount
=============  ==================================================  =======================================================
deribit        ``private/buy`` or ``private/sell`` with params     coins of options and linear contracts, USD of inverse ones
okx            body of ``trade/order``                             contracts (spot: coins)
bybit          body of ``v5/order/create``                         coins, USD of inverse contracts
derive         params of ``private/order`` before signing          coins
hyperliquid    order of the Python SDK's ``bulk_orders``           coins
ccxt           arguments of ``createOrder``, with the exchange     as ccxt asks of that exchange
=============  ==================================================  =======================================================

Amounts and prices are written in decimals without rounding, so that what is read back is what was proposed. Every order is a
limit order that leaves nothing in the book (immediate or cancel) unless asked otherwise. Nothing is signed or sent.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.files.names import require_known
from hedgeopt.inputs.market import Market
from hedgeopt.venues.known import parser
from hedgeopt.venues.unified import native_symbol, parse_unified, unified_symbol

__all__ = ["FORMS_OF_ORDERS", "SentOrder", "decimal_text", "order_line", "read_order_line"]


_CLIENT_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class SentOrder:
    """One order: the instrument, a positive quantity in our units, and the limit price in its quote unit.

    ``client_id`` has 32 hexadecimal digits; ``contract`` is the size of one contract of the venue in our units, None where
    the venue counts as we do.
    """

    client_id: str
    account: str
    item: Any
    side: str
    quantity: float
    price: float
    reduce_only: bool = False
    contract: float | None = None
    rests: bool = False


def decimal_text(value: float | Fraction) -> str:
    """The number in plain decimals that reads back to the same float: 0.0001, not 1e-04."""
    from decimal import Decimal

    text = f"{Decimal(repr(float(value))):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _contracts(order: SentOrder) -> str:
    """The quantity in contracts of the venue.

    Raises
    ------
    InputError
        Where the size of a contract is not known, or the count has no decimals that read back to the quantity.
    """
    if order.contract is None or not order.contract > 0.0:
        fix = "give the venue's list of instruments with --market, or a column contract_size in the market file"
        raise InputError("the size of its contract is not known", file="orders", field=order.item.name, fix=fix)
    count = Fraction(str(order.quantity)) / Fraction(str(order.contract))
    text = decimal_text(count)
    if Fraction(text) * Fraction(str(order.contract)) != Fraction(str(order.quantity)):
        fix = f"propose whole lots: one contract is {order.contract:g}"
        raise InputError(
            "is no number of contracts that can be written", field=order.item.name, value=order.quantity, fix=fix
        )
    return text


def _deribit(o: SentOrder) -> dict[str, Any]:
    params = {
        "instrument_name": native_symbol(o.item, "deribit"),
        "amount": o.quantity,
        "type": "limit",
        "price": o.price,
        "label": o.client_id,
        "time_in_force": "good_til_cancelled" if o.rests else "immediate_or_cancel",
        "reduce_only": o.reduce_only,
    }
    return {"method": f"private/{o.side}", "params": params}


def _from_deribit(line: Mapping[str, Any]) -> _Found:
    p = line["params"]
    return _Found(p["instrument_name"], line["method"].removeprefix("private/"), p["amount"], p["price"], p["label"])


def _okx(o: SentOrder) -> dict[str, Any]:
    spot = not o.item.nature.derivative
    body = {
        "instId": native_symbol(o.item, "okx"),
        "tdMode": "cash" if spot else "cross",
        "side": o.side,
        "ordType": "limit" if o.rests else "ioc",
        "px": decimal_text(o.price),
        "sz": decimal_text(o.quantity) if spot else _contracts(o),
        "clOrdId": o.client_id,
    }
    # applies to margin orders, and to futures and swaps in net mode
    return body | ({"reduceOnly": True} if o.reduce_only and o.item.nature.margined else {})


def _from_okx(line: Mapping[str, Any]) -> _Found:
    return _Found(line["instId"], line["side"], line["sz"], line["px"], line["clOrdId"], line["tdMode"] != "cash")


def _bybit(o: SentOrder) -> dict[str, Any]:
    nature = o.item.nature
    inverse = getattr(o.item, "inverse", False)
    category = "option" if nature.option else "spot" if not nature.derivative else "inverse" if inverse else "linear"
    return {
        "category": category,
        "symbol": native_symbol(o.item, "bybit"),
        "side": o.side.capitalize(),
        "orderType": "Limit",
        "qty": decimal_text(o.quantity),
        "price": decimal_text(o.price),
        "timeInForce": "GTC" if o.rests else "IOC",
        "orderLinkId": o.client_id,
    } | ({"reduceOnly": True} if o.reduce_only else {})


def _from_bybit(line: Mapping[str, Any]) -> _Found:
    return _Found(line["symbol"], line["side"].lower(), line["qty"], line["price"], line["orderLinkId"])


def _derive(o: SentOrder) -> dict[str, Any]:
    return {
        "instrument_name": native_symbol(o.item, "derive"),
        "direction": o.side,
        "order_type": "limit",
        "time_in_force": "gtc" if o.rests else "ioc",
        "amount": decimal_text(o.quantity),
        "limit_price": decimal_text(o.price),
        "label": o.client_id,
        "reduce_only": o.reduce_only,
    }


def _from_derive(line: Mapping[str, Any]) -> _Found:
    return _Found(line["instrument_name"], line["direction"], line["amount"], line["limit_price"], line["label"])


def _hyperliquid(o: SentOrder) -> dict[str, Any]:
    return {
        "coin": native_symbol(o.item, "hyperliquid"),
        "is_buy": o.side == "buy",
        "sz": o.quantity,
        "limit_px": o.price,
        "order_type": {"limit": {"tif": "Gtc" if o.rests else "Ioc"}},
        "reduce_only": o.reduce_only,
        "cloid": f"0x{o.client_id}",
    }


def _from_hyperliquid(line: Mapping[str, Any]) -> _Found:
    side = "buy" if line["is_buy"] else "sell"
    return _Found(line["coin"], side, line["sz"], line["limit_px"], line["cloid"].removeprefix("0x"))


def _by_contract(item: Any) -> bool:
    """Whether ccxt counts contracts of this instrument; Deribit, Bybit, Derive and Hyperliquid are counted as we do.

    Source: ccxt's own comments at ``createOrder``: at Deribit USD of inverse futures and coins of options.
    """
    if item.venue in ("deribit", "bybit", "derive", "hyperliquid") or not item.nature.derivative:
        return False
    return bool(item.venue == "okx" or item.inverse)


def _ccxt(o: SentOrder) -> dict[str, Any]:
    params: dict[str, Any] = {"clientOrderId": f"0x{o.client_id}" if o.item.venue == "hyperliquid" else o.client_id}
    params |= {} if o.rests else {"timeInForce": "IOC"}
    params |= {"reduceOnly": True} if o.reduce_only else {}
    return {
        "exchange": o.item.venue,
        "symbol": unified_symbol(o.item),
        "type": "limit",
        "side": o.side,
        "amount": float(_contracts(o)) if _by_contract(o.item) else o.quantity,
        "price": o.price,
        "params": params,
    }


def _from_ccxt(line: Mapping[str, Any]) -> _Found:
    item = parse_unified(line["symbol"], line["exchange"])
    name, identity = line["symbol"], line["params"]["clientOrderId"].removeprefix("0x")
    return _Found(name, line["side"], line["amount"], line["price"], identity, _by_contract(item), line["exchange"])


@dataclass(frozen=True)
class _Found:
    """A line read back, in the venue's words."""

    name: str
    side: str
    amount: Any
    price: Any
    client_id: str
    contracts: bool = False
    venue: str = ""


_Form = tuple[Callable[[SentOrder], dict[str, Any]], Callable[[Mapping[str, Any]], _Found]]
FORMS_OF_ORDERS: dict[str, _Form] = {
    "deribit": (_deribit, _from_deribit),
    "okx": (_okx, _from_okx),
    "bybit": (_bybit, _from_bybit),
    "derive": (_derive, _from_derive),
    "hyperliquid": (_hyperliquid, _from_hyperliquid),
    "ccxt": (_ccxt, _from_ccxt),
}
"""How an order is written and read back, by the form's name."""


def order_line(order: SentOrder, form: str) -> str:
    """One line of JSON.

    Raises
    ------
    InputError
        For an unknown form, an order at another venue than the form's, or one whose side, id, price or amount is none.
    """
    require_known([form], FORMS_OF_ORDERS, "form of orders", file=None, field="orders")
    if form not in ("ccxt", order.item.venue):
        raise InputError(
            "is at another venue", field=order.item.name, value=order.item.venue, fix=f"--orders {order.item.venue}"
        )
    if not order.price > 0.0:
        fix = "give a market with its quote, and its tick in the market file or the venue's table"
        raise InputError(
            "has no limit price: its quote or its tick is not known", file="orders", field=order.item.name, fix=fix
        )
    faults = {
        "price": not math.isfinite(order.price),
        "quantity": not (math.isfinite(order.quantity) and order.quantity > 0.0),
        "side": order.side not in ("buy", "sell"),
        "client_id": not _CLIENT_ID.fullmatch(order.client_id),
    }
    for name, bad in faults.items():
        if bad:
            told = {"field": f"{order.item.name}: {name}", "value": getattr(order, name)}
            raise InputError("cannot be sent", file="orders", fix="plan the proposal again", **told)
    return json.dumps(FORMS_OF_ORDERS[form][0](order), allow_nan=False)


def read_order_line(line: str, form: str, market: Market) -> dict[str, Any]:
    """Instrument, side, quantity, limit price and client id of a line, in our words: what :func:`order_line` was given."""
    require_known([form], FORMS_OF_ORDERS, "form of orders", file=None, field="orders")
    found = FORMS_OF_ORDERS[form][1](json.loads(line))
    venue = found.venue or form
    item = parse_unified(found.name, venue) if form == "ccxt" else parser(venue)(found.name)
    ours = _same(item, market)
    amount = Fraction(str(found.amount))
    if found.contracts:
        amount *= Fraction(str(float(market.quoted("contract_size", [ours.id])[0])))
    return {
        "instrument": ours.name, "side": found.side, "quantity": float(amount), "limit_price": float(found.price),
        "client_id": found.client_id,
    }  # fmt: skip


def _same(item: Any, market: Market) -> Any:
    """The market's instrument that is this one, whatever it is called there."""
    terms = item.model_dump(exclude={"name"})
    for other in market.instruments.values():
        if other.name == item.name or (other.venue == item.venue and other.model_dump(exclude={"name"}) == terms):
            return other
    raise InputError("is no instrument of the market", file=market.source, field="instrument", value=item.name)
