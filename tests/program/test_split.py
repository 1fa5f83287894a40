"""Orders over books and pools inside the program: the split is that of the closed forms, to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hedgeopt as ho
from hedgeopt.program import certified
from hedgeopt.program.split import _Levels
from tests.program.test_depth_program import BOOK, NOW, books, policy, pool, quoted


def constant_product(venue: str, base: float, fee: float = 0.003) -> dict[str, Any]:
    return {"kind": "pool", "venue": venue, "instrument": "ETH_USDC", "timestamp": NOW.isoformat(), "fee": fee,
            "base_reserve": base, "quote_reserve": 3_000.0 * base}  # fmt: skip


def spot_alone(*limits: Any) -> ho.Policy:
    rules = policy(*limits)
    return rules.model_copy(update={"candidates": ho.Candidates(kinds=("spot",), underlyings=("ETH",))})


def bought(found: ho.Proposal) -> dict[str, float]:
    return dict(zip(found.trades["account"], found.trades["quantity"], strict=True))


@pytest.mark.parametrize("delta", [10.0, 300.0])
def test_two_pools_of_one_price_share_by_their_reserves(delta: float) -> None:
    """Angeris et al., section 3: of two constant-product pools at one price each gives in proportion to its reserves."""
    deep = quoted().with_depth(constant_product("uniswap", 1_000.0), constant_product("deribit", 4_000.0))
    found = ho.propose(BOOK, deep, spot_alone(ho.Delta("ETH") >= delta))
    assert found.certificate.valid
    total = sum(bought(found).values())
    assert bought(found)["dex"] == pytest.approx(total / 5.0, rel=1e-10)


def marginal(deep: ho.Market, found: ho.Proposal) -> list[float]:
    """Price of the last unit at each place, over the reference that the program counts from."""
    rates = []
    for account, key in (("dex", "uniswap:ETH_USDC"), ("main", "deribit:ETH_USDC")):
        ladder, left = deep.depth[key], bought(found).get(account, 0.0)
        middle = 0.5 * (ladder.asks.price[0] + ladder.bids.price[0])
        for p, size, reserve in zip(ladder.asks.price, ladder.asks.size, ladder.asks.reserve, strict=True):
            if left <= size:
                slope = p / (1.0 - left / reserve) ** 2 if np.isfinite(reserve) else p
                rates.append(float(slope - min(middle, 3_000.0)))
                break
            left -= size
    return rates


@pytest.mark.parametrize("delta", [137.0, 452.0])
def test_a_pool_and_a_book_stop_at_one_marginal_cost(delta: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool's last unit costs between the book's level that is begun and the one before."""
    deep = quoted().with_depth(pool(), books())
    found = ho.propose(BOOK, deep, spot_alone(ho.Delta("ETH") >= delta))
    at_pool, at_book = marginal(deep, found)
    step = 0.7
    assert at_book - step - 1e-9 <= at_pool <= at_book + 1e-9
    monkeypatch.setattr(certified, "split_again", lambda e, box, x: None)
    plain = ho.propose(BOOK, deep, spot_alone(ho.Delta("ETH") >= delta))
    assert found.certificate.objective <= plain.certificate.objective
    assert sum(bought(found).values()) == pytest.approx(sum(bought(plain).values()), rel=1e-9)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(1e-4, 1.0))
def test_no_other_split_costs_less(seed: int, share: float) -> None:
    """Random ladders: moving any amount between two places never pays, and the sum is kept."""
    rng = np.random.default_rng(seed)
    who, rate, size, bend, turn = [], [], [], [], []
    for place in range(3):
        at, curved = rng.uniform(0.0, 2.0), rng.random() < 0.5
        for _ in range(int(rng.integers(1, 5))):
            units, price = rng.uniform(0.5, 5.0), rng.uniform(50.0, 60.0)
            reserve = rng.uniform(20.0, 200.0)
            who.append(place)
            rate.append(at)
            size.append(units)
            bend.append(price / reserve if curved else 0.0)
            turn.append(-1.0 / reserve if curved else 0.0)
            last = at - price + price / (1.0 - units / reserve) ** 2 if curved else at
            at = last + rng.uniform(0.0, 1.0)
    levels = _Levels(np.array(who), 3, *(np.array(part) for part in (rate, size, bend, turn)))

    def cost(units: np.ndarray) -> float:
        total = 0.0
        for place in range(3):
            left = float(units[place])
            for k in np.flatnonzero(levels.who == place):
                d = min(left, float(levels.size[k]))
                total += levels.rate[k] * d + levels.bend[k] * d * d / (1.0 + levels.turn[k] * d)
                left -= d
            if left > 1e-9:
                return float("inf")
        return total

    want = share * float(levels.size.sum())
    best = levels.split(want)
    assert best.sum() == pytest.approx(want, rel=1e-12)
    assert (best >= 0.0).all()
    for a in range(3):
        for b in range(3):
            for amount in (1e-3, 0.1, 1.0):
                other = best.copy()
                moved = min(amount, other[a])
                other[a], other[b] = other[a] - moved, other[b] + moved
                assert cost(other) >= cost(best) - 1e-9 * max(cost(best), 1.0)
