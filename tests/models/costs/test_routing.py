"""Splitting an order over pools and books in closed form, and routes through networks of pools: the paper's examples."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from hedgeopt.errors import InputError
from hedgeopt.models.costs.cfmm import Cfmm, route_tokens
from hedgeopt.models.costs.ladder import Levels, book_levels
from hedgeopt.models.costs.pool import concentrated, constant_product
from hedgeopt.models.costs.split import paid_for_split, split_order

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_two_pools_of_one_price_share_by_their_depth() -> None:
    # p Y^2 / (Y - d)^2 equal at both: d_1 / Y_1 = d_2 / Y_2
    one, two = (constant_product("u:ETH_USDC", NOW, y, 3_000.0 * y, 0.003).asks for y in (100.0, 300.0))
    found = split_order([one, two], 40.0)
    assert found.amounts == pytest.approx([10.0, 30.0], rel=1e-13)
    assert found.price == pytest.approx(3_000.0 / 0.997 / 0.9**2, rel=1e-13)
    assert found.paid == pytest.approx(3_000.0 / 0.997 * 40.0 / 0.9, rel=1e-13)


def test_a_book_and_a_pool_stop_at_one_price() -> None:
    pool, book = (
        constant_product("u:ETH_USDC", NOW, 100.0, 300_000.0, 0.0).asks,
        book_levels([(3_030.0, 1.0), (3_100.0, 50.0)]),
    )
    pure = 100.0 * (1.0 - (3_000.0 / 3_100.0) ** 0.5)  # where the pool reaches 3,100
    found = split_order([pool, book], pure + 1.0 + 7.0)
    assert found.amounts == pytest.approx([pure, 8.0], rel=1e-12)
    assert found.price == pytest.approx(3_100.0)


def _sides(rng: np.random.Generator, buy: bool) -> list[Levels]:
    deep = constant_product("u:a", NOW, rng.uniform(100, 2_000), rng.uniform(100, 2_000) * 3_000, 0.003)
    edges = 3_000.0 * 1.002 ** np.arange(-40, 41)
    ranges = [(a, b, rng.uniform(1e4, 1e6)) for a, b in pairwise(edges.tolist())]
    ticks = concentrated("u:b", NOW, 3_000.0 * rng.uniform(0.98, 1.02), ranges, 0.0005)
    step = 3.0 if buy else -3.0
    book = book_levels([(3_000.0 + step * k, rng.uniform(1, 30)) for k in range(1, 50)])
    return [deep.asks, ticks.asks, book] if buy else [deep.bids, ticks.bids, book]


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("buy", [True, False])
def test_no_other_split_is_better(seed: int, buy: bool) -> None:
    rng = np.random.default_rng(seed)
    sides = _sides(rng, buy)
    amount = float(rng.uniform(0.001, 0.9)) * sum(side.total for side in sides)
    found = split_order(sides, amount, buy=buy)
    assert found.amounts.sum() == pytest.approx(amount, rel=1e-12)
    assert paid_for_split(sides, found.amounts, buy=buy) == pytest.approx(found.paid, rel=1e-12)
    for _ in range(10):
        i, j = rng.choice(3, 2, replace=False)
        moved = min(found.amounts[i], sides[j].total - found.amounts[j]) * float(rng.uniform(1e-4, 1.0))
        other = found.amounts.copy()
        other[i] -= moved
        other[j] += moved
        worse = paid_for_split(sides, other, buy=buy) - found.paid
        assert (worse if buy else -worse) >= -1e-11 * found.paid


def test_more_than_there_is_is_refused() -> None:
    with pytest.raises(InputError, match="they hold 3 units"):
        split_order([book_levels([(1.0, 3.0)])], 3.1)
    assert split_order([book_levels([(1.0, 3.0)])], 3.0).paid == 3.0
    assert split_order([book_levels([(1.0, 3.0)])], 0.0).paid == 0.0


# the numerical example of arXiv 2204.05238, section 5 (reserves, fees and weights as published with the paper's code)
FIVE = [
    Cfmm(("1", "2", "3"), (3.0, 0.2, 1.0), 0.02, "weighted", (3.0, 2.0, 1.0)),
    Cfmm(("1", "2"), (10.0, 1.0), 0.01),
    Cfmm(("2", "3"), (1.0, 10.0), 0.04),
    Cfmm(("1", "3"), (20.0, 50.0), 0.03),
    Cfmm(("1", "3"), (10.0, 10.0), 0.01, "sum"),
]


def _as_published(tendered: float) -> float:
    """The paper's program as it is written there: geometric means of reserves in token units."""
    given = [cp.Variable(len(pool.tokens), nonneg=True) for pool in FIVE]
    taken = [cp.Variable(len(pool.tokens), nonneg=True) for pool in FIVE]
    net: list[cp.Expression | float] = [tendered, 0.0, 0.0]
    rules = []
    for pool, d, s in zip(FIVE, given, taken, strict=True):
        for k, token in enumerate(pool.tokens):
            net[int(token) - 1] += s[k] - d[k]
        held = np.array(pool.reserves)
        after = held + (1 - pool.fee) * d - s
        if pool.kind == "sum":
            rules += [cp.sum(after) >= held.sum(), after >= 0]
        else:
            p = np.array([3, 2, 1]) if pool.kind == "weighted" else np.array([1, 1])
            rules.append(cp.geo_mean(after, p=p) >= float(np.prod(held**p) ** (1 / p.sum())))
    problem = cp.Problem(cp.Maximize(net[2]), [*rules, net[0] >= 0, net[1] >= 0])
    problem.solve(solver="CLARABEL")
    return float(problem.value)


@pytest.mark.parametrize(
    ("tendered", "received"), [(0.0, 6.2330), (0.5, 6.7707), (5.0, 11.3377), (20.0, 26.3181), (50.0, 44.1820)]
)
def test_the_five_pools_of_the_paper(tendered: float, received: float) -> None:
    found = route_tokens(FIVE, tendered={"1": tendered}, received="3")
    assert found.value == pytest.approx(received, abs=5e-5)
    assert found.value == pytest.approx(_as_published(tendered), rel=1e-6)
    for pool, d, s in zip(FIVE, found.given, found.taken, strict=True):
        assert abs(pool.change(d, s)) < 1e-7  # accepted, and nothing is left on the table
    assert found.net["1"] >= -tendered - 1e-7 * max(tendered, 1.0)
    assert found.net["2"] >= -1e-7


def test_the_arbitrage_of_the_paper() -> None:
    # arbitrage.py of the paper's code: five pools of four tokens, worth 1.5, 10, 2 and 3
    pools = [
        Cfmm(("0", "1", "2", "3"), (4.0, 4.0, 4.0, 4.0), 0.002, "weighted", (4.0, 3.0, 2.0, 1.0)),
        Cfmm(("0", "1"), (10.0, 1.0), 0.003),
        Cfmm(("1", "2"), (1.0, 5.0), 0.003),
        Cfmm(("2", "3"), (40.0, 50.0), 0.003),
        Cfmm(("2", "3"), (10.0, 10.0), 0.001, "sum"),
    ]
    found = route_tokens(pools, prices={"0": 1.5, "1": 10.0, "2": 2.0, "3": 3.0})
    assert found.value == pytest.approx(21.4998088, rel=1e-7)
    assert [found.net[token] for token in "0123"] == pytest.approx([0.0, 1.17499, 0.0, 3.24997], abs=1e-4)


def test_the_price_of_what_is_tendered_is_the_slope_of_what_is_received() -> None:
    at, step = 20.0, 0.05
    up, down = (route_tokens(FIVE, tendered={"1": at + sign * step}, received="3").value for sign in (1, -1))
    slope = route_tokens(FIVE, tendered={"1": at}, received="3").prices["1"]
    assert slope == pytest.approx((up - down) / (2 * step), rel=1e-4)


def test_arbitrage_between_two_pools_in_closed_form() -> None:
    # q of x buys 2000 q / (1000 + q) of y in the small pool; 1e6 q / (1e6 - q) of it buys the q back in the big one
    big, small = Cfmm(("x", "y"), (1e6, 1e6), 0.0), Cfmm(("x", "y"), (1e3, 2e3), 0.0)
    found = route_tokens([big, small], prices={"x": 1.0, "y": 1.0})
    best = minimize_scalar(lambda q: -(2e3 * q / (1e3 + q) - 1e6 * q / (1e6 - q)), bounds=(1.0, 900.0), method="bounded")
    assert found.value == pytest.approx(-best.fun, rel=1e-7)
    assert min(found.net.values()) >= -1e-6
    calm = route_tokens([big, Cfmm(("x", "y"), (1e3, 1e3), 0.003)], prices={"x": 1.0, "y": 1.0})
    assert calm.value == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Cfmm(("a", "b"), (0.0, 1.0)), "reserve of a: must be above 0"),
        (lambda: Cfmm(("a", "b"), (1.0, 1.0), 3.0), "is no fee"),
        (lambda: Cfmm(("a", "b", "c"), (1.0, 1.0, 1.0)), "has two tokens"),
        (lambda: Cfmm(("a", "b"), (1.0, 1.0), 0.0, "weighted"), "positive weight"),
        (lambda: route_tokens(FIVE, received="9"), "unknown token"),
        (lambda: route_tokens(FIVE), "either received or prices"),
    ],
)
def test_what_is_no_network_is_refused(call: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()  # type: ignore[operator]
