"""A small market on three venues, and a desk that trades on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.inputs.columns import QUOTE_FIELDS

STAMP = datetime(2026, 3, 2, 8, tzinfo=UTC)
BTC, ETH = 80_000.0, 2_500.0


@pytest.fixture(scope="session")
def venues_market() -> ho.Market:
    """Linear perpetuals on Binance and Hyperliquid, an inverse one on Deribit; 2 bp wide."""
    instruments: dict[str, Any] = {}
    quotes: dict[str, dict[str, Any]] = {}

    def add(item: Any, mark: float, half: float, **more: float) -> None:
        instruments[item.id] = item
        row = dict.fromkeys(QUOTE_FIELDS, np.nan)
        row |= {"bid_price": mark - half, "ask_price": mark + half, "mark_price": mark, "timestamp": pd.Timestamp(STAMP)}
        quotes[item.id] = {**row, **more}

    for coin, price in (("BTC", BTC), ("ETH", ETH)):
        add(ho.Perpetual(name=f"{coin}-PERPETUAL", venue="deribit", underlying=coin, settlement=coin), price, 1e-4 * price)
        for venue in ("binance", "hyperliquid"):
            add(ho.Perpetual(name=f"{coin}-{venue}", venue=venue, underlying=coin, settlement="USDC"), price, 1e-4 * price)
    return ho.Market(STAMP, {"BTC": BTC, "ETH": ETH}, instruments, pd.DataFrame(quotes).T, "three venues")


def account(
    name: str, venue: str, usdc: float = 0.0, positions: Sequence[tuple[str, float]] = (), **more: Any
) -> dict[str, Any]:
    """An account with cash and positions."""
    collateral = [{"asset": "USDC", "amount": usdc}] if usdc else []
    return {
        "name": name,
        "venue": venue,
        "collateral": [*collateral, *more.pop("coins", [])],
        "positions": [{"instrument": i, "quantity": q} for i, q in positions],
        **more,
    }


def policy(*limits: Any, minimize: Any = None, **more: Any) -> ho.Policy:
    """Cheapest way to meet the limits, few scenarios."""
    return ho.Policy(
        minimize=ho.TransactionCost() if minimize is None else minimize,
        subject_to=limits,
        scenarios=ho.ParametricScenarios(count=50, vol={"BTC": 0.6, "ETH": 0.8}),
        candidates=ho.Candidates(kinds=("perpetual",), underlyings=("BTC", "ETH"), **more),
        lots="ideal",
    )
