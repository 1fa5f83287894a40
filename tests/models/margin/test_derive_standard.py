"""Derive's standard manager against its published cases, and numbers worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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


def against_cash(state: State, z: list[float]) -> tuple[float, float]:
    """What the venue compares with cash: the requirement less the value of the options."""
    quantity = np.array(z)
    need = DeriveStandard().requirement(state, quantity, np.zeros(1))
    value = float(state.value @ quantity)
    return need.initial - value, need.maintenance - value


@pytest.mark.parametrize(
    ("options", "z", "initial", "maintenance"),
    [
        ([(1_500.0, "call", 1.047884494)], [-1.0], 304.371585, 191.871585),
        ([(1_900.0, "call", 1.179993832)], [-1.0], 156.008262, 118.508262),
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
    assert against_cash(account(state_of, options), z) == pytest.approx((initial, maintenance), abs=2e-4)


def test_a_perpetual(state_of: Callable[..., State]) -> None:
    state = state_of(
        [{"kind": "perpetual", "underlying": "ETH", "mark": 1_505.0}], index={"ETH": S}, collateral={"USDC": 1.0}
    )
    need = DeriveStandard().requirement(state, np.array([-1.0]), np.zeros(1))
    assert (need.initial, need.maintenance) == pytest.approx((97.825, 75.25))


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
def test_every_published_case_without_perpetuals_or_collateral(shared_data: Path, state_of: Callable[..., State]) -> None:
    cases = json.loads((shared_data / "margin-cases" / "derive_srm_cases.json").read_text(encoding="utf-8"))
    checked = 0
    for name, case in cases.items():
        given, found = case["Scenario"], case["Result"]
        if not given["OptionStrikes"] or given["wETH"] or name == "Test25":  # Test25: inside the settlement window
            continue
        unit = 1e18
        coin = given["OptionUnderlying"][0]
        items = [
            {"kind": "option", "underlying": coin, "strike": k / unit, "right": "call" if c else "put", "vol": v / unit,
             "forward": f / unit, "days": s / 86_400}
            for k, c, v, f, s in zip(given["OptionStrikes"], given["OptionIsCall"], given["OptionVols"], given["Forwards"],
                                     given["OptionExpiries"], strict=True)
        ]  # fmt: skip
        state = state_of(items, index={coin: given[f"{coin}SpotPrice"] / unit}, collateral={"USDC": 1.0})
        mark = black76_price(state.forward, state.strike, state.years, state.vol, state.is_call)
        z = [q / unit for q in given["OptionAmounts"]]
        told = tuple(-found[f"{coin}Option{kind}"] / unit for kind in ("IM", "MM"))
        assert against_cash(replace(state, mark=mark, value=mark), z) == pytest.approx(told, abs=1e-3, rel=1e-6), name
        checked += 1
    assert checked >= 11
