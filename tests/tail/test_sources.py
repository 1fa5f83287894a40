"""Each scenario source against plain numpy, and a solve from files."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
import scipy.sparse as sp

import hedgeopt.tail as tail
from hedgeopt.errors import InputError
from hedgeopt.tail.blocks import ArrowSource, DaskSource, ParquetSource
from hedgeopt.tail.source import OnesSource, ScenarioSource

A = np.random.default_rng(0).normal(size=(500, 7))


def parquet(tmp_path, parts: int = 2) -> ParquetSource:
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = []
    for i, part in enumerate(np.array_split(A, parts)):
        paths.append(tmp_path / f"{i}.parquet")
        pq.write_table(pa.table({f"i{j}": part[:, j] for j in range(7)}), paths[-1], row_group_size=60)
    return ParquetSource(paths)


def arrow(tmp_path) -> ArrowSource:
    import pyarrow as pa

    table = pa.table({f"i{j}": A[:, j] for j in range(7)})
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=130)
    return ArrowSource(tmp_path / "a.arrow")


def dask(tmp_path) -> DaskSource:
    array = pytest.importorskip("dask.array")
    return DaskSource(array.from_array(A, chunks=(111, 3)))


MAKERS = {
    "array": lambda _: tail.ArraySource(A),
    "fortran": lambda _: tail.ArraySource(np.asfortranarray(A)),
    "sparse": lambda _: tail.SparseSource(sp.csr_array(A)),
    "parquet": parquet,
    "arrow": arrow,
    "dask": dask,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_source_equals_numpy(kind: str, tmp_path) -> None:
    source: ScenarioSource = MAKERS[kind](tmp_path)
    r = np.random.default_rng(1)
    x, index = r.normal(size=7), np.sort(r.choice(500, 80, replace=False))
    weight = r.normal(size=80)
    assert source.shape == (500, 7)
    assert source.losses(x) == pytest.approx(A @ x)
    assert source.losses(x, threads=3) == pytest.approx(A @ x)
    assert source.rows(index) == pytest.approx(A[index])
    assert source.weighted_sum(index, weight) == pytest.approx(weight @ A[index])
    rebuilt = np.empty_like(A)
    for first, block in source.blocks():
        rebuilt[first : first + len(block)] = block
    assert rebuilt == pytest.approx(A)


@pytest.mark.parametrize("kind", ["parquet", "arrow", "dask"])
def test_solve_from_blocks(kind: str, tmp_path) -> None:
    source = MAKERS[kind](tmp_path)
    x = cp.Variable(7)
    limits = [cp.sum(x) == 1, x >= 0]
    want = cp.Problem(cp.Minimize(tail.cvar(-(A @ x), 0.9)), limits).solve(solver="HIGHS")
    problem = cp.Problem(cp.Minimize(tail.cvar(-(source @ x), 0.9)), limits)
    assert problem.solve(method="tail") == pytest.approx(want, rel=1e-6)
    # Other solvers can still have the matrix, materialised.
    assert problem.solve(solver="HIGHS") == pytest.approx(want, rel=1e-6)


def test_large_pass_in_threads_and_float32() -> None:
    big = np.random.default_rng(2).normal(size=(30_000, 90)).astype(np.float32)
    x = np.random.default_rng(3).normal(size=90)
    want = big.astype(float) @ x
    for array in (big, np.asfortranarray(big), big.astype(float)):
        assert tail.ArraySource(array).losses(x, threads=3) == pytest.approx(want, rel=1e-12)


def test_ones_and_refusals(tmp_path) -> None:
    ones = OnesSource(4)
    assert ones.losses(np.array([2.0])) == pytest.approx(np.full(4, 2.0))
    assert ones.rows(np.array([0, 2])) == pytest.approx(np.ones((2, 1)))
    with pytest.raises(InputError, match="two dimensions"):
        tail.ArraySource(np.zeros(3))
    with pytest.raises(InputError, match="real numbers"):
        tail.ArraySource(np.array([["a"]]))
    with pytest.raises(InputError, match="multiplies a vector"):
        tail.ArraySource(A) @ cp.Variable(3)
    with pytest.raises(InputError, match="missing columns"):
        parquet(tmp_path)._files[0] and ParquetSource(tmp_path / "0.parquet", columns=["gone"])


@pytest.mark.parametrize("ends", [(None, None, 7), (3, None, 5), (2, 90, 1), (50, 60, 3), (95, None, 11)])
def test_every_few_rows_of_a_stream(ends: tuple) -> None:
    """As numpy's slices, block by block: no list of all rows is made."""

    class Stream(tail.ScenarioSource):
        shape = 100, 3

        def blocks(self):
            for first in (0, 13, 14, 60, 99):
                last = {0: 13, 13: 14, 14: 60, 60: 99, 99: 100}[first]
                yield first, P[first:last]

    P = np.random.default_rng(2).normal(size=(100, 3))
    assert np.array_equal(Stream().every(slice(*ends)).array, P[slice(*ends)])
