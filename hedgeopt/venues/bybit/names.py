"""Bybit's instrument names.

=============================  ==================================================================
``BTC-28JUN24-70000-C``          option settled in USDC (Deribit's form, but dollars)
``BTC-28JUN24-70000-C-USDT``     option settled in USDT
``BTCUSDT``, ``BTCPERP``         linear perpetual in USDT, in USDC
``BTCUSD``                       inverse perpetual
``BTC-28JUN24``                  future in USDC; ``BTCUSDT-28JUN24`` in USDT
``BTCUSDH24``                    inverse future: month letter (F to Z) and year, on the month's last Friday
=============================  ==================================================================

Expiries are at 08:00 UTC. Spot pairs have the names of linear perpetuals; payloads tell them apart by their ``category``.
Source: Bybit API, v5/market/instruments-info (settleCoin, contractType, deliveryTime).
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from hedgeopt.models.pricing.future import Future
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
"""Templates of names (:mod:`hedgeopt.venues.forms`); inverse futures, whose names give no day, are read here."""
_INVERSE = re.compile(r"(?P<base>[A-Z0-9]+)USD(?P<month>[FGHJKMNQUVXZ])(?P<year>[0-9]{2})")


@lru_cache
def _forms(venue: str) -> Forms:
    return Forms(venue, FORMS, "hedgeopt/venues/bybit/names.py")


def parse_bybit(name: str, venue: str = "bybit") -> Any:
    """The instrument that a Bybit symbol stands for."""
    match = _INVERSE.fullmatch(name)
    if match is None:
        return _forms(venue)(name)
    month, year = "FGHJKMNQUVXZ".index(match["month"]) + 1, 2000 + int(match["year"])
    friday = max(week[calendar.FRIDAY] for week in calendar.monthcalendar(year, month))
    expiry = datetime(year, month, friday, 8, tzinfo=UTC)
    return Future(name=name, venue=venue, underlying=match["base"], settlement=match["base"], expiry=expiry)
