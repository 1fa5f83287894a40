"""The carry term against closed forms, source by source: funding, basis roll, theta, lending, staking, fees of liquidity."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.verify.measures import measure

NOW = datetime(2026, 5, 1, 8, tzinfo=UTC)
STAMP = {"timestamp": NOW.isoformat(), "venue": "deribit", "index": 80_000.0}
CALL = float(ho.black76_price(80_800.0, 80_000.0, 28.0 / 365.0, 0.5, True)) / 80_800.0
QUOTES: list[dict[str, Any]] = [
    {**STAMP, "instrument": "BTC-PERPETUAL", "mark": 80_040.0, "bid": 80_039.5, "ask": 80_040.5, "funding_8h": 2e-4},
    {**STAMP, "instrument": "BTC-29MAY26", "mark": 80_800.0, "bid": 80_790.0, "ask": 80_810.0},
    {**STAMP, "instrument": "BTC-29MAY26-80000-C", "mark": CALL, "bid": CALL - 0.0005, "ask": CALL + 0.0005,
     "forward": 80_800.0, "iv": 0.5},
    {**STAMP, "instrument": "ETH_USDC", "mark": 2_000.0, "bid": 1_999.0, "ask": 2_001.0, "index": 2_000.0},
]  # fmt: skip
DAYS = 3.0


def carried(item: Any, quantity: float, venue: str, margin: str, **more: Any) -> float:
    """The term's value over three days, the same by the verifier; positive is paid."""
    held = {"name": "a", "venue": venue, "margin": margin, "positions": [{"instrument": item, "quantity": quantity}],
            "collateral": [{"asset": "USDC", "amount": 1e7}, {"asset": "BTC", "amount": 100.0}]}  # fmt: skip
    desk = {"name": "d", "venue": "deribit", "collateral": [{"asset": "BTC", "amount": 1.0}]}
    sample = ho.ParametricScenarios(count=20, vol={"BTC": 0.5, "ETH": 0.6}, horizon_days=DAYS)
    rules = ho.Policy(minimize=ho.TransactionCost(), scenarios=sample, lots="ideal")
    e = ho.expose(
        ho.Book(accounts=[held, desk]), ho.read_market(QUOTES, invert_marks=True, prices={"stETH": 2_400.0}), rules
    )
    program = ho.Program(rules.model_copy(update={"minimize": ho.Policy(minimize=ho.Carry(**more)).minimize}), e)
    x = np.zeros(e.n_candidates)
    ((_, term),) = program.bound_terms()
    told = measure({"kind": "carry", "include_theta": False, **more}, e, x, ()).value
    assert term.evaluate(e, x) == pytest.approx(told, rel=1e-12)
    return told


def test_a_long_perpetual_pays_funding_three_times_a_day() -> None:
    """2 bp in eight hours of 1,000,000 USD at the mark, six bp a day."""
    assert carried("BTC-PERPETUAL", 1e6, "deribit", "standard") == pytest.approx(DAYS * 3 * 2e-4 * 1e6, rel=1e-3)
    assert carried("BTC-PERPETUAL", -1e6, "deribit", "standard") == pytest.approx(-DAYS * 3 * 2e-4 * 1e6, rel=1e-3)


def test_a_future_rolls_to_the_index_by_its_expiry() -> None:
    """Bought at 80,800 over an index of 80,000, 28 days from expiry: the log basis, evenly."""
    assert carried("BTC-29MAY26", 1e6, "deribit", "standard") == pytest.approx(
        DAYS / 28.0 * np.log(80_800.0 / 80_000.0) * 1e6, rel=1e-3
    )


def test_theta_counts_where_it_is_asked_for() -> None:
    """Black's theta a day of a call at the money: ``-F phi(d1) vol / (2 sqrt(T))``, without interest."""
    years, vol, forward = 28.0 / 365.0, 0.5, 80_800.0
    d1 = (np.log(forward / 80_000.0) + 0.5 * vol**2 * years) / (vol * np.sqrt(years))
    theta = -forward * np.exp(-0.5 * d1**2) / np.sqrt(2 * np.pi) * vol / (2 * np.sqrt(years)) / 365.0
    name = "BTC-29MAY26-80000-C"
    assert carried(name, 5.0, "deribit", "standard") == 0.0
    found = carried(name, 5.0, "deribit", "standard", include_theta=True)
    assert found == pytest.approx(-DAYS * 5.0 * theta * 80_000.0 / forward, rel=0.03)


LENT = ho.LendingSupply(name="eth", venue="aave", asset="ETH", rate=0.0365, reward_rate=0.00365, index=1.05)
OWED = ho.LendingBorrow(name="debt", venue="aave", asset="USDC", rate=0.1, index=1.1)
STAKED = ho.Pegged(name="stETH", venue="lido", asset="stETH", underlying="ETH", exchange_rate=1.2, yield_rate=0.0365)


@pytest.mark.parametrize(
    ("item", "quantity", "venue", "margin", "daily"),
    [
        (LENT, 100.0, "aave", "aave", -100.0 * 1.05 * 2_000.0 * (0.0365 + 0.00365) / 365.0),
        (OWED, 5e5, "aave", "aave", 5e5 * 1.1 * ((1 + 0.1 / 31_536_000) ** 86_400 - 1)),
        (STAKED, 40.0, "lido", "none", -40.0 * 1.2 * 2_000.0 * 0.0365 / 365.0),
    ],
)
def test_lending_and_staking(item: Any, quantity: float, venue: str, margin: str, daily: float) -> None:
    assert carried(item, quantity, venue, margin) == pytest.approx(DAYS * daily, rel=1e-6)


def test_liquidity_in_range_earns_its_fee_rate_and_outside_nothing() -> None:
    inside = ho.Concentrated(name="lp", venue="uniswap", base="ETH", quote="USDC", liquidity=1_000.0, lower_price=1_500.0,
                             upper_price=2_500.0, fee_rate=0.365)  # fmt: skip
    root, low, high = np.sqrt([2_000.0, 1_500.0, 2_500.0])
    value = 1_000.0 * ((1 / root - 1 / high) * 2_000.0 + root - low)
    assert carried(inside, 2.0, "uniswap", "none") == pytest.approx(-DAYS * 2.0 * value * 1e-3, rel=1e-6)
    outside = inside.model_copy(update={"lower_price": 2_200.0})
    assert carried(outside, 2.0, "uniswap", "none") == 0.0
