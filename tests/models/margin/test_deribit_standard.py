"""Deribit standard margin against the venue's own examples."""

from __future__ import annotations

import numpy as np
import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.margin.deribit_standard import DeribitStandard, futures_margin, short_option_margin


@pytest.mark.parametrize(
    ("underlying", "price", "size", "initial", "maintenance"),
    [("BTC", 100_000, 25, 53_125, 28_125), ("BTC", 100_000, 350, 1_312_500, 962_500), ("SOL", 200, 25, 200.625, 100.625)],
)  # support.deribit.com Linear-Perpetual
def test_linear_perpetual_examples(underlying: str, price: float, size: float, initial: float, maintenance: float) -> None:
    assert futures_margin(underlying, "initial", size, price) == pytest.approx(initial, rel=1e-12)
    assert futures_margin(underlying, "maintenance", -size, price) == pytest.approx(maintenance, rel=1e-12)


def test_large_sol_position() -> None:
    assert futures_margin("SOL", "initial", 6_000, 200) == pytest.approx(84_000, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "strike", "mark", "initial", "maintenance"),
    [
        (True, 100_000, 0.05, 0.20, 0.125),
        (True, 110_000, 0.02, 0.12, 0.095),
        (False, 90_000, 0.015, 0.115, 0.09),
        (False, 150_000, 0.6, 0.75, 0.675),
    ],
)  # section 1.4 of the domain notes, from mirrors of Deribit's page
def test_short_option_examples(call: bool, strike: float, mark: float, initial: float, maintenance: float) -> None:
    for kind, expected in (("initial", initial), ("maintenance", maintenance)):
        got = short_option_margin(kind, np.array(call), np.array(strike), np.array(100_000.0), np.array(mark))
        assert float(got) == pytest.approx(expected, rel=1e-12)


def test_an_account_adds_up_and_long_options_need_nothing(state_of) -> None:
    state = state_of(
        [
            {"kind": "perpetual", "underlying": "BTC", "mark": 100_000.0, "inverse": True},
            {"kind": "option", "underlying": "BTC", "strike": 100_000.0, "mark": 0.05, "inverse": True},
            {"kind": "option", "underlying": "BTC", "strike": 110_000.0, "mark": 0.02, "inverse": True},
        ],
        index={"BTC": 100_000.0},
    )
    need = DeribitStandard().requirement(state, np.array([2_500_000.0, -3.0, 7.0]), np.zeros(0))
    assert need.initial == pytest.approx(53_125 + 3 * 0.20 * 100_000)
    assert need.maintenance == pytest.approx(28_125 + 3 * 0.125 * 100_000)
    assert sum(need.breakdown.values()) == pytest.approx(need.initial)


def test_unknown_underlying_and_unknown_kind_are_named(state_of) -> None:
    with pytest.raises(InputError, match="no standard margin rates for DOGE"):
        DeribitStandard().encode(state_of([{"kind": "perpetual", "underlying": "DOGE"}], index={"DOGE": 0.1}), "initial")
    with pytest.raises(InputError, match=r"loan.*no rule in the margin model"):
        DeribitStandard().encode(state_of([{"kind": "loan", "underlying": "BTC"}], index={"BTC": 1.0}), "initial")


def test_eth_ramp_of_2022(state_of) -> None:
    # support.deribit.com 25944826427293: 2 % + 0.0004 %/ETH initial, 1 % + 0.0004 %/ETH maintenance, inverse contracts too
    assert futures_margin("ETH", "initial", 20_000, 2_000) == pytest.approx(4_000_000, rel=1e-12)
    assert futures_margin("ETH", "maintenance", -20_000, 2_000) == pytest.approx(3_600_000, rel=1e-12)
    state = state_of([{"kind": "perpetual", "underlying": "ETH", "inverse": True}], index={"ETH": 2_000.0})
    need = DeribitStandard().requirement(state, np.array([40e6]), np.zeros(0))
    assert (need.initial, need.maintenance) == pytest.approx((4_000_000, 3_600_000))
