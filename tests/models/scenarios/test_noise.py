"""Noise of expiries and single strikes: laws, seeds, and what it does to hedges."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.errors import InputError
from hedgeopt.models.pricing.black76 import black76_price
from hedgeopt.models.pricing.option import OPTION, Option
from hedgeopt.models.scenarios.bridge import skew_alone, strike_alone
from hedgeopt.models.scenarios.draw import draw
from hedgeopt.models.scenarios.noise import (
    ExpiryNoise,
    OptionNoise,
    StrikeNoise,
    measured_noise,
    noise_by_asset,
    strike_size,
)
from hedgeopt.models.scenarios.option_moves import option_moves
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios
from hedgeopt.models.scenarios.set import ScenarioSet
from hedgeopt.models.scenarios.variates import as_student, normals

STRIKE = StrikeNoise(days=(2.0, 32.0), delta=(0.1, 0.4), size=((0.04, 0.02), (0.01, 0.005)), degrees=5.0, exponent=0.45)
NOISE = OptionNoise(strike=STRIKE, skew=ExpiryNoise(days=(10.0,), size=(0.02,), exponent=0.2))


def sample(count: int = 20_000, horizon: float = 0.25, **more: Any) -> ScenarioSet:
    still = {"vol_of_vol": 0.0, "vol_beta": 0.0, "vol_beta_up": 0.0, "vol": {"BTC": 0.6, "ETH": 0.7}}
    settings = ParametricScenarios(count=count, horizon_days=horizon, **{**still, "noise": {"BTC": NOISE}, **more})
    return draw(settings, ["BTC", "ETH"], Unasked())


class Unasked:
    """A market whose vols nobody needs."""

    def price(self, asset: str) -> float:
        raise AssertionError(asset)


def test_sizes_are_log_linear_between_nodes_and_nearest_beyond() -> None:
    days, delta = np.array([2.0, 32.0, 8.0, 0.5, 500.0, 2.0]), np.array([0.1, 0.6, 0.25, 0.02, 0.5, 0.9])
    expected = [0.04, 0.005, 0.04**0.25 * 0.02**0.25 * 0.01**0.25 * 0.005**0.25, 0.04, 0.005, 0.04]
    np.testing.assert_allclose(strike_size(STRIKE, days, delta, 0.25), expected, rtol=1e-12)
    np.testing.assert_allclose(strike_size(STRIKE, days, delta, 1.0), np.array(expected) * 4**0.45, rtol=1e-12)


def test_students_are_the_quantiles_of_the_normals() -> None:
    from scipy.stats import norm, t

    for degrees in (3.0, 5.0, 30.0):
        z = np.linspace(-5.0, 5.0, 501)
        exact = t.ppf(norm.cdf(-np.abs(z)), degrees) * -np.sign(z) * np.sqrt((degrees - 2.0) / degrees)
        np.testing.assert_allclose(as_student(z, degrees), exact, rtol=1e-4, atol=1e-5)
    drawn = as_student(normals(1, "x", 200_000)[:, 0], 5.0)
    assert drawn.std() == pytest.approx(1.0, rel=0.02)


def test_strikes_of_an_expiry_are_independent_and_of_their_size() -> None:
    s = sample()
    strike = np.array([70_000.0, 80_000.0, 70_000.0])
    moved = strike_alone(s, np.zeros(3, int), np.array([8.0, 8.0, 16.0]) / 365.0, strike, np.array([0.25, 0.1, 0.25]))
    assert moved is not None
    assert moved.shape == (len(s), 3)
    expected = strike_size(STRIKE, np.array([8.0, 8.0, 16.0]), np.array([0.25, 0.1, 0.25]), 0.25)
    np.testing.assert_allclose(moved.std(axis=0), expected, rtol=0.06)
    assert np.abs(np.corrcoef(moved.T) - np.eye(3)).max() < 0.03
    tilts = skew_alone(s, np.array([0, 1]), np.array([8.0, 8.0]) / 365.0)
    assert tilts is not None
    assert tilts[:, 0].std() == pytest.approx(0.02, rel=0.03)
    assert not tilts[:, 1].any()


def test_what_expires_inside_the_horizon_has_no_vol_to_move() -> None:
    moved = strike_alone(sample(100, 1.0), np.zeros(1, int), np.array([0.5 / 365.0]), np.array([1.0]), np.array([0.3]))
    assert moved is not None
    assert not moved.any()


def test_the_same_seed_gives_the_same_noise_and_a_longer_sample_begins_with_the_shorter() -> None:
    at = (np.zeros(1, int), np.array([8.0]) / 365.0, np.array([70_000.0]), np.array([0.3]))
    first, longer, other = (strike_alone(s, *at) for s in (sample(100), sample(400), sample(100, seed=1)))
    assert first is not None
    assert longer is not None
    assert other is not None
    np.testing.assert_array_equal(first, longer[:100])
    assert not np.allclose(first, other)


def test_call_and_put_of_a_strike_share_it_and_other_assets_have_none() -> None:
    s = sample(50)
    columns, years = np.array([0, 0, 1]), np.full(3, 20.0 / 365.0)
    moves = option_moves(s, columns, years, np.array([70_000.0, 70_000.0, 2_000.0]), np.array([0.3, -0.7, 0.4]))
    assert moves.column[0] == moves.column[1] != moves.column[2]
    assert moves.log_vol_shift[:, moves.column[0]].any()
    assert not moves.log_vol_shift[:, moves.column[2]].any()


def test_revaluation_is_the_formula_at_the_moved_vol_in_blocks_or_at_once(
    toy_market: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [i for i in toy_market.instruments.values() if i.kind == "option" and i.underlying == "BTC"][:6]
    s = draw(ParametricScenarios(count=64, vol={"BTC": 0.6}, noise={"BTC": NOISE}), ["BTC"], toy_market)
    pnl = np.empty((64, len(items)), order="F")
    OPTION.scenario_pnl(items, toy_market, s, pnl)
    monkeypatch.setattr("hedgeopt.models.pricing.option._NUMBERS", 64)
    again = np.empty_like(pnl)
    OPTION.scenario_pnl(items, toy_market, s, again)
    np.testing.assert_array_equal(pnl, again)
    quiet = np.empty_like(pnl)
    OPTION.scenario_pnl(items, toy_market, replace(s, noise={}), quiet)
    assert not np.allclose(pnl, quiet)

    one: Option = items[0]
    quote = toy_market.quotes.loc[one.id]
    years = one.years_from(toy_market.timestamp)
    forward, vol = float(quote["underlying_price"]), float(quote["mark_iv"])
    from hedgeopt.models.pricing.black76 import greeks

    delta = greeks(forward, one.strike, years, vol, one.right == "call").delta
    own = strike_alone(s, np.zeros(1, int), np.array([years]), np.array([one.strike]), np.array([delta]))
    tilt = skew_alone(s, np.zeros(1, int), np.array([years]))
    from hedgeopt.models.scenarios.set import vol_term_weight

    after, then = forward * s.spot_factor[:, 0], years - s.years
    moved = vol * np.exp(vol_term_weight(np.array(years)) * s.log_vol_shift[:, 0] + own[:, 0])
    moved = moved + tilt[:, 0] * np.log(one.strike / after) / np.sqrt(max(then, 1 / 365))
    expected = black76_price(after, one.strike, then, np.clip(moved, 0.01, 5.0), one.right == "call")
    expected = expected - black76_price(forward, one.strike, years, vol, one.right == "call")
    scale = toy_market.price("BTC") / forward if one.inverse else 1.0
    np.testing.assert_allclose(pnl[:, 0], expected * scale, atol=1e-6 * forward)


def test_two_strikes_no_longer_hedge_each_other_perfectly(toy_market: Any) -> None:
    item = next(i for i in toy_market.instruments.values() if i.kind == "option" and i.underlying == "BTC")
    pair = [Option(**{**item.model_dump(), "strike": k, "expiry": toy_market.timestamp + timedelta(days=5)})
            for k in (80_000.0, 80_100.0)]  # fmt: skip
    quotes = toy_market.quotes.loc[[item.id, item.id]].assign(underlying_price=80_000.0, mark_iv=0.6, mark_price=np.nan)
    market = replace(toy_market, instruments={o.id: o for o in pair}, quotes=quotes.set_axis([o.id for o in pair]))
    left = []
    for noise in ("none", "measured"):
        s = draw(ParametricScenarios(count=2_000, horizon_days=0.25, vol={"BTC": 0.6}, noise=noise), ["BTC"], market)
        pnl = np.empty((len(s), 2), order="F")
        OPTION.scenario_pnl(pair, market, s, pnl)
        left.append((pnl[:, 0] - pnl[:, 1]).std())
    assert left[1] > 5.0 * left[0]


def test_the_packaged_noise_is_on_for_every_underlying() -> None:
    table = measured_noise()
    assert set(table) == {"BTC", "ETH", "*"}
    found = noise_by_asset("measured", ("BTC", "SOL"))
    assert found["SOL"] == table["*"]
    assert found["BTC"] == table["BTC"]
    assert noise_by_asset("none", ("BTC",)) == {}
    for one in table.values():
        assert one.strike is not None
        assert one.expiry is not None
        assert one.skew is not None
        assert min(min(row) for row in one.strike.size) > 0.0


def test_expiry_noise_of_the_policy_counts_before_the_tables() -> None:
    s = ScenarioSet("x", ("BTC",), np.ones((2, 1)), np.zeros((2, 1)), 1.0, path_seed=0, noise=measured_noise())
    assert s.expiry_size("BTC", 30.0) == pytest.approx(measured_noise()["BTC"].expiry.over(30.0, 1.0))  # type: ignore[union-attr]
    assert replace(s, expiry_noise=0.5).expiry_size("BTC", 30.0) == pytest.approx(0.5 / np.sqrt(365.0))


def test_spot_jumps_keep_the_mean_and_the_vol() -> None:
    calm = {"vol": {"BTC": 0.8}, "degrees": 1_000.0, "count": 100_000, "horizon_days": 2.0}
    market = Unasked()
    jumps = {"jump_rate": 60.0, "jump_mean": -0.02, "jump_noise": 0.03}
    with_, without = (np.log(draw(ParametricScenarios(**calm, **more), ["BTC"], market).spot_factor[:, 0])
                      for more in (jumps, {}))  # fmt: skip
    assert with_.std() == pytest.approx(without.std(), rel=0.02)
    assert with_.mean() == pytest.approx(0.0, abs=1e-12)
    skew = ((with_ - with_.mean()) ** 3).mean() / with_.std() ** 3
    n, m, v = 60.0 * 2 / 365, -0.02, 0.03**2  # third cumulant of a compound Poisson: rate E[J^3]
    assert skew == pytest.approx(n * (m**3 + 3 * m * v) / without.std() ** 3, rel=0.25)


def test_slopes_differ_by_asset_and_by_regime() -> None:
    s = draw(ParametricScenarios(
        count=50_000, vol={"BTC": 0.6, "ETH": 0.6}, vol_of_vol=0.0, vol_beta=-1.0, vol_beta_up=0.0,
        by_asset={"ETH": {"vol_beta": -2.0}}, vol_beta_up_noise=0.5), ["BTC", "ETH"], Unasked())  # fmt: skip
    r, v = np.log(s.spot_factor), s.log_vol_shift
    for a, slope in enumerate((-1.0, -2.0)):
        down = r[:, a] < -1e-3
        assert np.median(v[down, a] / r[down, a]) == pytest.approx(slope, abs=0.05)
        up = r[:, a] > 0.02
        slopes = v[up, a] / r[up, a]
        assert slopes.mean() == pytest.approx(0.0, abs=0.03)
        assert slopes.std() == pytest.approx(0.5, rel=0.1)


def test_a_set_with_noise_goes_through_a_policy_unchanged(toy_market: Any) -> None:
    from hedgeopt.models.scenarios.given import given_set

    s = sample(30)
    policy = ho.Policy(ho.TransactionCost(), scenarios=s, lots="ideal")
    again = draw(ho.read_policy(io.StringIO(policy.to_toml())).scenarios, ["BTC", "ETH"], toy_market)
    assert again.noise == s.noise
    assert given_set(again) == given_set(s)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"days": (2.0, 1.0)}, "days must rise"),
        ({"size": ((0.1,),)}, "size must have 2 rows of 2"),
        ({"delta": (0.1, 0.9)}, "0.5"),
    ],
)
def test_tables_that_are_none_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        StrikeNoise(**{**STRIKE.model_dump(), **wrong})
