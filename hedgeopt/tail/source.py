"""Scenario sources: a matrix with one row per scenario that is only read block by block.

The tail solver needs three things of a scenario matrix ``A`` of shape (S, n): the product ``A @ x``, single rows, and
weighted sums of rows. Whatever offers them can be solved over: an array in memory (any float type or order), a
memory-mapped ``.npy`` file, a sparse matrix, or blocks on disk or on a cluster (:mod:`hedgeopt.tail.blocks`).
"""

from __future__ import annotations

import mmap
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hedgeopt.errors import InputError

Vector = NDArray[np.float64]
Index = NDArray[np.intp]

# A block of this many entries stays in the second-level cache while it is converted to float64 or gathered.
_BLOCK = 1 << 15
_GATHER = 1 << 21
# Bytes of a memory-mapped file that a pass keeps in the process at a time.
_MAPPED = 1 << 26


class ScenarioSource(ABC):
    """Scenario matrix of shape ``(S, n)`` read in blocks; ``source @ x`` is a cvxpy expression for the tail solver."""

    shape: tuple[int, int]
    dtype: Any = np.float64
    """Of a copy of some rows."""
    # numpy must leave ``array @ source`` alone, and cvxpy finds ``__matmul__`` first.
    __array_ufunc__ = None

    @abstractmethod
    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield ``(first_row, rows)`` in row order, covering every row once."""

    def losses(self, x: Vector, threads: int = 1) -> Vector:
        """``A @ x`` in float64, shape (S,): one pass."""
        out = np.empty(self.shape[0])
        for first, block in self.blocks():
            _product(block, x, out[first : first + len(block)], threads)
        return out

    def rows(self, index: Index) -> Vector:
        """Rows ``A[index]`` (sorted, distinct) in float64, shape (len(index), n)."""
        out = np.empty((len(index), self.shape[1]))
        for first, block in self.blocks():
            lo, hi = np.searchsorted(index, (first, first + len(block)))
            if hi > lo:
                out[lo:hi] = block[index[lo:hi] - first]
        return out

    def every(self, rows: slice) -> ScenarioSource:
        """Rows ``A[rows]`` as a separate source in memory."""
        start, stop, step = rows.indices(self.shape[0])
        out = np.empty((len(range(start, stop, step)), self.shape[1]), dtype=self.dtype)
        for first, block in self.blocks():
            # No list of all rows: there may be a hundred million.
            begin = start if first <= start else first + (start - first) % step
            end = min(stop, first + len(block))
            if begin < end:
                at = (begin - start) // step
                part = block[begin - first : end - first : step]
                out[at : at + len(part)] = part
        return ArraySource(out)

    def weighted_sum(self, index: Index, weight: Vector) -> Vector:
        """``weight @ A[index]`` for sorted, distinct ``index``, shape (n,)."""
        total = np.zeros(self.shape[1])
        for first, block in self.blocks():
            lo, hi = np.searchsorted(index, (first, first + len(block)))
            if hi > lo:
                total += _sum_rows(block, index[lo:hi] - first, weight[lo:hi])
        return total

    def __matmul__(self, x: Any) -> Any:
        from hedgeopt.tail.product import ScenarioProduct

        return ScenarioProduct(self, x)


class ArraySource(ScenarioSource):
    """An array in memory or memory-mapped, float32 or float64, C or Fortran order; never copied whole."""

    def __init__(self, array: NDArray[Any]) -> None:
        if array.ndim != 2:
            raise InputError("a scenario matrix must have two dimensions", field="array", value=array.shape)
        if array.dtype.kind not in "fiub":
            raise InputError("a scenario matrix must hold real numbers", field="array", value=array.dtype)
        # A plain view computes faster; the map itself is kept to give pages back.
        self._map = getattr(array, "_mmap", None) if getattr(array, "mode", None) == "r" else None
        self.array = np.asarray(array)
        self.shape = (int(array.shape[0]), int(array.shape[1]))
        self.dtype = self.array.dtype

    @classmethod
    def from_npy(cls, path: str | Path) -> ArraySource:
        """Memory-map a two-dimensional ``.npy`` file."""
        return cls(np.load(path, mmap_mode="r"))

    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """The array as one block; a memory-mapped one in pieces that leave the process again."""
        step = max(1, self.shape[0])
        if self._map is not None and self.array.flags.c_contiguous:
            step = max(1, _MAPPED // max(1, self.shape[1] * self.array.itemsize))
        for first in range(0, max(1, self.shape[0]), step):
            yield first, self.array[first : first + step]
            release(self._map)

    def rows(self, index: Index) -> Vector:
        """Rows gathered straight from the array, or piece by piece from a map."""
        if self._map is not None:
            return super().rows(index)
        return np.asarray(self.array[index], dtype=np.float64)

    def every(self, rows: slice) -> ScenarioSource:
        """A view of the rows, which costs no memory; a copy of a map's, and where products would not read a view as such."""
        if self._map is None and self.array.flags.c_contiguous:
            return ArraySource(self.array[rows])
        return super().every(rows)


class SparseSource(ScenarioSource):
    """A scipy sparse scenario matrix."""

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix.tocsr()
        self.shape = (int(matrix.shape[0]), int(matrix.shape[1]))

    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Dense blocks of bounded size."""
        step = max(1, _GATHER // max(1, self.shape[1]))
        for first in range(0, self.shape[0], step):
            yield first, self.matrix[first : first + step].toarray()

    def losses(self, x: Vector, threads: int = 1) -> Vector:
        """Sparse product."""
        return np.asarray(self.matrix @ x)

    def rows(self, index: Index) -> Vector:
        """Dense copies of the rows."""
        return np.asarray(self.matrix[index].toarray(), dtype=float)

    def weighted_sum(self, index: Index, weight: Vector) -> Vector:
        """Sparse weighted sum."""
        return np.asarray(weight @ self.matrix[index])


class OnesSource(ScenarioSource):
    """A column of ones: a scalar broadcast to every scenario."""

    def __init__(self, size: int) -> None:
        self.shape = (size, 1)

    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """A broadcast view, no memory."""
        yield 0, np.broadcast_to(1.0, self.shape)

    def losses(self, x: Vector, threads: int = 1) -> Vector:
        """The scalar, S times."""
        return np.full(self.shape[0], float(x[0]))

    def rows(self, index: Index) -> Vector:
        """Ones."""
        return np.ones((len(index), 1))

    def weighted_sum(self, index: Index, weight: Vector) -> Vector:
        """The total weight."""
        return np.array([weight.sum()])


def as_source(matrix: Any) -> ScenarioSource:
    """Wrap an array or scipy sparse matrix; a source passes through."""
    if isinstance(matrix, ScenarioSource):
        return matrix
    if hasattr(matrix, "tocsr"):
        return SparseSource(matrix)
    return ArraySource(np.asanyarray(matrix))


def _product(block: NDArray[Any], x: Vector, out: Vector, threads: int) -> None:
    """``out = block @ x`` in float64, converting other float types a cache-sized slice at a time."""

    def part(lo: int, hi: int) -> None:
        if block.dtype == np.float64:
            np.matmul(block[lo:hi], x, out=out[lo:hi])
            return
        step = max(16, _BLOCK // max(1, block.shape[1]))
        for first in range(lo, hi, step):
            last = min(first + step, hi)
            np.matmul(block[first:last].astype(np.float64), x, out=out[first:last])

    parallel(part, len(block), threads if block.size > _GATHER else 1)


def _sum_rows(block: NDArray[Any], index: Index, weight: Vector) -> Vector:
    """``weight @ block[index]``; dense index sets and Fortran order read the block once, others gather rows."""
    columns = block.shape[1]
    if block.flags.f_contiguous and columns > 1:
        full = np.zeros(len(block))
        full[index] = weight
        if block.dtype == np.float64:
            return np.asarray(full @ block)
        return np.array([full @ block[:, j].astype(np.float64) for j in range(columns)])
    total = np.zeros(columns)
    step = max(16, _BLOCK // max(1, columns))
    for first in range(0, len(index), step):
        total += weight[first : first + step] @ block[index[first : first + step]].astype(np.float64, copy=False)
    return total


def release(mapped: Any) -> None:
    """Take a read-only file map's pages out of the process; the operating system's cache keeps them while there is room."""
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def parallel(part: Callable[[int, int], None], size: int, threads: int) -> None:
    """Run ``part(lo, hi)`` over ``threads`` contiguous shares of ``range(size)``."""
    if threads <= 1:
        part(0, size)
        return
    cuts = np.linspace(0, size, threads + 1).astype(int)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(part, cuts[:-1].tolist(), cuts[1:].tolist()))
