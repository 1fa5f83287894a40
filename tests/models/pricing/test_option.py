"""Options as positions: payoffs at expiry, Deribit's delta convention, revaluation against scipy."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.stats import norm

from hedgeopt.errors import InputError
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.pricing.option import OPTION, Option
from hedgeopt.models.scenarios.set import ScenarioSet, vol_term_weight

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


class _Market:
    timestamp = NOW

    def __init__(self, forward: float, vol: float, index: float) -> None:
        self.forward, self.vol, self.index = forward, vol, index

    def price(self, asset: str) -> float:
        return 1.0 if asset == "USDC" else self.index

    def quoted(self, field: str, ids: list[str]) -> np.ndarray:
        return np.full(len(ids), {"underlying_price": self.forward, "mark_iv": self.vol}.get(field, np.nan))


def _option(right: str, strike: float, *, linear: bool = False, expiry: str = "2026-04-01T08:00:00Z") -> Option:
    return Option(
        name=f"BTC-{strike}-{right}",
        venue="deribit",
        underlying="BTC",
        settlement="USDC" if linear else "BTC",
        expiry=expiry,
        strike=strike,
        right=right,
    )


def _scenario(factor: float, log_vol: float = 0.0, days: float = 0.0) -> ScenarioSet:
    return ScenarioSet("test", ("BTC",), np.array([[factor]]), np.array([[log_vol]]), days)


def _black(forward: float, strike: float, years: float, vol: float, right: str) -> float:
    s = vol * np.sqrt(years)
    d1 = np.log(forward / strike) / s + s / 2
    sign = 1 if right == "call" else -1
    return float(sign * (forward * norm.cdf(sign * d1) - strike * norm.cdf(sign * (d1 - s))))


def test_deribit_conventions_vector() -> None:
    # F = 65,000, K = 70,000, 30 days, 60 %: price, delta, gamma, vega per point, theta per day, coin price, NTD
    risk = OPTION.unit_risk([_option("call", 70_000)], _Market(65_000, 0.6, 65_000), ("BTC",))
    assert risk.value[0] == pytest.approx(2547.959586, abs=1e-6)
    assert risk.greeks[greek("delta"), 0, 0] == pytest.approx(0.365116250, abs=1e-9)
    assert risk.greeks[greek("gamma"), 0, 0] == pytest.approx(3.36211709e-5, rel=1e-8)
    assert risk.greeks[greek("vega"), 0, 0] == pytest.approx(70.0517821, abs=1e-6)
    assert risk.greeks[greek("theta"), 0, 0] == pytest.approx(-70.0517821, abs=1e-6)
    assert risk.premium[0] == pytest.approx(0.0391993782, abs=1e-10)
    assert risk.greeks[greek("delta"), 0, 0] - risk.premium[0] == pytest.approx(0.325916871, abs=1e-9)
    put = OPTION.unit_risk([_option("put", 60_000)], _Market(65_000, 0.6, 65_000), ("BTC",))
    assert put.greeks[greek("delta"), 0, 0] - put.premium[0] == pytest.approx(-0.325131704, abs=1e-9)


@pytest.mark.parametrize(
    ("right", "strike", "settle", "coin"),
    [("call", 100_000, 125_000, 0.2), ("call", 10_000, 12_500, 0.2), ("put", 10_000, 5_000, 1.0)],
)
def test_inverse_payoffs_in_coin_when_expiry_falls_inside_the_horizon(
    right: str, strike: float, settle: float, coin: float
) -> None:
    market, out = _Market(strike, 0.6, strike), np.empty((1, 1), order="F")
    item = _option(right, strike)
    OPTION.scenario_pnl([item], market, _scenario(settle / strike, days=31.0), out)
    value = OPTION.unit_risk([item], market, ("BTC",)).value[0]
    assert (out[0, 0] + value) / settle == pytest.approx(coin)


@pytest.mark.parametrize("right", ["call", "put"])
@pytest.mark.parametrize("linear", [False, True])
def test_full_revaluation_equals_scipy(right: str, linear: bool) -> None:
    market, out = _Market(81_000, 0.55, 80_000), np.empty((1, 1), order="F")
    OPTION.scenario_pnl([_option(right, 85_000, linear=linear)], market, _scenario(0.7, np.log(1.8), 2.0), out)
    scale = 1.0 if linear else 80_000 / 81_000
    vol = 0.55 * 1.8 ** float(vol_term_weight(np.array(30 / 365)))
    expected = scale * (_black(0.7 * 81_000, 85_000, 28 / 365, vol, right) - _black(81_000, 85_000, 30 / 365, 0.55, right))
    assert out[0, 0] == pytest.approx(expected, rel=1e-12)


def test_inverse_option_under_a_basis_move_is_coin_price_times_index() -> None:
    market, out = _Market(81_000, 0.55, 80_000), np.empty((1, 1), order="F")
    moves = ScenarioSet("b", ("BTC",), np.array([[0.9]]), np.zeros((1, 1)), 0.0, basis_shift=np.array([[0.2]]))
    OPTION.scenario_pnl([_option("call", 85_000)], market, moves, out)
    years = 30 / 365
    forward = 0.9 * 81_000 * np.exp(0.2 * years)
    coin = _black(forward, 85_000, years, 0.55, "call") / forward
    before = _black(81_000, 85_000, years, 0.55, "call") / 81_000 * 80_000
    assert out[0, 0] == pytest.approx(coin * 0.9 * 80_000 - before, rel=1e-12)


@pytest.mark.parametrize("linear", [False, True])
def test_greeks_are_the_derivatives_of_the_revaluation(linear: bool) -> None:
    market, item = _Market(81_000, 0.55, 80_000), _option("put", 76_000, linear=linear)
    risk = OPTION.unit_risk([item], market, ("BTC", "USDC"))
    h, out = 1e-4, np.empty((3, 1), order="F")
    moves = ScenarioSet("d", ("BTC",), np.array([[1 + h], [1 - h], [1.0]]), np.zeros((3, 1)), 0.0)
    OPTION.scenario_pnl([item], market, moves, out)
    up, down = out[0, 0], out[1, 0]
    assert risk.greeks[greek("delta"), 0, 0] == pytest.approx((up - down) / (2 * h * 80_000), rel=1e-5)
    assert risk.greeks[greek("gamma"), 0, 0] == pytest.approx((up + down) / (h * 80_000) ** 2, rel=1e-4)
    weight = float(vol_term_weight(np.array(30 / 365)))
    eps = 1e-5
    vols = ScenarioSet("v", ("BTC",), np.ones((2, 1)), np.array([[eps], [-eps]]) / weight, 0.0)
    out = np.empty((2, 1), order="F")
    OPTION.scenario_pnl([item], market, vols, out)
    assert risk.greeks[greek("vega"), 0, 0] == pytest.approx(0.01 * (out[0, 0] - out[1, 0]) / (2 * eps * 0.55), rel=1e-6)
    day = np.empty((1, 1), order="F")
    OPTION.scenario_pnl([item], market, _scenario(1.0, days=1e-3), day)
    assert risk.greeks[greek("theta"), 0, 0] == pytest.approx(day[0, 0] / 1e-3, rel=1e-3)


def test_expired_or_unmarked_option_is_refused() -> None:
    with pytest.raises(InputError, match="expired"):
        OPTION.unit_risk([_option("call", 70_000, expiry="2026-02-01T08:00:00Z")], _Market(65_000, 0.6, 65_000), ("BTC",))
    with pytest.raises(InputError, match="mark_iv"):
        OPTION.unit_risk([_option("call", 70_000)], _Market(65_000, np.nan, 65_000), ("BTC",))
