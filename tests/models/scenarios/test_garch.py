"""Filtered by a GARCH model: its numbers come back from a simulation, and windows are of one vol after filtering."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.draw import draw
from hedgeopt.models.scenarios.garch import Garch, fit_garch
from hedgeopt.models.scenarios.sample_settings import HistoricalScenarios


def simulated(count: int, seed: int, alpha: float = 0.08, beta: float = 0.88, daily: float = 0.03) -> np.ndarray:
    rng, v, moves = np.random.default_rng(seed), daily**2, np.empty(count)
    for t in range(count):
        moves[t] = np.sqrt(v) * rng.standard_normal()
        v = daily**2 * (1 - alpha - beta) + alpha * moves[t] ** 2 + beta * v
    return moves


def test_its_numbers_come_back() -> None:
    found = [fit_garch(simulated(3_000, seed)) for seed in range(8)]
    for name, true in (("alpha", 0.08), ("beta", 0.88)):
        values = np.array([getattr(one, name) for one in found])
        assert values.mean() == pytest.approx(true, abs=3 * values.std() / np.sqrt(8) + 0.01)


def test_the_path_is_the_recursion_and_the_forecast_its_mean() -> None:
    r = simulated(200, 1)
    found = fit_garch(r)
    v = float(np.mean(r**2))
    for t, move in enumerate(r):
        assert found.variance[t] == pytest.approx(v, rel=1e-9)
        v = found.omega + found.alpha * move**2 + found.beta * v
    one = Garch(0.1, 0.1, 0.8, np.zeros(1))
    ahead, total = 2.0, 0.0
    for _ in range(7):
        total += ahead
        ahead = 0.1 + 0.9 * ahead
    assert one.ahead(np.array([2.0]), 7)[0] == pytest.approx(total)


def test_filtered_windows_have_the_vol_of_now(tmp_path: Path, market: Any) -> None:
    calm, wild = simulated(900, 2, daily=0.02), simulated(100, 3, daily=0.06)
    days = pd.date_range("2024-01-01", periods=1_001, tz="UTC")
    prices = 100.0 * np.exp(np.concatenate([[0.0], np.cumsum(np.concatenate([calm, wild]))]))
    path = tmp_path / "btc.csv"
    pd.DataFrame({"timestamp": days, "BTC": prices}).to_csv(path, index=False)
    spread = {}
    for model in ("ewma", "garch"):
        more: dict[str, Any] = {"filtered": True, "filter_model": model, "scale_to_market": False}
        settings = HistoricalScenarios(prices=str(path), count=2_000, horizon_days=1.0, **more)
        spread[model] = float(np.log(draw(settings, ["BTC"], market).spot_factor[:, 0]).std())
    assert spread["garch"] == pytest.approx(spread["ewma"], rel=0.35)
    assert spread["garch"] > 1.5 * 0.02
    block = HistoricalScenarios(
        prices=str(path), horizon_days=5.0, sampling="block", block_days=1.0, filtered=True, filter_model="garch",
        scale_to_market=False, count=4_000,
    )  # fmt: skip
    five = float(np.log(draw(block, ["BTC"], market).spot_factor[:, 0]).std())
    assert 0.8 * np.sqrt(5) * spread["garch"] < five < 1.1 * np.sqrt(5) * spread["garch"]  # reverts to a calmer mean


@pytest.mark.parametrize(("moves", "words"), [(np.zeros(50), "do not move"), (np.ones(5), "too few")])
def test_histories_that_are_none_are_refused(moves: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        fit_garch(moves)
