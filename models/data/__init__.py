"""Dated tables of venue rules and stress events, a source in each file.

Every table gives three things at its top, before its first section:

``as_of``
    The day on which its numbers were the venue's.
``shelf_life_days``
    For how many days after that they may be relied on without another look.
``unverified``
    Numbers that were not read in a source of the venue's own: dotted names of parameters or of whole sections, such as
    ``"portfolio_margin.dte_floor"`` or ``"fees"``. Everything else was. (``stress.toml``: every number says it for itself.)

:func:`about` reads them; reports repeat the doubts of every number that a result rests on.

A table with ``[fees]`` is a venue's, and named after it: fees, margin, haircuts, and how its instruments are called
(:mod:`hedgeopt.venues.known`). Tables of your own lie in folders that the environment variable ``HEDGEOPT_VENUES`` names;
:mod:`hedgeopt.models.data.own` lists their sections.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

__all__ = [
    "OWN_TABLES",
    "About",
    "about",
    "averaging_minutes",
    "dollar_assets",
    "names",
    "own_tables",
    "pegged_assets",
    "table",
    "venues",
    "where",
    "wraps",
]

OWN_TABLES = "HEDGEOPT_VENUES"
"""Environment variable with folders of your own tables, separated as in ``PATH``."""


def names() -> tuple[str, ...]:
    """Names of all tables: the packaged ones, and those of the user's folders."""
    return (*_packaged(), *_own(_folders()))


def venues() -> tuple[str, ...]:
    """Venues that a table describes: those with ``[fees]``."""
    return _venues(_folders())


def table(name: str) -> dict[str, Any]:
    """The table ``name`` (a TOML file without its ending), parsed once.

    Raises
    ------
    FileNotFoundError
        When no such table is packaged or lies in a folder of the user's.
    InputError
        When a table of the user's cannot be trusted.
    """
    return _table(name, _folders())


def where(name: str) -> str:
    """The file of a table, for messages; where a packaged one would be if there is none."""
    own = _own(_folders()).get(name)
    return f"models/data/{name}.toml" if own is None else str(own)


def own_tables() -> dict[str, Path]:
    """Files of the user's own tables by name; they count among the inputs of a result."""
    return dict(_own(_folders()))


def averaging_minutes(venue: str) -> float:
    """Minutes before expiry over which a venue averages its index to the delivery price; 0: it settles on the last one."""
    return _minutes(_folders()).get(venue, 0.0)


def _folders() -> str:
    return os.environ.get(OWN_TABLES, "")


@lru_cache
def _packaged() -> tuple[str, ...]:
    found = (item.name for item in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml")))


@lru_cache
def _own(folders: str) -> dict[str, Path]:
    """Files of the user's tables by name."""
    if not folders:
        return {}
    from hedgeopt.models.data.own import own_files

    return own_files(folders, _packaged())


@lru_cache
def _table(name: str, folders: str) -> dict[str, Any]:
    own = _own(folders).get(name)
    if own is not None:
        from hedgeopt.models.data.own import read_own

        return read_own(own)
    return tomllib.loads((files(__name__) / f"{name}.toml").read_text(encoding="utf-8"))


@lru_cache
def _venues(folders: str) -> tuple[str, ...]:
    return tuple(name for name in (*_packaged(), *_own(folders)) if "fees" in _table(name, folders))


@lru_cache
def _minutes(folders: str) -> dict[str, float]:
    found = {name: _table(name, folders).get("settlement", {}) for name in _venues(folders)}
    return {name: float(rule["averaging_minutes"]) for name, rule in found.items() if "averaging_minutes" in rule}


@dataclass(frozen=True)
class About:
    """Date, shelf life and doubts of a table; see the module's text."""

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


def about(name: str) -> About:
    """Date, shelf life and unverified numbers of the table ``name``."""
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
    """Asset inside each redeemable wrapper: wstETH is stETH, WETH is ETH."""
    return dict(table("assets")["wraps"])
