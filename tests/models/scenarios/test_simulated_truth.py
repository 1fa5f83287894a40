"""Promises about moves drawn from the fitted model: coverage is exact over 200 runs; a model without one part is refuted.

A run is 250 steps of six hours. Each book leans on one part of the model: neighbouring strikes on the noise of strikes, two
expiries on that of expiries, a risk reversal on the skew, a straddle on vol, a coin on jumps, and so on.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, binomtest

import hedgeopt as ho
from hedgeopt.backtest.results.coverage import kupiec
from hedgeopt.exposures.revalue import unit_pnl
from hedgeopt.models.pricing.black76 import greeks
from hedgeopt.models.scenarios.draw import draw
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

RUNS, STEPS, MODEL = 200, 250, 40_000
SHARED = {"model": "measured", "horizon_days": 0.25, "vol": {"BTC": 0.5, "ETH": 0.65}, "funding_noise": 0.01}
Book = Callable[[Any], tuple[list[Any], np.ndarray]]


@pytest.fixture(scope="module")
def market() -> Any:
    return ho.read_market(io.StringIO(ho.example_files()["market.csv"]))


def losses(market: Any, book: Book, count: int, seed: int, **off: Any) -> np.ndarray:
    items, sizes = book(market)
    sample = draw(ParametricScenarios(**{**SHARED, "count": count, "seed": seed, **off}), ["BTC", "ETH"], market)
    return -(unit_pnl(items, market, sample) @ sizes)


class _Options:
    """BTC options of an expiry near ``days``, calls from the money up and puts from there down."""

    def __init__(self, market: Any, days: float) -> None:
        mine = [i for i in market.instruments.values() if i.kind == "option" and i.underlying == "BTC"]
        when = min({i.expiry for i in mine}, key=lambda e: abs((e - market.timestamp).total_seconds() / 86_400 - days))
        self.market = market
        self.calls = sorted((i for i in mine if i.expiry == when and i.right == "call"), key=lambda i: i.strike)
        self.puts = sorted((i for i in mine if i.expiry == when and i.right == "put"), key=lambda i: i.strike)
        self.forward = float(market.quotes.loc[self.calls[0].id, "underlying_price"])

    def nearest(self, side: list[Any], ratio: float) -> int:
        return int(np.argmin([abs(i.strike / self.forward - ratio) for i in side]))

    def greek(self, item: Any) -> Any:
        quote = self.market.quotes.loc[item.id]
        years = item.years_from(self.market.timestamp)
        return greeks(self.forward, item.strike, years, float(quote["mark_iv"]), item.right == "call")


def hedged(chain: _Options, items: list[Any], sizes: np.ndarray) -> tuple[list[Any], np.ndarray]:
    """With the perpetual that takes the delta away."""
    perpetual = next(i for i in chain.market.instruments.values() if i.kind == "perpetual" and i.underlying == "BTC")
    delta = float(sum(n * chain.greek(i).delta for n, i in zip(sizes, items, strict=True)))
    per_unit = 1.0 if perpetual.nature.unit == "coin" else 1.0 / chain.market.price("BTC")
    return [*items, perpetual], np.array([*sizes, -delta / per_unit])


def neighbours(market: Any) -> tuple[list[Any], np.ndarray]:
    chain = _Options(market, 10.0)
    at = chain.nearest(chain.calls, 1.03)
    items = chain.calls[at - 1 : at + 2]
    k = [i.strike for i in items]
    left = (k[2] - k[1]) / (k[2] - k[0])
    return items, 10.0 * np.array([left, -1.0, 1.0 - left])


def expiries(market: Any) -> tuple[list[Any], np.ndarray]:
    near, far = _Options(market, 20.0), _Options(market, 40.0)
    items = [side.calls[side.nearest(side.calls, 1.0)] for side in (near, far)]
    vegas = [float(side.greek(i).vega) * w for side, i, w in zip((near, far), items, (1.15, 0.85), strict=True)]
    return hedged(near, items, np.array([1.0, -vegas[0] / vegas[1]]))


def reversal(market: Any) -> tuple[list[Any], np.ndarray]:
    chain = _Options(market, 30.0)
    items = [chain.puts[chain.nearest(chain.puts, 0.9)], chain.calls[chain.nearest(chain.calls, 1.1)]]
    vegas = [float(chain.greek(i).vega) for i in items]
    return hedged(chain, items, np.array([1.0, -vegas[0] / vegas[1]]))


def straddle(days: float) -> Book:
    def book(market: Any) -> tuple[list[Any], np.ndarray]:
        chain = _Options(market, days)
        items = [side[chain.nearest(side, 1.0)] for side in (chain.calls, chain.puts)]
        return hedged(chain, items, np.array([-1.0, -1.0]))

    return book


def one(kind: str, asset: str = "BTC") -> Book:
    def book(market: Any) -> tuple[list[Any], np.ndarray]:
        found = next(i for i in market.instruments.values() if i.kind == kind and i.underlying == asset)
        return [found], np.ones(1)

    return book


def two_coins(market: Any) -> tuple[list[Any], np.ndarray]:
    items = [one("perpetual", asset)(market)[0][0] for asset in ("BTC", "ETH")]
    return items, np.array([0.65 * 1e5, -0.5 * 1e5]) / np.array(
        [1.0 if i.nature.unit != "coin" else market.price(i.underlying) for i in items]
    )


def carry(market: Any) -> tuple[list[Any], np.ndarray]:
    items = [one(kind)(market)[0][0] for kind in ("future", "perpetual")]
    size = [1.0 if i.nature.unit == "coin" else market.price("BTC") for i in items]
    return items, np.array([size[0], -size[1]])


def _without(part: str) -> dict[str, Any]:
    tables = ParametricScenarios(model="measured").noise
    assert not isinstance(tables, str)
    return {asset: {k: v for k, v in table.model_dump().items() if k != part} for asset, table in tables.items()}


OFF: dict[str, tuple[Book, float, dict[str, Any]]] = {
    "noise of strikes": (neighbours, 0.05, {"noise": _without("strike")}),
    "noise of expiries": (expiries, 0.05, {"noise": _without("expiry")}),
    "noise of skews": (reversal, 0.05, {"noise": _without("skew")}),
    "all noise": (neighbours, 0.05, {"noise": "none"}),
    "skew with spot": (reversal, 0.05, {"skew_beta": 0.0}),
    "vol of vol": (straddle(60.0), 0.05, {"vol_of_vol": 0.0}),
    "vol with falls": (straddle(60.0), 0.05, {"vol_beta": 0.0}),
    "regimes of vol with rallies": (straddle(300.0), 0.01, {"vol_beta_noise": 0.0, "vol_beta_up_noise": 0.0}),
    "jumps": (one("perpetual"), 0.01, {"jump_rate": 0.0}),
    "heavy tails": (one("perpetual"), 0.01, {"degrees": 1_000.0}),
    "correlation": (two_coins, 0.05, {"correlation": 0.0}),
    "basis and funding": (carry, 0.05, {"basis_noise": 0.0, "basis_beta": 0.0, "funding_noise": 0.0}),
}


@pytest.mark.parametrize("part", list(OFF))
def test_coverage_is_exact_over_200_runs_and_without_the_part_it_is_refuted(part: str, market: Any) -> None:
    book, share, off = OFF[part]
    truth = losses(market, book, RUNS * STEPS, seed=1)
    promised = np.quantile(losses(market, book, MODEL, seed=2), 1.0 - share)
    hits = (truth > promised).reshape(RUNS, STEPS)
    error = np.sqrt(share * (1.0 - share) * (1.0 / truth.size + 1.0 / MODEL))
    assert hits.mean() == pytest.approx(share, abs=4.0 * error)
    # by run: as many refuted as a right promise is, at the test's own size with counts of whole hits
    size = binom.pmf(np.arange(STEPS + 1), STEPS, share) @ np.array([refuted(k, STEPS, share) for k in range(STEPS + 1)])
    count = sum(refuted(int(k), STEPS, share) for k in hits.sum(axis=1))
    assert binomtest(count, RUNS, float(size)).pvalue > 1e-3

    wrong = np.quantile(losses(market, book, MODEL, seed=2, **off), 1.0 - share)
    missed = truth > wrong
    assert kupiec(missed, share).p < 1e-6
    assert abs(missed.mean() - share) > 4.0 * error


def refuted(hits: int, steps: int, share: float) -> bool:
    flags = np.zeros(steps, bool)
    flags[:hits] = True
    return bool(kupiec(flags, share).p < 0.05)
