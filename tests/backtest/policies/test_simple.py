"""Delta band and least variance against their own definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.simple import DeltaBand, DeltaVegaMinVariance, DoNothing
from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

FEW = Settings(scenarios=ParametricScenarios(count=400, vol={"BTC": 0.6}), mark_half_spread=None)
CALL, PUT = "BTC-27MAR26-80000-C", "BTC-27MAR26-80000-P"


def test_band_trades_back_to_zero_or_to_the_edge(toys: Any) -> None:
    for to_edge, left in ((False, 0.0), (True, 1.0)):
        result = simulate(toys.path([80_000.0], half=0.0), toys.Given(), DeltaBand({"BTC": 1.0}, to_edge=to_edge), FEW)
        assert result.steps["delta_BTC"].iloc[0] == pytest.approx(left, abs=0.0101)  # the fee is paid in coins


def test_band_inside_does_nothing_and_other_assets_are_left_alone(toys: Any) -> None:
    for band in ({"BTC": 20.1}, {"ETH": 0.0}):
        assert simulate(toys.path([80_000.0]), toys.Given(), DeltaBand(band), FEW).trades.empty


def test_collateral_may_be_left_out_of_delta(toys: Any) -> None:
    book = toys.Given(positions={CALL: -4.0})
    result = simulate(toys.path([80_000.0], half=0.0), book, DeltaBand({"*": 0.0}, count_collateral=False), FEW)
    traded = result.trades["quantity"].iloc[0] / 80_000.0
    without = simulate(toys.path([80_000.0], half=0.0), book, DoNothing(), FEW).steps["delta_BTC"].iloc[0] - 20.0
    assert traded == pytest.approx(-without, rel=1e-9)


def test_a_band_needs_bounds() -> None:
    with pytest.raises(InputError, match="band"):
        DeltaBand({})


def test_least_variance_cannot_be_improved_by_its_two_instruments(toys: Any) -> None:
    """Scenario variance of the book after trading against the same book nudged by either instrument."""
    policy = DeltaVegaMinVariance(ParametricScenarios(count=400, vol={"BTC": 0.6}), days=25.0)
    strikes = (72_000.0, 80_000.0, 88_000.0)
    book = toys.Given(positions={"BTC-27MAR26-88000-C": -5.0, "BTC-27MAR26-72000-P": -5.0})
    market = toys.path([80_000.0], strikes=strikes, half=1e-9)[0]
    seen: list[Any] = []

    class Spy:
        name = "spy"

        def decide(self, state: Any) -> Any:
            seen.append(state)
            return policy.decide(state)

    result = simulate([market], book, Spy(), FEW)
    assert set(result.trades["instrument"]) == {"BTC-PERPETUAL", CALL}
    from hedgeopt.exposures.build import build_exposures
    from hedgeopt.exposures.resolve import resolve
    from hedgeopt.models.scenarios.draw import draw

    sample = draw(policy.scenarios, ["BTC"], market)
    items = [market.instruments[f"deribit:{name}"] for name in ("BTC-PERPETUAL", CALL)]
    e = build_exposures(resolve(seen[0].book, market), items, sample, sample)
    x = np.array([result.trades.set_index("instrument")["quantity"][e.rows.instruments[r].name] for r in e.candidate])

    def spread(trades: np.ndarray) -> float:
        return float(np.std(e.base_pnl + e.pnl @ trades))

    assert spread(x) < 0.6 * spread(0.0 * x)
    for n in range(2):
        for factor in (0.97, 1.03):
            moved = x.copy()
            moved[n] *= factor
            assert spread(moved) > spread(x)
