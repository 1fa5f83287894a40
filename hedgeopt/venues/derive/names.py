"""Derive's instrument names; recorded files that name instruments as Deribit does are read as well.

==========================  ==============================
``ETH-20260627-3500-C``       option settled in USDC
``ETH-PERP``                  perpetual settled in USDC
==========================  ==============================

Expiries are at 08:00 UTC. Source: docs.derive.xyz, public/get_instruments (instrument_name, option_details.expiry).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from hedgeopt.venues.deribit.names import own_or_deribit
from hedgeopt.venues.forms import Forms

__all__ = ["FORMS", "parse_derive"]

FORMS: tuple[dict[str, Any], ...] = (
    {
        "kind": "option", "form": "{base}-{expiry}-{strike}-{right}", "settlement": "USDC",
        "expiry": "%Y%m%d", "time": "08:00",
    },
    {"kind": "perpetual", "form": "{base}-PERP", "settlement": "USDC"},
)  # fmt: skip
"""Templates of names (:mod:`hedgeopt.venues.forms`)."""


@lru_cache
def _forms(venue: str) -> Forms:
    return Forms(venue, FORMS, "hedgeopt/venues/derive/names.py")


def parse_derive(name: str, venue: str = "derive") -> Any:
    """The instrument that a Derive name, or a name in Deribit's form, stands for."""
    return own_or_deribit(_forms(venue), name, venue)
