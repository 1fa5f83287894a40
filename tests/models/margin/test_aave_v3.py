"""Aave v3: health factor, borrowing power, loops and liquidation outcomes, by hand and by identity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgeopt.errors import InputError
from hedgeopt.models.margin.aave_v3 import AaveV3, available_borrow, health_factor, liquidate


def test_health_factor_examples() -> None:
    assert health_factor([10.0], [2_000.0], [0.83], [12_000.0], [1.0]) == pytest.approx(1.3833333333)
    at_the_edge = health_factor([10.0], [1_445.783132530], [0.83], [12_000.0], [1.0])
    assert at_the_edge == pytest.approx(1.0, abs=1e-11)
    two = health_factor([20_000.0, 10_000.0], [1.0, 1.0], [0.825, 0.78], [18_000.0], [1.0])
    assert two == pytest.approx(1.35)
    assert available_borrow([20_000.0, 10_000.0], [1.0, 1.0], [0.80, 0.75], 18_000.0) == pytest.approx(5_500.0)
    assert health_factor([1.0], [1.0], [0.8], [0.0], [1.0]) == float("inf")


def test_liquidation_example() -> None:
    out = liquidate(10_000.0, 8_500.0, 0.83, 0.05)
    assert out is not None
    assert out.health_before == pytest.approx(0.976471, abs=1e-6)
    assert out.repaid == pytest.approx(4_250.0)
    assert out.health_after == pytest.approx(1.081441, abs=1e-6)
    assert out.collateral - out.debt == pytest.approx(1_287.5)
    assert out.loss == pytest.approx(212.5)


def test_nothing_happens_to_a_healthy_account() -> None:
    assert liquidate(10_000.0, 8_299.0, 0.83, 0.05) is None


def test_close_factor_is_whole_when_deep_or_small() -> None:
    deep = liquidate(10_000.0, 9_000.0, 0.83, 0.05)  # HF .922
    assert deep is not None
    assert deep.repaid == pytest.approx(9_000.0)
    small = liquidate(1_500.0, 1_275.0, 0.83, 0.05)  # both below 2,000 USD
    assert small is not None
    assert small.debt == 0.0


def test_bad_debt_when_collateral_runs_out() -> None:
    out = liquidate(1_000.0, 1_200.0, 0.83, 0.05)
    assert out is not None
    assert out.seized == pytest.approx(1_000.0)
    assert out.repaid == pytest.approx(1_000.0 / 1.05)
    assert out.collateral == 0.0
    assert out.debt > 0


@given(
    collateral=st.floats(5e3, 1e7),
    ltv=st.floats(0.85, 1.2),
    threshold=st.floats(0.5, 0.95),
    bonus=st.floats(0.0, 0.15),
)
def test_partial_repayment_identity(collateral: float, ltv: float, threshold: float, bonus: float) -> None:
    # HF' - HF = r (HF - LT (1 + b)) / (B - r), and the owner loses b r
    debt = ltv * threshold * collateral
    out = liquidate(collateral, debt, threshold, bonus)
    if out is None:
        assert collateral * threshold / debt >= 1.0
        return
    assert out.loss == pytest.approx(bonus * out.repaid, rel=1e-9, abs=1e-6)
    if out.debt > 1e-6 * debt and out.collateral > 0:
        r, b = out.repaid, debt
        change = r * (out.health_before - threshold * (1 + bonus)) / (b - r)
        assert out.health_after - out.health_before == pytest.approx(change, rel=1e-6, abs=1e-9)


def test_requirement_is_the_health_factor_seen_as_margin(state_of) -> None:
    state = state_of([], index={}, collateral={"ETH": 2_000.0, "USDC": 1.0}, venue="aave")
    for health in (1.0, 1.25):
        model = AaveV3(health=health)
        for debt in (3_000.0, 9_000.0, 11_999.0, 12_001.0, 13_279.0, 13_281.0, 19_000.0):
            reserves = np.array([8.0, -debt])
            equity = float(reserves @ state.prices)
            covered = equity >= model.requirement(state, np.zeros(0), reserves).maintenance
            assert covered == (model.health_factor(state, np.zeros(0), reserves) >= health)
        need = model.requirement(state, np.zeros(0), np.array([8.0, -9_000.0]))
        assert need.initial == pytest.approx((1 - 0.805) * 16_000)


def test_e_mode_overrides_its_assets_only(state_of) -> None:
    model = AaveV3("eth")
    assert model.parameters("wstETH") == (0.93, 0.95, 0.01)
    assert model.parameters("USDC") == (0.75, 0.78, 0.045)
    state = state_of([], index={}, collateral={"wstETH": 2_400.0, "ETH": 2_000.0, "USDC": 1.0}, venue="aave")
    loop = np.array([10.0, -11.0, 0.0])
    assert model.health_factor(state, np.zeros(0), loop) == pytest.approx(0.95 * 24_000 / 22_000)
    with pytest.raises(InputError, match="may not be owed in this e-mode"):
        model.requirement(state, np.zeros(0), np.array([10.0, 0.0, -100.0]))
    with pytest.raises(InputError, match="unknown e-mode category"):
        AaveV3("stables")


def test_unknown_reserve(state_of) -> None:
    state = state_of([], index={}, collateral={"PEPE": 1e-5}, venue="aave")
    with pytest.raises(InputError, match="PEPE is no known reserve"):
        AaveV3().requirement(state, np.zeros(0), np.array([1.0]))


def test_the_call_that_earns_most_is_simulated(state_of) -> None:
    """Two reserves supplied, one owed."""
    from hedgeopt.models.data import table

    prices = {"ETH": 2_000.0, "WBTC": 50_000.0, "USDC": 1.0}
    state = state_of([], index={}, collateral=prices, venue="aave")
    reserve = table("aave")["reserve"]
    backing = 100 * 2_000 * reserve["ETH"]["threshold"] + 4 * 50_000 * reserve["WBTC"]["threshold"]
    model, nothing = AaveV3(), np.zeros(0)
    assert model.liquidation(state, nothing, np.array([100.0, 4.0, -0.99 * backing])) is None
    debt = backing / 0.97  # HF .97: half of the debt may be repaid, with the reserve that pays the larger bonus
    out = model.liquidation(state, nothing, np.array([100.0, 4.0, -debt]))
    assert out is not None
    assert out.health_before == pytest.approx(0.97)
    best = 0.0
    for asset, amount in (("ETH", 100.0), ("WBTC", 4.0)):
        bonus, held = reserve[asset]["bonus"], amount * prices[asset]
        best = max(best, bonus * min(0.5 * debt, held / (1 + bonus)))
    assert out.loss == pytest.approx(best)
    assert out.debt == pytest.approx(debt - out.repaid)
