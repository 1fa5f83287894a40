"""Binance USD-margined futures: notional brackets.

``MM = notional * rate_n - amount_n``; initial margin ``notional / leverage`` of the whole position at the chosen leverage
(:mod:`hedgeopt.models.margin.leverage`), which a position's bracket limits.

Vectors (BTCUSDT, 2024-10-24): 5m needs 38,550, 100m needs 2,018,550.
Source: models/data/binance.toml.
"""

from __future__ import annotations

from hedgeopt.models.margin.brackets import Bracketed

__all__ = ["Binance"]


class Binance(Bracketed):
    """Cross margin, one-way mode."""

    name = "binance"
    venue = table_name = "binance"
    source = "binance.com leverage brackets of 2024-10-24 (models/data/binance.toml)"
