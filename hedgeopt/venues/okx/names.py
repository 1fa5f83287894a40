"""OKX's instrument names.

===========================  =============================================================
``BTC-USD-241217-92000-C``     option, settled in its coin (premium in coins)
``BTC-USD-241227``             inverse future; ``BTC-USDT-241227`` linear
``BTC-USD-SWAP``               inverse perpetual; ``BTC-USDT-SWAP`` linear
``BTC-USDT``                   spot
===========================  =============================================================

Expiries are at 08:00 UTC. Positions and sizes are contracts: ``ctVal`` times ``ctMult`` of the instruments' list.
Source: OKX API guide, "Get instruments" (instId, uly, settleCcy, expTime).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from hedgeopt.venues.forms import Forms

__all__ = ["FORMS", "parse_okx"]

_DAY = {"expiry": "%y%m%d", "time": "08:00"}
_LINEAR = tuple(
    entry
    for dollar in ("USDT", "USDC")
    for entry in (
        {"kind": "future", "form": f"{{base}}-{dollar}-{{expiry}}", "settlement": dollar, **_DAY},
        {"kind": "perpetual", "form": f"{{base}}-{dollar}-SWAP", "settlement": dollar},
        {"kind": "spot", "form": f"{{base}}-{dollar}"},
    )
)
FORMS: tuple[dict[str, Any], ...] = (
    {"kind": "option", "form": "{base}-USD-{expiry}-{strike}-{right}", "settlement": "{base}", **_DAY},
    {"kind": "future", "form": "{base}-USD-{expiry}", "settlement": "{base}", **_DAY},
    {"kind": "perpetual", "form": "{base}-USD-SWAP", "settlement": "{base}"},
    *_LINEAR,
    {"kind": "spot", "form": "{base}-USD"},
)
"""Templates of names (:mod:`hedgeopt.venues.forms`)."""


@lru_cache
def _forms(venue: str) -> Forms:
    return Forms(venue, FORMS, "hedgeopt/venues/okx/names.py")


def parse_okx(name: str, venue: str = "okx") -> Any:
    """The instrument that an OKX ``instId`` stands for."""
    return _forms(venue)(name)
