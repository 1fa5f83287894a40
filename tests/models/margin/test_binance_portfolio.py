"""Binance portfolio margin against brackets worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.margin.binance_portfolio import BinancePortfolio
from hedgeopt.models.margin.collateral import lost_value
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


@pytest.mark.parametrize(("unimmr", "initial", "maintenance"), [(1.5, 0.8, 0.7), (1.2, 1.0, 0.875), (1.05, 1.2 / 1.05, 1.0)])
def test_unimmr_is_what_the_ratios_keep(
    state_of: Callable[..., State], unimmr: float, initial: float, maintenance: float
) -> None:
    """faq 4868b2f1aa6c4d08af973328462bb0bd: no new orders at a uniMMR of 1.2, liquidation at 1.05.

    ``uniMMR = sum_a min(E_a p_a rate_a, E_a p_a) / MM``: coins count at .95 of their value, in both requirements. Margin
    over equity so counted is 1.2 / uniMMR and 1.05 / uniMMR, to 1e-12.
    """
    state, z, needed = account(state_of), np.array([-100.0, 16.0]), 38_550.0 + 160.0
    held = np.array([0.2 * unimmr * needed, 0.8 * unimmr * needed / (0.95 * 50_000.0)])
    need = MODEL.requirement(state, z, held)
    for kind, used in (("initial", initial), ("maintenance", maintenance)):
        counted = float(state.prices @ held) - lost_value(state, MODEL.haircut(state, kind), held)  # type: ignore[arg-type]
        assert counted / needed == pytest.approx(unimmr, rel=1e-12)
        assert need.of(kind) / counted == pytest.approx(used, rel=1e-12)  # type: ignore[arg-type]


def test_a_debt_counts_whole(state_of: Callable[..., State]) -> None:
    """``min(E p rate, E p)`` of a negative balance is ``E p``: no rate makes it smaller."""
    state, held = account(state_of), np.array([100_000.0, -1.0])
    assert lost_value(state, MODEL.haircut(state, "maintenance"), held) == 0.0
    assert float(state.prices @ held) == 50_000.0


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
