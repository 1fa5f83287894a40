"""Entropy pooling against Jaynes' dice, the normal closed form, and views that cannot be met."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hedgeopt.errors import InputError
from hedgeopt.models.risk.cvar import tail_loss
from hedgeopt.models.scenarios.draw import draw
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios
from hedgeopt.models.scenarios.set import ScenarioSet
from hedgeopt.models.scenarios.tilt import entropy_pool, tilted
from hedgeopt.models.scenarios.views import Condition, CorrelationView, MeanView, TailView, VolView, conditions


def test_jaynes_dice():
    """Uniform prior on 1..6 and mean 4.5: p_k ~ x^k (Jaynes 1963, whose printed values these are)."""
    faces = np.arange(1.0, 7.0)
    tilt = entropy_pool(np.full(6, 1 / 6), [Condition("mean", faces, 4.5)])
    np.testing.assert_allclose(tilt.probabilities, [0.05435, 0.07877, 0.11416, 0.16545, 0.23977, 0.34749], atol=5e-6)
    ratio = tilt.probabilities[1:] / tilt.probabilities[:-1]
    np.testing.assert_allclose(ratio, ratio[0])
    assert tilt.relative_entropy == pytest.approx((tilt.probabilities * np.log(6 * tilt.probabilities)).sum())
    assert tilt.effective_number == pytest.approx(6 * np.exp(-tilt.relative_entropy))


@pytest.fixture(scope="module")
def gaussian():
    """A correlated bivariate normal as a Gauss–Hermite product grid: a prior whose moments are exact."""
    x, w = np.polynomial.hermite_e.hermegauss(40)
    w = w / w.sum()
    z = np.array([(a, b) for a in x for b in x])
    prior = np.outer(w, w).ravel()
    mean, sigma = np.array([0.01, -0.02]), np.array([[0.04, 0.018], [0.018, 0.09]])
    moves = mean + z @ np.linalg.cholesky(sigma).T
    keep = prior > 1e-30
    s = ScenarioSet("normal", ("BTC", "ETH"), np.exp(moves[keep]), np.zeros((keep.sum(), 2)), 365.0)
    return s, prior[keep] / prior[keep].sum(), mean, sigma


def posterior(gaussian, views):
    from dataclasses import replace

    s, prior, *_ = gaussian
    p = tilted(replace(s, probabilities=prior), views).probabilities
    r = np.log(s.spot_factor)
    mean = p @ r
    return mean, ((r - mean) * p[:, None]).T @ (r - mean), p


def test_mean_view_moves_a_normal_as_in_closed_form(gaussian):
    """mu + Sigma q (q' Sigma q)^-1 (v - q' mu); covariance unchanged; KL = (v - q' mu)^2 / (2 q' Sigma q)."""
    _, prior, mu, sigma = gaussian
    mean, covariance, p = posterior(gaussian, [MeanView(asset="BTC", value=0.15)])
    np.testing.assert_allclose(mean, mu + sigma[:, 0] / sigma[0, 0] * (0.15 - mu[0]), atol=1e-9)
    np.testing.assert_allclose(covariance, sigma, atol=1e-8)
    assert (p * np.log(p / prior))[p > 0].sum() == pytest.approx(0.14**2 / (2 * sigma[0, 0]), abs=1e-8)


def test_vol_view_scales_a_normal_and_keeps_its_mean(gaussian):
    _, _, mu, sigma = gaussian
    mean, covariance, _ = posterior(gaussian, [VolView(asset="BTC", value=0.15)])
    assert mean[0] == pytest.approx(mu[0], abs=1e-9)
    assert covariance[0, 0] == pytest.approx(0.15**2, abs=1e-9)
    # the regression of ETH on BTC is untouched
    assert covariance[0, 1] / covariance[0, 0] == pytest.approx(sigma[0, 1] / sigma[0, 0], abs=1e-7)


def test_correlation_view_keeps_means_and_vols(gaussian):
    _, _, mu, sigma = gaussian
    mean, covariance, _ = posterior(gaussian, [CorrelationView(assets=("BTC", "ETH"), value=0.6)])
    np.testing.assert_allclose(mean, mu, atol=1e-8)
    np.testing.assert_allclose(np.diag(covariance), np.diag(sigma), atol=1e-8)
    assert covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]) == pytest.approx(0.6, abs=1e-7)


def test_views_together_and_bounds(market):
    s = draw(ParametricScenarios(count=20_000), ["BTC", "ETH"], market)
    r = np.log(s.spot_factor)
    prior_tail = (s.spot_factor[:, 0] <= 0.9).mean()
    views = [
        TailView(asset="BTC", below=-0.1, probability=0.03),
        MeanView(asset="ETH", value=-0.01, sense="at_most"),
        VolView(asset="ETH", value=0.3, sense="at_least"),  # not binding: the sample is at 0.8
        MeanView(asset="BTC", of="vol", value=0.02),
    ]
    t = tilted(s, views)
    p = t.probabilities
    assert p @ (s.spot_factor[:, 0] <= 0.9) == pytest.approx(0.03, abs=1e-9)
    assert p @ r[:, 1] <= -0.01 + 1e-9
    assert p @ s.log_vol_shift[:, 0] == pytest.approx(0.02, abs=1e-9)
    assert prior_tail < 0.03
    assert tail_loss(-r[:, 0], 0.99, p) > tail_loss(-r[:, 0], 0.99)  # the weighted CVaR sees it
    assert "effective number" in t.notes[-1]
    assert t.effective_number < len(t)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(-0.8, 0.8))
@example(455, 0.734)  # the last Newton step lowers the dual by less than its rounding
@example(94, -0.3)
@example(281, 0.2)
def test_solution_has_the_exponential_form_and_no_feasible_point_is_nearer(seed, target):
    rng = np.random.default_rng(seed)
    prior = rng.dirichlet(np.ones(50))
    f = rng.standard_normal((2, 50))
    tilt = entropy_pool(prior, [Condition("a", f[0], target), Condition("b", f[1], 0.5, "at_most")])
    p = tilt.probabilities
    assert p @ f[0] == pytest.approx(target, abs=1e-7)
    assert p @ f[1] <= 0.5 + 1e-7
    design = np.column_stack([np.ones(50), f.T])
    weight = np.sqrt(p)
    fit = np.linalg.lstsq(design * weight[:, None], np.log(p / prior) * weight, rcond=None)[0]
    np.testing.assert_allclose((design @ fit - np.log(p / prior)) * weight, 0, atol=1e-8)
    assert fit[2] <= 1e-6  # an upper bound only ever lowers weights of large f
    other = p * np.exp(0.05 * rng.standard_normal(50))
    basis = np.linalg.svd(design.T)[2][3:]
    other = p + basis.T @ (basis @ (other - p))  # same sums: feasible where positive
    if (other > 0).all():
        assert (other * np.log(other / prior)).sum() >= (p * np.log(p / prior)).sum() - 1e-10


def test_infeasible_views_are_named(market):
    s = draw(ParametricScenarios(count=2_000), ["BTC", "ETH"], market)
    with pytest.raises(InputError, match=r"mean return BTC = 3 asks for 3, scenarios only reach"):
        tilted(s, [MeanView(asset="BTC", value=3)])
    with pytest.raises(InputError, match=r"mean return BTC = -0.05, mean return BTC = 0.05 cannot be met together"):
        tilted(s, [MeanView(asset="BTC", value=-0.05), MeanView(asset="BTC", value=0.05)])
    with pytest.raises(InputError, match=r"P\(BTC <= -5%\) = 0.9, P\(BTC <= -1%\) = 0.2 cannot be met together"):
        tilted(s, [TailView(asset="BTC", below=-0.05, probability=0.9), TailView(asset="BTC", below=-0.01, probability=0.2)])
    with pytest.raises(InputError, match="is moved by no scenario"):
        tilted(s, [MeanView(asset="SOL", value=0)])
    with pytest.raises(InputError, match="effective scenarios of 2000"):
        tilted(s, [TailView(asset="BTC", below=-0.1, probability=0.99)], min_effective=100)


def test_a_view_already_held_changes_nothing(market):
    s = draw(ParametricScenarios(count=1_000), ["BTC"], market)
    rows = conditions(s, [MeanView(asset="BTC", value=float(np.log(s.spot_factor[:, 0]).mean()))])
    np.testing.assert_allclose(entropy_pool(s.weights, rows).probabilities, 1e-3)
