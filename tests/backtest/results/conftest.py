"""Results made up here, so that what stands in them is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from hedgeopt.backtest.result import ATTRIBUTION_COLUMNS, BacktestResult

Maker = Callable[..., BacktestResult]


def made_up(pnl: np.ndarray, policy: str = "policy", promise: float = 20_000.0, freq: str = "D") -> BacktestResult:
    """A result with this P&L per step; value at risk and CVaR are promised flat, in the ratio of a normal at 95 %."""
    times = pd.date_range("2026-01-01 08:00", periods=len(pnl), freq=freq, tz="UTC", name="timestamp")
    attribution = pd.DataFrame(0.0, index=times, columns=list(ATTRIBUTION_COLUMNS))
    attribution["cost"] = -100.0
    attribution["delta"] = pnl + 100.0
    steps = pd.DataFrame(
        {
            "equity": 1e6 + np.cumsum(pnl),
            "pnl": pnl,
            "cost": 70.0,
            "fees": 30.0,
            "funding": 0.0,
            "delta_BTC": 1.0,
            "gamma_BTC": -0.1,
            "promised_cvar": promise,
            "promised_var": promise * 1.6449 / 2.0627,
            "beta": 0.95,
            "initial_margin": 3e5,
            "maintenance_margin": 2e5,
            "turnover": 1e6,
            "n_trades": 1,
            "liquidated": False,
            "solve_seconds": 0.1,
        },
        index=times,
    )
    trades = pd.DataFrame(
        {
            "timestamp": times,
            "account": "main",
            "instrument": "BTC-PERPETUAL",
            "quantity": 1.0,
            "price": 8e4,
            "cost": 70.0,
            "fee": 30.0,
            "reason": "hedge",
        }
    )
    ledger = pd.DataFrame(columns=["timestamp", "entry", "account", "currency", "side", "amount", "price", "memo"])
    return BacktestResult(steps, trades, attribution, ledger, {}, [], policy, "made up")


@pytest.fixture
def result() -> Maker:
    return made_up
