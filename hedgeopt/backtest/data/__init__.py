"""Dated rules of venues that only a backtest needs: liquidation, delivery fees, funding."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any

__all__ = ["rules"]


@lru_cache
def rules(section: str) -> dict[str, Any]:
    """A section of ``rules.toml``, parsed once."""
    data: dict[str, Any] = tomllib.loads((files(__name__) / "rules.toml").read_text(encoding="utf-8"))
    return dict(data[section])
