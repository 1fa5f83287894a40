"""Whole lots and at most K trades among 300 candidates of recorded chains: proven gap, time against the continuous solve.

``python -m benchmarks tail_integers --json -``. Per case ``min CVaR(-P x - base) + cost'|x|`` over ``|x_j| <= size``, bands
of Greeks, ``x_j`` in lots (0.1 BTC, 1 ETH), at most K of them not zero. "Continuous" is the same without lots and K.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import Any

import cvxpy as cp
import numpy as np

from benchmarks.registry import benchmark
from benchmarks.tail_family_cases import Instance, Spec, instance

# Seed of the family, cases, trades, the gap asked for, times the continuous solve that a case may take, the rival's seconds.
SEED, CASES, MOST, GAP, TIMES, RIVAL = 16, 24, 10, 0.005, 10.0, 60.0
LOTS = {"BTC": 0.1, "ETH": 1.0}


def spec(i: int, scenarios: int, instruments: int) -> tuple[Spec, float]:
    """Case ``i``: what it is drawn from, and the largest position."""
    r = np.random.default_rng((SEED, i))
    market = ("BTC", "ETH", "BTC+ETH")[i % 3]
    made = Spec(
        f"lots-{i:02d}", int(r.integers(1 << 30)), market, int(r.integers(153)), scenarios, instruments,
        float(r.choice([0.9, 0.95, 0.975, 0.99])), "abs", greeks=str(r.choice(["none", "band"])),
    )  # fmt: skip
    return made, float(r.choice([50.0, 200.0, 400.0]))


def programs(made: Instance, size: float, most: int) -> tuple[cp.Problem, cp.Problem]:
    """The continuous problem, and the one with lots and at most ``most`` trades."""
    import hedgeopt.tail as tail

    found, n, (losses,) = [], len(made.mu), made.tails
    coins = made.spec.market.split("+")
    lot = np.array([LOTS[coins[min(j * len(coins) // n, len(coins) - 1)]] for j in range(n)])
    for whole in (False, True):
        lots = cp.Variable(n, integer=whole)
        x = cp.multiply(lot, lots)
        traded = cp.abs(x)
        risk = tail.cvar(-(losses.P @ x) - losses.base, losses.beta)
        limits = [traded <= size, *([made.G @ x <= made.upper, made.G @ x >= made.lower] if len(made.G) else [])]
        if whole:
            held = cp.Variable(n, boolean=True)
            limits += [traded <= size * held, cp.sum(held) <= most]
        found.append(cp.Problem(cp.Minimize(risk + made.cost @ traded), limits))
    return found[0], found[1]


def measured(i: int, scenarios: int, instruments: int, most: int, rival: bool) -> dict[str, Any]:
    """One case: the continuous solve, then lots within :data:`TIMES` of its seconds; the rival has :data:`RIVAL`."""
    drawn, size = spec(i, scenarios, instruments)
    made = instance(drawn)
    continuous, whole = programs(made, size, most)
    record: dict[str, Any] = {
        "case": drawn.name, "source": made.source, "scenarios": scenarios, "candidates": instruments, "trades": most,
        "size": size, "beta": drawn.beta, "greeks": drawn.greeks,
    }  # fmt: skip
    begun = time.perf_counter(), time.process_time()
    continuous.solve(method="tail", threads=1)
    clock, record["continuous_seconds"] = time.perf_counter() - begun[0], time.process_time() - begun[1]
    record["continuous"] = float(continuous.value)
    record |= _solved(whole, max(TIMES * clock, 1.0), {"method": "tail", "threads": 1, "integer_gap": GAP}, "time_limit")
    record["times_continuous"] = record["seconds"] / record["continuous_seconds"]
    if rival:
        other = _solved(programs(made, size, most)[1], RIVAL, {"solver": cp.HIGHS, "mip_rel_gap": GAP}, "time_limit")
        record |= {f"highs_{key}": value for key, value in other.items()}
    return record


def _solved(problem: cp.Problem, limit: float, options: dict[str, Any], name: str) -> dict[str, Any]:
    begun = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            problem.solve(**options, **{name: limit})
    except cp.SolverError as error:
        return {"seconds": time.process_time() - begun, "status": str(error)[:80], "gap": np.inf}
    stats = problem.solver_stats.extra_stats
    gap = stats["gap"] if isinstance(stats, dict) else getattr(stats, "mip_gap", np.inf)
    value = np.inf if problem.value is None else float(problem.value)
    return {"seconds": time.process_time() - begun, "status": problem.status, "gap": float(gap), "value": value}


@benchmark("tail_integers", "whole lots and at most 10 of 300 trades: proven gap within 10 times the continuous solve")
def run(smoke: bool) -> Iterator[dict[str, Any]]:
    """Cases with 10,000 scenarios, every fourth with 100,000, four with 1,000 against HiGHS; the distribution."""
    if smoke:
        plan = [(0, 300, 12, True)]
    else:
        plan = [(i, 100_000 if i % 4 == 3 else 10_000, 300, False) for i in range(CASES)]
        plan += [(i, 1_000, 300, True) for i in range(4)]
    found = []
    for i, scenarios, instruments, rival in plan:
        found.append(measured(i, scenarios, instruments, 4 if smoke else MOST, rival))
        yield found[-1]
    for scenarios in sorted({r["scenarios"] for r in found}):
        group = [r for r in found if r["scenarios"] == scenarios]
        gaps, times = [r["gap"] for r in group], [r["times_continuous"] for r in group]
        yield {
            "case": "distribution", "scenarios": scenarios, "cases": len(group), "gap_median": float(np.median(gaps)),
            "gap_worst": max(gaps), "within_goal": sum(g <= GAP for g in gaps), "times_median": float(np.median(times)),
            "times_worst": max(times),
        }  # fmt: skip
