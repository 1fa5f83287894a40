"""Backtest steps per second: the optimizer in the loop, the same policy rebuilt with cvxpy at every step, and cvxportfolio.

Seconds are CPU seconds of this process, single-threaded, rivals taking turns in one run; ``decisions_per_second`` counts the
policy's own part of a step. Recorded chains are used where there are some (every day has other candidates), and a synthetic
chain whose candidates stay. Memory over time and sweeps in two processes follow.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.backtest_markets import CHAIN, recorded, synthetic
from benchmarks.backtest_naive import Naive, Timed
from benchmarks.backtest_spot import spot_case
from benchmarks.backtest_sweep import sweep_case
from benchmarks.registry import benchmark

NAME = "backtest"


@benchmark(NAME, "backtest steps per second with the optimizer in the loop, against naive cvxpy and cvxportfolio")
def run(smoke: bool) -> Iterator[dict[str, Any]]:
    """One record per case and method."""
    steps, scenarios = (2, 100) if smoke else (6, 2_000)
    markets = synthetic(steps, 40 if smoke else 300)
    yield from options_case("synthetic chain", markets, {"min_delta": 0.0, "max_relative_spread": 10.0}, scenarios)
    if CHAIN.is_file() and not smoke:
        yield from options_case("recorded chain", recorded(CHAIN, steps), {"min_delta": 0.05, "max_days": 400.0}, scenarios)
    for assets in (6,) if smoke else (10, 20, 40, 60, 100, 200):
        yield from spot_case(12 if smoke else 120, assets)
    yield from memory_case(12 if smoke else 90)
    yield from sweep_case(smoke)


def options_case(case: str, markets: list[Any], candidates: dict[str, Any], scenarios: int) -> Iterator[dict[str, Any]]:
    """A short straddle hedged with options: cost plus tail, a delta band, order sizes."""
    import hedgeopt as ho
    from hedgeopt.backtest.assumptions import Settings
    from hedgeopt.backtest.books.recipes import ShortGamma
    from hedgeopt.backtest.engine import simulate

    rules = ho.Policy(
        minimize=ho.TransactionCost() + 0.2 * ho.CVaR(0.99),
        subject_to=[ho.Delta("BTC").within(-2, 2), ho.OrderLimit(notional=5e6)],
        scenarios=ho.ParametricScenarios(count=scenarios, seed=3),
        candidates=ho.Candidates(mark_half_spread=1e-4, underlyings=("BTC",), **candidates),
        lots="ideal",
    )
    book = ShortGamma(collateral={"BTC": 60.0}, quantity={"BTC": 20.0})
    settings = Settings(scenarios=ho.ParametricScenarios(count=100))
    few = markets[:2] if len(markets) > 2 else markets
    policies: dict[str, tuple[Any, list[Any]]] = {
        "hedgeopt": (Timed(rules), markets),
        "naive cvxpy, HiGHS": (Naive(rules, "HIGHS", "buy, sell"), markets),
        "naive cvxpy, HiGHS, one variable": (Naive(rules, "HIGHS", "net"), markets),
        "naive cvxpy, HiGHS, three variables": (Naive(rules, "HIGHS", "net = buy - sell"), markets),
        "naive cvxpy, Clarabel": (Naive(rules, "CLARABEL", "net"), few),
    }
    found: dict[str, tuple[float, float, Any]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        simulate(few, book, Timed(rules), settings)  # numba, imports
        for name, (policy, some) in policies.items():
            began = time.process_time()
            result = simulate(some, book, policy, settings)
            seconds = time.process_time() - began
            found[name] = len(some) / seconds, len(some) / sum(policy.seconds), result
    naive = [name for name in policies if name != "hedgeopt"]
    counted = int(np.median(policies[naive[0]][0].counts))
    own = policies["hedgeopt"][0]
    for name, (rate, decisions, result) in found.items():
        row: dict[str, Any] = {"case": case, "method": name, "steps": len(result.steps), "scenarios": scenarios}
        row |= {"candidates": counted, "steps_per_second": round(rate, 3), "decisions_per_second": round(decisions, 3)}
        row["pnl"] = round(float(result.steps["pnl"].sum()), 2)
        if name == "hedgeopt":
            row["times_best_naive"] = round(rate / max(found[n][0] for n in naive), 2)
            row["decision_times_best_naive"] = round(decisions / max(found[n][1] for n in naive), 2)
            row["programs_compiled"] = own.compiled
        else:
            # the first step starts from the same book: the same optimum, whatever ties do to later steps
            row["objective_difference"] = float(f"{policies[name][0].objectives[0] / own.objectives[0] - 1.0:.1e}")
        yield row


def memory_case(steps: int) -> Iterator[dict[str, Any]]:
    """Python memory after a third of the steps and at the end, with one step's share: what grows with time shows."""
    import tracemalloc

    import hedgeopt as ho
    from hedgeopt.backtest.assumptions import Settings
    from hedgeopt.backtest.books.recipes import RollingSeller
    from hedgeopt.backtest.engine import simulate
    from hedgeopt.backtest.policies.optimizer import Optimizer

    sizes: list[int] = []

    def watched(markets: Sequence[Any]) -> Iterator[Any]:
        for k, market in enumerate(markets):
            if k in (len(markets) // 3, len(markets) - 1):
                sizes.append(tracemalloc.get_traced_memory()[0])
            yield market

    markets = synthetic(steps, 40)
    rules = ho.Policy(
        minimize=ho.TransactionCost() + 0.2 * ho.CVaR(0.95),
        scenarios=ho.ParametricScenarios(count=200, seed=3),
        candidates=ho.Candidates(mark_half_spread=1e-4, max_relative_spread=10.0),
        lots="ideal",
    )
    settings = Settings(scenarios=ho.ParametricScenarios(count=100))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        simulate(markets[:2], RollingSeller(every_days=2.0), Optimizer(rules), settings)
        tracemalloc.start()
        simulate(watched(markets), RollingSeller(every_days=2.0), Optimizer(rules), settings)
        tracemalloc.stop()
    between = max(len(markets) - 1 - len(markets) // 3, 1)
    yield {
        "case": "memory", "method": "hedgeopt", "steps": len(markets),
        "megabytes_at_a_third": round(sizes[0] / 2**20, 2), "megabytes_at_the_end": round(sizes[1] / 2**20, 2),
        "kilobytes_per_step": round((sizes[1] - sizes[0]) / between / 1024, 1),
    }  # fmt: skip
