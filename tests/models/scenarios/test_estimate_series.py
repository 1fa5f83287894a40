"""Funding and pegs come back within their errors from histories drawn with known numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.errors import InputError


def _times(count: int, hours: float = 8.0) -> pd.DatetimeIndex:
    return pd.date_range("2025-01-01", periods=count, freq=pd.Timedelta(hours=hours), tz="UTC")


def test_funding_comes_back_within_its_error() -> None:
    rng = np.random.default_rng(3)
    off = []
    for _ in range(40):
        r = 0.02 * rng.standard_t(5, 900)
        paid = 0.004 * r + 0.03 * np.sqrt(1 / 3 / 365) * rng.standard_normal(900)
        price = pd.Series(1e5 * np.exp(np.concatenate([[0.0], np.cumsum(r)])), _times(901))
        rate = pd.Series(np.concatenate([[0.0], paid]) + 1e-4, _times(901))
        found = ho.estimate_funding_response(price, rate)
        off.append([(found.funding_beta - 0.004) / found.error_beta, (found.funding_noise - 0.03) / found.error_noise])
        assert found.observations == 900
        assert abs(found.autocorrelation) < 0.2
    spread = np.array(off)
    assert (np.abs(spread.mean(axis=0)) < 0.6).all()
    assert (np.abs(spread.std(axis=0) - 1.0) < 0.4).all()
    settings = ho.ParametricScenarios(**found.settings())
    assert settings.funding_noise == found.funding_noise


def test_pegs_come_back_and_no_break_leaves_a_rate_open() -> None:
    rng = np.random.default_rng(4)
    moves = 0.02 * np.sqrt(1 / 365) * rng.standard_normal(1_000)
    calm = ho.estimate_peg(pd.Series(np.exp(np.concatenate([[0.0], np.cumsum(moves)])), _times(1_001, 24.0)))
    assert abs(calm.noise - 0.02) < 3.5 * calm.error_noise
    assert (calm.breaks, calm.breaks_a_year, calm.low) == (0, 0.0, 0.0)
    assert calm.high == pytest.approx(3.68888 / (1_000 / 365), rel=1e-4)  # Garwood, no event
    assert np.isnan(calm.depth)
    assert calm.break_probability(1.0) == 0.0 < calm.break_probability(1.0, cautious=True)
    moves[[200, 500, 900]] = np.log([0.9, 0.8, 0.7])
    broken = ho.estimate_peg(pd.Series(np.exp(np.concatenate([[0.0], np.cumsum(moves)])), _times(1_001, 24.0)))
    assert broken.breaks == 3
    assert broken.depth == pytest.approx(0.2)
    assert broken.error_depth == pytest.approx(0.1 / np.sqrt(3))
    assert broken.low == pytest.approx(0.618672 / (1_000 / 365), rel=1e-4)
    assert broken.high == pytest.approx(8.767273 / (1_000 / 365), rel=1e-4)
    assert broken.noise == pytest.approx(calm.noise, rel=0.05)


def test_histories_that_are_none_are_refused() -> None:
    ones = pd.Series(np.ones(50), _times(50))
    with pytest.raises(InputError, match="30 are needed"):
        ho.estimate_funding_response(ones[:10], ones[:10] * 0.0)
    with pytest.raises(InputError, match="rate per 8 hours"):
        ho.estimate_funding_response(ones, ones)
    with pytest.raises(InputError, match="positive"):
        ho.estimate_peg(ones - 1.0)
    with pytest.raises(InputError, match="least"):
        ho.estimate_peg(ones, least=2.0)
    with pytest.raises(InputError, match="same time twice"):
        ho.estimate_peg(pd.concat([ones, ones[:1]]))
