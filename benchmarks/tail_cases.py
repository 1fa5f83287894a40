"""Scenario sets for the tail benchmarks: heavy-tailed factor models and revalued option chains."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

SHARED = Path(os.environ.get("HEDGEOPT_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
SNAPSHOTS = {"calm": "snapshot_calm_20260115.csv", "crash": "snapshot_crash_20260205.csv"}
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """Minimise ``CVaR_beta(-P x - base) + cost'|x|`` over ``|x| <= size``, or long-only minimum CVaR of ``-P x``."""

    name: str
    P: Array
    base: Array
    beta: float
    cost: Array
    size: Array
    long_only: bool
    source: str


def factor_scenarios(scenarios: int, instruments: int, seed: int = 0) -> Array:
    """Eight Student-t(4) factors plus own noise, daily-return sized."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(8, instruments)) * 0.01
    P = rng.standard_t(4, size=(scenarios, 8)) @ loadings
    for first in range(0, scenarios, 50_000):
        block = P[first : first + 50_000]
        block += 0.01 * rng.standard_t(4, size=block.shape)
    P += 5e-4 * rng.normal(size=instruments) + 2e-4
    return P


def factor_case(scenarios: int, instruments: int, beta: float, long_only: bool, seed: int = 0) -> Case:
    """Long-only minimum CVaR, or a hedge of a factor book with costs."""
    P = factor_scenarios(scenarios, instruments, seed)
    rng = np.random.default_rng(seed + 1)
    base = (
        np.zeros(scenarios)
        if long_only
        else factor_scenarios(scenarios, 1, seed + 2)[:, 0] + P @ (rng.normal(size=instruments) / np.sqrt(instruments))
    )
    kind = "long-only" if long_only else "hedge"
    ones = np.ones(instruments)
    return Case(f"factor-{kind}", P, base, beta, 2e-5 * ones, ones, long_only, "synthetic")


def chain_case(which: str, scenarios: int, instruments: int, beta: float, seed: int = 0) -> Case:
    """Hedge a short-option book with neighbouring strikes of one chain, revalued one day ahead by Black-76 in USD."""
    forward, strike, years, vol, call, spread, source = _chain(which, instruments + 40)
    rng = np.random.default_rng(seed)
    shock = 0.035 * rng.standard_t(4, size=scenarios)
    shock = np.clip(shock, -0.6, 1.5)
    level = -1.5 * shock + 0.08 * rng.standard_t(4, size=scenarios)
    slope = 0.05 * rng.normal(size=scenarios)
    now = _black(forward, strike, years, vol, call)
    values = np.empty((scenarios, len(strike)))
    later = np.maximum(years - 1 / 365, 1e-6)
    for first in range(0, scenarios, 20_000):
        part = slice(first, first + 20_000)
        moved = forward * (1 + shock[part, None])
        damp = np.sqrt((30 / 365) / np.maximum(later, 7 / 365))
        shift = np.exp(np.clip(level[part, None] * damp + slope[part, None] * (1 - damp), -1.0, 1.5))
        values[part] = _black(moved, strike, later, vol * shift, call) - now
    order = rng.permutation(len(strike))
    held, hedges = order[:40], np.sort(order[40:])
    base = values[:, held] @ -rng.uniform(0.0, 20.0, 40)
    P = np.ascontiguousarray(np.column_stack((forward[0] * shock, values[:, hedges[: instruments - 1]])))
    cost = np.append(forward[0] * 1e-4, spread[hedges[: instruments - 1]])
    return Case(f"chain-{which}", P, base, beta, cost, np.full(P.shape[1], 50.0), False, source)


def _chain(which: str, count: int):  # type: ignore[no-untyped-def]
    path = SHARED / "deribit-chains" / SNAPSHOTS[which]
    if path.is_file():
        import pandas as pd

        d = pd.read_csv(path, parse_dates=["timestamp", "expiry"])
        d = d[(d.currency == "BTC") & (d.mark_price > 0) & (d.mark_iv > 0)]
        d = d.assign(years=(d.expiry - d.timestamp).dt.total_seconds() / (365 * 86400))
        d = d[d.years > 2 / 365].sort_values("open_interest", ascending=False).head(count)
        F = d.underlying_price.to_numpy(float)
        half = (d.ask_price.fillna(d.mark_price * 1.1) - d.bid_price.fillna(d.mark_price * 0.9)).to_numpy(float) / 2
        return (
            F, d.strike.to_numpy(float), d.years.to_numpy(float), d.mark_iv.to_numpy(float),
            (d.option_type == "call").to_numpy(), np.maximum(half, 1e-4) * F, path.name,
        )  # fmt: skip
    rng = np.random.default_rng(7)
    years = rng.choice([7, 14, 30, 60, 90, 180, 330], count) / 365
    F = 65_000.0 * (1 + 0.05 * years)
    strike = np.round(F * np.exp(rng.normal(0, 0.5, count) * np.sqrt(years)) / 500) * 500
    vol = (0.9 if which == "crash" else 0.45) + 0.3 * np.log(strike / F) ** 2
    return F, strike, years, vol, strike > F, 5e-4 * F, "synthetic stand-in"


def _black(F: Array, K: Array, T: Array, vol: Array, call: Array) -> Array:
    sd = vol * np.sqrt(T)
    d1 = np.log(F / K) / sd + 0.5 * sd
    value = F * ndtr(d1) - K * ndtr(d1 - sd)
    return np.where(call, value, value - F + K)
