"""ccxt's unified symbols: one form of names for every venue, and the venue's name for the same instrument.

================================  ============================
``BTC/USD:BTC-240628-70000-C``      option, settled in BTC
``BTC/USDT:USDT-240628``            linear future
``BTC/USD:BTC``                     inverse perpetual
``BTC/USDT``                        spot
================================  ============================

Source: ccxt manual, "Contract naming conventions".
"""

from __future__ import annotations

import re
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.venues.binance.names import FORMS as BINANCE
from hedgeopt.venues.bybit.names import FORMS as BYBIT
from hedgeopt.venues.deribit.names import write_name
from hedgeopt.venues.derive.names import FORMS as DERIVE
from hedgeopt.venues.forms import Forms
from hedgeopt.venues.hyperliquid.names import FORMS as HYPERLIQUID
from hedgeopt.venues.known import parser
from hedgeopt.venues.okx.names import FORMS as OKX

__all__ = ["is_unified", "native_name", "native_symbol", "parse_unified", "unified_symbol"]

_SYMBOL = re.compile(r"[A-Za-z0-9]+/[A-Z]+(?::[A-Za-z0-9]+(?:-\d{6}(?:-[0-9.]+-[CP])?)?)?")
_DAY = {"expiry": "%y%m%d", "time": "08:00"}
_FORMS: tuple[dict[str, Any], ...] = (
    *(
        entry
        for settlement, contract in (("{base}", "{base}/USD:"), *((d, f"{{base}}/{d}:") for d in ("USDT", "USDC")))
        for entry in (
            {"kind": "option", "form": f"{contract}{settlement}-{{expiry}}-{{strike}}-{{right}}", **_DAY},
            {"kind": "future", "form": f"{contract}{settlement}-{{expiry}}", **_DAY},
            {"kind": "perpetual", "form": f"{contract}{settlement}"},
        )
        if settlement != "{base}"
        for entry in ({**entry, "settlement": settlement},)
    ),
    *(
        {"kind": "option", "form": f"{{base}}/USD:{dollar}-{{expiry}}-{{strike}}-{{right}}", "settlement": dollar, **_DAY}
        for dollar in ("USDT", "USDC")
    ),
    *({"kind": "spot", "form": f"{{base}}/{dollar}"} for dollar in ("USD", "USDT", "USDC")),
)
_INVERSE = re.compile(r"(?P<base>[A-Za-z0-9]+)/USD:(?P=base)(?P<rest>-.*)?")
_COIN = (
    {"kind": "option", "form": "{base}-{expiry}-{strike}-{right}", "settlement": "{base}", **_DAY},
    {"kind": "future", "form": "{base}-{expiry}", "settlement": "{base}", **_DAY},
    {"kind": "perpetual", "form": "{base}", "settlement": "{base}"},
)
_NATIVE = {"okx": OKX, "bybit": BYBIT, "binance": BINANCE, "derive": DERIVE, "hyperliquid": HYPERLIQUID}


def is_unified(name: str) -> bool:
    """Whether a name is a unified symbol."""
    return _SYMBOL.fullmatch(name) is not None


def parse_unified(symbol: str, venue: str) -> Any:
    """The instrument of a unified symbol, under that symbol as its name.

    Raises
    ------
    InputError
        For what is no unified symbol.
    """
    inverse = _INVERSE.fullmatch(symbol)
    if inverse is not None:
        item = Forms(venue, _COIN, "ccxt symbols")(inverse["base"] + (inverse["rest"] or ""))
        return item.model_copy(update={"name": symbol})
    return Forms(venue, _FORMS, "ccxt symbols")(symbol)


def native_name(symbol: str, venue: str) -> str:
    """The venue's name of the instrument that a unified symbol stands for.

    Raises
    ------
    InputError
        For a venue whose names are not known, or that names no such instrument.
    """
    return native_symbol(parse_unified(symbol, venue), venue)


def native_symbol(item: Any, venue: str) -> str:
    """The venue's own name of an instrument, whatever a recorded file calls it.

    Raises
    ------
    InputError
        For a venue whose names are not known, or that names no such instrument.
    """
    if venue == "deribit":
        return write_name(item)
    if venue not in _NATIVE:
        fix = f"venues whose names are written: deribit, {', '.join(_NATIVE)}; or give the venue's payload"
        raise InputError("its name at this venue is not known", field="symbol", value=item.name, fix=fix)
    return native(Forms(venue, _NATIVE[venue], venue), item)


def unified_symbol(item: Any) -> str:
    """ccxt's symbol of an instrument: the reverse of :func:`parse_unified`."""
    if getattr(item, "inverse", False):
        rest = Forms(item.venue, _COIN, "ccxt symbols").written(item).removeprefix(item.underlying)
        return f"{item.underlying}/USD:{item.underlying}{rest}"
    return Forms(item.venue, _FORMS, "ccxt symbols").written(item)


def native(forms: Forms, item: Any) -> str:
    """The name that a venue's forms give an instrument."""
    name = forms.written(item)
    parser(forms.venue)(name)
    return name
