"""Bybit's cross margin of short options against the example of its help, and by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.margin.rules import margin_model
from hedgeopt.models.margin.state import State


def account(state_of: Callable[..., State], right: str, strike: float, mark: float) -> State:
    item = {"kind": "option", "underlying": "BTC", "strike": strike, "right": right, "days": 9.0, "vol": 0.5, "mark": mark}
    state = state_of([item], index={"BTC": 20_250.0}, collateral={"USDC": 1.0})
    return replace(state, value=state.mark)


@pytest.mark.parametrize(
    ("right", "strike", "mark", "initial", "maintenance"),
    [
        ("put", 18_500.0, 290.0, 2_315.0, 938.0),  # the venue's example
        ("call", 20_250.0, 800.0, 0.15 * 20_250.0 + 800.0, 607.5 + 800.0 + 40.5),
        ("put", 60_000.0, 39_750.0, 0.15 * 20_250.0 + 39_750.0, 0.03 * 39_750.0 + 39_750.0 + 40.5),
    ],
)
def test_a_short_option(
    state_of: Callable[..., State], right: str, strike: float, mark: float, initial: float, maintenance: float
) -> None:
    state, model = account(state_of, right, strike, mark), margin_model("bybit", "bybit")
    need = model.requirement(state, np.array([-2.0]), np.zeros(1))
    assert (need.initial, need.maintenance) == pytest.approx((2 * initial, 2 * maintenance))
    assert model.requirement(state, np.array([2.0]), np.zeros(1)).initial == 0.0


def test_perpetuals_need_tiers_of_ones_own(state_of: Callable[..., State]) -> None:
    state = state_of([{"kind": "perpetual", "underlying": "BTC"}], index={"BTC": 20_250.0}, collateral={"USDC": 1.0})
    with pytest.raises(
        InputError, match=r"bybit\.toml: margin\.initial: .*: no margin tier for BTC; write bybit\.toml beside"
    ):
        margin_model("bybit", "bybit").requirement(state, np.ones(1), np.zeros(1))


@pytest.mark.parametrize(
    ("venue", "fix"),
    [("okx", "'okx_portfolio'"), ("bybit", "'bybit_portfolio'"), ("paradex", "'paradex'"), ("binance", "binance_portfolio")],
)
def test_deribits_portfolio_margin_is_not_taken_for_another_venues(venue: str, fix: str) -> None:
    with pytest.raises(InputError, match=rf"is Deribit's portfolio margin, and the account is at {venue}.*{fix}"):
        margin_model("portfolio", venue)
