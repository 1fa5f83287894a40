"""Dated rules of venues that only a backtest needs: liquidation, delivery fees, funding."""

from __future__ import annotations

import tomllib
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any

from hedgeopt.models.caveats import said_of
from hedgeopt.models.data import About

__all__ = ["about_rules", "rules", "rules_caveats"]


@lru_cache
def _rules() -> dict[str, Any]:
    return tomllib.loads((files(__name__) / "rules.toml").read_text(encoding="utf-8"))


@lru_cache
def rules(section: str) -> dict[str, Any]:
    """A section of ``rules.toml``, parsed once."""
    return dict(_rules()[section])


@lru_cache
def about_rules() -> About:
    """Date, shelf life and unverified numbers of ``rules.toml``."""
    data = _rules()
    return About("rules", data["as_of"], int(data["shelf_life_days"]), tuple(data["unverified"]))


def rules_caveats(section: str, venue: str, on: date) -> list[str]:
    """What a reader must know of a venue's rules in a section, where the table has them."""
    if venue not in rules(section):
        return []
    return said_of(about_rules(), "backtest/venue_rules/rules.toml", [f"{section}.{venue}"], on)
