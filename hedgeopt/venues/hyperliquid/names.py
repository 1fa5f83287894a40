"""Hyperliquid's instrument names; recorded files that name instruments as Deribit does are read as well.

================  ==================================
``BTC``, ``kPEPE``  perpetual settled in USDC
``PURR/USDC``       spot
================  ==================================

Spot pairs that the API names by number (``@107``) are not read. Source: hyperliquid.gitbook.io, API, "Asset IDs".
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from hedgeopt.venues.deribit.names import own_or_deribit
from hedgeopt.venues.forms import Forms

__all__ = ["FORMS", "parse_hyperliquid"]

FORMS: tuple[dict[str, Any], ...] = (
    {"kind": "spot", "form": "{base}/USDC"},
    {"kind": "perpetual", "form": "{base}", "settlement": "USDC"},
)
"""Templates of names (:mod:`hedgeopt.venues.forms`)."""


@lru_cache
def _forms(venue: str) -> Forms:
    return Forms(venue, FORMS, "hedgeopt/venues/hyperliquid/names.py")


def parse_hyperliquid(name: str, venue: str = "hyperliquid") -> Any:
    """The instrument that a Hyperliquid coin, or a name in Deribit's form, stands for."""
    return own_or_deribit(_forms(venue), name, venue)
