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
from hedgeopt.orders.plan import execution_plan
from hedgeopt.orders.ticks import PriceSteps, limit_price, reached, tick_at
from hedgeopt.venues.known import parser

from .conftest import solved


@given(
    ticks=st.integers(1, 10**6), tick=st.sampled_from([0.0001, 0.0005, 0.05, 0.5, 2.5]), off=st.sampled_from([0.0, 0.3]),
    slippage=st.sampled_from([0.0, 1e-4, 0.001, 0.05]), sign=st.sampled_from([1, -1]),
)  # fmt: skip
def test_a_limit_lies_between_quote_and_bound_on_a_tick(
    ticks: int, tick: float, off: float, slippage: float, sign: int
) -> None:
    quote = float((Fraction(ticks) + Fraction(str(off))) * Fraction(str(tick)))
    found = limit_price(quote, sign, slippage, PriceSteps(tick))
    exact, step = Fraction(str(found)), Fraction(str(tick))
    assert sign * (exact - Fraction(str(quote))) >= 0
    assert sign * (exact - Fraction(str(quote)) * (1 + sign * Fraction(str(slippage)))) <= 0
    assert (exact / step).denominator == 1 or found == quote
    if slippage == 0.0:
        assert found == quote
    # no tick nearer to the bound
    assert sign * (Fraction(str(quote)) * (1 + sign * Fraction(str(slippage))) - exact) < step or found == quote


def test_worked_by_hand() -> None:
    coarse = PriceSteps(0.0005)
    assert limit_price(0.0165, 1, 0.1, coarse) == 0.018  # 0.01815 down to the tick
    assert limit_price(0.0165, -1, 0.1, coarse) == 0.015  # 0.01485 up
    assert limit_price(0.0012, 1, 0.0, coarse) == 0.0012  # a quote where ticks are finer


DERIBIT = PriceSteps(0.0001, 0.005, 0.0005)
"""Its options in coins since 6 July 2023: 0.0048, 0.0049, 0.0050, 0.0055, 0.0060 are prices that follow each other."""


def valid(price: Fraction) -> bool:
    step = Fraction("0.0001") if price <= Fraction("0.005") else Fraction("0.0005")
    return (price / step).denominator == 1


@given(quote=st.integers(1, 200), sign=st.sampled_from([1, -1]), slippage=st.integers(0, 5000))
def test_ticks_depend_on_the_price(quote: int, sign: int, slippage: int) -> None:
    """Against all prices of the venue, one by one."""
    price = Fraction(quote, 10_000)
    bound = price * (1 + sign * Fraction(slippage, 10_000))
    every = [p for p in (Fraction(k, 10_000) for k in range(1, 401)) if valid(p)]
    inside = [p for p in every if sign * (p - price) >= 0 and sign * (bound - p) >= 0]
    expected = max(inside, key=lambda p: sign * p, default=price)
    if price not in every:  # such a quote is taken as it is
        expected = max([*inside, price], key=lambda p: sign * p)
    assert limit_price(float(price), sign, slippage / 10_000, DERIBIT) == float(expected)


def test_a_limit_across_the_price_where_ticks_change() -> None:
    assert limit_price(0.0049, 1, 0.1, DERIBIT) == 0.005  # 0.00539 is below 0.0055
    assert limit_price(0.0049, 1, 0.2, DERIBIT) == 0.0055
    assert limit_price(0.006, -1, 0.1, DERIBIT) == 0.0055  # 0.0054 is no price
    assert limit_price(0.006, -1, 0.17, DERIBIT) == 0.005
    assert limit_price(0.006, -1, 0.2, DERIBIT) == 0.0048


def test_the_venues_table_and_the_market_give_them() -> None:
    s = solved("whole")
    legs = execution_plan(s.proposal, s.book, s.market, slippage=0.05).legs
    options = legs[legs["instrument"].str.contains("-P|-C", regex=True)]
    assert set(options.loc[options["limit_price"] > 0.005, "tick"]) == {0.0005}
    assert set(options.loc[options["limit_price"] <= 0.005, "tick"]) <= {0.0001}
    assert all(valid(Fraction(str(price))) for price in options["limit_price"])
    quotes = s.market.quotes.assign(tick=0.0001, tick_above=0.01, coarse_tick=0.001)
    own = ho.Market(s.market.timestamp, s.market.prices, s.market.instruments, quotes)
    legs = execution_plan(s.proposal, s.book, own, slippage=0.05).legs
    high = legs.loc[legs["instrument"].isin(options["instrument"]) & (legs["limit_price"] > 0.01)]
    assert set(high["tick"]) == {0.001}


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
        candidate=np.array([0, 1]),
        rows=rows,
        accounts=("a", "b"),
        market=SimpleNamespace(depth={item.id: ladder}, quoted=lambda name, ids: np.full(len(ids), np.nan)),
    )
    legs = [_trade(e, i, np.array(amounts), 0.0, [0, 1]) for i in (0, 1)]  # type: ignore[arg-type]
    assert tuple(leg.limit for leg in legs) == limits
