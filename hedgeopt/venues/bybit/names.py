"""Bybit's instrument names.

=============================  ==================================================================
``BTC-28JUN24-70000-C``          option settled in USDC (Deribit's form, but dollars)
``BTC-28JUN24-70000-C-USDT``     option settled in USDT
``BTCUSDT``, ``BTCPERP``         linear perpetual in USDT, in USDC
``BTCUSD``                       inverse perpetual
``BTC-28JUN24``                  future in USDC; ``BTCUSDT-28JUN24`` in USDT
=============================  ==================================================================

Expiries are at 08:00 UTC. Names of inverse quarterly futures (``BTCUSDH24``) give no day and are not read. Spot pairs have
the names of linear perpetuals; payloads tell them apart by their ``category``.
Source: Bybit API, v5/market/instruments-info (settleCoin, contractType, deliveryTime).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from hedgeopt.venues.forms import Forms

__all__ = ["FORMS", "parse_bybit"]

_DAY = {"expiry": "%d%b%y", "time": "08:00"}
FORMS: tuple[dict[str, Any], ...] = (
    {"kind": "option", "form": "{base}-{expiry}-{strike}-{right}-USDT", "settlement": "USDT", **_DAY},
    {"kind": "option", "form": "{base}-{expiry}-{strike}-{right}", "settlement": "USDC", **_DAY},
    {"kind": "future", "form": "{base}USDT-{expiry}", "settlement": "USDT", **_DAY},
    {"kind": "future", "form": "{base}-{expiry}", "settlement": "USDC", **_DAY},
    {"kind": "perpetual", "form": "{base}USDT", "settlement": "USDT"},
    {"kind": "perpetual", "form": "{base}PERP", "settlement": "USDC"},
    {"kind": "perpetual", "form": "{base}USD", "settlement": "{base}"},
)
"""Templates of names (:mod:`hedgeopt.venues.forms`)."""


@lru_cache
def _forms(venue: str) -> Forms:
    return Forms(venue, FORMS, "hedgeopt/venues/bybit/names.py")


def parse_bybit(name: str, venue: str = "bybit") -> Any:
    """The instrument that a Bybit symbol stands for."""
    return _forms(venue)(name)
