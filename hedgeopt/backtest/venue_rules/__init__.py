"""Dated rules of venues that only a backtest needs: liquidation, funding; delivery fees are in the venues' own tables."""

from __future__ import annotations

import tomllib
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any

from hedgeopt.models.caveats import said_of
from hedgeopt.models.data import About, about, table, venues, where

__all__ = ["about_rules", "rules", "rules_caveats"]


@lru_cache
def _rules() -> dict[str, Any]:
    return tomllib.loads((files(__name__) / "rules.toml").read_text(encoding="utf-8"))


_NEEDS: dict[str, set[str]] = {"funding": {"damper", "cap"}, "liquidation": {"part", "no_quote"}}
"""What a section of a venue's own table must have to be what backtests read: Aave's liquidation is another."""


def rules(section: str) -> dict[str, Any]:
    """A section of ``rules.toml`` by venue, and that section of every venue's own table."""
    own = {venue: found for venue in venues() if (found := _own(section, venue)) is not None}
    return {**_rules().get(section, {}), **own}


def _own(section: str, venue: str) -> dict[str, Any] | None:
    found = table(venue).get(section)
    return found if isinstance(found, dict) and set(found) >= _NEEDS.get(section, set()) else None


@lru_cache
def about_rules() -> About:
    """Date, shelf life and unverified numbers of ``rules.toml``."""
    data = _rules()
    return About("rules", data["as_of"], int(data["shelf_life_days"]), tuple(data["unverified"]))


def rules_caveats(section: str, venue: str, on: date) -> list[str]:
    """What a reader must know of a venue's rules in a section, where the table has them."""
    if venue not in rules(section):
        return []
    if venue in venues() and _own(section, venue) is not None:
        return said_of(about(venue), where(venue), [section], on)
    return said_of(about_rules(), "backtest/venue_rules/rules.toml", [f"{section}.{venue}"], on)
