"""Solves over more scenarios than a process should hold: float32 files, memory-mapped, and a Dask cluster."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.process import Measure, run
from benchmarks.registry import benchmark

BLOCK, BETA = 100_000, 0.99


@benchmark("tail_out_of_core", "10 million scenarios x 100 instruments from .npy and Arrow files; a Dask cluster")
def records(smoke: bool) -> Iterator[dict[str, Any]]:
    """Write the files once, solve from each in a process of its own, verify the bound by one more pass."""
    scenarios, n = (20_000, 8) if smoke else (10_000_000, 100)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scenarios"
        write(path, scenarios, n, 3_000 if smoke else BLOCK)
        for kind in ("npy", "arrow"):
            yield solve_file(kind, path) if smoke else run(solve_file, kind, path, cap=1200.0)
    if importlib.util.find_spec("distributed") is None:
        yield {"source": "dask", "skipped": "distributed is not installed"}
    elif smoke:
        # Starting a cluster takes seconds; tests/tail/test_cluster.py does.
        yield {"source": "dask", "skipped": "not in the smoke run"}
    else:
        yield run(solve_cluster, 2_000_000, 50, cap=1200.0)


def draw(r: np.random.Generator, scenarios: int, loadings: np.ndarray) -> np.ndarray:
    """Five multivariate Student-t(4) factors plus own noise, daily-return sized, float32."""
    k, n = loadings.shape
    mixing = np.sqrt(r.chisquare(4, (scenarios, 1)) / 4).astype(np.float32)
    rows = r.standard_normal((scenarios, k), dtype=np.float32) / mixing @ loadings
    rows += np.float32(0.01) * r.standard_normal((scenarios, n), dtype=np.float32)
    return rows


def factor_loadings(n: int) -> np.ndarray:
    return (np.random.default_rng(0).normal(size=(5, n)) * 0.01).astype(np.float32)


def write(path: Path, scenarios: int, n: int, block: int) -> None:
    """The same numbers as ``path.npy`` and ``path.arrow``, drawn and written block by block."""
    import pyarrow as pa

    r, loadings = np.random.default_rng(1), factor_loadings(n)
    schema = pa.schema([(f"i{j}", pa.float32()) for j in range(n)])
    # Written as a stream: a map would count towards this process's memory.
    with open(path.with_suffix(".npy"), "wb") as plain, pa.OSFile(str(path.with_suffix(".arrow")), "wb") as sink:
        header = {"descr": "<f4", "fortran_order": False, "shape": (scenarios, n)}
        np.lib.format.write_array_header_2_0(plain, header)
        with pa.ipc.new_file(sink, schema) as writer:
            for first in range(0, scenarios, block):
                rows = draw(r, min(block, scenarios - first), loadings)
                plain.write(rows.tobytes())
                writer.write_batch(pa.record_batch([rows[:, j] for j in range(n)], schema=schema))


def solve_file(kind: str, path: Path) -> dict[str, Any]:
    """Solve from ``path.npy`` or ``path.arrow``."""
    from hedgeopt.tail.blocks import ArrowSource
    from hedgeopt.tail.source import ArraySource

    file = path.with_suffix("." + kind)
    source = ArrowSource(file) if kind == "arrow" else ArraySource.from_npy(file)
    return {"source": kind, **_solve(source, file.stat().st_size)}


def solve_cluster(scenarios: int, n: int) -> dict[str, Any]:
    """Solve over a Dask array that lives in two worker processes; this process holds S-vectors only."""
    import dask
    import dask.array as da
    from distributed import Client, LocalCluster

    from hedgeopt.tail.blocks import DaskSource

    loadings = factor_loadings(n)
    sizes = [min(BLOCK, scenarios - first) for first in range(0, scenarios, BLOCK)]
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        parts = [
            da.from_delayed(dask.delayed(draw)(np.random.default_rng((2, i)), size, loadings), (size, n), np.float32)
            for i, size in enumerate(sizes)
        ]
        found = _solve(DaskSource(da.concatenate(parts).persist()), scenarios * n * 4)
    del found["passes_worth"]  # the workers' CPU seconds are not this process's
    return {"source": "dask", **found}


def _solve(source: Any, matrix_bytes: int) -> dict[str, Any]:
    import cvxpy as cp

    import hedgeopt.tail as tail

    n = source.shape[1]
    x = cp.Variable(n)
    problem = cp.Problem(cp.Minimize(tail.cvar(-(source @ x), BETA)), [cp.sum(x) == 1, x >= 0])
    for _ in range(2):  # the first pays for imports and a cold file
        with Measure() as one_pass:
            source.losses(np.full(n, 1.0 / n))
    with Measure(private=True) as measure:
        problem.solve(method="tail", threads=1)
    stats = problem.solver_stats.extra_stats
    # From the dual weights alone: over the simplex the bound is the least loss under q.
    q = np.clip(stats["tails"][0].weights, 0.0, 1 / ((1 - BETA) * source.shape[0]))
    index = np.flatnonzero(q)
    bound = float(-source.weighted_sum(index, q[index]).max())
    value = float(problem.value)
    return {
        "scenarios": source.shape[0], "instruments": n, "matrix_bytes": matrix_bytes, "status": problem.status,
        **measure.record(),
        "resident_share_of_matrix": measure.resident_bytes / matrix_bytes,
        "private_share_of_matrix": measure.private_bytes / matrix_bytes,
        "one_pass_cpu_seconds": one_pass.cpu_seconds, "one_pass_seconds": one_pass.seconds,
        "passes_worth": measure.cpu_seconds / max(one_pass.cpu_seconds, 1e-9),
        "passes": float(stats["passes"]), "rounds": int(stats["rounds"]),
        "active_scenarios": int(stats["active_scenarios"]), "master_seconds": float(stats["master_seconds"]),
        "value": value, "gap": float(stats["gap"]), "verified_gap": (value - bound) / abs(value),
    }  # fmt: skip
