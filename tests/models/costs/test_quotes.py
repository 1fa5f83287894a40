"""Costs per unit against Deribit's published fee examples and hand computation."""

from __future__ import annotations

import numpy as np
import pytest

from hedgeopt.models.costs.quotes import fees, unit_cost
from hedgeopt.models.pricing.option import Option
from hedgeopt.models.pricing.perpetual import Perpetual


class _Market:
    """A view with fixed quotes, one row."""

    def __init__(self, index: float, **quotes: float) -> None:
        self.index, self.quotes = index, quotes

    def price(self, asset: str) -> float:
        return 1.0 if asset == "USDC" else self.index

    def quoted(self, field: str, ids: list[str]) -> np.ndarray:
        return np.full(len(ids), self.quotes.get(field, np.nan))


CALL = Option(
    name="BTC-27MAR26-100000-C",
    venue="deribit",
    underlying="BTC",
    settlement="BTC",
    expiry="2026-03-27T08:00:00Z",
    strike=100_000,
    right="call",
)
PERPETUAL = Perpetual(name="BTC-PERPETUAL", venue="deribit", underlying="BTC", settlement="BTC")


@pytest.mark.parametrize(("premium", "fee"), [(0.0001, 0.0000125), (0.0024, 0.0003), (0.05, 0.0003)])
def test_option_fee_is_capped_at_an_eighth_of_the_price(premium: float, fee: float) -> None:
    index = 65_000.0
    paid = fees([CALL], _Market(index), np.array([index]), np.array([premium * index]))
    assert paid[0] / index == pytest.approx(fee)


def test_perpetual_fee_is_five_basis_points_of_notional() -> None:
    # 10,000 USD at 100,000: 0.00005 BTC
    paid = fees([PERPETUAL], _Market(100_000.0), np.array([1.0]), np.array([np.nan]))
    assert 10_000 * paid[0] / 100_000 == pytest.approx(0.00005)


@pytest.mark.parametrize(
    ("mark", "buy", "sell"),
    [
        (0.050, 0.002, 0.002),  # mark at mid: half the spread each way
        (0.049, 0.003, 0.002),  # mark below mid: buying pays up to the mark, selling still half the spread
        (0.060, 0.002, 0.012),  # mark above the ask: never a gain on buying
    ],
)
def test_a_mark_outside_the_quotes_is_never_a_gain(mark: float, buy: float, sell: float) -> None:
    market = _Market(60_000.0, bid_price=0.048, ask_price=0.052, mark_price=mark)
    cost = unit_cost([CALL], market, np.array([60_000.0]))
    assert cost.buy[0] - cost.fee[0] == pytest.approx(buy * 60_000)
    assert cost.sell[0] - cost.fee[0] == pytest.approx(sell * 60_000)


def test_a_missing_side_is_closed() -> None:
    cost = unit_cost([CALL], _Market(60_000.0, ask_price=0.052, mark_price=0.05), np.array([60_000.0]))
    assert cost.buyable[0]
    assert not cost.sellable[0]
    assert cost.buy[0] - cost.fee[0] == pytest.approx(0.002 * 60_000)
    assert np.isfinite(cost.sell[0])


def test_inverse_perpetual_half_spread_is_relative_to_notional() -> None:
    market = _Market(80_000.0, bid_price=79_990.0, ask_price=80_010.0, mark_price=80_000.0)
    cost = unit_cost([PERPETUAL], market, np.array([1.0]))
    assert cost.buy[0] - cost.fee[0] == pytest.approx(10 / 80_000)


def test_marks_only_need_an_explicit_half_spread() -> None:
    market = _Market(80_000.0, mark_price=80_000.0)
    closed = unit_cost([PERPETUAL], market, np.array([1.0]))
    assert not closed.buyable[0]
    assert not closed.sellable[0]
    opened = unit_cost([PERPETUAL], market, np.array([1.0]), mark_half_spread=0.0002)
    assert opened.assumed[0]
    assert opened.buy[0] - opened.fee[0] == pytest.approx(0.0002)
    assert not unit_cost([CALL], market, np.array([1.0]), mark_half_spread=0.0002).assumed[0]
