"""Dated tables of venue rules and stress events, a source in each file."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any

__all__ = ["dollar_assets", "pegged_assets", "table", "wraps"]


@lru_cache
def table(name: str) -> dict[str, Any]:
    """The packaged table ``name`` (a TOML file of this folder, without its ending), parsed once."""
    return tomllib.loads((files(__name__) / f"{name}.toml").read_text(encoding="utf-8"))


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
