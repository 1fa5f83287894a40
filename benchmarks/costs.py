"""Costs in the program: a pool of 400 ticks, an order book of 200 levels and 48 dated futures, against the exact answer.

Drawn at random: liquidity, level sizes, spreads of the futures and the ETH to be bought. The exact answer is worked out here
from the raw levels, by bisection on the price at which every place stops; it shares no code with the program. ``cost_error``
is the objective against it, ``told_error`` the objective against the raw walk of the trades that are listed, both relative.
As many cases of futures with impact follow (:mod:`benchmarks.costs_impact`).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.costs_impact import impact_case
from benchmarks.registry import benchmark

NAME = "costs"
_NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
_INDEX, _POOL_FEE, _LARGEST = 3_000.0, 0.0005, 40.0


def _case(rng: np.random.Generator, ticks: int, levels: int, futures: int) -> tuple[Any, Any, Any, float]:
    """Book, market with ladders, policy and the ETH to be bought."""
    import pandas as pd

    import hedgeopt as ho
    from hedgeopt.inputs.columns import QUOTE_FIELDS
    from hedgeopt.models.pricing.future import Future
    from hedgeopt.models.pricing.spot import Spot

    pool, spot = Spot(name="ETH_USDC", venue="uniswap", asset="ETH"), Spot(name="ETH_USDC", venue="deribit", asset="ETH")
    items: list[Any] = [pool, spot]
    rows = {item.id: {"mark_price": _INDEX, "bid_price": 2_999.0, "ask_price": 3_001.0} for item in items}
    for k in range(futures):
        expiry = _NOW + timedelta(days=7 * (k + 1))
        item = Future(name=f"ETH_USDC-{k}", venue="deribit", underlying="ETH", settlement="USDC", expiry=expiry)
        mark, half = _INDEX * (1.0 + 0.0001 * k), float(rng.uniform(0.2, 20.0))
        rows[item.id] = {"mark_price": mark, "bid_price": mark - half, "ask_price": mark + half}
        items.append(item)
    quotes = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=list(QUOTE_FIELDS))
    quotes["timestamp"] = pd.Timestamp(_NOW)
    market = ho.Market(_NOW, {"ETH": _INDEX, "USDC": 1.0}, {item.id: item for item in items}, quotes)
    edges = 3_000.1 * 1.0001 ** np.arange(-1, ticks)
    ranges = [{"lower": a, "upper": b, "liquidity": float(rng.uniform(2e5, 2e6))} for a, b in pairwise(edges.tolist())]
    given = {"kind": "pool", "venue": "uniswap", "instrument": "ETH_USDC", "timestamp": _NOW.isoformat()}
    same = {"venue": "deribit", "instrument": "ETH_USDC", "timestamp": _NOW.isoformat(), "unit": "coins"}
    asks = [
        {**same, "side": "ask", "price": 3_000.2 + 0.4 * k, "size": float(rng.uniform(0.1, 30.0))} for k in range(levels)
    ]
    bids = [{**same, "side": "bid", "price": 2_999.0, "size": 1.0}]
    deep = market.with_depth({**given, "fee": _POOL_FEE, "price": 3_000.1, "ranges": ranges}, pd.DataFrame(asks + bids))
    book = ho.Book(
        accounts=[
            {"name": "dex", "venue": "uniswap", "margin": "none", "collateral": [{"asset": "USDC", "amount": 1e9}]},
            {"name": "main", "venue": "deribit", "collateral": [{"asset": "USDC", "amount": 1e9}]},
        ]
    )
    most = sum(deep.depth[item.id].asks.total for item in (pool, spot)) + futures * _LARGEST
    wanted = float(rng.uniform(0.02, 0.9)) * most
    policy = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.Delta("ETH") >= wanted, ho.OrderLimit(quantity=_LARGEST, only=("future",))],
        scenarios=ho.ParametricScenarios(count=20, vol={"ETH": 0.7}),
        candidates=ho.Candidates(kinds=("spot", "future"), underlyings=("ETH",), max_order_notional=1e10),
        lots="ideal",
    )
    return book, deep, policy, wanted


def _raw(ladders: Iterable[Any]) -> list[tuple[float, float, float, float]]:
    """(price over reference, units, first price, reserve) of every level of pool and book, fee of the book 0."""
    found = []
    for ladder in ladders:
        start = min(0.5 * (float(ladder.bids.price[0]) + float(ladder.asks.price[0])), _INDEX)
        for p, size, reserve in zip(ladder.asks.price, ladder.asks.size, ladder.asks.reserve, strict=True):
            found.append((float(p) - start, float(size), float(p), float(reserve)))
    return found


def _walk(levels: list[tuple[float, float, float, float]], amount: float) -> float:
    paid = 0.0
    for over, size, price, reserve in levels:
        d = min(size, amount)
        paid, amount = paid + over * d + price * d * d / (reserve - d), amount - d
    return paid


def _exact(e: Any, deep: Any, wanted: float) -> float:
    """USD of the cheapest way to the delta, by bisection on its marginal cost."""
    levels = _raw(deep.depth.values())
    straight = []
    for i, row in enumerate(e.candidate.tolist()):
        item = e.rows.instruments[row]
        if item.nature.margined and item.nature.expires:
            straight.append((float(e.cost_buy[i]), _LARGEST, float(e.trade_greeks[0, i, e.asset("ETH")])))

    def at(m: float) -> tuple[float, float]:
        delta = cost = 0.0
        for rate, most, each in straight:
            if rate / each < m:
                delta, cost = delta + most * each, cost + rate * most
        for over, size, price, reserve in levels:
            if over >= m:
                continue
            d = size if np.isinf(reserve) else min(size, reserve * (1.0 - (price / (price - over + m)) ** 0.5))
            delta, cost = delta + d, cost + over * d + price * d * d / (reserve - d)
        return delta, cost

    low, high = 0.0, 1e4
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if at(middle)[0] < wanted else (low, middle)
    delta, cost = at(low)
    return cost + high * (wanted - delta)


@benchmark(NAME, "cost of a pool, a book and futures in one program against the exact answer")
def run(smoke: bool) -> Iterator[dict[str, Any]]:
    """One record per drawn case, and the worst of them."""
    import hedgeopt as ho

    sizes = (20, 10, 4) if smoke else (400, 200, 48)
    records: list[dict[str, Any]] = []
    for seed in range(2 if smoke else 20):
        book, deep, policy, wanted = _case(np.random.default_rng(seed), *sizes)
        start = time.process_time()
        solved = ho.solve(book, deep, policy)
        seconds = time.process_time() - start
        proposal, levels = solved.proposal, {key: _raw([ladder]) for key, ladder in deep.depth.items()}
        exact = _exact(solved.exposures, deep, wanted)
        told = 0.0
        for i in np.flatnonzero(solved.x).tolist():
            item = solved.exposures.rows.instruments[solved.exposures.candidate[i]]
            amount = float(solved.x[i])
            told += _walk(levels[item.id], amount) if item.id in levels else float(solved.exposures.cost_buy[i]) * amount
        objective = proposal.certificate.objective
        record = {
            "ticks": sizes[0], "levels": sizes[1], "instruments": sizes[2] + 2, "seed": seed, "eth": wanted,
            "objective": objective, "cost_error": objective / exact - 1.0, "told_error": objective / told - 1.0,
            "gap": proposal.certificate.gap, "solver": str(proposal.statistics["attempts"][-1]["solver"]),
            "cpu_seconds": seconds, "solve_seconds": proposal.seconds["solve"],
        }  # fmt: skip
        records.append(record)
        yield record
    curved = []
    for seed in range(2 if smoke else 20):
        with tempfile.TemporaryDirectory() as folder:
            curved.append({**impact_case(np.random.default_rng(seed), sizes[2], Path(folder)), "seed": seed})
        yield curved[-1]
    names = ("cost_error", "told_error", "gap")
    impact = {f"worst_impact_{name}": max(abs(record[name]) for record in curved) for name in names}
    worst = impact | {f"worst_{name}": max(abs(record[name]) for record in records) for name in names}
    yield {"cases": len(records), "median_cpu_seconds": float(np.median([r["cpu_seconds"] for r in records])), **worst}
