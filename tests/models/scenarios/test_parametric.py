"""Moments of the parametric and regime samples against their inputs, in closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.draw import draw
from hedgeopt.models.scenarios.regime import calm_scale, regime, student_margins, unit_returns
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios, RegimeScenarios

N = 100_000


def moves(scenarios):
    return np.log(scenarios.spot_factor)


@pytest.mark.parametrize("horizon", [1 / 24, 1.0, 30.0])
def test_parametric_vols_and_correlation_are_the_settings(market, horizon):
    s = draw(ParametricScenarios(count=N, degrees=8, correlation=0.7, horizon_days=horizon), ["BTC", "ETH"], market)
    r = moves(s)
    np.testing.assert_allclose(r.std(axis=0) * np.sqrt(365 / horizon), [0.6, 0.8], rtol=0.015)
    assert np.corrcoef(r.T)[0, 1] == pytest.approx(0.7, abs=0.01)
    np.testing.assert_allclose(r.mean(axis=0), 0, atol=1e-12)


def test_parametric_kurtosis_is_that_of_student_t(market):
    s = draw(ParametricScenarios(count=N, degrees=12), ["BTC"], market)
    assert stats.kurtosis(moves(s)[:, 0]) == pytest.approx(6 / (12 - 4), abs=0.15)


def test_vol_answers_spot_by_the_slopes(market):
    s = draw(ParametricScenarios(count=N, vol_beta=-1.2, vol_beta_up=0.4, vol_of_vol=0.5), ["BTC"], market)
    r, v = moves(s)[:, 0], s.log_vol_shift[:, 0]
    for side, beta in ((r < 0, -1.2), (r > 0, 0.4)):
        assert stats.linregress(r[side], v[side]).slope == pytest.approx(beta, abs=0.03)
    residual = v - np.where(r < 0, -1.2, 0.4) * r
    assert residual.std() * np.sqrt(365) == pytest.approx(0.5, rel=0.02)
    assert np.corrcoef(r, v)[0, 1] < 0  # vol rises when spot falls


def test_other_fields_follow_spot_and_stay_off_by_default(market):
    plain = draw(ParametricScenarios(count=100), ["BTC"], market)
    for name in ("skew_shift", "term_shift", "basis_shift", "perpetual_shift", "funding"):
        assert getattr(plain, name) is None
    s = draw(
        ParametricScenarios(count=100, skew_beta=0.3, basis_beta=0.5, perpetual_beta=0.1, spread_beta=8, depth_beta=5),
        ["BTC", "ETH"],
        market,
    )
    r = np.log(plain.spot_factor[:, 0])
    drift = r - np.log(s.spot_factor[:, 0])
    np.testing.assert_allclose(drift, 0, atol=1e-12)  # a further asset leaves the draws of the first as they were
    np.testing.assert_allclose(s.skew_shift / s.basis_shift, 0.6)
    fall = np.maximum(-(s.basis_shift / 0.5).min(axis=1), 0)
    np.testing.assert_allclose(s.liquidity["spread"], np.exp(8 * fall))
    np.testing.assert_allclose(s.liquidity["depth"], np.exp(-5 * fall))


REGIME = {"count": N, "degrees": 30.0, "copula_degrees": 30.0}


def test_regime_sample_keeps_variance_and_has_the_stated_skewness(market):
    settings_ = RegimeScenarios(weight=0.1, vol_multiplier=2.0, drift=-1.5, **REGIME)
    z, falling = unit_returns(settings_, [30.0, 30.0])
    assert falling.mean() == pytest.approx(0.1, abs=0.003)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=0.01)
    np.testing.assert_allclose(z.var(axis=0), 1, rtol=0.02)
    w, d, m, s = 0.1, -1.5, 2.0, calm_scale(settings_)
    # third moment of a two-part mixture of symmetric laws, from sum w (mu^3 + 3 mu sigma^2)
    mu = np.array([-s * d * w / (1 - w), s * d])
    third = (np.array([1 - w, w]) * (mu**3 + 3 * mu * np.array([s, s * m]) ** 2)).sum()
    assert third == pytest.approx(s**3 * w * d * (3 * (m**2 - 1) + d**2 * (1 - 2 * w) / (1 - w) ** 2))
    assert third < 0
    np.testing.assert_allclose(stats.skew(z), third, atol=0.08)


def test_correlations_and_vols_jump_together(market):
    settings_ = RegimeScenarios(
        weight=0.2, correlation=0.5, liquidation_correlation=0.95, vol_multiplier=3.0, drift=0.0, vol_jump=0.4, **REGIME
    )
    s = draw(settings_, ["BTC", "ETH"], market)
    falling = s.liquidity["spread"] > 1
    r = moves(s)
    assert np.corrcoef(r[~falling].T)[0, 1] == pytest.approx(0.5, abs=0.01)
    assert np.corrcoef(r[falling].T)[0, 1] == pytest.approx(0.95, abs=0.005)
    np.testing.assert_allclose(r[falling].std(axis=0) / r[~falling].std(axis=0), 3.0, rtol=0.02)
    np.testing.assert_allclose(r.std(axis=0) * np.sqrt(365), [0.6, 0.8], rtol=0.02)
    jump = s.log_vol_shift - np.where(r < 0, -0.8, 0.2) * r
    assert jump[falling].mean() - jump[~falling].mean() == pytest.approx(0.4, abs=0.01)
    assert (s.liquidity["depth"][falling] == 0.1).all()


def test_margins_take_their_own_degrees_and_keep_ranks():
    t = stats.t(4).rvs((20_000, 2), random_state=1)
    out = student_margins(t, 4.0, [4.0, 9.0])
    np.testing.assert_allclose(out[:, 0], t[:, 0] / np.sqrt(2.0))
    assert stats.kstest(out[:, 1] / np.sqrt(7 / 9), stats.t(9).cdf).pvalue > 0.01
    np.testing.assert_array_equal(np.argsort(out[:, 1]), np.argsort(t[:, 1]))
    extreme = student_margins(np.array([[-1e6], [1e6]]), 4.0, [9.0])
    assert extreme[0, 0] == -extreme[1, 0]
    assert np.isfinite(extreme).all()


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 0.49), st.floats(1, 10), st.floats(-5, 5))
def test_calm_scale_makes_the_mixture_variance_one(w, m, d):
    s = calm_scale(RegimeScenarios(weight=w, vol_multiplier=m, drift=d))
    mu = np.array([-s * d * w / (1 - w), s * d])
    p = np.array([1 - w, w])
    assert p @ mu == pytest.approx(0, abs=1e-12)
    assert p @ (mu**2 + (s * np.array([1, m])) ** 2) == pytest.approx(1)


def test_impossible_correlation_and_missing_vol_are_named(market):
    with pytest.raises(InputError, match=r"scenarios.correlation: is impossible for 4 assets"):
        draw(ParametricScenarios(correlation=-0.5, vol={"A": 1, "B": 1}, count=10), ["A", "B", "BTC", "ETH"], market)
    with pytest.raises(InputError, match="no vol for SOL"):
        regime(RegimeScenarios(count=10), ["SOL"], market)
