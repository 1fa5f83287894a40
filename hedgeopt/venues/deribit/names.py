"""Deribit's instrument names.

=====================  ==========================================
``BTC-27MAR26-80000-C``       inverse option, settled in BTC
``BTC_USDC-27MAR26-80000-P``  linear option, settled in USDC (``d`` is the decimal point in strikes: ``0d45``)
``BTC-27MAR26``               inverse future
``BTC-PERPETUAL``             inverse perpetual
``SOL_USDC-PERPETUAL``        linear perpetual
``BTC_USDC``                  spot
=====================  ==========================================

Expiries are at 08:00 UTC. Source: Deribit API reference, "Naming".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.files.record import LARGEST
from hedgeopt.models.pricing.future import Future
from hedgeopt.models.pricing.option import Option
from hedgeopt.models.pricing.perpetual import Perpetual
from hedgeopt.models.pricing.spot import Spot

__all__ = ["own_or_deribit", "parse_name", "write_name"]

_NAME = re.compile(
    r"(?P<base>[A-Z0-9]+)(?:_(?P<quote>[A-Z]+))?"
    r"(?:-(?:(?P<perpetual>PERPETUAL)|(?P<expiry>\d{1,2}[A-Z]{3}\d{2})(?:-(?P<strike>\d+(?:d\d+)?)-(?P<right>[CP]))?))?"
)
_FORMS = "BTC-27MAR26-80000-C, BTC-27MAR26, BTC-PERPETUAL, BTC_USDC-PERPETUAL or BTC_USDC"


@lru_cache(maxsize=256)
def _expiry(text: str) -> datetime:
    return datetime.strptime(text, "%d%b%y").replace(hour=8, tzinfo=UTC)


def parse_name(name: str, venue: str = "deribit") -> Any:
    """The instrument that a Deribit name stands for.

    Raises
    ------
    InputError
        When the name follows none of Deribit's forms, or names an impossible instrument: a strike of 0, a year long past.
    """
    try:
        return _parsed(name, venue)
    except InputError as error:
        if error.field == "instrument_name":
            raise
        raise InputError(error.problem, field="instrument_name", value=name, fix=f"names read {_FORMS}") from None


def own_or_deribit(own: Callable[[str], Any], name: str, venue: str) -> Any:
    """The instrument by the venue's own names, or by Deribit's, which recorded files use for every venue."""
    try:
        return own(name)
    except InputError:
        if _NAME.fullmatch(name) is None:
            raise
        return parse_name(name, venue)


def write_name(item: Any) -> str:
    """Deribit's name of an instrument: the reverse of :func:`parse_name`."""
    if not item.nature.derivative:
        return f"{item.asset}_{getattr(item, 'quote', 'USDC')}"
    pair = item.underlying if item.inverse else f"{item.underlying}_{item.settlement}"
    if not item.nature.expires:
        return f"{pair}-PERPETUAL"
    day = f"{item.expiry.day}{item.expiry:%b%y}".upper()
    if not item.nature.option:
        return f"{pair}-{day}"
    strike = f"{item.strike:.10f}".rstrip("0").rstrip(".").replace(".", "d")
    return f"{pair}-{day}-{strike}-{'C' if item.right == 'call' else 'P'}"


def _parsed(name: str, venue: str) -> Any:
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError("is not an instrument name", field="instrument_name", value=name, fix=f"names read {_FORMS}")
    base, quote = match["base"], match["quote"]
    settlement = quote or base
    if match["perpetual"]:
        return Perpetual(name=name, venue=venue, underlying=base, settlement=settlement)
    if match["expiry"] is None:
        if quote is None:
            raise InputError("is not an instrument name", field="instrument_name", value=name, fix=f"names read {_FORMS}")
        return Spot(name=name, venue=venue, asset=base)
    try:
        expiry = _expiry(match["expiry"])
    except ValueError:
        raise InputError("names no date", field="instrument_name", value=name, fix=f"names read {_FORMS}") from None
    if match["strike"] is None:
        return Future(name=name, venue=venue, underlying=base, settlement=settlement, expiry=expiry)
    strike = float(match["strike"].replace("d", "."))
    if not 0.0 < strike <= LARGEST:
        problem = f"strike must be more than 0 and at most {LARGEST:g}"
        raise InputError(problem, field="instrument_name", value=name)
    return Option(
        name=name,
        venue=venue,
        underlying=base,
        settlement=settlement,
        expiry=expiry,
        strike=strike,
        right="call" if match["right"] == "C" else "put",
    )
