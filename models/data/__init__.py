"""Dated tables of venue rules and stress events, a source in each file.

Every table says three things at its top, before its first section:

``as_of``
    The day on which its numbers were the venue's.
``shelf_life_days``
    For how many days after that they may be relied on without another look.
``unverified``
    Numbers that were not read in a source of the venue's own: dotted names of parameters or of whole sections, such as
    ``"portfolio_margin.dte_floor"`` or ``"fees"``. Everything else was. (``stress.toml``: every number says it for itself.)

:func:`about` reads them; a result that rests on an unverified or an expired number says so.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any

__all__ = ["TABLES", "About", "about", "dollar_assets", "pegged_assets", "table", "wraps"]

TABLES = ("aave", "assets", "binance", "deribit", "derive", "dydx", "hyperliquid", "settlement", "stress")
"""Names of the packaged tables."""


@lru_cache
def table(name: str) -> dict[str, Any]:
    """The packaged table ``name`` (a TOML file of this folder, without its ending), parsed once."""
    return tomllib.loads((files(__name__) / f"{name}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class About:
    """What a table says of itself; see the module's text."""

    name: str
    as_of: date
    shelf_life_days: int
    unverified: tuple[str, ...]

    def expired(self, on: date) -> bool:
        """Whether the table is past its shelf life on a day."""
        return (on - self.as_of).days > self.shelf_life_days

    def doubts(self, parameter: str) -> tuple[str, ...]:
        """The unverified entries that a parameter or section ``parameter`` (dotted) rests on: above it, or inside it."""
        return tuple(
            entry
            for entry in self.unverified
            if f"{parameter}.".startswith(f"{entry}.") or entry.startswith(f"{parameter}.")
        )


@lru_cache
def about(name: str) -> About:
    """Date, shelf life and unverified numbers of the packaged table ``name``."""
    data = table(name)
    return About(name, data["as_of"], int(data["shelf_life_days"]), tuple(data["unverified"]))


@lru_cache
def dollar_assets() -> frozenset[str]:
    """Assets pegged to one US dollar, in which linear instruments may settle."""
    return frozenset(table("assets")["dollar"])


@lru_cache
def pegged_assets() -> dict[str, str]:
    """Underlying of each staked or wrapped asset."""
    return dict(table("assets")["pegged"])


@lru_cache
def wraps() -> dict[str, str]:
    """What each redeemable wrapper holds: wstETH is stETH, WETH is ETH."""
    return dict(table("assets")["wraps"])
