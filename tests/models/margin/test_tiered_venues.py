"""Hyperliquid, Binance and dYdX against their published examples."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.margin.binance import Binance
from hedgeopt.models.margin.binance_portfolio import BinancePortfolio
from hedgeopt.models.margin.dydx_v4 import DydxV4, initial_fraction
from hedgeopt.models.margin.hyperliquid import Hyperliquid, leverage_tiers
from hedgeopt.models.margin.rules import margin_model
from hedgeopt.models.margin.tiers import Tiers


def perpetual(state_of, coin: str, price: float, venue: str = "binance"):
    return state_of([{"kind": "perpetual", "underlying": coin, "mark": price}], index={coin: price}, venue=venue)


@pytest.mark.parametrize(
    ("notional", "maintenance"),
    [(40e3, 160), (100e3, 450), (1e6, 5_550), (5e6, 38_550), (15e6, 168_550), (100e6, 2_018_550), (1.8e9, 478_518_550)],
)
def test_binance_btc_brackets_of_2024(state_of, notional: float, maintenance: float) -> None:
    # rate * notional - amount of the venue's own table of 2024-10-24: .01 * 5m - 11,450 = 38,550
    state = perpetual(state_of, "BTC", 50_000.0)
    for sign in (1, -1):
        need = Binance().requirement(state, np.array([sign * notional / 50_000.0]), np.zeros(0))
        assert need.maintenance == pytest.approx(maintenance, rel=1e-12)


@pytest.mark.realdata
def test_every_bracket_of_the_recorded_answer(state_of, shared_data) -> None:
    """The venue gives the amounts; ours are worked out from bounds and rates."""
    with (shared_data / "margin-cases" / "binance_brackets_20241024.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 200
    for row in rows:
        coin = row["symbol"].removesuffix("USDT")
        state = perpetual(state_of, coin, 1.0)
        tiers, allowed = Binance().tiers(state, 0, "maintenance"), Binance().allowed(coin)
        floor, cap = float(row["notional_floor"]), float(row["notional_cap"])
        middle = 0.5 * (floor + cap)
        expected = float(row["maintenance_rate"]) * middle - float(row["maintenance_amount"])
        assert tiers.margin(middle) == pytest.approx(expected, rel=1e-9)
        assert allowed.at(middle) == float(row["max_leverage"])
        assert allowed.at(cap) == float(row["max_leverage"])
        assert allowed.largest_notional(float(row["max_leverage"])) == cap


def test_initial_margin_is_the_whole_notional_over_the_chosen_leverage(state_of) -> None:
    btc = perpetual(state_of, "BTC", 50_000.0)
    size = np.array([15e6 / 50_000.0])
    assert Binance(10.0).requirement(btc, size, np.zeros(0)).initial == pytest.approx(1_500_000)
    assert Binance(10.0).requirement(btc, -size, np.zeros(0)).initial == pytest.approx(1_500_000)
    assert Binance(25.0).requirement(btc, size, np.zeros(0)).initial == pytest.approx(600_000)
    assert Binance(125.0).requirement(btc, size, np.zeros(0)).initial == pytest.approx(600_000)  # 25x is the most at 15m
    large = np.array([200e6 / 50_000.0])
    for model in (Hyperliquid(20.0), Hyperliquid(), Hyperliquid(40.0)):
        assert model.requirement(btc, large, np.zeros(0)).initial == pytest.approx(10e6)
    doge = perpetual(state_of, "DOGE", 0.1)
    assert Hyperliquid(20.0).requirement(doge, np.array([1e7]), np.zeros(0)).initial == pytest.approx(1e5)  # 10x is its most


def test_a_position_may_not_outgrow_its_leverage(state_of) -> None:
    assert Binance(20.0).largest_notional("BTC") == 100e6
    assert Binance(125.0).largest_notional("BTC") == 50e3
    assert Binance(125.0).largest_notional("BTC", held=2e6) == 3e6  # it counts at 75x, and stays there
    assert Hyperliquid(40.0).largest_notional("BTC") == 150e6
    assert Hyperliquid(20.0).largest_notional("BTC") == np.inf
    assert Binance().largest_notional("BTC") == 1.8e9
    state = perpetual(state_of, "BTC", 50_000.0)
    encoding = Binance(50.0).encode(state, "initial")
    assert encoding.largest == pytest.approx([12e6 / 50_000.0])
    wide = encoding.at(np.zeros(1), reach=np.array([20e6 / 50_000.0]))  # 25x is the most at 20m
    assert wide(np.array([1.0]), np.zeros(0)) == pytest.approx(50_000.0 / 25)
    held = np.array([60e6 / 50_000.0])
    assert encoding.at(held).largest == pytest.approx([70e6 / 50_000.0])
    assert encoding.at(held)(held, np.zeros(0)) == pytest.approx(60e6 / 25)


@pytest.mark.parametrize(
    ("option", "said"),
    [("0", "chosen leverage"), ("-5", "chosen leverage"), ("2.5", "chosen leverage"), ("nan", "chosen leverage"),
     ("BTC", "chosen leverage"), ("=5", "chosen leverage"), ("BTC=", "chosen leverage"), ("10,20", "chosen leverage"),
     ("BTC=5,BTC=6", "chosen leverage"), ("1_0", "chosen leverage"), ("126", "at most 125"), ("PEPE=5", "known: .*BTC"),
     ("XRP=100", "at most 75")],
)  # fmt: skip
def test_leverage_that_no_one_can_choose(option: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        margin_model(f"binance:{option}", "binance")


def test_leverage_by_coin() -> None:
    model = margin_model("standard:10,BTC=5", "binance")
    assert model.chosen("BTC") == 5.0
    assert model.chosen("ETH") == 10.0
    assert margin_model("hyperliquid:ETH=5", "hyperliquid").chosen("BTC") == 40.0  # the most that its size allows


@pytest.mark.parametrize("name", ["deribit_standard:5", "derive:5", "dydx:3", "none:x"])
def test_an_option_that_a_model_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="takes nothing after a colon"):
        margin_model(name, "deribit")


def test_hyperliquid_examples() -> None:
    assert leverage_tiers([[0.0, 20.0]], 0.5).margin(10_000) == pytest.approx(250)
    testnet = leverage_tiers([[0.0, 10.0], [20_000.0, 5.0], [100_000.0, 3.0]], 0.5)
    assert testnet.deductions == pytest.approx([0, 1_000, 7_666.6666667])
    assert testnet.margin(10_000) == pytest.approx(500)
    assert testnet.margin(-50_000) == pytest.approx(4_000)


@pytest.mark.parametrize(
    ("coin", "notional", "maintenance"),
    [("DOGE", 1e6, 50_000), ("DOGE", 30e6, 2_000_000), ("DOGE", 20e6, 1_000_000), ("BTC", 200e6, 150e6 / 80 + 50e6 / 40),
     ("ETH", 120e6, 100e6 / 50 + 20e6 / 30), ("XRP", 50e6, 1e6 + 10e6 / 20), ("ARB", 4e6, 150_000 + 100_000)],
)  # fmt: skip
def test_hyperliquid_mainnet_tiers(state_of, coin: str, notional: float, maintenance: float) -> None:
    state = perpetual(state_of, coin, 2.0, "hyperliquid")
    need = Hyperliquid().requirement(state, np.array([-notional / 2.0]), np.zeros(0))
    assert need.maintenance == pytest.approx(maintenance)


@pytest.mark.parametrize(
    ("coins", "above"),
    [("DOGE kPEPE SUI WLD TRUMP LTC ENA POPCAT WIF AAVE kBONK LINK CRV AVAX ADA UNI NEAR TIA APT BCH HYPE FARTCOIN", 20e6),
     ("OP ARB LDO TON MKR ONDO JUP INJ kSHIB SEI TRX BNB DOT", 3e6)],
)  # fmt: skip
def test_every_coin_of_ten_times_leverage_at_hyperliquid(state_of, coins: str, above: float) -> None:
    """gitbook margin-tiers: 10x, 5x above 20m or 3m USD; maintenance is half the rate, ``.05 N + .05 (N - above)+``."""
    for coin in coins.split():
        state = perpetual(state_of, coin, 2.0, "hyperliquid")
        for notional in (0.5 * above, above, 1.5 * above):
            need = Hyperliquid().requirement(state, np.array([notional / 2.0]), np.zeros(0))
            assert need.maintenance == pytest.approx(0.05 * notional + 0.05 * max(notional - above, 0.0), rel=1e-12), coin


def test_the_four_coins_above_ten_times_leverage_at_hyperliquid(state_of) -> None:
    """gitbook margin-tiers: maintenance is half the rate of each part, ``N / 2L``, to 1e-12."""
    for coin, low, above, high in (
        ("BTC", 40, 150e6, 20),
        ("ETH", 25, 100e6, 15),
        ("SOL", 20, 70e6, 10),
        ("XRP", 20, 40e6, 10),
    ):
        state = perpetual(state_of, coin, 2.0, "hyperliquid")
        for over in (-0.1 * above, 0.0, 50e6):
            need = Hyperliquid().requirement(state, np.array([-(above + over) / 2.0]), np.zeros(0))
            expected = min(above + over, above) / (2 * low) + max(over, 0.0) / (2 * high)
            assert need.maintenance == pytest.approx(expected, rel=1e-12), coin


def test_hyperliquid_withdrawals_leave_a_tenth_of_notional(state_of) -> None:
    state = state_of([{"kind": "perpetual", "underlying": "BTC"}], index={"BTC": 50_000.0}, venue="hyperliquid")
    assert Hyperliquid().withdrawable(state, np.array([2.0]), 30_000.0) == pytest.approx(20_000.0)
    assert Hyperliquid(5.0).withdrawable(state, np.array([2.0]), 30_000.0) == pytest.approx(10_000.0)


def test_dydx_examples(state_of) -> None:
    # liquidity_tier tests: 20 % on 500,000 USD, half-way between the caps, and at the upper one
    for interest, expected in ((0.0, 100_000), (7.5e6, 300_000), (10e6, 500_000), (20e6, 500_000)):
        assert 500_000 * initial_fraction(0.2, interest, 5e6, 10e6) == pytest.approx(expected)
        state = state_of(
            [{"kind": "perpetual", "underlying": "DOGE", "mark": 0.1, "open_interest": interest / 0.1}], index={"DOGE": 0.1}
        )
        need = DydxV4().requirement(state, np.array([-5_000_000.0]), np.zeros(0))
        assert need.initial == pytest.approx(expected)
        assert need.maintenance == pytest.approx(50_000)


def test_dydx_needs_open_interest_where_it_matters(state_of) -> None:
    state = state_of([{"kind": "perpetual", "underlying": "DOGE"}], index={"DOGE": 0.1})
    with pytest.raises(InputError, match="needs open interest"):
        DydxV4().encode(state, "initial")


@pytest.mark.parametrize("lower", [(0.0, 5.0, 5.0), (1.0, 2.0, 3.0)])
def test_broken_tiers_are_refused(lower: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="tier"):
        Tiers(lower, (0.1, 0.2, 0.3))


def test_falling_rates_are_refused_because_they_are_not_convex() -> None:
    with pytest.raises(InputError, match="convex"):
        Tiers((0.0, 5.0), (0.2, 0.1))


def test_unknown_tier_names_the_known_ones(state_of) -> None:
    state = state_of([{"kind": "perpetual", "underlying": "NEW"}], index={"NEW": 1e-5})
    for model in (Binance(), Hyperliquid(), DydxV4(), BinancePortfolio()):
        file = rf"{model.venue}\.toml"
        told = rf"^{file}: .*no margin tier for NEW; write {file} beside the policy.* NEW = .*known: .*BTC"
        for kind in ("initial", "maintenance"):
            with pytest.raises(InputError, match=told):
                model.encode(state, kind)
        with pytest.raises(InputError, match=r"no margin tier for NEW"):
            model.requirement(state, np.array([1.0]), np.zeros(0))


def test_dydx_tiers_of_the_live_chain(state_of) -> None:
    # docs.dydx.community: large-cap 2 % x .6; SOL is mid-cap, 5 % x .6, open interest between 40m and 100m USD
    for coin, interest, initial, maintenance in (
        ("BTC", 1e9, 0.02, 0.012), ("ETH", 0.0, 0.02, 0.012),
        ("SOL", 30e6, 0.05, 0.03), ("SOL", 70e6, 0.05 + 0.5 * 0.95, 0.03), ("SOL", 100e6, 1.0, 0.03),
    ):  # fmt: skip
        state = state_of(
            [{"kind": "perpetual", "underlying": coin, "mark": 10.0, "open_interest": interest / 10.0}], index={coin: 10.0}
        )
        need = DydxV4().requirement(state, np.array([1e5]), np.zeros(0))
        assert (need.initial, need.maintenance) == pytest.approx((initial * 1e6, maintenance * 1e6))


@pytest.mark.parametrize("model", [Binance(), Hyperliquid(), DydxV4()], ids=lambda model: model.venue)
@pytest.mark.parametrize(
    ("item", "words"), [({"inverse": True}, "settles in its coin"), ({"kind": "future", "days": 30.0}, "future")]
)
def test_tiers_of_perpetuals_are_of_nothing_else(model, item, words, state_of) -> None:
    """Coin-margined contracts and dated futures have brackets of their own there, or are not listed: they took these."""
    row = {"kind": "perpetual", "underlying": "BTC", "mark": 100_000.0, "open_interest": 1_000.0, **item}
    state = state_of([row], index={"BTC": 100_000.0})
    for ask in (
        lambda: model.requirement(state, np.array([1.0]), np.zeros(0)),
        lambda: model.encode(state, "initial"),
        lambda: model.encode(state, "maintenance"),
    ):
        with pytest.raises(InputError, match=words):
            ask()
