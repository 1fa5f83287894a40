"""Cases of the benchmark on whole lots: recorded days, market makers' books, policies drawn by seed.

A case is a day and its coins, forty options of the chain sold and bought with a perpetual against part of their delta, and
the most open two-sided options besides, 300 candidates in all with the perpetuals. Where the recording is absent, a made-up
chain of the same form.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.backtest_markets import CHAIN, synthetic

SEED, DAYS, HELD = 16, 150, 40


@dataclass(frozen=True)
class Case:
    """Book, market and policy; ``source`` says which day."""

    name: str
    book: Any
    market: Any
    policy: Any
    source: str


def case(number: int, scenarios: int, candidates: int, trades: int) -> Case:
    """Case ``number`` with so many scenarios, candidates and trades at most."""
    import hedgeopt as ho

    r = np.random.default_rng((SEED, number))
    coins = (("BTC",), ("ETH",), ("BTC", "ETH"))[number % 3]
    market = _day(int(r.integers(DAYS)), coins)
    coins = coins if CHAIN.is_file() else ("BTC",)
    held, names = [], []
    for coin in coins:
        options = _most_open(market, coin, candidates // len(coins) + HELD // len(coins) - 1)
        drawn = r.permutation(len(options))
        count = HELD // len(coins)
        unit = 1.0 if coin == "BTC" else 20.0
        for k in drawn[:count].tolist():
            amount = float(np.round(r.uniform(1.0, 20.0) * unit, 1 if coin == "BTC" else 0))
            held.append({"instrument": options[k].name, "quantity": -amount if r.random() < 0.8 else amount})
        names += [options[k].name for k in np.sort(drawn[count:]).tolist()] + [f"{coin}-PERPETUAL"]
    collateral = [{"asset": c, "amount": 400.0 if c == "BTC" else 8_000.0} for c in coins]
    account = {"name": "main", "venue": "deribit", "collateral": collateral, "positions": held}
    width = float(r.choice([2.0, 8.0]))
    limits: list[Any] = [ho.OrderLimit(notional=float(r.choice([5e6, 1e7, 4e7]))), ho.MaxTrades(most=trades)]
    for coin in coins:
        unit, vega = (1.0, 2e4) if coin == "BTC" else (20.0, 2e4)
        limits.append(ho.Delta(coin).within(-width * unit, width * unit))
        if r.random() < 0.5:
            limits.append(ho.Vega(coin).within(-width * vega, width * vega))
    risk = float(r.choice([0.5, 1.0])) * ho.CVaR(float(r.choice([0.9, 0.95, 0.99])))
    policy = ho.Policy(
        minimize=ho.TransactionCost() + ho.Carry() + risk,
        subject_to=limits,
        candidates=ho.Candidates(
            names=tuple(names), held=False, min_days=0.0, max_days=4_000.0, min_delta=0.0, max_relative_spread=1e6,
            two_sided=False, mark_half_spread=0.0005,
        ),
        scenarios=ho.ParametricScenarios(count=scenarios, seed=int(r.integers(1 << 30))),
        lot_gap=0.005,
    )  # fmt: skip
    book = ho.Book.model_validate({"name": f"lots {number}", "accounts": [account]})
    day = f"{'+'.join(coins)} {market.timestamp:%Y-%m-%d}" if CHAIN.is_file() else "synthetic stand-in"
    return Case(f"lots-{number:02d}", book, market, policy, day)


@cache
def _stamps() -> Any:
    return np.sort(pd.read_parquet(CHAIN, columns=["timestamp"]).timestamp.unique())


@cache
def _day(day: int, coins: tuple[str, ...]) -> Any:
    from hedgeopt.backtest.chains import ChainReplay

    if not CHAIN.is_file():
        return synthetic(1, 400)[0]
    stamp = pd.Timestamp(_stamps()[day]).tz_localize(None).tz_localize("UTC").to_pydatetime()
    replay = ChainReplay(
        (CHAIN,), start=stamp, end=stamp + timedelta(hours=1), synthetic_perpetuals=True, assets=coins, clock="quotes"
    )
    return next(iter(replay))


def _most_open(market: Any, coin: str, count: int) -> list[Any]:
    """The options with the largest open interest among those with a bid, an ask and two days to go."""
    q = market.quotes
    good = q[(q.bid_price > 0) & (q.ask_price > 0) & (q.mark_price > 0) & (q.mark_iv > 0)]
    items = [market.instruments[name] for name in good.sort_values("open_interest", ascending=False, kind="stable").index]
    left = [i for i in items if i.nature.option and i.underlying == coin and i.years_from(market.timestamp) * 365 > 2]
    return left[:count]
