"""Supplies, debts and loops: Aave's indices and tables, domain vectors, and look-through of loops."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgeopt.errors import InputError
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.pricing.lending_borrow import LENDING_BORROW, LendingBorrow, compounded_index
from hedgeopt.models.pricing.lending_supply import LENDING_SUPPLY, EMode, LendingSupply, linear_index
from hedgeopt.models.pricing.loop import LOOP, Loop, loop_leverage
from hedgeopt.models.scenarios.set import ScenarioSet


def supply(asset: str = "ETH", **more: object) -> LendingSupply:
    return LendingSupply(name=f"{asset} supply", venue="aave", asset=asset, **more)


def borrow(asset: str = "USDC", **more: object) -> LendingBorrow:
    return LendingBorrow(name=f"{asset} debt", venue="aave", asset=asset, **more)


def loop(ltv: float = 0.75, loops: int | None = None, **more: object) -> Loop:
    legs = {
        "supply": {"asset": "stETH", "ltv": 0.79, "liquidation_threshold": 0.81, **more.pop("supply", {})},
        "borrow": {"asset": "ETH", **more.pop("borrow", {})},
    }
    return Loop(name="loop", venue="aave", ltv=ltv, loops=loops, entry_price=0.999, **legs, **more)


def test_a_deposit_grows_with_its_index(make_market):
    risk = LENDING_SUPPLY.unit_risk(
        [supply(entry_index=1.02, index=1.071, rate=0.0365, reward_rate=0.00365)], make_market(ETH=2000.0), ("ETH",)
    )
    assert risk.value[0] == pytest.approx(2000.0 * 1.05)
    assert risk.greeks[greek("delta"), 0, 0] == pytest.approx(1.05)
    assert risk.premium[0] == pytest.approx(1.05)
    assert risk.carry[0] == pytest.approx(2100.0 * 1.1e-4)


def test_a_debt_has_negative_value_and_costs_compounded_interest(make_market):
    risk = LENDING_BORROW.unit_risk([borrow(rate=0.1, index=1.1)], make_market(USDC=0.99), ("USDC",))
    assert risk.value[0] == pytest.approx(-1.1 * 0.99)
    assert risk.notional[0] == -risk.value[0]
    assert risk.greeks[greek("delta"), 0, 0] == pytest.approx(-1.1)
    daily = (1 + 0.1 / 31_536_000) ** 86_400 - 1
    assert risk.carry[0] == pytest.approx(-1.1 * 0.99 * daily, rel=1e-6)


@given(factor=st.floats(0.05, 5.0), quantity=st.floats(0.1, 1e6))
def test_borrowing_and_supplying_the_same_asset_is_flat(factor, quantity):
    scenarios = ScenarioSet("s", ("ETH",), np.array([[factor]]), np.zeros((1, 1)), 0.0)
    market = type("M", (), {"price": staticmethod(lambda asset: 2000.0)})()
    out = np.empty((1, 2))
    LENDING_SUPPLY.scenario_pnl([supply(index=1.5)], market, scenarios, out[:, :1])
    LENDING_BORROW.scenario_pnl([borrow("ETH", index=1.5)], market, scenarios, out[:, 1:])
    assert quantity * out.sum() == pytest.approx(0.0, abs=1e-9 * quantity * 3000.0)


@pytest.mark.parametrize(("loops", "leverage"), [(1, 1.75), (2, 2.3125), (3, 2.734375), (5, 3.2880859), (None, 4.0)])
def test_leverage_is_the_geometric_sum(loops, leverage):
    assert loop_leverage(0.75, loops) == pytest.approx(leverage, abs=5e-8)


@pytest.mark.parametrize(("ltv", "leverage"), [(0.93, 14.2857), (0.70, 3.3333)])
def test_leverage_without_end(ltv, leverage):
    assert loop_leverage(ltv, None) == pytest.approx(leverage, abs=5e-5)


def test_a_published_loop_of_five_deposits():
    """bailsec: 80 % loan-to-value, five deposits of 100k: 336,160 supplied, 268,928 borrowed in all five rounds."""
    supplied = 100_000 * loop_leverage(0.8, 4)
    assert supplied == pytest.approx(336_160.0)
    assert 0.8 * supplied == pytest.approx(268_928.0)
    # 10 % earned and 5 % paid: 20.17 % on the capital
    assert (0.10 * supplied - 0.05 * 268_928) / 100_000 == pytest.approx(0.2017, abs=5e-5)


def test_a_loop_is_its_legs_and_its_true_exposure(make_market):
    """Ten-fold stETH against ETH: ten coins of the peg, and only about one of ETH."""
    market = make_market(ETH=2000.0, stETH=1998.0)
    item, assets = loop(ltv=0.9, supply={"liquidation_threshold": 0.95, "ltv": 0.93}), ("ETH", "stETH/ETH")
    risk = LOOP.unit_risk([item], market, assets)
    assert [round(amount, 9) for _, amount in item.legs()] == [10.0, 8.991]
    assert risk.value[0] == pytest.approx(10 * 1998.0 - 9 * 0.999 * 2000.0)
    assert risk.greeks[greek("delta"), 0, 0] == pytest.approx(10 * 0.999 - 9 * 0.999)
    assert risk.greeks[greek("delta"), 0, 1] == pytest.approx(10 * 1998.0)
    moves = np.array([[0.7, 1.0], [1.0, 0.92]])
    out = np.empty((2, 1))
    LOOP.scenario_pnl([item], market, ScenarioSet("s", assets, moves, np.zeros((2, 2)), 0.0), out)
    assert out[0, 0] == pytest.approx(-0.3 * 0.999 * 2000.0)
    assert out[1, 0] == pytest.approx(-0.08 * 19_980.0)


def test_net_yield_of_a_loop(make_market):
    """Joule: eight-fold at 9 % earned and 1 % paid is 65 % a year."""
    item = loop(
        ltv=7 / 8, supply={"liquidation_threshold": 0.9, "rate": 0.09}, borrow={"asset": "stETH", "rate": 0.01}
    ).model_copy(update={"entry_price": 1.0})
    risk = LOOP.unit_risk([item], make_market(ETH=1.0, stETH=1.0), ("ETH", "stETH/ETH"))
    assert 365 * risk.carry[0] / risk.value[0] == pytest.approx(0.65, abs=2e-4)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: supply(index=0.0), "greater than 0"),
        (lambda: borrow(index=-1.0), "greater than 0"),
        (lambda: supply(index=1.0, entry_index=1.1), "are they swapped"),
        (lambda: supply(ltv=0.8, liquidation_threshold=0.7), "below ltv"),
        (lambda: supply(emode=EMode(category=1, ltv=0.9, liquidation_threshold=0.8)), "below ltv"),
        (lambda: loop(ltv=0.85), "above the supply's liquidation_threshold 0.81"),
        (lambda: loop(ltv=1.0), "less than 1"),
        (lambda: loop(supply={"venue": "compound"}), "own venue"),
    ],
)
def test_bad_loans_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()


@pytest.mark.realdata
@pytest.mark.parametrize("token", ["WETH", "USDC"])
def test_recorded_indices_follow_their_rates(shared_data: Path, token: str):
    """Polygon: between two updates both indices, each grown at its own rate, tell the same number of seconds."""
    table = pd.read_csv(shared_data / "lending" / "polygon_aave_v3_indices_minute_20230814_17.csv", parse_dates=[0])
    rows = table[table["token"] == token].sort_values("block_timestamp")
    now, then = rows.iloc[:-1], rows.iloc[1:].set_axis(rows.index[:-1], axis=0)
    indices = ["liquidity_index", "variable_borrow_index"]
    moved = (then[indices] > now[indices]).all(axis=1)
    seconds = (then["liquidity_index"] / now["liquidity_index"] - 1.0) / (linear_index(1.0, 1.0, 1.0) - 1.0)
    seconds = (seconds / now["liquidity_rate"])[moved]
    grown = [compounded_index(1.0, rate, sec) for rate, sec in zip(now["variable_borrow_rate"][moved], seconds, strict=True)]
    recorded = (then["variable_borrow_index"] / now["variable_borrow_index"])[moved]
    error = np.abs((np.array(grown) - 1.0) / (recorded - 1.0) - 1.0)
    assert moved.sum() > 50
    assert np.median(error) < 1e-7  # most minutes hold one update, at a whole number of seconds


def test_compounding_is_per_second():
    assert compounded_index(1.2, 0.3, 31_536_000) == pytest.approx(1.2 * math.exp(0.3), rel=1e-8)


@pytest.mark.realdata
@pytest.mark.parametrize("chain", ["ethereum", "arbitrum", "polygon"])
def test_every_recorded_reserve_is_a_supply_and_a_debt(shared_data: Path, chain: str, make_market):
    """Each collateral of the on-chain tables is accepted as it stands, and one scaled unit is worth index times price."""
    reserves = pd.read_csv(shared_data / "lending" / f"aave_v3_reserves_{chain}.csv")
    used = reserves[reserves["reserveLiquidationThreshold"].astype(int) > 0]
    assert len(used) > 8
    for row in used.itertuples():
        code = str(row.symbol).replace("₮", "T")
        price = int(row.priceInMarketReferenceCurrency) / 1e8
        item = supply(
            code,
            index=int(row.liquidityIndex) / 1e27,
            rate=int(row.liquidityRate) / 1e27,
            ltv=int(row.baseLTVasCollateral) / 1e4,
            liquidation_threshold=int(row.reserveLiquidationThreshold) / 1e4,
            liquidation_bonus=int(row.reserveLiquidationBonus) / 1e4 - 1.0,
        )
        market = make_market(**({"ETH": 1940.0, "BTC": 84_000.0} | {code: price}))
        risk = LENDING_SUPPLY.unit_risk([item], market, item.assets)
        assert risk.value[0] == pytest.approx(price * int(row.liquidityIndex) / 1e27)
