"""What threads, float32 and streams of scenarios cost and save: passes, factorisations, whole solves, 1e8 scenarios."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.linalg as la

import hedgeopt.tail as tail
from benchmarks.registry import benchmark
from benchmarks.tail_cases import factor_scenarios

TIMES = 5


class Drawn(tail.ScenarioSource):
    """Scenarios drawn by seed, block by block, in every pass anew: nothing is stored."""

    def __init__(self, scenarios: int, instruments: int, block: int = 1_000_000) -> None:
        self.shape, self.block = (scenarios, instruments), block
        self.mix = np.random.default_rng(0).normal(size=(instruments, instruments)).astype(np.float32) / instruments

    def blocks(self) -> Iterator[tuple[int, Any]]:
        """Blocks of float32 returns."""
        for first in range(0, self.shape[0], self.block):
            size = min(self.block, self.shape[0] - first)
            r = np.random.Generator(np.random.SFC64((1, first)))
            yield first, r.standard_normal((size, self.shape[1]), dtype=np.float32) @ self.mix + np.float32(0.02)


def _clock(work: Callable[[], Any]) -> float:
    spent = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begin)
    return min(spent)


def _minimum(loss: Any, n: int, beta: float) -> cp.Problem:
    x = cp.Variable(n, nonneg=True)
    return cp.Problem(cp.Minimize(tail.cvar(loss(x), beta)), [cp.sum(x) == 1])


@benchmark("tail_threads", "passes, factorisations and solves by threads; float32; scenarios streamed")
def run(smoke: bool) -> Iterator[dict[str, Any]]:
    """Clock seconds (the least of five), on as many cores as are free."""
    from hedgeopt.tail.threads import blas_threads

    S, n = (2_000, 5) if smoke else (1_000_000, 100)
    P = factor_scenarios(S, n, 1)
    x = np.full(n, 1.0 / n)
    for dtype in (np.float64, np.float32):
        source = tail.ArraySource(P.astype(dtype))
        with blas_threads(1):
            seconds = {str(t): round(_clock(lambda s=source, t=t: s.losses(x, t)), 5) for t in (1, 2)}  # type: ignore[misc]
        yield {
            "what": "pass",
            "scenarios": S,
            "instruments": n,
            "dtype": np.dtype(dtype).name,
            "seconds_by_threads": seconds,
        }
    for order in (20,) if smoke else (200, 400, 800, 1600):
        A = np.random.default_rng(0).normal(size=(order, order))
        A = A @ A.T + order * np.eye(order)
        seconds = {}
        for t in (1, 2):
            with blas_threads(t):
                seconds[str(t)] = round(_clock(lambda A=A: la.cho_factor(A, check_finite=False)), 5)  # type: ignore[misc]
        yield {"what": "cholesky", "order": order, "seconds_by_threads": seconds}
    solve_size = (500, 5) if smoke else (300_000, 60)
    Q = factor_scenarios(*solve_size, 2)
    seconds = {}
    for t in (1, 2):
        problem = _minimum(lambda x: -(tail.ArraySource(Q) @ x), solve_size[1], 0.99)
        begin = time.perf_counter()
        problem.solve(method="tail", threads=t)
        seconds[str(t)] = round(time.perf_counter() - begin, 3)
    yield {"what": "solve", "scenarios": solve_size[0], "instruments": solve_size[1], "seconds_by_threads": seconds}
    for scenarios in (3_000,) if smoke else (10_000_000, 100_000_000):
        problem = _minimum(lambda x, S=scenarios: -(Drawn(S, 4) @ x), 4, 0.999)  # type: ignore[misc]
        begin = time.process_time()
        problem.solve(method="tail")
        stats = problem.solver_stats.extra_stats
        yield {
            "what": "stream", "scenarios": scenarios, "instruments": 4, "cpu_seconds": round(time.process_time() - begin, 1),
            "gap": stats["gap"], "passes": round(stats["passes"], 2), "status": problem.status,
            "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        }  # fmt: skip
