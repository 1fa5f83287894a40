"""What expires inside the horizon settles on the way: law of the bridge, by its moments."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from hedgeopt.models.pricing.option import OPTION, Option
from hedgeopt.models.scenarios.bridge import spot_on_the_way
from hedgeopt.models.scenarios.draw import draw
from hedgeopt.models.scenarios.option_moves import option_moves
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios
from hedgeopt.models.scenarios.set import ScenarioSet

NORMAL = ParametricScenarios(
    count=60_000, degrees=1_000.0, vol={"BTC": 0.6}, horizon_days=1.0, vol_of_vol=0.0, vol_beta=0.0, vol_beta_up=0.0
)


class Unasked:
    """A market whose vols nobody needs: the settings have them."""

    def price(self, asset: str) -> float:
        raise AssertionError(asset)


def sample(**changes: Any) -> ScenarioSet:
    return draw(NORMAL.model_copy(update=changes), ["BTC"], Unasked())  # type: ignore[arg-type]


def test_moments_of_a_brownian_path() -> None:
    """Var ln S_w = w v, Cov(ln S_w, ln S_1) = w v, and increments after w are independent of what was before."""
    s = sample()
    w = np.array([0.25, 0.6])
    way = np.log(spot_on_the_way(s, np.zeros(2, int), w / 365.0))
    end = np.log(s.spot_factor[:, 0])
    v = 0.36 / 365.0
    for k in range(2):
        covariance = np.cov(way[:, k], end)
        assert covariance[0, 0] == pytest.approx(w[k] * v, rel=0.03)
        assert covariance[0, 1] == pytest.approx(w[k] * v, rel=0.03)
        assert abs(np.corrcoef(way[:, k], end - way[:, k])[0, 1]) < 0.02


def test_beyond_the_horizon_and_without_a_path_nothing_changes() -> None:
    s = sample(count=100)
    np.testing.assert_array_equal(
        spot_on_the_way(s, np.zeros(2, int), np.array([1.0, 30.0]) / 365.0)[:, 1], s.spot_factor[:, 0]
    )
    bare = ScenarioSet("x", ("BTC",), np.array([[0.9], [1.1]]), np.zeros((2, 1)), 1.0)
    np.testing.assert_allclose(spot_on_the_way(bare, np.zeros(1, int), np.array([0.5 / 365.0])), [[0.9], [1.1]])


def test_an_option_that_dies_on_the_way_no_longer_hedges_the_end(toy_market: Any) -> None:
    """16 of 24 hours: the payoff explains w of the variance of the end at most, and its mean is the option's time value."""
    item = next(
        i for i in toy_market.instruments.values() if i.kind == "option" and i.underlying == "BTC" and i.strike == 80_000
    )
    short = Option(**{**item.model_dump(), "expiry": toy_market.timestamp + timedelta(hours=16)})
    market = replace(
        toy_market,
        instruments={short.id: short},
        quotes=toy_market.quotes.loc[[item.id]]
        .assign(underlying_price=80_000.0, mark_iv=0.6, mark_price=np.nan)
        .set_axis([short.id]),
    )
    s = sample()
    pnl = np.empty((len(s), 1), order="F")
    OPTION.scenario_pnl([short], market, s, pnl)
    assert pnl.mean() == pytest.approx(0.0, abs=4 * pnl.std() / np.sqrt(len(s)) + 3.0)
    forward = np.empty((len(s), 1), order="F")
    OPTION.scenario_pnl([short], market, replace(s, path_seed=None), forward)
    sign = 1.0 if short.right == "call" else -1.0
    now, at_the_end = (np.corrcoef(sign * s.spot_factor[:, 0], x[:, 0])[0, 1] for x in (pnl, forward))
    assert now == pytest.approx(at_the_end * np.sqrt(16 / 24), rel=0.03)


def test_each_expiry_has_a_vol_of_its_own() -> None:
    """Beside the common level: standard deviation ``noise sqrt(h) (30 / days)^.3``, independent of the next expiry's."""
    s = sample(expiry_noise=0.5)
    years = np.array([30.0, 90.0, 30.0]) / 365.0
    m = option_moves(s, np.zeros(3, int), years)
    moved = m.log_vol_shift[:, m.column] * m.weight
    at_30, at_90 = moved[:, 0], moved[:, 1]
    np.testing.assert_array_equal(at_30, moved[:, 2])
    assert at_30.std() == pytest.approx(0.5 / np.sqrt(365.0), rel=0.02)
    assert at_90.std() == pytest.approx(0.5 / np.sqrt(365.0) / 3.0**0.6, rel=0.02)
    assert abs(np.corrcoef(at_30, at_90)[0, 1]) < 0.02
