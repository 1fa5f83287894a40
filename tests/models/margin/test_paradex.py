"""Paradex portfolio margin: the venue's worked example, its SDK's fixtures, and a valuation written out here."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.data import table
from hedgeopt.models.margin.paradex import Paradex
from hedgeopt.models.margin.state import State

MODEL = Paradex()
SPOT, MARK, IV, DAYS = 77_939.768, 77_888.84, 0.42746687, 16.0


def account(state_of: Callable[..., State], *, funding: float = -0.00017403, **option: Any) -> State:
    """The SDK's fixtures of April 2026: a perpetual and BTC-USD-8MAY26-78000-C."""
    items = [
        {"kind": "perpetual", "underlying": "BTC", "mark": MARK},
        {"kind": "option", "underlying": "BTC", "mark": 2_455.661, "forward": SPOT, "strike": 78_000.0, "right": "call",
         "days": DAYS, "vol": IV, **option},
    ]  # fmt: skip
    state = state_of(items, index={"BTC": SPOT}, collateral={"USDC": 1.0}, venue="paradex")
    return replace(state, funding=np.array([funding, np.nan]))


def call(spot: float, vol: float, days: float = DAYS, strike: float = 78_000.0) -> float:
    deviation = vol * math.sqrt(days / 365.0)
    d = math.log(spot / strike) / deviation + deviation / 2.0
    phi = lambda x: 0.5 * math.erfc(-x / math.sqrt(2.0))  # noqa: E731
    return spot * phi(d) - strike * phi(d - deviation)


def test_the_published_example_of_deltas(state_of: Callable[..., State]) -> None:
    """Long 1 perpetual, short 5 calls of delta .3, spot 70,000: net -.5, gross 2.5, hedged 1.0: 1,400 USD."""
    state = replace(account(state_of), index=np.full(2, 70_000.0), mark=np.array([70_000.0, 1_000.0]))
    (grid,) = MODEL.grids(state)
    grid = replace(grid, delta=np.array([70_000.0, 0.3 * 70_000.0]))
    assert grid.least(np.array([1.0, -5.0])) == pytest.approx(1_400.0)


def test_the_larger_of_scenarios_and_deltas_counts(state_of: Callable[..., State]) -> None:
    """IMR = max(SCAN, minimum delta) + funding + fee, MMR half of the first alone: a pair of perpetuals loses nothing.

    Two of 77,888.84 USD, long and short: nothing net, 1 % of the one that is hedged; fees .045 % of both, to 1e-12.
    """
    items = [{"kind": "perpetual", "underlying": "BTC", "mark": MARK}] * 2
    state = state_of(items, index={"BTC": SPOT}, collateral={"USDC": 1.0}, venue="paradex")
    state = replace(state, funding=np.zeros(2))
    need = MODEL.requirement(state, np.array([1.0, -1.0]), np.zeros(1))
    fees = 2.0 * 0.00045 * MARK
    assert need.breakdown["BTC deltas"] == pytest.approx(0.01 * MARK, rel=1e-12)
    assert need.initial == pytest.approx(0.01 * MARK + fees, rel=1e-12)
    assert need.maintenance == pytest.approx(0.005 * MARK + fees, rel=1e-12)
    alone = MODEL.requirement(state, np.array([1.0, 0.0]), np.zeros(1))  # 16 % is more than 2 % of the net delta
    assert alone.initial == pytest.approx(0.16 * MARK + fees / 2.0, rel=1e-12)


@pytest.mark.parametrize("coin", ["BTC", "ETH", "HYPE"])
def test_there_are_24_scenarios(coin: str) -> None:
    """Sixteen near ones at full weight and eight tails below it (docs.paradex.trade/risk/portfolio-margin.md)."""
    weights = [weight for _, _, weight in table("paradex")["portfolio_margin"][coin]["scenarios"]]
    assert len(weights) == 24
    assert sum(weight == 1.0 for weight in weights) == 16
    assert all(0 < weight < 1 for weight in weights[16:])


def test_scenarios_by_hand(state_of: Callable[..., State]) -> None:
    """The SDK's account, short .0005 perpetuals and long .001 calls: the worst scenario lowers vols, as its test says."""
    z = np.array([-0.0005, 0.001])
    tenor = (30.0 / DAYS) ** 0.3
    losses = []
    for move, shock, weight in table("paradex")["portfolio_margin"]["BTC"]["scenarios"]:
        vol = IV * (1.0 + shock * tenor)
        vol = max(vol, 0.4) if shock > 0 else vol
        pnl = z[0] * MARK * move + z[1] * (call(SPOT * (1.0 + move), vol) - call(SPOT, IV))
        losses.append((-weight * pnl, shock))
    worst, shock = max(losses)
    assert shock == -0.22
    need = MODEL.requirement(account(state_of), z, np.zeros(1))
    fees = 0.00045 * 0.0005 * MARK + 0.000125 * SPOT * 0.001
    funding = 0.00017403 * 0.0005 * MARK  # a short pays where the rate is negative
    assert need.initial == pytest.approx(worst + funding + fees, rel=1e-9)
    assert need.maintenance == pytest.approx(0.5 * worst + funding + fees, rel=1e-9)


def test_a_tail_counts_at_its_weight(state_of: Callable[..., State]) -> None:
    """Short calls far out of the money lose most where the index is six times itself, 2.4 % of it."""
    state = account(state_of, strike=300_000.0, mark=0.01, vol=0.4, days=5.0)
    then = call(6.0 * SPOT, 0.4 * (1.0 + 0.4 * 6.0**0.3), 5.0, 300_000.0) - call(SPOT, 0.4, 5.0, 300_000.0)
    need = MODEL.requirement(state, np.array([0.0, -1.0]), np.zeros(1))
    assert need.breakdown["BTC worst scenario"] == pytest.approx(0.024 * then)


def test_vols_that_rise_have_a_floor_and_those_that_fall_none(state_of: Callable[..., State]) -> None:
    (grid,) = MODEL.grids(account(state_of, vol=0.05))
    scenarios = [tuple(row[:2]) for row in table("paradex")["portfolio_margin"]["BTC"]["scenarios"]]
    up, down = (-grid.loss[scenarios.index((0.0, shock)), 1] for shock in (0.4, -0.22))
    assert up == pytest.approx(call(SPOT, 0.4) - call(SPOT, 0.05))
    assert down == pytest.approx(call(SPOT, 0.05 * (1.0 - 0.22 * (30.0 / DAYS) ** 0.3)) - call(SPOT, 0.05))


def test_the_settlement_window_scales_what_is_left(state_of: Callable[..., State]) -> None:
    """15 minutes before expiry half of the window is left (the SDK's test)."""
    minutes = 15.0 / (24.0 * 60.0)
    (grid,) = MODEL.grids(account(state_of, days=minutes, strike=60_000.0))
    assert grid.loss[-9, 1] == pytest.approx(0.5 * 0.16 * SPOT, rel=1e-3)


def test_fee_provision_of_options_is_capped(state_of: Callable[..., State]) -> None:
    assert MODEL.fees(account(state_of, mark=10.0)) == pytest.approx([0.00045 * MARK, 0.125 * 10.0])


def test_funding_nets_and_never_counts_as_a_gain(state_of: Callable[..., State]) -> None:
    state = account(state_of, funding=0.001)
    one, other = (MODEL.requirement(state, np.array([q, 0.0]), np.zeros(1)) for q in (1.0, -1.0))
    assert one.breakdown["funding"] == pytest.approx(0.001 * MARK)
    assert other.breakdown["funding"] == 0.0


def test_what_is_not_known_is_refused(state_of: Callable[..., State]) -> None:
    with pytest.raises(InputError, match=r"funding_8h: .* needs its funding rate"):
        MODEL.encode(account(state_of, funding=math.nan), "initial")
    sol = state_of([{"kind": "perpetual", "underlying": "SOL"}], index={"SOL": 90.0}, collateral={"USDC": 1.0})
    with pytest.raises(InputError, match=r"no portfolio margin parameters for SOL; write paradex\.toml .*known: BTC, ETH"):
        MODEL.encode(sol, "initial")
    coin = state_of([{"kind": "perpetual", "underlying": "BTC", "inverse": True}], index={"BTC": SPOT})
    with pytest.raises(InputError, match="settles in its coin"):
        MODEL.encode(coin, "initial")
