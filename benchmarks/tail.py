"""``method="tail"`` against its rivals: CPU seconds on one thread, verified gaps, memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.registry import benchmark
from benchmarks.tail_cases import Case, chain_case, factor_case
from benchmarks.tail_rivals import RIVALS, objective, run_capped

# Seconds a rival gets per case, and scenarios beyond which it is not tried (memory of the canonicalised problem).
CAPS = {
    "tail": 60.0,
    "dual_lp": 120.0,
    "cvxpy_highs": 20.0,
    "cvxpy_default": 20.0,
    "cvqp_default": 15.0,
    "cvqp_tight": 20.0,
}
LARGEST = {"dual_lp": 300_000, "cvxpy_highs": 300_000, "cvxpy_default": 300_000}


def cases(smoke: bool) -> Iterator[Callable[[], Case]]:
    """Makers, so that one case is in memory at a time."""
    if smoke:
        yield lambda: factor_case(400, 6, 0.95, True)
        yield lambda: chain_case("crash", 400, 8, 0.95)
        return
    yield lambda: factor_case(1_000, 20, 0.95, True)
    yield lambda: factor_case(10_000, 100, 0.95, True)
    yield lambda: chain_case("crash", 10_000, 100, 0.95)
    yield lambda: factor_case(100_000, 100, 0.95, True)
    yield lambda: factor_case(100_000, 300, 0.99, True)
    yield lambda: chain_case("calm", 100_000, 200, 0.99)
    yield lambda: chain_case("crash", 100_000, 200, 0.99)
    yield lambda: factor_case(1_000_000, 100, 0.95, True)
    yield lambda: factor_case(1_000_000, 100, 0.99, False)


@benchmark("tail", "CVaR programs: method='tail' against the whole dual LP, cvxpy and cvqp")
def run(smoke: bool) -> Iterator[dict[str, Any]]:
    """One record per case with every rival in it."""
    for make in cases(smoke):
        case = make()
        S, n = case.P.shape
        x = np.full(n, 1.0 / n)
        one_pass = min(_timed(lambda: case.P @ x) for _ in range(5))  # noqa: B023
        record: dict[str, Any] = {
            "case": case.name, "source": case.source, "scenarios": S, "instruments": n, "beta": case.beta,
            "pass_seconds": one_pass, "rivals": {},
        }  # fmt: skip
        best = None
        for name in RIVALS:
            if LARGEST.get(name, S) < S:
                record["rivals"][name] = {"outcome": f"not tried above {LARGEST[name]:,} scenarios"}
                continue
            answer = run_capped(case, name, 20.0 if smoke else CAPS[name])
            if "x" in answer:
                value = objective(case, answer.pop("x"))
                answer["objective"] = value
                best = answer.get("bound", best)
                if best is not None:
                    answer["verified_gap"] = (value - best) / abs(value)
                answer["matrix_shares_of_memory"] = answer.pop("extra_bytes") / case.P.nbytes
            record["rivals"][name] = answer
        ours = record["rivals"]["tail"].get("cpu_seconds")
        if ours:
            record["passes_worth"] = ours / one_pass
            record["times_faster_than"] = {
                k: round(v["cpu_seconds"] / ours, 1) for k, v in record["rivals"].items() if "cpu_seconds" in v
            }
        yield record


def _timed(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start
