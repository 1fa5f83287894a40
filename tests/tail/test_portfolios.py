"""Minimum-CVaR portfolios against the answers of the portfolio libraries (installed with the benchmark extra)."""

from __future__ import annotations

import warnings

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

import hedgeopt.tail as tail

S, N, BETA = 500, 6, 0.95
NAMES = list("abcdef")


@pytest.fixture(scope="module")
def returns() -> pd.DataFrame:
    r = np.random.default_rng(11)
    data = r.standard_t(4, size=(S, 2)) @ r.normal(size=(2, N)) * 0.01 + 0.01 * r.standard_t(4, size=(S, N)) + 5e-4
    return pd.DataFrame(data, index=pd.date_range("2020-01-01", periods=S), columns=NAMES)


@pytest.fixture(scope="module")
def ours(returns: pd.DataFrame) -> float:
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(tail.cvar(-(returns.to_numpy() @ x), BETA)), [cp.sum(x) == 1, x >= 0])
    return float(problem.solve(method="tail"))


def risk(returns: pd.DataFrame, weights: np.ndarray) -> float:
    """CVaR as the mean of the worst 25 of 500 days."""
    return float(np.sort(-(returns.to_numpy() @ weights))[-25:].mean())


def test_skfolio(returns: pd.DataFrame, ours: float) -> None:
    optimization = pytest.importorskip("skfolio.optimization")
    from skfolio import RiskMeasure

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = optimization.MeanRisk(risk_measure=RiskMeasure.CVAR, cvar_beta=BETA).fit(returns)
    assert risk(returns, model.weights_) == pytest.approx(ours, rel=1e-6)


def test_riskfolio(returns: pd.DataFrame, ours: float) -> None:
    riskfolio = pytest.importorskip("riskfolio")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        portfolio = riskfolio.Portfolio(returns=returns, alpha=1 - BETA)
        portfolio.assets_stats(method_mu="hist", method_cov="hist")
        weights = portfolio.optimization(model="Classic", rm="CVaR", obj="MinRisk", hist=True)
    assert risk(returns, weights.to_numpy().ravel()) == pytest.approx(ours, rel=1e-6)


def test_pyportfolioopt(returns: pd.DataFrame, ours: float) -> None:
    frontier = pytest.importorskip("pypfopt.efficient_frontier")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = frontier.EfficientCVaR(returns.mean(), returns, beta=BETA)
        found.min_cvar()
    weights = np.array([found.clean_weights(cutoff=0, rounding=None)[name] for name in NAMES])
    assert risk(returns, weights) == pytest.approx(ours, rel=1e-6)
