"""Hyperliquid, Binance and dYdX against their published examples."""

from __future__ import annotations

import numpy as np
import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.margin.binance import Binance
from hedgeopt.models.margin.dydx_v4 import DydxV4, initial_fraction
from hedgeopt.models.margin.hyperliquid import Hyperliquid, leverage_tiers
from hedgeopt.models.margin.tiers import Tiers


@pytest.mark.parametrize(
    ("notional", "maintenance"),
    [(40e3, 160), (100e3, 450), (500e3, 3_700), (5e6, 108_700), (15e6, 483_700), (75e6, 6_858_700)],
)
def test_binance_btc_brackets_2021(state_of, notional: float, maintenance: float) -> None:
    state = state_of(
        [{"kind": "perpetual", "underlying": "BTC", "mark": 50_000.0}], index={"BTC": 50_000.0}, venue="binance"
    )
    for sign in (1, -1):
        need = Binance().requirement(state, np.array([sign * notional / 50_000.0]), np.zeros(0))
        assert need.maintenance == pytest.approx(maintenance, rel=1e-12)


def test_binance_deductions_and_leverage_cap(state_of) -> None:
    state = state_of([{"kind": "perpetual", "underlying": "BTC"}], index={"BTC": 50_000.0})
    tiers = Binance().tiers(state, 0, "maintenance")
    known = [0, 50, 1_300, 16_300, 266_300, 1_266_300, 2_516_300, 5_016_300, 25_016_300, 100_016_300]
    assert tiers.deductions == pytest.approx(known)
    assert Binance(20.0).largest_notional("BTC") == 10e6
    assert Binance(20.0).requirement(state, np.array([2.0]), np.zeros(0)).initial == pytest.approx(100_000 / 20)


def test_hyperliquid_examples() -> None:
    assert leverage_tiers([[0.0, 20.0]], 0.5).margin(10_000) == pytest.approx(250)
    doge = leverage_tiers([[0.0, 10.0], [20_000.0, 5.0], [100_000.0, 3.0]], 0.5)
    assert doge.deductions == pytest.approx([0, 1_000, 7_666.6666667])
    assert doge.margin(10_000) == pytest.approx(500)
    assert doge.margin(-50_000) == pytest.approx(4_000)


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
    state = state_of([{"kind": "perpetual", "underlying": "PEPE"}], index={"PEPE": 1e-5})
    for model in (Binance(), Hyperliquid(), DydxV4()):
        with pytest.raises(InputError, match=r"no margin tier for PEPE.*known: .*BTC"):
            model.encode(state, "initial")
