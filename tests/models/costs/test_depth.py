"""Costs of walking ladders: convex, monotone, consistent between sides, equal to a walk by hand, above their minorants."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgeopt.models.costs.depth import Depth, depth_of
from hedgeopt.models.costs.ladder import Ladder, book_levels
from hedgeopt.models.costs.pool import concentrated
from hedgeopt.models.pricing.option import Option
from hedgeopt.models.pricing.perpetual import Perpetual
from hedgeopt.models.pricing.spot import Spot

NOW = datetime(2026, 3, 6, 10, tzinfo=UTC)
INVERSE = Perpetual(name="BTC-PERPETUAL", venue="deribit", underlying="BTC", settlement="BTC")
LINEAR = Perpetual(name="BTC_USDC-PERPETUAL", venue="deribit", underlying="BTC", settlement="USDC")
CALL = Option(
    name="BTC-27MAR26-100000-C", venue="deribit", underlying="BTC", settlement="BTC", expiry="2026-03-27T08:00:00Z",
    strike=100_000, right="call",
)  # fmt: skip
ETH = Spot(name="ETH_USDC", venue="deribit", asset="ETH")


class _Market:
    """A view with one index for every coin."""

    def __init__(self, index: float) -> None:
        self.index = index

    def price(self, asset: str) -> float:
        return 1.0 if asset in ("USDC", "USD") else self.index

    def quoted(self, field: str, ids: list[str]) -> np.ndarray:
        return np.full(len(ids), np.nan)


def _depth(item: object, ladder: Ladder, index: float, notional: float, reference: float, among: int = 1) -> Depth:
    found = depth_of(
        [item],
        {ladder.instrument: ladder},
        _Market(index),
        np.array([notional]),
        (np.array([reference]),) * 2,
        np.array([among]),
    )
    assert found is not None
    return found


def _total(depth: Depth, x: float) -> float:
    """USD of a trade of x: the best level's rate and what the ladder adds."""
    first = depth.first[0 if x > 0 else 1, 0]
    return float(first * abs(x) + depth.extra(np.array([x]))[0])


def test_a_linear_perpetual_pays_what_the_walk_pays() -> None:
    book = Ladder(
        "deribit:BTC_USDC-PERPETUAL", NOW, book_levels([(99.0, 2.0), (98.0, 3.0)]), book_levels([(101.0, 1.0), (103.0, 4.0)])
    )
    depth = _depth(LINEAR, book, 100.0, 100.0, 100.0)
    fee = 0.0005 * 100.0
    assert _total(depth, 3.0) == pytest.approx((101 + 2 * 103) - 3 * 100 + 3 * fee)
    assert _total(depth, -4.0) == pytest.approx(4 * 100 - (2 * 99 + 2 * 98) + 4 * fee)
    low, high = depth.limits()
    assert low[0] == -5.0
    assert high[0] == 5.0


def test_an_inverse_perpetual_pays_exactly_in_coins() -> None:
    # 10,000 USD bought at 101,000 and valued at 100,000: 10,000 (1/100,000 - 1/101,000) coins of 100,000 USD
    book = Ladder("deribit:BTC-PERPETUAL", NOW, book_levels([]), book_levels([(100_500.0, 4_000.0), (101_000.0, 9_000.0)]))
    depth = _depth(INVERSE, book, 100_000.0, 1.0, 100_000.0)
    coins = 4_000 * (1 / 100_000 - 1 / 100_500) + 6_000 * (1 / 100_000 - 1 / 101_000)
    assert _total(depth, 10_000.0) == pytest.approx(coins * 100_000 + 10_000 * 0.0005, rel=1e-12)
    assert depth.limits()[0][0] == 0.0  # nobody buys


def test_the_cap_of_an_option_fee_is_that_of_each_level() -> None:
    # cap 12.5 % of 0.001 is 0.000125 coin, of 0.01 it would be 0.00125: the rate of 0.0003 coin is less
    book = Ladder("deribit:BTC-27MAR26-100000-C", NOW, book_levels([]), book_levels([(0.001, 1.0), (0.01, 1.0)]))
    depth = _depth(CALL, book, 60_000.0, 60_000.0, 0.001)
    assert depth.fee / 60_000 == pytest.approx([0.000125, 0.0003])
    paid = depth.fees(np.array([2.0]), depth.fee[:1])
    assert paid[0] == pytest.approx((0.0003 - 0.000125) * 60_000)


def test_each_of_two_accounts_has_half_of_every_level() -> None:
    book = Ladder("deribit:BTC_USDC-PERPETUAL", NOW, book_levels([]), book_levels([(101.0, 2.0), (103.0, 4.0)]))
    one, half = _depth(LINEAR, book, 100.0, 100.0, 100.0), _depth(LINEAR, book, 100.0, 100.0, 100.0, among=2)
    assert 2 * _total(half, 2.0) == pytest.approx(_total(one, 4.0))
    assert _total(half, 3.0) + _total(half, 1.0) > _total(one, 4.0)  # unequal shares count more, never less
    assert half.limits()[1][0] == 3.0


@st.composite
def ladders(draw: st.DrawFn) -> tuple[object, Ladder, float, float, float]:
    """An instrument, a ladder around a reference, index, notional and reference."""
    size = st.floats(1e-3, 1e4)
    steps = st.lists(st.tuples(st.floats(1e-6, 0.02), size), min_size=0, max_size=12)
    item, mid, notional = draw(
        st.sampled_from([(LINEAR, 3_000.0, 3_000.0), (INVERSE, 60_000.0, 1.0), (CALL, 0.02, 60_000.0)])
    )
    up, down = draw(steps), draw(steps)
    asks = mid * np.cumprod([1 + step for step, _ in up]) if up else np.zeros(0)
    bids = mid * np.cumprod([1 - step for step, _ in down]) if down else np.zeros(0)
    asks, bids = asks * 1.0001, bids * 0.9999
    sides = [book_levels(list(zip(p, [s for _, s in steps], strict=True))) for p, steps in ((bids, down), (asks, up))]
    index = 60_000.0 if item is not LINEAR else 3_000.0
    return item, Ladder(f"deribit:{item.name}", NOW, *sides), index, notional, mid


def _points(depth: Depth, shares: list[float]) -> list[float]:
    low, high = depth.limits()
    return [float(-low[0] * s if s < 0 else high[0] * s) for s in shares]


SHARES = st.lists(st.floats(-1.0, 1.0), min_size=3, max_size=3)


@given(ladders(), SHARES)
def test_cost_is_convex_never_negative_and_rises_with_size(
    case: tuple[object, Ladder, float, float, float], shares: list[float]
) -> None:
    if not len(case[1].bids) and not len(case[1].asks):
        return
    depth = _depth(*case)
    a, _, b = sorted(_points(depth, shares))
    size = max(_total(depth, a), _total(depth, b), 1e-9)
    middle = 0.5 * (a + b)
    assert _total(depth, middle) <= 0.5 * (_total(depth, a) + _total(depth, b)) + 1e-9 * size
    assert min(_total(depth, p) for p in (a, b, middle)) >= 0.0
    assert _total(depth, 0.5 * b) <= _total(depth, b) + 1e-9 * size
    assert _total(depth, 0.5 * a) <= _total(depth, a) + 1e-9 * size


@given(ladders(), st.floats(0.0, 1.0))
def test_buying_and_selling_again_never_earns(case: tuple[object, Ladder, float, float, float], share: float) -> None:
    if not len(case[1].bids) or not len(case[1].asks):
        return
    depth = _depth(*case)
    low, high = depth.limits()
    d = share * min(-low[0], high[0])
    assert _total(depth, d) + _total(depth, -d) >= 0.0


POOL = concentrated(
    "deribit:ETH_USDC",
    NOW,
    3_000.0,
    [(2_700, 2_900, 3e4), (2_900, 3_050, 6e4), (3_050, 3_300, 2e4), (3_300, 4_000, 9e3)],
    0.003,
)


@given(ladders(), SHARES, st.booleans())
def test_the_minorant_lies_below_everywhere_and_touches(
    case: tuple[object, Ladder, float, float, float], shares: list[float], pool: bool
) -> None:
    if pool:
        case = (ETH, POOL, 3_000.0, 3_000.0, 3_000.0)
    if not len(case[1].bids) and not len(case[1].asks):
        return
    depth = _depth(*case)
    points = _points(depth, shares)
    below = depth.minorant(np.array([points[0]]))
    size = max(float(depth.extra(np.array([p])).sum()) for p in (*points, *_points(depth, [-1.0, 1.0])))
    at = float(depth.extra(np.array([points[0]])).sum())
    assert below(np.array([points[0]])) == pytest.approx(at, rel=1e-9, abs=1e-9 * size + 1e-12)
    for p in points:
        assert below(np.array([p])) <= float(depth.extra(np.array([p])).sum()) + 1e-9 * size + 1e-12
