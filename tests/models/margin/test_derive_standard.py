"""Derive's standard manager against its published cases, and numbers worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.data import table
from hedgeopt.models.margin.derive_standard import DeriveStandard
from hedgeopt.models.margin.state import State
from hedgeopt.models.pricing.black76 import black76_price

F, S, YEARS = 1_500.833279, 1_500.0, 500_400 / (365 * 86_400)


def account(state_of: Callable[..., State], options: list[tuple[float, str, float]], years: float = YEARS) -> State:
    """(strike, right, vol) of options on ETH settled in USDC, valued by Black-76 on the forward."""
    items = [{"kind": "option", "underlying": "ETH", "forward": F, "strike": k, "right": r, "days": 365 * years, "vol": v}
             for k, r, v in options]  # fmt: skip
    state = state_of(items, index={"ETH": S}, collateral={"USDC": 1.0})
    mark = black76_price(state.forward, state.strike, state.years, state.vol, state.is_call)
    return replace(state, mark=mark, value=mark)


def against_cash(state: State, z: list[float], model: DeriveStandard | None = None) -> tuple[float, float]:
    """What the venue compares with cash: the requirement less the value of the options."""
    quantity = np.array(z)
    need = (model or DeriveStandard()).requirement(state, quantity, np.zeros(1))
    value = float(state.value @ quantity)
    return need.initial - value, need.maintenance - value


@pytest.mark.parametrize(
    ("options", "z", "initial", "maintenance"),
    [
        ([(1_500.0, "call", 1.047884494)], [-1.0], 304.371585, 191.871585),
        ([(1_900.0, "call", 1.179993832)], [-1.0], 156.008262, 118.508262),
        ([(1_300.0, "put", 1.083189416)], [-1.0], 164.322794, 126.822794),
        ([(1_900.0, "call", 1.179993832), (1_700.0, "call", 1.116354471)], [1.0, -1.0], 173.104014, 135.604014),
        ([(1_100.0, "call", 1.1989), (1_300.0, "call", 1.0832)], [-1.0, 1.0], 200.0, 200.0),
        ([(1_200.0, "call", 1.1389), (1_000.0, "call", 1.262), (2_500.0, "call", 1.3265)], [1.0, -1.0, -0.1],
         380.1, 365.0917),
        ([(1_500.0, "call", 1.0)], [1.0], 0.0, 0.0),
        ([(4_500.0, "put", 1.5973)], [-1.0], 3_385.3094, 3_224.1042),
        ([(1_500.0, "call", 1.05), (1_500.0, "put", 1.05), (1_600.0, "call", 1.08), (1_600.0, "put", 1.08)],
         [1.0, -1.0, -1.0, 1.0], 0.0, 0.0),
    ],
)  # fmt: skip
def test_the_published_numbers(
    state_of: Callable[..., State], options: list[Any], z: list[float], initial: float, maintenance: float
) -> None:
    """StandardManager/test-cases.json: Test1, 3, 4, 6, 5, 7, 9, 21, 23, within 2e-4 USD (their vols are rounded here).

    A short option: ``max(.15 S - O, .1 S) + M`` and ``.075 S + M``; the put of 1,300: 150 + 14.322794 and 112.5 + 14.322794.
    """
    assert against_cash(account(state_of, options), z) == pytest.approx((initial, maintenance), abs=2e-4)


def test_a_perpetual(state_of: Callable[..., State]) -> None:
    state = state_of(
        [{"kind": "perpetual", "underlying": "ETH", "mark": 1_505.0}], index={"ETH": S}, collateral={"USDC": 1.0}
    )
    need = DeriveStandard().requirement(state, np.array([-1.0]), np.zeros(1))
    assert (need.initial, need.maintenance) == pytest.approx((0.066 * 1_505.0, 75.25))  # the venue's page
    cases = DeriveStandard({**DeriveStandard().p, "perpetual": {"ETH": {"initial": 0.065, "maintenance": 0.05}}})
    need = cases.requirement(state, np.array([-1.0]), np.zeros(1))
    assert (need.initial, need.maintenance) == pytest.approx((97.825, 75.25))  # Test17 of its published cases


def test_every_coin_has_its_rates_and_others_are_refused(state_of: Callable[..., State]) -> None:
    coins = {"SOL": 0.077, "XRP": 0.10, "ADA": 0.20}
    items = [{"kind": "perpetual", "underlying": coin, "mark": 10.0} for coin in coins]
    state = state_of(items, index=dict.fromkeys(coins, 10.0), collateral={"USDC": 1.0})
    assert DeriveStandard().requirement(state, np.ones(3), np.zeros(1)).initial == pytest.approx(10.0 * sum(coins.values()))
    for kind, coin, said in (
        ("perpetual", "DOGE", r"perpetuals on DOGE.*perpetual\] DOGE ="),
        ("option", "SOL", "options on SOL"),
    ):
        item = {"kind": kind, "underlying": coin, "strike": 10.0, "days": 9.0, "vol": 0.5}
        with pytest.raises(InputError, match=said):
            DeriveStandard().encode(state_of([item], index={coin: 10.0}, collateral={"USDC": 1.0}), "initial")


def test_two_expiries_do_not_offset(state_of: Callable[..., State]) -> None:
    spread = [(1_100.0, "call", 1.2), (1_300.0, "call", 1.1)]
    near, far = account(state_of, spread), account(state_of, spread, 3 * YEARS)
    short, long = against_cash(near, [-1.0, 0.0]), against_cash(far, [0.0, 1.0])
    both = account(state_of, [*spread, *spread])
    both = replace(both, years=np.repeat([YEARS, 3 * YEARS], 2))
    mark = black76_price(both.forward, both.strike, both.years, both.vol, both.is_call)
    both = replace(both, mark=mark, value=mark)
    assert against_cash(both, [-1.0, 0.0, 0.0, 1.0]) == pytest.approx((short[0] + long[0], short[1] + long[1]))


@pytest.mark.realdata
def test_every_published_case_of_options(shared_data: Path, state_of: Callable[..., State]) -> None:
    cases = json.loads((shared_data / "margin-cases" / "derive_srm_cases.json").read_text(encoding="utf-8"))
    checked = 0
    for name, case in cases.items():
        given, found = case["Scenario"], case["Result"]
        if not given["OptionStrikes"]:  # Test17, above
            continue
        unit = 1e18
        coin = given["OptionUnderlying"][0]
        items = [
            {"kind": "option", "underlying": coin, "strike": k / unit, "right": "call" if c else "put", "vol": v / unit,
             "forward": f / unit, "days": s / 86_400}
            for k, c, v, f, s in zip(given["OptionStrikes"], given["OptionIsCall"], given["OptionVols"], given["Forwards"],
                                     given["OptionExpiries"], strict=True)
        ]  # fmt: skip
        assets = {"WETH": given["ETHSpotPrice"] / unit, "USDC": 1.0}
        state = state_of(items, index={coin: given[f"{coin}SpotPrice"] / unit}, collateral=assets)
        fixed, average = given[f"PercentFixed{coin}"], given[f"TWAP_{coin}"] / unit
        model = DeriveStandard()
        if fixed:  # Test25: 15 minutes before expiry its feed has averaged 75 %, as in a window of an hour
            model = DeriveStandard({**model.p, "averaging_minutes": 60.0})
            assert 1.0 - given["OptionExpiries"][0] / 3_600.0 == pytest.approx(fixed)
        state = replace(state, average=np.full(len(items), average if fixed else np.nan))
        settles = (1.0 - fixed) * state.forward + fixed * average
        mark = black76_price(settles, state.strike, state.years * (1.0 - fixed), state.vol, state.is_call)
        state, z = replace(state, mark=mark, value=mark), np.array([q / unit for q in given["OptionAmounts"]])
        if given["wETH"]:  # Test19 counts a tenth of its WETH
            own = {**table("derive")["portfolio_margin"], "collateral": {"WETH": {"maintenance": 0.9, "initial": 0.0}}}
            model = DeriveStandard(collateral=own)
        posted = np.array([given["wETH"] / unit, 0.0])
        need = model.requirement(state, z, posted)
        equity = float(state.value @ z) + float(state.prices @ posted)
        told = (found["realIM"] / unit, found["realMM"] / unit)
        assert (equity - need.initial, equity - need.maintenance) == pytest.approx(told, abs=1e-3, rel=1e-6), name
        checked += 1
    assert checked == 13
