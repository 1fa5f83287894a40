"""A solve over more scenarios than fit: float32 blocks in Arrow files, memory-mapped, a few instruments each row."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cvxpy as cp
import numpy as np

from benchmarks.registry import benchmark


@benchmark("tail_out_of_core", "10 million scenarios x 50 instruments from an Arrow file, block by block")
def run(smoke: bool) -> Iterator[dict[str, Any]]:
    """Write the file once, then solve and verify the bound by one more pass."""
    import pyarrow as pa

    import hedgeopt.tail as tail
    from hedgeopt.tail.blocks import ArrowSource

    scenarios, n, block = (20_000, 8, 3_000) if smoke else (10_000_000, 50, 100_000)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scenarios.arrow"
        r = np.random.default_rng(0)
        loadings = (r.normal(size=(5, n)) * 0.01).astype(np.float32)
        schema = pa.schema([(f"i{j}", pa.float32()) for j in range(n)])
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for _ in range(0, scenarios, block):
                factors = (
                    r.standard_normal((block, 5), dtype=np.float32) / np.sqrt(r.chisquare(4, (block, 1)) / 4)
                ).astype(np.float32)
                rows = factors @ loadings + 0.01 * r.standard_normal((block, n), dtype=np.float32)
                writer.write_batch(pa.record_batch([rows[:, j] for j in range(n)], schema=schema))
        size = path.stat().st_size
        source = ArrowSource(path)
        x = cp.Variable(n)
        problem = cp.Problem(cp.Minimize(tail.cvar(-(source @ x), 0.99)), [cp.sum(x) == 1, x >= 0])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        start, cpu = time.perf_counter(), time.process_time()
        problem.solve(method="tail", threads=1)
        stats = problem.solver_stats.extra_stats
        q = stats["tails"][0].weights
        index = np.flatnonzero(q)
        bound = float(-source.weighted_sum(index, q[index]).max())
        yield {
            "scenarios": source.shape[0], "instruments": n, "file_bytes": size, "status": problem.status,
            "seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu,
            "value": float(problem.value), "verified_gap": (float(problem.value) - bound) / abs(float(problem.value)),
            "passes": float(stats["passes"]), "rounds": int(stats["rounds"]),
            "resident_growth_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before,
        }  # fmt: skip
