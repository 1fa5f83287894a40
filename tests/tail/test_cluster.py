"""A Dask array whose chunks live in other processes."""

from __future__ import annotations

import warnings

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail
from hedgeopt.tail.blocks import DaskSource


def test_solve_on_a_local_cluster_of_processes() -> None:
    array = pytest.importorskip("dask.array")
    distributed = pytest.importorskip("distributed")
    matrix = np.random.default_rng(0).standard_t(4, size=(20_000, 8)).astype(np.float32)
    x = cp.Variable(8)
    limits = [cp.sum(x) == 1, x >= 0]
    want = cp.Problem(cp.Minimize(tail.cvar(-(matrix.astype(float) @ x), 0.98)), limits).solve(method="tail")
    # Start and stop of a cluster warn about ports, loops and its own deprecations.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
            distributed.Client(cluster) as client,
        ):
            source = DaskSource(array.from_array(matrix, chunks=(3_000, 8)).persist())
            distributed.wait(source.array)
            assert sum(map(bool, client.has_what().values())) == 2
            assert source.losses(np.ones(8)) == pytest.approx(matrix.astype(float).sum(axis=1))
            assert source.rows(np.array([], dtype=int)).shape == (0, 8)
            problem = cp.Problem(cp.Minimize(tail.cvar(-(source @ x), 0.98)), limits)
            assert problem.solve(method="tail") == pytest.approx(want, rel=2e-6)
            q = problem.solver_stats.extra_stats["tails"][0].weights
            assert -(q @ matrix.astype(float)).max() >= want * (1 - 2e-6)
