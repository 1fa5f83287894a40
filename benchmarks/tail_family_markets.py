"""Markets of the tail family: recorded option chains with a short book and its hedges, and factor portfolios."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.tail_cases import SHARED, _black, _chain, factor_scenarios

Array = NDArray[np.float64]
DAYS = SHARED / "deribit-chains" / "daily_allstrikes_dev_20251230_20260531.parquet"


def portfolio(spec: Any, rng: np.random.Generator) -> tuple[Array, Array, Array, Array, str]:
    values = factor_scenarios(spec.scenarios, spec.instruments, spec.seed)
    return values, np.zeros(spec.scenarios), 1e-3 * rng.random(spec.instruments), np.zeros((0, spec.instruments)), "factors"


def options(spec: Any, rng: np.random.Generator) -> tuple[Array, Array, Array, Array, str]:
    """A short-option book and its hedges (an underlying first), revalued one day ahead by Black-76 in dollars."""
    coins = spec.market.split("+")
    each = -(-spec.instruments // len(coins))
    S, common = spec.scenarios, rng.standard_t(4, size=spec.scenarios)
    blocks, costs, greeks, held, sources = [], [], [], np.zeros(S), []
    for coin in coins:
        F, K, T, vol, call, half, source = _quotes(coin, spec.day, each + 39)
        own = rng.standard_t(4, size=S)
        shock = np.clip(0.035 * (0.85 * common + 0.5 * own), -0.6, 1.5)
        level = -1.5 * shock + 0.08 * rng.standard_t(4, size=S)
        slope = 0.05 * rng.normal(size=S)
        order = rng.permutation(len(K))
        book, hedges = order[:40], np.sort(order[40:])[: each - 1]
        lots = -rng.uniform(0.0, 20.0, len(book))
        P = np.empty((S, 1 + len(hedges)))
        P[:, 0] = F[0] * shock
        for lo in range(0, S, 20_000):
            part = slice(lo, lo + 20_000)
            for at, write in ((book, False), (hedges, True)):
                change = _revalued(F[at], K[at], T[at], vol[at], call[at], shock[part], level[part], slope[part])
                if write:
                    P[part, 1:] = change
                else:
                    held[part] += change @ lots
        blocks.append(P)
        costs.append(np.append(F[0] * 1e-4, half[hedges]))
        greeks.append(_greeks(F[hedges], K[hedges], T[hedges], vol[hedges], call[hedges], F[0]))
        sources.append(source)
    together = np.zeros((2 * len(coins), sum(g.shape[1] for g in greeks)))
    begin = 0
    for i, g in enumerate(greeks):
        together[2 * i : 2 * i + 2, begin : begin + g.shape[1]] = g
        begin += g.shape[1]
    values = blocks[0] if len(blocks) == 1 else np.hstack(blocks)
    return values, held, np.concatenate(costs), together, "; ".join(sources)


def _revalued(F: Array, K: Array, T: Array, vol: Array, call: Array, shock: Array, level: Array, slope: Array) -> Array:
    later = np.maximum(T - 1 / 365, 1e-6)
    damp = np.sqrt((30 / 365) / np.maximum(later, 7 / 365))
    shift = np.exp(np.clip(level[:, None] * damp + slope[:, None] * (1 - damp), -1.0, 1.5))
    return np.asarray(_black(F * (1 + shock[:, None]), K, later, vol * shift, call) - _black(F, K, T, vol, call))


def _greeks(F: Array, K: Array, T: Array, vol: Array, call: Array, spot: float) -> Array:
    """Dollar delta per percent and vega per vol point of the underlying and the options."""
    up = _black(F * 1.01, K, T, vol, call) - _black(F * 0.99, K, T, vol, call)
    vega = _black(F, K, T, vol + 0.01, call) - _black(F, K, T, vol, call)
    return np.array([np.append(0.01 * spot, up / 2), np.append(0.0, vega)])


@cache
def _days() -> Any:
    import pandas as pd

    wanted = ["timestamp", "currency", "option_type", "strike", "expiry", "bid_price", "ask_price", "mark_price", "mark_iv",
              "underlying_price", "open_interest"]  # fmt: skip
    return pd.read_parquet(DAYS, columns=wanted)


def _quotes(coin: str, day: int, count: int) -> tuple[Array, Array, Array, Array, Any, Array, str]:
    """The most open options of one recorded day, or a made-up chain where the recording is absent."""
    if not DAYS.is_file():
        F, K, T, vol, call, half, _ = _chain("crash" if day % 2 else "calm", count)
        return F, K, T, vol, call, half, "synthetic stand-in"
    d = _days()
    times = d.timestamp.unique()
    d = d[(d.timestamp == times[day % len(times)]) & (d.currency == coin) & (d.mark_price > 0) & (d.mark_iv > 0)]
    d = d.assign(years=(d.expiry - d.timestamp).dt.total_seconds() / (365 * 86400))
    d = d[d.years > 2 / 365].sort_values("open_interest", ascending=False, kind="stable").head(count)
    F = d.underlying_price.to_numpy(float)
    ask, bid = d.ask_price.astype(float), d.bid_price.astype(float)
    half = (ask.fillna(d.mark_price * 1.1) - bid.fillna(d.mark_price * 0.9)).to_numpy(float) / 2
    name = f"{coin} {str(times[day % len(times)])[:10]}"
    return (
        F, d.strike.to_numpy(float), d.years.to_numpy(float), d.mark_iv.to_numpy(float),
        (d.option_type == "call").to_numpy(), np.maximum(half, 1e-4) * F, name,
    )  # fmt: skip
