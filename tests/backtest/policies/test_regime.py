"""Signals by hand, and switching with hysteresis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.regime import RegimeSwitching, drawdown_signal, implied_vol_signal, realised_vol, vol_ratio
from hedgeopt.backtest.policies.simple import DeltaBand, DoNothing
from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

FEW = Settings(scenarios=ParametricScenarios(count=64, vol={"BTC": 0.6}))


def levels(toys: Any, signal: Any, prices: list[float], **options: Any) -> list[float]:
    found: list[float] = []

    class Record:
        name = "record"

        def decide(self, state: Any) -> tuple:
            found.append(signal(state))
            return ()

    simulate(toys.path(prices, **options), toys.Given(), Record(), FEW)
    return found


def test_realised_vol_by_hand(toys: Any) -> None:
    prices = [80_000.0, 82_000.0, 79_000.0, 81_000.0, 81_000.0]
    found = levels(toys, realised_vol("BTC", 3.0), prices)
    assert np.isnan(found[:3]).all()
    assert found[3] == pytest.approx(np.sqrt(np.sum(np.diff(np.log(prices[:4])) ** 2) * 365 / 3))
    assert found[4] == pytest.approx(np.sqrt(np.sum(np.diff(np.log(prices[1:])) ** 2) * 365 / 3))


def test_drawdown_and_implied_vol(toys: Any) -> None:
    assert levels(toys, drawdown_signal("BTC"), [80_000.0, 100_000.0, 75_000.0]) == pytest.approx([0.0, 0.0, 0.25])
    assert levels(toys, implied_vol_signal("BTC"), [80_000.0], vol=0.77) == pytest.approx([0.77])
    assert levels(toys, vol_ratio("BTC"), [80_000.0], vol=0.77) == pytest.approx([1.0])


def test_switches_at_enter_and_back_at_leave(toys: Any) -> None:
    signal = iter([0.1, 0.6, 0.45, 0.3, 0.45, float("nan")])
    policy = RegimeSwitching(lambda state: next(signal), DoNothing(), DeltaBand({"BTC": 0.0}), enter=0.5, leave=0.4)
    result = simulate(toys.path([80_000.0] * 6), toys.Given(), policy, FEW)
    changes = [(e["regime"], e["timestamp"]) for e in result.events if e["kind"] == "regime"]
    assert [name for name, _ in changes] == ["stressed", "calm"]
    assert [moment for _, moment in changes] == [result.steps.index[1], result.steps.index[3]]
    assert set(result.trades["timestamp"]) <= {result.steps.index[1], result.steps.index[2]}
    assert not result.trades.empty


def test_leave_above_enter_is_refused() -> None:
    with pytest.raises(InputError, match="leave"):
        RegimeSwitching(lambda state: 0.0, DoNothing(), DoNothing(), enter=0.4, leave=0.5)
