"""Binance portfolio margin against brackets worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.margin.binance_portfolio import BinancePortfolio
from hedgeopt.models.margin.state import State

MODEL = BinancePortfolio()


def account(state_of: Callable[..., State]) -> State:
    items = [{"kind": "perpetual", "underlying": coin, "mark": mark} for coin, mark in (("BTC", 50_000.0), ("ETH", 2_500.0))]
    return state_of(items, index={"BTC": 50_000.0, "ETH": 2_500.0}, collateral={"USDT": 1.0, "BTC": 50_000.0})


def test_the_ratios_of_the_brackets(state_of: Callable[..., State]) -> None:
    """5m of BTC needs a maintenance of 38,550 by the brackets of 2024-10-24; 40,000 of ETH .4 %; nothing offsets."""
    need = MODEL.requirement(account(state_of), np.array([-100.0, 16.0]), np.array([1e6, 0.0]))
    assert need.maintenance == pytest.approx(1.05 * (38_550.0 + 160.0))
    assert need.initial == pytest.approx(1.2 * (38_550.0 + 160.0))


def test_collateral_rates_count_in_both(state_of: Callable[..., State]) -> None:
    state = account(state_of)
    rates = [MODEL.haircut(state, kind) for kind in ("initial", "maintenance")]  # type: ignore[arg-type]
    assert (rates[0] == rates[1]).all()
    assert rates[0][1] == pytest.approx(0.05)


def test_loans_count_at_the_rates_given(
    state_of: Callable[..., State], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loan of 2 BTC at 10 % asks for 10,000 USD, times the ratio, beside the futures'."""
    path = tmp_path / "binance.toml"
    head = 'extends = "binance"\nas_of = 2026-10-01\nshelf_life_days = 90\n[portfolio_margin.loans]\n'
    path.write_text(head + "BTC = 0.1\n")
    monkeypatch.setenv("HEDGEOPT_TABLES", str(path))
    state, z, held = account(state_of), np.array([-100.0, 16.0]), np.array([1e6, -2.0])
    need = MODEL.requirement(state, z, held)
    assert need.maintenance == pytest.approx(1.05 * (38_550.0 + 160.0 + 10_000.0))
    assert need.initial == pytest.approx(1.2 * (38_550.0 + 160.0 + 10_000.0))
    assert need.breakdown["loans"] == pytest.approx(12_000.0)
    for kind in ("initial", "maintenance"):
        assert MODEL.encode(state, kind)(z, held) == pytest.approx(need.of(kind))
    bad = tmp_path / "bad" / "binance.toml"
    bad.parent.mkdir()
    bad.write_text(head + "BTC = { initial = 0.1, maintenance = 0.2 }\n")
    monkeypatch.setenv("HEDGEOPT_TABLES", str(bad))
    with pytest.raises(InputError, match=r"binance.toml: portfolio_margin.loans.BTC.maintenance: is above the initial rate"):
        MODEL.requirement(state, z, held)


def test_loans_without_a_rate_and_other_contracts_are_refused(state_of: Callable[..., State]) -> None:
    with pytest.raises(InputError, match=r"BTC is borrowed in account main.*write binance.toml .*loans\] BTC = SHARE"):
        MODEL.requirement(account(state_of), np.zeros(2), np.array([1e6, -1.0]))
    option = {"kind": "option", "underlying": "BTC", "strike": 1.0, "days": 9.0, "vol": 0.5}
    with pytest.raises(InputError, match="has no rule"):
        MODEL.encode(state_of([option], index={"BTC": 5e4}), "initial")
