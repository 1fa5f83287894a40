"""Estimators recover what made the data; on recorded data they say what is known."""

import numpy as np
import pandas as pd
import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.calibrate import fit_regimes, mixture_log_density
from hedgeopt.models.scenarios.estimate import estimate_surface_response, estimate_vol_response, smile_points
from hedgeopt.models.scenarios.history import cut_windows, read_prices
from hedgeopt.models.scenarios.joint import read_series
from hedgeopt.models.scenarios.regime import unit_returns
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios, RegimeScenarios


def histories(seed=0, n=1500):
    rng = np.random.default_rng(seed)
    r = 0.03 * rng.standard_t(5, n)
    v = np.where(r < 0, -1.1, 0.5) * r + 0.04 * rng.standard_normal(n)
    times = pd.date_range("2022-01-01", periods=n + 1, tz="UTC")
    grow = lambda x: np.exp(np.r_[0, np.cumsum(x)])  # noqa: E731
    return pd.Series(100 * grow(r), times), pd.Series(0.6 * grow(v), times)


def test_vol_response_recovers_its_slopes_within_their_errors():
    fit = estimate_vol_response(*histories())
    assert abs(fit.vol_beta + 1.1) < 3 * fit.error_down
    assert abs(fit.vol_beta_up - 0.5) < 3 * fit.error_up
    assert fit.vol_of_vol == pytest.approx(0.04 * np.sqrt(365), rel=0.05)
    assert fit.residual_kurtosis == pytest.approx(3, abs=0.5)
    assert ParametricScenarios(**fit.settings()).vol_beta == fit.vol_beta


def test_vol_response_uses_whole_steps_only():
    prices, vols = histories(n=300)
    holes = vols.drop(vols.index[100:150])
    assert estimate_vol_response(prices, holes).observations == 300 - 51
    with pytest.raises(InputError, match="only 9 common moves"):
        estimate_vol_response(prices, vols[:10])
    with pytest.raises(InputError, match="must be positive"):
        estimate_vol_response(prices, vols * 0)


def test_regime_fit_recovers_the_model_that_made_the_data():
    truth = RegimeScenarios(
        count=4_000, weight=0.08, correlation=0.5, liquidation_correlation=0.9, vol_multiplier=3.5, drift=-1.0,
        degrees=8.0, copula_degrees=8.0, seed=2,
    )  # fmt: skip
    fit = fit_regimes(unit_returns(truth, [8.0, 8.0])[0])
    assert fit.weight == pytest.approx(0.08, abs=0.03)
    assert fit.correlation == pytest.approx(0.5, abs=0.04)
    assert fit.liquidation_correlation == pytest.approx(0.9, abs=0.05)
    assert fit.vol_multiplier == pytest.approx(3.5, rel=0.2)
    assert fit.drift == pytest.approx(-1.0, abs=0.4)
    assert fit.bic_gain > 10
    assert fit.margin_distance < 0.03
    assert fit.model_tail_dependence == pytest.approx(fit.tail_dependence, abs=0.06)
    RegimeScenarios(**fit.settings())


def test_regime_fit_says_when_one_regime_is_enough():
    rng = np.random.default_rng(3)
    z = np.linalg.cholesky([[1, 0.6], [0.6, 1]]) @ rng.standard_normal((2, 1500)) / np.sqrt(rng.chisquare(6, 1500) / 6)
    assert fit_regimes(z.T).bic_gain < 0


def test_mixture_density_is_a_density_with_unit_moments():
    grid = np.linspace(-12, 12, 481)
    x, y = np.meshgrid(grid, grid)
    z = np.column_stack([x.ravel(), y.ravel()])
    p = np.exp(np.logaddexp(*mixture_log_density(z, 0.1, 0.4, 0.9, 2.0, -1.0, 20.0))) * (grid[1] - grid[0]) ** 2
    assert p.sum() == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(p @ z, 0, atol=1e-3)
    np.testing.assert_allclose(p @ z**2, 1, atol=5e-3)


def test_bad_returns_are_refused():
    with pytest.raises(InputError, match="at least 200 joint moves"):
        fit_regimes(np.zeros((100, 2)))
    with pytest.raises(InputError, match="never moves"):
        fit_regimes(np.zeros((300, 2)))


def test_smile_points_read_back_the_smile_they_were_drawn_from():
    times = pd.date_range("2026-01-01", periods=60, tz="UTC")
    rng = np.random.default_rng(0)
    r = 0.04 * rng.standard_normal(60)
    forward = 50_000 * np.exp(np.cumsum(r))
    skew = -0.1 + np.cumsum(0.25 * r)
    level = 0.6 * np.exp(np.cumsum(-1.0 * r))
    rows = []
    for t, moment in enumerate(times):
        for days in (5, 14, 40, 120):
            years = days / 365
            vol30 = level[t] * np.exp(0.3 * np.log(30 / days) * 0)  # flat in tenor
            for k in np.linspace(-0.9, 0.9, 9):
                strike = forward[t] * np.exp(k * np.sqrt(years))
                rows.append(
                    (moment, strike, moment + pd.Timedelta(days=days), vol30 + skew[t] * k + 0.2 * k * k, forward[t])
                )
    chain = pd.DataFrame(rows, columns=["timestamp", "strike", "expiry", "mark_iv", "underlying_price"])
    points = smile_points(chain)
    np.testing.assert_allclose(points["atm_30"], level, rtol=1e-9)
    np.testing.assert_allclose(points["skew"], skew, atol=1e-9)
    fit = estimate_surface_response(points)
    assert fit.skew_beta == pytest.approx(0.25, abs=1e-6)
    assert fit.skew_r_squared == pytest.approx(1)
    assert fit.short_exponent == pytest.approx(0, abs=1e-6)  # all tenors moved alike
    assert fit.long_exponent == pytest.approx(0, abs=1e-6)
    assert estimate_vol_response(points["forward"], points["atm_30"]).vol_beta == pytest.approx(-1.0, abs=1e-6)


@pytest.mark.realdata
def test_bitcoin_vol_rises_in_falls_and_the_defaults_lie_within_the_errors(shared_data):
    path = shared_data / "prices-daily" / "coinbase_daily_btc_eth_20200101_20250930.csv"
    prices = read_prices(path, ["BTC", "ETH"])
    vols = read_series(shared_data / "dvol" / "dvol_daily_btc_20221106_20250930.csv")
    fit = estimate_vol_response(prices["BTC"], vols)
    assert fit.observations > 1_000
    assert -1.8 < fit.vol_beta < -0.3
    default = ParametricScenarios()
    assert abs(fit.vol_beta - default.vol_beta) < 2 * fit.error_down
    assert 0.5 < fit.vol_of_vol < 1.3
    regimes = fit_regimes(cut_windows(prices, 1).log_return)
    assert 0.6 < regimes.correlation < 0.95
    crash = list(prices.index[1:]).index(pd.Timestamp("2020-03-12", tz="UTC"))
    assert regimes.liquidation_probability[crash] > 0.5 > np.median(regimes.liquidation_probability)


@pytest.mark.realdata
def test_chain_skew_steepens_in_falls(shared_data):
    chain = pd.read_parquet(
        shared_data / "deribit-chains" / "daily_liquid_dev_20251230_20260531.parquet",
        columns=["timestamp", "currency", "strike", "expiry", "mark_iv", "underlying_price"],
    )
    points = smile_points(chain[chain["currency"] == "BTC"])
    fit = estimate_surface_response(points)
    assert fit.observations > 140
    assert fit.skew_beta > 0  # a fall makes the (negative) skew more negative
    assert 0.2 < fit.short_exponent < 0.6  # short tenors move more, long ones less, near the 0.35 and 0.6 of scenario sets
    assert 0.4 < fit.long_exponent < 0.9
    assert estimate_vol_response(points["forward"], points["atm_30"]).vol_beta < -1


def test_a_key_that_fails_inside_is_no_missing_column(monkeypatch):
    """A column that is missing is named; any other KeyError is ours, and told as it is."""
    chain = pd.DataFrame({name: [1.0] for name in ("timestamp", "strike", "expiry", "underlying_price")})
    with pytest.raises(InputError, match=r"smile_points: chain: column 'mark_iv' is missing"):
        smile_points(chain)
    moments = pd.date_range("2026-01-01", periods=2, tz="UTC")
    rows = [
        {"timestamp": t, "strike": 100.0 + k, "expiry": t + pd.Timedelta(days=d), "mark_iv": 0.6, "underlying_price": 100.0}
        for t in moments for d in (5, 100) for k in range(8)
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"smile_points: chain: gives 2 usable snapshots.*give more snapshots"):
        smile_points(pd.DataFrame(rows))

    def fails(*_):
        raise KeyError("inside")

    monkeypatch.setattr("hedgeopt.models.scenarios.estimate.np.polyfit", fails)
    with pytest.raises(KeyError, match="inside"):
        smile_points(pd.DataFrame(rows))
