"""A token that no instrument is listed on is hedged by another coin's, and what the hedge leaves is in the promise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.optimizer import Optimizer
from hedgeopt.inputs.book import Account, Collateral

CORRELATION, VOLS = 0.8, {"BTC": 0.6, "SOL": 0.9}


def test_a_token_without_instruments_is_hedged_by_proxy_with_its_basis_risk(toys: Any) -> None:
    """Least variance is short ``rho sigma_SOL / sigma_BTC`` of the value, and leaves ``sqrt(1 - rho^2)`` of it."""
    market = toys.path([80_000.0], expiries=())[0]
    market = replace(market, prices={**market.prices, "SOL": 150.0})
    sample = ho.ParametricScenarios(
        count=20_000, vol=VOLS, correlation=CORRELATION, degrees=1000.0, noise="none", jump_rate=0.0
    )
    policy = ho.Policy(
        minimize=1e-3 * ho.TransactionCost() + 1.0 * ho.Variance(),
        scenarios=sample,
        candidates=ho.Candidates(kinds=("perpetual",), underlyings=("BTC",)),
        lots="ideal",
    )
    wallet = Account(
        name="wallet", venue="uniswap", margin="none", tradable=False, collateral=(Collateral(asset="SOL", amount=1_000.0),)
    )
    book = toys.Given(collateral={"USDC": 500_000.0}, extra=(wallet,))
    result = simulate([market], book, Optimizer(policy), Settings(scenarios=sample, promise="engine"))
    sold = -result.trades["quantity"].sum()
    assert result.trades["instrument"].unique().tolist() == ["BTC-PERPETUAL"]
    assert sold == pytest.approx(CORRELATION * VOLS["SOL"] / VOLS["BTC"] * 150_000.0, rel=0.05)
    alone = simulate([market], book, toys.Scripted({}), Settings(scenarios=sample, promise="engine"))
    left = result.steps["promised_cvar"].iloc[0] / alone.steps["promised_cvar"].iloc[0]
    assert left == pytest.approx(np.sqrt(1.0 - CORRELATION**2), rel=0.1)
