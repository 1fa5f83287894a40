"""Staked and wrapped tokens, and stablecoins: price, the split of delta, and depegs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgeopt.errors import InputError
from hedgeopt.models.pegs import is_directional, moved_by, tokens
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.pricing.pegged import PEGGED, Pegged
from hedgeopt.models.pricing.spot import SPOT, Spot
from hedgeopt.models.scenarios.set import ScenarioSet
from hedgeopt.models.scenarios.stress import stress_scenarios

COLUMNS = ("ETH", "stETH/ETH")


def token(**changes: object) -> Pegged:
    return Pegged(**{"name": "stETH", "venue": "lido", "asset": "stETH", "underlying": "ETH", **changes})


def moves(*rows: tuple[float, float], assets: tuple[str, ...] = COLUMNS) -> ScenarioSet:
    table = np.array(rows)
    return ScenarioSet("s", assets, table, np.zeros_like(table), 0.0)


def test_price_is_underlying_times_rate_times_peg(make_market):
    risk = PEGGED.unit_risk([token(exchange_rate=1.19, peg=0.998, yield_rate=0.0365)], make_market(ETH=2000.0), COLUMNS)
    assert risk.value[0] == pytest.approx(2000 * 1.19 * 0.998)
    assert risk.greeks[greek("delta"), 0] == pytest.approx([1.19 * 0.998, risk.value[0]])
    assert risk.carry[0] == pytest.approx(1e-4 * risk.value[0])


def test_the_market_price_gives_the_peg(make_market):
    market = make_market(ETH=2000.0, stETH=1990.0)
    risk = PEGGED.unit_risk([token()], market, COLUMNS)
    assert risk.value[0] == 1990.0
    assert risk.greeks[greek("delta"), 0, 0] == pytest.approx(0.995)
    held = SPOT.unit_risk([Spot(name="stETH", venue="wallet", asset="stETH")], market, COLUMNS)
    np.testing.assert_allclose(held.greeks, risk.greeks)


def test_without_peg_and_price_it_is_refused(make_market):
    with pytest.raises(InputError, match=r"no peg and no market price of stETH; give peg"):
        PEGGED.unit_risk([token()], make_market(ETH=2000.0), COLUMNS)


@given(coin=st.floats(0.01, 10.0), peg=st.floats(0.01, 1.5))
def test_underlying_and_peg_move_it_together(coin, peg):
    market = type("M", (), {"price": staticmethod({"ETH": 2000.0, "stETH": 1990.0}.__getitem__)})()
    out = np.empty((1, 2))
    PEGGED.scenario_pnl([token()], market, moves((coin, peg)), out[:, :1])
    SPOT.scenario_pnl([Spot(name="s", venue="wallet", asset="stETH")], market, moves((coin, peg)), out[:, 1:])
    assert out[0, 0] == pytest.approx(1990.0 * (coin * peg - 1.0), abs=1e-9)
    assert out[0, 1] == out[0, 0]


def test_the_peg_of_june_2022(make_market):
    """stETH/ETH at 0.92: a hundred tokens at ETH = 1,100 lose 8,800 USD to the peg alone."""
    out = np.empty((1, 1))
    PEGGED.scenario_pnl([token(peg=1.0)], make_market(ETH=1100.0), moves((1.0, 0.92)), out)
    assert 100 * out[0, 0] == pytest.approx(-8_800.0)
    assert tokens(["ETH", "stETH/ETH", "stETH", "myETH/ETH"]) == ["ETH", "stETH"]
    stress = stress_scenarios(["ETH", "stETH"])
    ratio = stress.price_factor("stETH") / stress.price_factor("ETH")
    june = stress.labels.index("2022-06")
    assert ratio[june] == pytest.approx(0.92, abs=5e-3)
    np.testing.assert_allclose(stress.price_factor("wstETH"), stress.price_factor("stETH"))
    assert np.delete(ratio, june) == pytest.approx(1.0)


def test_a_peg_without_a_scenario_holds_and_a_column_of_its_own_wins():
    assert moves((0.5,), assets=("ETH",)).price_factor("stETH") == pytest.approx([0.5])
    assert moves((0.5, 0.4), assets=("ETH", "stETH")).price_factor("stETH") == pytest.approx([0.4])


def test_a_token_outside_the_table(make_market):
    mine = token(name="x", asset="myETH", exchange_rate=2.0, peg=0.9)
    assert mine.assets == ("ETH", "myETH/ETH")
    out = np.empty((1, 1))
    scenarios = moves((0.5, 0.8), assets=("ETH", "myETH/ETH"))
    PEGGED.scenario_pnl([mine], make_market(ETH=100.0), scenarios, out)
    assert out[0, 0] == pytest.approx(180.0 * (0.4 - 1.0))


def test_wrapped_ether_is_ether(make_market):
    coin, market = Spot(name="WETH", venue="wallet", asset="WETH"), make_market(ETH=2000.0)
    risk = SPOT.unit_risk([coin], market, coin.assets)
    assert (coin.assets, risk.value[0], risk.greeks[greek("delta"), 0, 0]) == (("ETH",), 2000.0, 1.0)
    assert moves((0.5,), assets=("ETH",)).price_factor("WETH") == pytest.approx([0.5])
    with pytest.raises(InputError, match="hold it as spot"):
        token(asset="WETH")
    with pytest.raises(InputError, match="hold it as spot"):
        token(asset="ETH")


def test_stablecoins_are_worth_what_the_market_says(make_market):
    coin = Spot(name="USDC", venue="wallet", asset="USDC")
    for market, price in ((make_market(), 1.0), (make_market(USDC=0.88), 0.88)):
        assert SPOT.unit_risk([coin], market, ("USDC",)).value[0] == price
    out = np.empty((1, 1))
    SPOT.scenario_pnl([coin], make_market(USDC=0.99), moves((0.88,), assets=("USDC",)), out)
    assert out[0, 0] == pytest.approx(-0.12 * 0.99)


def test_which_columns_are_directions_of_their_own():
    assert moved_by("WBTC") == ("BTC", "WBTC/BTC")
    assert moved_by("ETH") == ("ETH",)
    assert [is_directional(name) for name in ("ETH", "USDC", "stETH", "stETH/ETH")] == [True, True, False, False]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"underlying": "BTC"}, "represents 'ETH'"),
        ({"exchange_rate": 0.0}, "greater than 0"),
        ({"peg": -0.1}, "greater than 0"),
    ],
)
def test_bad_tokens_are_refused(changes, words):
    with pytest.raises(InputError, match=words):
        token(**changes)
