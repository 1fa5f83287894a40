"""Options are worth the venue's mark; what it is beyond the formula at the recorded vol is a source of P&L with a name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.simple import DoNothing
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

CALL, PUT = "BTC-27MAR26-80000-C", "BTC-27MAR26-80000-P"
SETTINGS = Settings(scenarios=ParametricScenarios(count=64, vol={"BTC": 0.6}))


def above(market: Any, by: float) -> Any:
    """Marks ``by`` coins or dollars higher, vols as they were."""
    quotes = market.quotes.copy()
    quotes.loc[quotes.index.str.endswith(("-C", "-P")), "mark_price"] += by
    return replace(market, quotes=quotes)


@pytest.mark.parametrize("settlement", ["BTC", "USDC"])
def test_what_marks_move_beyond_their_vols_is_told_by_name(toys: Any, settlement: str) -> None:
    prices, unit = [80_000.0, 81_000.0, 82_000.0], 1.0 if settlement == "BTC" else 80_000.0
    off = [0.0, 1e-4 * unit, -2e-4 * unit]
    book = toys.Given(collateral={settlement: 20.0 * unit}, positions={CALL: -3.0, PUT: 1.0})
    markets = toys.path(prices, settlement=settlement)
    plain = simulate(markets, book, DoNothing(), SETTINGS)
    result = simulate([above(m, by) for m, by in zip(markets, off, strict=True)], book, DoNothing(), SETTINGS)
    worth = -2.0 * np.array(off) * (prices if settlement == "BTC" else 1.0)
    assert np.cumsum(result.attribution["marks"]).to_numpy() == pytest.approx(worth, abs=1e-5)
    assert (result.steps["equity"] - plain.steps["equity"]).to_numpy() == pytest.approx(worth, abs=1e-5)
    assert np.abs(plain.attribution["marks"]).max() < 1e-5
    assert result.attribution.sum(axis=1).to_numpy() == pytest.approx(result.steps["pnl"].to_numpy(), abs=1e-6)


def test_what_expires_leaves_the_difference_behind(toys: Any) -> None:
    """At expiry an option pays by the index: what its mark was above the formula is lost to who holds it."""
    from datetime import timedelta

    expiry = toys.START + timedelta(days=1)
    markets = toys.path([80_000.0, 81_000.0], expiries=[expiry])
    name = f"BTC-{expiry:%d%b%y}-80000-C".upper()
    result = simulate([above(markets[0], 1e-4), markets[1]], toys.Given(positions={name: 2.0}), DoNothing(), SETTINGS)
    assert result.attribution["marks"].iloc[1] == pytest.approx(-2.0 * 1e-4 * 80_000.0, abs=1e-5)
