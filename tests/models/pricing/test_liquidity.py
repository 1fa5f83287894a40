"""Both AMM families: domain vectors, high-precision differences, and the shape of the curve as properties."""

from __future__ import annotations

import json
from pathlib import Path

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgeopt.errors import InputError
from hedgeopt.models.pricing.amm_concentrated import AMM_CONCENTRATED, Concentrated
from hedgeopt.models.pricing.amm_constant_product import AMM_CONSTANT_PRODUCT, ConstantProduct
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.pricing.liquidity import amounts, fees_between
from hedgeopt.models.scenarios.set import ScenarioSet

TEN_THOUSAND = 933.4553114807629
TICKS = {"lower": -10, "upper": 10, "liquidity": 10**18, "decimals0": 18, "decimals1": 18, "base_is_token0": True}


def v3(**changes: object) -> Concentrated:
    terms = {
        "name": "lp",
        "venue": "uniswap",
        "base": "ETH",
        "quote": "USDC",
        "liquidity": TEN_THOUSAND,
        "lower_price": 1500.0,
    }
    return Concentrated(**{**terms, "upper_price": 2500.0, "entry_price": 2000.0, **changes})


def v2(**changes: object) -> ConstantProduct:
    terms = {"name": "lp", "venue": "uniswap", "base": "ETH", "quote": "USDC", "reserve_base": 500.0, "reserve_quote": 1e6}
    return ConstantProduct(**{**terms, "total_supply": 1000.0, "entry_price": 2000.0, **changes})


def test_ten_thousand_dollars_in_a_range(make_market):
    """Shared domain facts, section 4: amounts, values, delta and gamma."""
    x, y = amounts(TEN_THOUSAND, 2000.0, 1500.0, 2500.0)
    assert (x, y) == pytest.approx((2.2035890747, 5592.821850646), abs=1e-9)
    values = {1000: 5432.606276, 1500: 8148.909414, 1600: 8653.286193, 1800: 9449.349711, 2200: 10341.267618}
    values |= {2400: 10501.144724, 2500: 10520.196816, 4000: 10520.196816}
    for price, value in values.items():
        risk = AMM_CONCENTRATED.unit_risk([v3()], make_market(ETH=price), ("ETH", "USDC"))
        assert risk.value[0] == pytest.approx(value, abs=1e-6)
    at_1800 = AMM_CONCENTRATED.unit_risk([v3()], make_market(ETH=1800.0), ("ETH", "USDC"))
    assert at_1800.greeks[greek("delta"), 0, 0] == pytest.approx(3.332646460, abs=1e-9)
    at_2000 = AMM_CONCENTRATED.unit_risk([v3()], make_market(ETH=2000.0), ("ETH", "USDC"))
    assert at_2000.greeks[greek("gamma"), 0, 0] == pytest.approx(-0.00521817383, abs=1e-11)


@pytest.mark.parametrize(("price", "share"), [(1600, -0.051025), (2400, -0.034949), (3000, -0.137942)])
def test_impermanent_loss_in_a_range(price, share):
    loss = v3().impermanent_loss({"ETH": price, "USDC": 1.0}.__getitem__)
    assert loss.share == pytest.approx(share, abs=1e-6)
    assert loss.loss == pytest.approx(loss.value - loss.hold)


@pytest.mark.parametrize(
    ("ratio", "percent"),
    [(0.2, -25.4644), (0.25, -20), (0.5, -5.7191), (0.75, -1.0257), (1, 0), (1.25, -0.6192), (2, -5.7191), (4, -20)],
)
def test_impermanent_loss_of_constant_product(ratio, percent):
    loss = v2().impermanent_loss({"ETH": 2000.0 * ratio, "USDC": 1.0}.__getitem__)
    assert 100 * loss.share == pytest.approx(percent, abs=5e-5)


def test_constant_product_closed_forms(make_market):
    """Value 2 L sqrt(P), delta L / sqrt(P), gamma -L / (2 P^1.5), per share, wherever the pool's own price stands."""
    level, price = np.sqrt(500.0 * 1e6) / 1000.0, 3000.0
    risk = AMM_CONSTANT_PRODUCT.unit_risk([v2()], make_market(ETH=price), ("ETH", "USDC"))
    assert risk.value[0] == pytest.approx(2 * level * np.sqrt(price), rel=1e-14)
    assert risk.greeks[greek("delta"), 0, 0] == pytest.approx(level / np.sqrt(price), rel=1e-14)
    assert risk.greeks[greek("gamma"), 0, 0] == pytest.approx(-level / (2 * price**1.5), rel=1e-14)
    assert risk.value[0] == pytest.approx(risk.premium[0])


@pytest.mark.parametrize("quote_price", [1.0, 0.97])
@pytest.mark.parametrize("base_price", [1400.0, 1501.0, 2000.0, 2300.0, 2600.0])
def test_greeks_against_high_precision_differences(make_market, base_price, quote_price):
    """Delta and gamma to base and to quote, against 40-digit central differences of the USD value."""
    mp.mp.dps = 40

    def value(base, quote):
        price = mp.mpf(base) / quote
        root = mp.sqrt(min(max(price, mp.mpf(1500)), mp.mpf(2500)))
        x = mp.mpf(TEN_THOUSAND) * (1 / root - 1 / mp.sqrt(2500))
        return x * base + mp.mpf(TEN_THOUSAND) * (root - mp.sqrt(1500)) * quote

    market = make_market(ETH=base_price, USDC=quote_price)
    risk = AMM_CONCENTRATED.unit_risk([v3()], market, ("ETH", "USDC"))
    b, q, h = mp.mpf(base_price), mp.mpf(quote_price), mp.mpf(10) ** -10
    for column, step in ((0, (h, 0)), (1, (0, h))):
        up, down = value(b + step[0], q + step[1]), value(b - step[0], q - step[1])
        delta, gamma = (up - down) / (2 * h), (up - 2 * value(b, q) + down) / h**2
        assert risk.greeks[greek("delta"), 0, column] == pytest.approx(float(delta), rel=1e-11, abs=1e-11)
        assert risk.greeks[greek("gamma"), 0, column] == pytest.approx(float(gamma), rel=1e-9, abs=1e-11)


prices = st.floats(100.0, 20_000.0)


@given(low=prices, width=st.floats(1.001, 20.0), price=prices, other=prices)
def test_value_is_concave_rising_and_below_its_tangent(low, width, price, other):
    def value(p):
        x, y = amounts(1.0, p, low, low * width)
        return float(x * p + y)

    slope = float(amounts(1.0, price, low, low * width)[0])
    scale = value(price) + slope * other + 1.0
    assert slope >= 0
    assert value(other) <= value(price) + slope * (other - price) + 1e-12 * scale
    assert value(0.5 * (price + other)) >= 0.5 * (value(price) + value(other)) - 1e-12 * scale


@given(entry=prices, price=prices, low=prices, width=st.floats(1.001, 20.0))
def test_impermanent_loss_is_never_a_gain(entry, price, low, width):
    position = v3(lower_price=low, upper_price=low * width, entry_price=entry)
    loss = position.impermanent_loss({"ETH": price, "USDC": 1.0}.__getitem__)
    assert loss.loss <= 1e-12 * loss.hold
    assert position.impermanent_loss({"ETH": entry, "USDC": 1.0}.__getitem__).share == 0.0


@given(factor=st.lists(st.floats(0.05, 5.0), min_size=1, max_size=5), peg=st.floats(0.5, 1.5))
def test_a_wide_range_is_constant_product(factor, peg):
    """The same liquidity between 1e-9 and 1e15 is worth what the unbounded pool is, in every scenario."""
    moves = np.column_stack([factor, np.full(len(factor), peg)])
    scenarios = ScenarioSet("s", ("ETH", "USDC"), moves, np.zeros_like(moves), 0.0)
    market = _Prices({"ETH": 2000.0, "USDC": 1.0})
    level = np.sqrt(500.0 * 1e6) / 1000.0
    wide = v3(liquidity=level, lower_price=1e-15, upper_price=1e21)
    out = np.empty((len(factor), 2))
    AMM_CONSTANT_PRODUCT.scenario_pnl([v2()], market, scenarios, out[:, :1])
    AMM_CONCENTRATED.scenario_pnl([wide], market, scenarios, out[:, 1:])
    now = 2 * level * np.sqrt(2000.0)
    expected = 2 * level * np.sqrt(2000.0 * np.array(factor) * peg) - now
    np.testing.assert_allclose(out[:, 0], expected, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(out[:, 1], expected, rtol=1e-6, atol=1e-3)


class _Prices:
    def __init__(self, prices):
        self.price = prices.__getitem__


def test_fees_are_holdings_and_carry(make_market):
    market = make_market(ETH=2000.0)
    bare, rich = (
        AMM_CONCENTRATED.unit_risk([v3(**more)], market, ("ETH", "USDC"))
        for more in ({}, {"fees_base": 0.1, "fees_quote": 50.0, "fee_rate": 0.365})
    )
    assert rich.value[0] - bare.value[0] == pytest.approx(250.0)
    assert rich.greeks[greek("delta"), 0] - bare.greeks[greek("delta"), 0] == pytest.approx([0.1, 50.0])
    assert rich.carry[0] == pytest.approx(0.001 * bare.value[0])
    outside = AMM_CONCENTRATED.unit_risk([v3(fee_rate=0.365)], make_market(ETH=2600.0), ("ETH", "USDC"))
    assert outside.carry[0] == 0.0


def test_fee_growth_wraps_around():
    assert fees_between(3 * 2**128, 2**256 - 5, 7) == 36


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lower_price": 2500.0, "upper_price": 1500.0}, "crossed range"),
        (
            {"ticks": {"lower": 10, "upper": -10, "liquidity": 1, "decimals0": 6, "decimals1": 18, "base_is_token0": False}},
            "crossed",
        ),
        ({"liquidity": -1.0}, "greater than 0"),
        ({"fees_quote": -1.0}, "fees_quote: must be 0 or more"),
        ({"quote": "ETH"}, "base and quote"),
    ],
)
def test_bad_ranges_are_refused(changes, words):
    terms = v3().model_dump() | changes
    if "ticks" in changes:
        terms = {k: v for k, v in terms.items() if k not in ("liquidity", "lower_price", "upper_price")}
    with pytest.raises(InputError, match=words):
        Concentrated(**terms)


def test_negative_reserves_are_refused():
    with pytest.raises(InputError, match="reserve_quote"):
        v2(reserve_quote=-1.0)


def test_ticks_and_prices_exclude_each_other():
    with pytest.raises(InputError, match="ticks already give liquidity"):
        v3(ticks=TICKS)


@pytest.mark.realdata
def test_two_real_mints(shared_data: Path):
    """The chain's own liquidity, at its own price, asks for the amounts that the two mint transactions paid."""
    recorded = json.loads((shared_data / "uniswap" / "v3_mint_known_answers.json").read_text())
    assert len(recorded["cases"]) == 2
    for case in recorded["cases"]:
        ticks = {"lower": case["tickLower"], "upper": case["tickUpper"], "liquidity": int(case["liquidity"])}
        ticks |= {"decimals0": 6, "decimals1": 18, "base_is_token0": False}
        position = Concentrated(name="mint", venue="uniswap", base="WETH", quote="USDC", ticks=ticks)
        price = 1e12 / (int(case["sqrtPriceX96"]) / 2**96) ** 2
        eth, usdc = amounts(position.range[0], price, *position.range[1:])
        assert usdc == pytest.approx(case["amount0_usdc_used"], rel=1e-8)
        assert eth == pytest.approx(case["amount1_eth_used"], rel=1e-8)


@pytest.mark.realdata
def test_recorded_swaps_move_along_the_curve(shared_data: Path):
    """USDC that swaps paid in is L times the move of sqrt(price); minute bars hold several swaps and rounded ticks."""
    bars = pd.read_csv(shared_data / "uniswap" / "polygon_univ3_usdc_weth_005_minute.csv").dropna()
    bars = bars[(bars["closeTick"] - bars["openTick"]).abs() >= 5]
    level = bars["currentLiquidity"].astype(float).to_numpy() / 10**12
    price = 1e12 / 1.0001 ** bars[["openTick", "closeTick"]].to_numpy()
    _, quote = amounts(level[:, None], price, 1e-6, 1e9)
    ratio = (quote[:, 1] - quote[:, 0]) / (bars["netAmount0"].to_numpy(float) / 1e6)
    assert len(ratio) > 500
    assert np.median(ratio) == pytest.approx(1.0, abs=0.1)


@pytest.mark.realdata
def test_fee_growth_of_six_weeks_is_a_plausible_yield(shared_data: Path):
    """Fees of the 0.05 % pool between the first and last hour, from the recorded fee growth, per unit of full-range L."""
    path = shared_data / "uniswap" / "ethereum_univ3_usdc_weth_hourly_20231127_20240108.csv"
    hours = pd.read_csv(path).sort_values("periodStartUnix")
    raw = 10**18
    usdc = fees_between(raw, *(int(hours["feeGrowthGlobal0X128"].iloc[k]) for k in (0, -1))) / 1e6
    eth = fees_between(raw, *(int(hours["feeGrowthGlobal1X128"].iloc[k]) for k in (0, -1))) / 1e18
    price = float(hours["close"].iloc[-1])
    value = 2 * (raw / 10**12) * np.sqrt(price)
    years = float(hours["periodStartUnix"].iloc[-1] - hours["periodStartUnix"].iloc[0]) / 31_536_000
    assert 0.005 < (usdc + eth * price) / value / years < 0.5
