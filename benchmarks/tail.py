"""``method="tail"`` against its rivals: CPU seconds on one thread, verified gaps, memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.process import run
from benchmarks.registry import benchmark
from benchmarks.tail_cases import Case, chain_case, factor_case
from benchmarks.tail_memory import memory_case
from benchmarks.tail_rivals import RIVALS, objective, run_capped

# CPU seconds a rival gets per case, and scenarios beyond which it is not tried (memory of the canonicalised problem).
CAPS = {
    "tail": 60.0,
    "dual_lp": 100.0,
    "cvxpy_highs": 10.0,
    "cvxpy_default": 20.0,
    "cvqp_default": 10.0,
    "cvqp_tight": 15.0,
}
SMOKE = {**CAPS, "cvqp_default": 2.0, "cvqp_tight": 2.0}
# From so many scenarios on a rival's cap is long enough to prove this ratio to our time.
MANY, PROVEN = 100_000, {"dual_lp": 25.0, "cvxpy_default": 205.0}
LARGEST = {"cvxpy_highs": 300_000, "cvxpy_default": 300_000}


def cases(smoke: bool) -> Iterator[tuple[Callable[[], Case], Mapping[str, float]]]:
    """Makers, so that one case is in memory at a time, with the rivals' caps."""
    if smoke:
        yield lambda: factor_case(400, 6, 0.95, True), SMOKE
        yield lambda: chain_case("crash", 400, 8, 0.95), SMOKE
        return
    yield lambda: factor_case(1_000, 20, 0.95, True), CAPS
    yield lambda: factor_case(10_000, 100, 0.95, True), CAPS
    yield lambda: chain_case("crash", 10_000, 100, 0.95), CAPS
    yield lambda: factor_case(100_000, 100, 0.95, True), CAPS
    yield lambda: factor_case(100_000, 300, 0.99, True), CAPS
    yield lambda: chain_case("calm", 100_000, 200, 0.99), CAPS
    yield lambda: chain_case("crash", 100_000, 200, 0.99), CAPS
    yield lambda: factor_case(1_000_000, 100, 0.95, True), CAPS
    yield lambda: factor_case(1_000_000, 100, 0.99, False), CAPS


@benchmark("tail", "CVaR programs: method='tail' against the whole dual LP, cvxpy and cvqp; memory")
def records(smoke: bool) -> Iterator[dict[str, Any]]:
    """One record per case with every rival in it, then one per memory measurement."""
    for make, caps in cases(smoke):
        yield compare(make(), caps)
    sizes = ((20, "float64", False), (100, "float64", False), (100, "float32", False), (100, "float64", True))
    for instruments, kind, plain in ((6, "float64", True),) if smoke else sizes:
        yield run(memory_case, 5_000 if smoke else 1_000_000, instruments, kind, plain, cap=300.0)


def compare(case: Case, caps: Mapping[str, float]) -> dict[str, Any]:
    """Every rival on one case; ours first, whose bound measures everybody's gap."""
    S, n = case.P.shape
    x = np.full(n, 1.0 / n)
    one_pass = min(_timed(lambda: case.P @ x) for _ in range(5))
    rivals: dict[str, dict[str, Any]] = {}
    best = None
    for name in RIVALS:
        if name not in caps:
            rivals[name] = {"skipped": "left out of this run"}
            continue
        if LARGEST.get(name, S) < S:
            rivals[name] = {"skipped": f"not tried above {LARGEST[name]:,} scenarios"}
            continue
        ours = rivals.get("tail", {}).get("cpu_seconds", 0.0)
        answer = run_capped(case, name, max(caps[name], ours * PROVEN.get(name, 0.0) if S >= MANY else 0.0))
        if "x" in answer:
            value = objective(case, answer.pop("x"))
            best = max(answer.get("bound", -np.inf), -np.inf if best is None else best)
            answer["objective"] = value
            answer["matrix_shares_of_memory"] = round(answer.pop("extra_bytes") / case.P.nbytes, 3)
        rivals[name] = answer
    for answer in rivals.values():
        if "objective" in answer and best is not None and np.isfinite(best):
            answer["gap_to_best_bound"] = (answer["objective"] - best) / abs(answer["objective"])
            if "bound" in answer:
                answer["verified_gap"] = (answer["objective"] - answer["bound"]) / abs(answer["objective"])
    record: dict[str, Any] = {
        "case": case.name, "source": case.source, "scenarios": S, "instruments": n, "beta": case.beta,
        "pass_seconds": one_pass, "rivals": rivals,
    }  # fmt: skip
    ours = rivals["tail"].get("cpu_seconds", 0.0)
    if ours:
        # cvxpy copies and scans a matrix when an expression is written with it: that part is no solver's.
        solve = rivals["tail"]["solve_cpu_seconds"]
        record["passes_worth"] = round(solve / one_pass, 1) if one_pass else None
        record["passes_worth_with_cvxpy_build"] = round(ours / one_pass, 1) if one_pass else None
        record["times_faster_than"] = {k: _ratio(v, ours) for k, v in rivals.items() if k != "tail"}
        record["load_average"] = os.getloadavg()[0]
    return record


def _ratio(answer: Mapping[str, Any], ours: float) -> str | float | None:
    """Measured, or at least so much where the cap ended it; nothing for a failure."""
    if "cpu_seconds" in answer:
        return round(answer["cpu_seconds"] / ours, 1)
    return f">= {answer['cap_seconds'] / ours:.0f}" if "cap_seconds" in answer else None


def _timed(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start
