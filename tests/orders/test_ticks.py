"""Limit prices: on the tick, at or through the quote, never outside the bound."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hedgeopt as ho
from hedgeopt.models.costs.ladder import Levels
from hedgeopt.orders.legs import _trade
from hedgeopt.orders.ticks import limit_price, reached, tick_at
from hedgeopt.venues.known import parser


@given(
    ticks=st.integers(1, 10**6), tick=st.sampled_from([0.0001, 0.0005, 0.05, 0.5, 2.5]), off=st.sampled_from([0.0, 0.3]),
    slippage=st.sampled_from([0.0, 1e-4, 0.001, 0.05]), sign=st.sampled_from([1, -1]),
)  # fmt: skip
def test_a_limit_lies_between_quote_and_bound_on_a_tick(
    ticks: int, tick: float, off: float, slippage: float, sign: int
) -> None:
    quote = float((Fraction(ticks) + Fraction(str(off))) * Fraction(str(tick)))
    found = limit_price(quote, sign, slippage, tick)
    exact, step = Fraction(str(found)), Fraction(str(tick))
    assert sign * (exact - Fraction(str(quote))) >= 0
    assert sign * (exact - Fraction(str(quote)) * (1 + sign * Fraction(str(slippage)))) <= 0
    assert (exact / step).denominator == 1 or found == quote
    if slippage == 0.0:
        assert found == quote
    # no tick nearer to the bound
    assert sign * (Fraction(str(quote)) * (1 + sign * Fraction(str(slippage))) - exact) < step or found == quote


def test_worked_by_hand() -> None:
    assert limit_price(0.0165, 1, 0.1, 0.0005) == 0.018  # 0.01815 down to the tick
    assert limit_price(0.0165, -1, 0.1, 0.0005) == 0.015  # 0.01485 up
    assert limit_price(0.0012, 1, 0.0, 0.0005) == 0.0012  # a quote where ticks are finer


@pytest.mark.parametrize(
    ("price", "lot", "tick"),
    [(1234.5, 0.001, 0.1), (98_765.0, 1e-5, 1.0), (123_456.0, 1e-5, 1.0), (0.0012345, 1.0, 1e-6), (3.2, 0.1, 0.0001)],
)
def test_hyperliquids_five_figures(price: float, lot: float, tick: float) -> None:
    """Its documentation: 1234.5 is valid, 1234.56 is not; 0.001234 is, 0.0012345 has too many decimals."""
    assert tick_at(SimpleNamespace(venue="hyperliquid"), float("nan"), lot, price) == pytest.approx(tick, rel=1e-12)
    assert np.isnan(tick_at(SimpleNamespace(venue="deribit"), float("nan"), lot, price))
    assert tick_at(SimpleNamespace(venue="hyperliquid"), 0.5, lot, price) == 0.5


def test_the_last_level_that_an_order_reaches() -> None:
    asks = Levels(np.array([100.0, 101.0, 103.0]), np.array([2.0, 3.0, 5.0]), np.full(3, np.inf))
    book = SimpleNamespace(asks=asks, bids=asks, instrument="deribit:X")
    assert [reached(book, 1, q) for q in (1.0, 2.0, 2.1, 5.0, 10.0)] == [100.0, 100.0, 101.0, 101.0, 103.0]
    with pytest.raises(ho.InputError, match="holds less than the trade"):
        reached(book, 1, 10.1)


@pytest.mark.parametrize(("amounts", "limits"), [((10.0, 10.0), (101.0, 101.0)), ((10.0, -10.0), (100.0, 99.0))])
def test_accounts_that_share_a_ladder_reach_its_last_level_together(
    amounts: tuple[float, float], limits: tuple[float, float]
) -> None:
    """10 at 100 and 10 at 101: two purchases of 10 need 101, whoever comes first; a sale walks the other side."""
    item = parser("deribit")("BTC_USDC-PERPETUAL")
    asks = Levels(np.array([100.0, 101.0]), np.array([10.0, 10.0]), np.full(2, np.inf))
    bids = Levels(np.array([99.0, 98.0]), np.array([10.0, 10.0]), np.full(2, np.inf))
    ladder = SimpleNamespace(asks=asks, bids=bids, instrument=item.id, kind="book")
    two = {name: np.full(2, value) for name, value in
           (("ask", 100.0), ("bid", 99.0), ("lot", 0.1), ("tick", 0.5), ("minimum_size", 0.1), ("quantity", 0.0),
            ("notional", 100.0))}  # fmt: skip
    rows = SimpleNamespace(instruments=(item, item), account=np.array([0, 1]), **two)
    e = SimpleNamespace(
        candidate=np.array([0, 1]), rows=rows, accounts=("a", "b"), market=SimpleNamespace(depth={item.id: ladder})
    )
    legs = [_trade(e, i, np.array(amounts), 0.0, [0, 1]) for i in (0, 1)]  # type: ignore[arg-type]
    assert tuple(leg.limit for leg in legs) == limits
