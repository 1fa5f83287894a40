"""A re-solve after new market data with unchanged structure, 1,000 x 50, against cvxpy's DPP path."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import cvxpy as cp
import numpy as np

from benchmarks.registry import benchmark
from benchmarks.tail_cases import factor_scenarios


@benchmark("tail_resolve", "re-solve with new parameter values: method='tail' against cvxpy's DPP re-solve")
def run(smoke: bool) -> Iterator[dict[str, Any]]:
    """Median CPU seconds of re-solves; the rivals see the same data in turn."""
    import hedgeopt.tail as tail
    from hedgeopt.tail.threads import blas_threads

    S, n, times = (100, 5, 3) if smoke else (1_000, 50, 150)
    r = np.random.default_rng(0)
    P, base = cp.Parameter((S, n)), cp.Parameter(S)
    buy, sell = cp.Variable(n, bounds=[0, 1]), cp.Variable(n, bounds=[0, 1])
    x = buy - sell
    # Our atom: cvxpy 1.9.3 cannot re-solve its own where (1 - beta) S is rounded to a fraction.
    problem = cp.Problem(cp.Minimize(tail.cvar(-(P @ x) - base, 0.95) + 2e-4 * cp.sum(buy + sell)), [cp.sum(x) == 0])
    P0 = factor_scenarios(S, n, 1)
    base0 = P0 @ r.normal(size=n) * 0.3 + 0.01 * r.normal(size=S)

    def market() -> None:
        P.value = P0 * (1 + 0.01 * r.normal(size=n)) + 1e-4 * r.normal(size=(S, n))
        base.value = base0 * (1 + 0.01 * r.normal())

    seconds: dict[str, float] = {}
    quartiles: list[float] = []
    values: dict[str, list[float]] = {}
    for name, options, count in (
        ("tail", {"method": "tail", "threads": 1}, times),
        ("cvxpy_default", {}, max(2, times // 50)),
        ("cvxpy_highs", {"solver": cp.HIGHS}, max(2, times // 50)),
    ):
        r = np.random.default_rng(1)
        with blas_threads(1):
            market()
            problem.solve(**options)
            market()
            problem.solve(**options)
            spent = []
            for _ in range(count):
                market()
                start = time.process_time()
                problem.solve(**options)
                spent.append(time.process_time() - start)
                values.setdefault(name, []).append(float(problem.value))
        seconds[name] = float(np.median(spent))
        if name == "tail":
            quartiles = [float(x) for x in np.quantile(spent, [0.0, 0.25, 0.5, 0.75])]
    shared = min(len(v) for v in values.values())
    worst = max(abs(a - b) / abs(b) for a, b in zip(values["tail"][:shared], values["cvxpy_highs"][:shared], strict=True))
    yield {
        "scenarios": S, "instruments": n, "median_cpu_seconds": seconds, "tail_quartiles": quartiles,
        "largest_difference": worst,
        "times_faster_than": {k: round(v / seconds["tail"], 1) for k, v in seconds.items()},
    }  # fmt: skip
