"""Perpetuals and futures: Deribit's worked examples and revaluation by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hedgeopt.models.pricing.family import greek
from hedgeopt.models.pricing.future import FUTURE, Future
from hedgeopt.models.pricing.perpetual import PERPETUAL, Perpetual
from hedgeopt.models.scenarios.set import ScenarioSet


class _Market:
    def __init__(self, index: float, mark: float, funding: float = np.nan) -> None:
        self.index, self.mark, self.funding = index, mark, funding
        self.timestamp = __import__("datetime").datetime(2026, 3, 2, 8, tzinfo=__import__("datetime").UTC)

    def price(self, asset: str) -> float:
        return 1.0 if asset == "USDC" else self.index

    def quoted(self, field: str, ids: list[str]) -> np.ndarray:
        return np.full(len(ids), {"mark_price": self.mark, "funding_8h": self.funding}.get(field, np.nan))


def _moves(*factors: float, basis: float | None = None, peg: float | None = None) -> ScenarioSet:
    assets = ("BTC",) if peg is None else ("BTC", "USDC")
    spot = np.array([[f] if peg is None else [f, peg] for f in factors])
    zeros = np.zeros_like(spot)
    shift = None if basis is None else np.where(np.arange(len(assets)) == 0, basis, 0.0) * np.ones_like(spot)
    return ScenarioSet("test", assets, spot, zeros, 1.0, basis_shift=shift)


INVERSE = Perpetual(name="BTC-PERPETUAL", venue="deribit", underlying="BTC", settlement="BTC")
LINEAR = Perpetual(name="BTC_USDC-PERPETUAL", venue="deribit", underlying="BTC", settlement="USDC")
DATED = Future(name="BTC-30MAR26", venue="deribit", underlying="BTC", settlement="BTC", expiry="2026-03-30T08:00:00Z")


@pytest.mark.parametrize(("to", "coin"), [(40_000.0, -0.05), (60_000.0, 0.0333333333)])
def test_inverse_perpetual_example(to: float, coin: float) -> None:
    # 10,000 USD at 50,000 to 40,000: -0.05 BTC = -2,000 USD; to 60,000: +0.0333 BTC = +2,000 USD
    out = np.empty((1, 1))
    PERPETUAL.scenario_pnl([INVERSE], _Market(50_000.0, 50_000.0), _moves(to / 50_000), out)
    assert 10_000 * out[0, 0] / to == pytest.approx(coin)
    assert 10_000 * out[0, 0] == pytest.approx(10_000 * (to - 50_000) / 50_000)


def test_linear_perpetual_pays_in_its_dollar() -> None:
    out = np.empty((1, 1))
    PERPETUAL.scenario_pnl([LINEAR], _Market(50_000.0, 50_000.0), _moves(0.8, peg=0.9), out)
    assert out[0, 0] == pytest.approx(-10_000 * 0.9)


@pytest.mark.parametrize("item", [INVERSE, LINEAR, DATED])
def test_delta_and_scenario_pnl_agree_for_small_moves(item: Perpetual | Future) -> None:
    market, family = _Market(50_000.0, 50_400.0), FUTURE if item is DATED else PERPETUAL
    assets = ("BTC", "USDC")
    risk = family.unit_risk([item], market, assets)
    out = np.empty((2, 1))
    family.scenario_pnl([item], market, _moves(1 + 1e-6, 1 - 1e-6), out)
    slope = (out[0, 0] - out[1, 0]) / (2e-6 * 50_000.0)
    assert risk.greeks[greek("delta"), 0, 0] == pytest.approx(slope, rel=1e-9)


def test_basis_move_changes_a_future_by_years_times_shift() -> None:
    market, out = _Market(50_000.0, 50_400.0), np.empty((1, 1))
    FUTURE.scenario_pnl([DATED], market, _moves(1.0, basis=0.1), out)
    years = 27 / 365  # 28 days less the horizon of one
    assert out[0, 0] == pytest.approx(50_000 / 50_400 * (1 - np.exp(-0.1 * years)))


def test_long_perpetual_pays_positive_funding_three_times_a_day() -> None:
    risk = PERPETUAL.unit_risk([INVERSE], _Market(50_000.0, 50_000.0, 1e-4), ("BTC",))
    assert risk.carry[0] == pytest.approx(-3e-4)
    assert np.isnan(PERPETUAL.unit_risk([INVERSE], _Market(50_000.0, 50_000.0), ("BTC",)).carry[0])


def test_long_future_in_contango_loses_its_basis_by_expiry() -> None:
    risk = FUTURE.unit_risk([DATED], _Market(50_000.0, 50_400.0), ("BTC",))
    assert 28 * risk.carry[0] == pytest.approx(-np.log(50_400 / 50_000))


def test_settlement_must_be_the_underlying_or_a_dollar() -> None:
    with pytest.raises(ValueError, match="neither the underlying"):
        Perpetual(name="X", venue="deribit", underlying="BTC", settlement="ETH")
