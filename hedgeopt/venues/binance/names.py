"""Binance's instrument names; recorded files that name instruments as Deribit does are read as well.

=========================  ===================================================================
``BTC-240628-70000-C``       option settled in USDT
``BTCUSDT``, ``BTCUSDC``     linear perpetual
``BTCUSDT_240628``           linear future
``BTCUSD_PERP``              inverse perpetual; ``BTCUSD_240628`` inverse future (contracts of 100 or 10 USD)
=========================  ===================================================================

Expiries are at 08:00 UTC. Source: Binance API, eapi/v1/exchangeInfo, fapi/v1/exchangeInfo, dapi/v1/exchangeInfo.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from hedgeopt.venues.deribit.names import own_or_deribit
from hedgeopt.venues.forms import Forms

__all__ = ["FORMS", "parse_binance"]

_DAY = {"expiry": "%y%m%d", "time": "08:00"}
FORMS: tuple[dict[str, Any], ...] = (
    {"kind": "option", "form": "{base}-{expiry}-{strike}-{right}", "settlement": "USDT", **_DAY},
    {"kind": "future", "form": "{base}USDT_{expiry}", "settlement": "USDT", **_DAY},
    {"kind": "future", "form": "{base}USD_{expiry}", "settlement": "{base}", **_DAY},
    {"kind": "perpetual", "form": "{base}USD_PERP", "settlement": "{base}"},
    {"kind": "perpetual", "form": "{base}USDT", "settlement": "USDT"},
    {"kind": "perpetual", "form": "{base}USDC", "settlement": "USDC"},
)
"""Templates of names (:mod:`hedgeopt.venues.forms`)."""


@lru_cache
def _forms(venue: str) -> Forms:
    return Forms(venue, FORMS, "hedgeopt/venues/binance/names.py")


def parse_binance(name: str, venue: str = "binance") -> Any:
    """The instrument that a Binance symbol, or a name in Deribit's form, stands for."""
    return own_or_deribit(_forms(venue), name, venue)
