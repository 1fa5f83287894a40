"""Bybit's cross margin of short options against the example of its help, and by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

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
        ("call", 21_250.0, 300.0, 0.15 * 20_250.0 - 1_000.0 + 300.0, 607.5 + 300.0 + 40.5),
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


def test_perpetuals_need_risk_limits_of_ones_own(state_of: Callable[..., State]) -> None:
    state = state_of([{"kind": "perpetual", "underlying": "BTC"}], index={"BTC": 20_250.0}, collateral={"USDC": 1.0})
    said = r"bybit\.toml: margin\.brackets: .*: no margin tier for BTC; write bybit\.toml beside .*v5/market/risk-limit"
    with pytest.raises(InputError, match=said):
        margin_model("bybit", "bybit").requirement(state, np.ones(1), np.zeros(1))


LIMITS = """
extends = "bybit"
as_of = 2026-10-01
shelf_life_days = 90
[margin.brackets]
BTC = [[2000000, 100, 0.005], [10000000, 50, 0.01], [20000000, 25, 0.02]]
"""


def test_perpetuals_by_risk_limits_beside_short_options(
    state_of: Callable[..., State], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5m USD: maintenance 5m x 1 % - 10,000; initial the whole at 20x, or at the 50x that the size allows."""
    (tmp_path / "bybit.toml").write_text(LIMITS)
    monkeypatch.setenv("HEDGEOPT_TABLES", str(tmp_path))
    option = {
        "kind": "option",
        "underlying": "BTC",
        "strike": 18_500.0,
        "right": "put",
        "days": 9.0,
        "vol": 0.5,
        "mark": 290.0,
    }
    items = [{"kind": "perpetual", "underlying": "BTC", "mark": 20_000.0}, option]
    state, z = state_of(items, index={"BTC": 20_250.0}, collateral={"USDC": 1.0}), np.array([-250.0, -2.0])
    for name, leverage in (("bybit:20", 20.0), ("bybit", 50.0)):
        need = margin_model(name, "bybit").requirement(state, z, np.zeros(1))
        assert need.maintenance == pytest.approx(5e6 * 0.01 - 10_000.0 + 2 * 938.0)
        assert need.initial == pytest.approx(5e6 / leverage + 2 * 2_315.0)
        for kind in ("initial", "maintenance"):
            assert margin_model(name, "bybit").encode(state, kind).at(z)(z, np.zeros(1)) == pytest.approx(need.of(kind))
    with pytest.raises(InputError, match="does not allow this leverage"):
        margin_model("bybit:200", "bybit")


@pytest.mark.parametrize(
    ("venue", "fix"),
    [("okx", "'okx_portfolio'"), ("bybit", "'bybit_portfolio'"), ("paradex", "'paradex'"), ("binance", "binance_portfolio")],
)
def test_deribits_portfolio_margin_is_not_taken_for_another_venues(venue: str, fix: str) -> None:
    with pytest.raises(InputError, match=rf"is Deribit's portfolio margin, and the account is at {venue}.*{fix}"):
        margin_model("portfolio", venue)
