"""Scenario sources larger than memory: Parquet or Arrow files and Dask arrays, read block by block.

Only one block is in memory at a time (per pass); rows and sums of chosen scenarios are collected on the way.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hedgeopt._extras import require_extra
from hedgeopt.errors import InputError
from hedgeopt.tail.source import ArraySource, Index, ScenarioSource, Vector, parallel, release

Columns: TypeAlias = list[NDArray[Any]]

# Entries gathered from columns at a time: they stay in the second-level cache.
_SLICE = 1 << 16


class ParquetSource(ScenarioSource):
    """One or more Parquet files; columns are instruments, rows scenarios, read one row group at a time."""

    def __init__(self, paths: str | Path | Sequence[str | Path], columns: Sequence[str] | None = None) -> None:
        require_extra("pyarrow", "reading scenarios from Parquet")
        import pyarrow.parquet as pq

        many = [paths] if isinstance(paths, str | Path) else list(paths)
        if not many:
            raise InputError("no Parquet files", field="paths")
        self._files = [pq.ParquetFile(path, memory_map=True) for path in many]
        self.columns = list(columns) if columns is not None else self._files[0].schema_arrow.names
        for file, path in zip(self._files, many, strict=True):
            missing = set(self.columns) - set(file.schema_arrow.names)
            if missing:
                raise InputError("missing columns", file=path, value=", ".join(sorted(missing)))
        self._groups = [
            (file, group, file.metadata.row_group(group).num_rows)
            for file in self._files
            for group in range(file.num_row_groups)
        ]
        self.shape = (sum(rows for _, _, rows in self._groups), len(self.columns))

    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """One row group after the other."""
        first = 0
        for file, group, rows in self._groups:
            yield first, _stack(_columns(file.read_row_group(group, columns=self.columns), self.columns))
            first += rows

    def rows(self, index: Index) -> Vector:
        """Rows from the groups that hold them; other groups are not read."""
        out = np.empty((len(index), self.shape[1]))
        for first, lo, hi, block in self._touched(index):
            out[lo:hi] = block[index[lo:hi] - first]
        return out

    def weighted_sum(self, index: Index, weight: Vector) -> Vector:
        """Weighted sum over the groups that hold the rows."""
        total = np.zeros(self.shape[1])
        for first, lo, hi, block in self._touched(index):
            total += weight[lo:hi] @ block[index[lo:hi] - first]
        return total

    def _touched(self, index: Index) -> Iterator[tuple[int, int, int, NDArray[Any]]]:
        first = 0
        for file, group, rows in self._groups:
            lo, hi = (int(i) for i in np.searchsorted(index, (first, first + rows)))
            if hi > lo:
                yield first, lo, hi, _stack(_columns(file.read_row_group(group, columns=self.columns), self.columns))
            first += rows


class ArrowSource(ScenarioSource):
    """A memory-mapped, uncompressed Arrow IPC file: columns are read in place, one record batch at a time."""

    def __init__(self, path: str | Path) -> None:
        require_extra("pyarrow", "reading scenarios from Arrow files", file=path)
        import pyarrow as pa

        with open(path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._reader = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(self._map)))
        self.columns = self._reader.schema.names
        rows = [self._reader.get_batch(i).num_rows for i in range(self._reader.num_record_batches)]
        self._first = np.concatenate(([0], np.cumsum(rows, dtype=int))).tolist()
        self.shape = (self._first[-1], len(self.columns))

    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """One record batch after the other."""
        for i, first in enumerate(self._first[:-1]):
            yield first, _stack(self._batch(i))
            release(self._map)

    def losses(self, x: Vector, threads: int = 1) -> Vector:
        """One pass; a slice of rows that fits the cache is gathered from the columns and multiplied."""
        out = np.empty(self.shape[0])
        step = max(16, _SLICE // max(1, self.shape[1]))
        for i, first in enumerate(self._first[:-1]):
            columns = self._batch(i)

            def part(lo: int, hi: int, columns: Columns = columns, first: int = first) -> None:
                gathered = np.empty((step, len(columns)), order="F")
                for a in range(lo, hi, step):
                    b = min(a + step, hi)
                    for j, column in enumerate(columns):
                        gathered[: b - a, j] = column[a:b]
                    np.matmul(gathered[: b - a], x, out=out[first + a : first + b])

            parallel(part, self._first[i + 1] - first, threads)
            release(self._map)
        return out

    def rows(self, index: Index) -> Vector:
        """Rows gathered from the columns of the batches that hold them."""
        out = np.empty((len(index), self.shape[1]))
        for i, lo, hi in self._touched(index):
            part = index[lo:hi] - self._first[i]
            for j, column in enumerate(self._batch(i)):
                out[lo:hi, j] = column[part]
            release(self._map)
        return out

    def weighted_sum(self, index: Index, weight: Vector) -> Vector:
        """Weighted sum over the batches that hold the rows."""
        total = np.zeros(self.shape[1])
        for i, lo, hi in self._touched(index):
            part = index[lo:hi] - self._first[i]
            total += [float(weight[lo:hi] @ column[part].astype(np.float64)) for column in self._batch(i)]
            release(self._map)
        return total

    def _batch(self, i: int) -> Columns:
        return _columns(self._reader.get_batch(i), self.columns)

    def _touched(self, index: Index) -> Iterator[tuple[int, int, int]]:
        cuts = np.searchsorted(index, self._first).tolist()
        return ((i, lo, hi) for i, (lo, hi) in enumerate(pairwise(cuts)) if hi > lo)


class DaskSource(ScenarioSource):
    """A two-dimensional Dask array chunked by rows; products and sums run where the chunks live."""

    def __init__(self, array: Any) -> None:
        if array.ndim != 2:
            raise InputError("a scenario matrix must have two dimensions", field="array", value=array.shape)
        # One chunk holds whole rows, so that a product needs no exchange between workers.
        self.array = array.rechunk({1: -1})
        self.shape = (int(array.shape[0]), int(array.shape[1]))

    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """One chunk after the other, computed here."""
        first = 0
        for rows, part in zip(self.array.chunks[0], self.array.partitions if self.array.size else [], strict=False):
            yield first, np.asarray(part.compute())
            first += rows

    def losses(self, x: Vector, threads: int = 1) -> Vector:
        """The product computed by Dask; only S numbers travel."""
        product = self.array.map_blocks(lambda b: b.astype(np.float64) @ x, drop_axis=1, dtype=float)
        return np.asarray(product.compute())

    def rows(self, index: Index) -> Vector:
        """The chosen rows."""
        return np.asarray(self.array[index].compute(), dtype=np.float64)

    def every(self, rows: slice) -> ScenarioSource:
        """The rows alone come to this process."""
        return ArraySource(np.asarray(self.array[rows].compute()))

    def weighted_sum(self, index: Index, weight: Vector) -> Vector:
        """Weighted sum of the chosen rows."""
        return np.asarray((weight[:, None] * self.array[index]).sum(axis=0).compute(), dtype=np.float64)


def _columns(table: Any, names: Sequence[str]) -> Columns:
    """The columns of a table or record batch, without a copy where its type allows."""
    import pyarrow as pa

    parts = []
    for name in names:
        column = table.column(name)
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        if column.null_count:
            raise InputError("a scenario value is missing", field=name)
        parts.append(column.to_numpy(zero_copy_only=False))
    return parts


def _stack(parts: Columns) -> NDArray[Any]:
    """Columns as a Fortran-ordered matrix of the same float type."""
    kind = np.result_type(*parts) if parts else np.dtype(float)
    out = np.empty((len(parts[0]) if parts else 0, len(parts)), dtype=kind, order="F")
    for j, part in enumerate(parts):
        out[:, j] = part
    return out
