"""Ladders and pools: what is refused, closed forms of pools, and the conventions of both sides."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.costs.ladder import Ladder, Levels, book_levels
from hedgeopt.models.costs.pool import concentrated, constant_product, ranges_of_ticks

NOW = datetime(2026, 3, 6, 10, tzinfo=UTC)


def _ladder(bids: list[tuple[float, float]], asks: list[tuple[float, float]]) -> Ladder:
    return Ladder("deribit:BTC-PERPETUAL", NOW, book_levels(bids), book_levels(asks), "book.json")


@pytest.mark.parametrize(
    ("bids", "asks", "said"),
    [
        ([(101, 1)], [(100, 1)], "is crossed"),
        ([(100, 1)], [(100, 1)], "is crossed"),
        ([(99, 1), (99.5, 1)], [(100, 1)], "bids by price, descending"),
        ([(99, 1)], [(100, 1), (100.5, 1), (100.4, 2)], "asks by price, ascending"),
        ([(99, 1)], [(100, -1)], "asks.0.size"),
        ([(99, 0)], [(100, 1)], "bids.0.size"),
        ([(99, 1)], [(100, float("nan"))], "asks.0.size"),
        ([(-99, 1)], [(100, 1)], "bids.0.price"),
        ([(99, 1)], [(100, float("inf"))], "asks.0.size"),
    ],
)
def test_a_ladder_that_is_none_is_refused_in_one_line(
    bids: list[tuple[float, float]], asks: list[tuple[float, float]], said: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        _ladder(bids, asks)
    assert "book.json" in str(caught.value)
    assert "BTC-PERPETUAL" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_orders_at_one_price_are_one_level() -> None:
    levels = book_levels([(100.0, 1.0), (100.0, 2.0), (101.0, 4.0)])
    assert levels.price.tolist() == [100.0, 101.0]
    assert levels.size.tolist() == [3.0, 4.0]


def _buy(levels: Levels, d: float) -> float:
    """Quote units for d base units, level by level."""
    paid = 0.0
    for price, size, reserve in zip(levels.price, levels.size, levels.reserve, strict=True):
        take = min(d, size)
        paid += price * take * (reserve / (reserve - take) if np.isfinite(reserve) else 1.0)
        d -= take
    return paid


def _sell(levels: Levels, d: float) -> float:
    got = 0.0
    for price, size, reserve in zip(levels.price, levels.size, levels.reserve, strict=True):
        take = min(d, size)
        got += price * take * (reserve / (reserve + take) if np.isfinite(reserve) else 1.0)
        d -= take
    return got


@pytest.mark.parametrize("d", [0.001, 1.0, 40.0, 400.0])
def test_a_constant_product_pool_keeps_its_product(d: float) -> None:
    base, quote, fee = 1_000.0, 3_000_000.0, 0.003
    pool = constant_product("uniswap:ETH_USDC", NOW, base, quote, fee)
    paid = _buy(pool.asks, d)
    assert (quote + paid * (1 - fee)) * (base - d) == pytest.approx(base * quote, rel=1e-13)
    got = _sell(pool.bids, d)
    assert (quote - got) * (base + d * (1 - fee)) == pytest.approx(base * quote, rel=1e-13)
    assert paid > d * quote / base > got


def test_one_range_over_nearly_all_prices_is_a_constant_product_pool() -> None:
    base, quote = 1_000.0, 3_000_000.0
    whole = constant_product("uniswap:ETH_USDC", NOW, base, quote, 0.003)
    liquidity = (base * quote) ** 0.5
    ranges = [(1e-6, 2_500.0, liquidity), (2_500.0, 3_400.0, liquidity), (3_400.0, 1e12, liquidity)]
    split = concentrated("uniswap:ETH_USDC", NOW, 3_000.0, ranges, 0.003)
    for d in (0.01, 10.0, 90.0, 300.0):
        assert _buy(split.asks, d) == pytest.approx(_buy(whole.asks, d), rel=1e-12)
        assert _sell(split.bids, d) == pytest.approx(_sell(whole.bids, d), rel=1e-12)


def test_a_range_gives_the_amounts_of_the_v3_whitepaper() -> None:
    # dx = L (1/sqrt(p) - 1/sqrt(b)), dy = L (sqrt(b) - sqrt(p)): Uniswap v3 core, 6.15 and 6.16
    liquidity, low, high = 5e4, 2_000.0, 2_200.0
    pool = concentrated("uniswap:ETH_USDC", NOW, 2_050.0, [(low, high, liquidity)], 0.0005)
    assert pool.asks.total == pytest.approx(liquidity * (2_050.0**-0.5 - high**-0.5), rel=1e-14)
    assert _buy(pool.asks, pool.asks.total) == pytest.approx(liquidity * (high**0.5 - 2_050.0**0.5) / 0.9995, rel=1e-12)
    assert _sell(pool.bids, pool.bids.total) == pytest.approx(liquidity * (2_050.0**0.5 - low**0.5), rel=1e-12)


def test_ticks_of_a_contract_are_ranges_in_human_units() -> None:
    # USDC (6 decimals) is token0, WETH (18) token1, as in the 5 bp pool of Ethereum: ETH is bought and sold
    ticks = [(200_000, 10**18), (201_000, 5 * 10**17), (202_000, -(10**18)), (203_000, -5 * 10**17)]
    ranges = ranges_of_ticks(ticks, (6, 18), 1, "pool.json", "uniswap:ETH_USDC")
    usd = [1.0 / (1.0001**tick * 1e-12) for tick, _ in ticks]
    assert ranges[:, 0] == pytest.approx(sorted(usd)[:3])
    assert ranges[:, 1] == pytest.approx(sorted(usd)[1:])
    assert ranges[:, 2] == pytest.approx([0.5e6, 1.5e6, 1e6])  # 1e18 raw is 1e6 in sqrt(USDC * ETH)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: constant_product("u:ETH_USDC", NOW, 0.0, 1.0, 0.003, source="p.json"), "base_reserve"),
        (lambda: constant_product("u:ETH_USDC", NOW, 1.0, -1.0, 0.003, source="p.json"), "quote_reserve"),
        (lambda: constant_product("u:ETH_USDC", NOW, 1.0, 1.0, 30.0, source="p.json"), "0.003 is 30 basis points"),
        (lambda: concentrated("u:ETH_USDC", NOW, 1.0, [(2.0, 1.0, 5.0)], 0.0, source="p.json"), "no range of prices"),
        (lambda: concentrated("u:ETH_USDC", NOW, 1.0, [(1.0, 2.0, -5.0)], 0.0, source="p.json"), "must be 0 or more"),
        (lambda: concentrated("u:ETH_USDC", NOW, 1.0, [(1.0, 2.0, 5.0), (1.5, 3.0, 5.0)], 0.0, source="p.json"), "overlaps"),
        (lambda: concentrated("u:ETH_USDC", NOW, 1.0, [(1.0, 2.0, 0.0)], 0.0, source="p.json"), "no liquidity"),
        (lambda: ranges_of_ticks([(0, 5), (10, -7)], (18, 18), 0, "p.json", "u:ETH_USDC"), "beyond the last tick"),
    ],
)
def test_a_pool_that_is_none_is_refused(call: object, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        call()  # type: ignore[operator]
    assert "p.json" in str(caught.value)
