"""Matrices of a scaled program in the forms the masters compute with."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hedgeopt.tail.masters.rows import RowProducts
from hedgeopt.tail.source import Vector

# Rows of up to so many entries are kept sparse, and dense copies of rows up to so many entries in all.
_THIN, _ENTRIES = 8, 4_000_000


class Structure:
    """Rows ``A``, ``A_eq`` and loss arguments ``y = E v`` of ``n`` variables; bounds are the rows with one entry."""

    def __init__(self, A: Any, A_eq: Any, E: Any, P: Any, is_host: NDArray[np.bool_]) -> None:
        self.A, self.A_eq, self.E = sp.csr_array(A), sp.csr_array(A_eq), sp.csr_array(E)
        self.n = self.A.shape[1]
        self.scaled_P = P
        self.ET = sp.csr_array(self.E.T)
        self.inequalities, self.equalities = RowProducts(self.A), RowProducts(self.A_eq)
        self.is_host = is_host
        self._split_rows()
        by_column = sp.csc_array(self.E)
        counts = np.diff(by_column.indptr)
        self.used = np.flatnonzero(counts)
        """Variables that carry losses; and where each carries one argument only, which, and its scale."""
        single = bool(np.all(counts <= 1))
        self.single_argument = by_column.indices if single else None
        self.argument_scale = by_column.data
        pattern = np.diff(self.E.indptr)
        self.simple = bool(np.all(pattern == 1)) and len(np.unique(self.E.indices)) == self.E.shape[0]
        """Whether every loss argument is a separate variable."""

    def _split_rows(self) -> None:
        counts = np.diff(self.A.indptr)
        self.single_rows = np.flatnonzero((counts == 1) & ~self.is_host)
        self.single_columns = self.A.indices[self.A.indptr[self.single_rows]]
        self.single_squares = self.A.data[self.A.indptr[self.single_rows]] ** 2
        wide = (counts > 1) & ~self.is_host
        # Rows of a few entries stay sparse: their squares touch a few places of the matrix.
        dense = wide & (counts > _THIN) & (counts * counts > self.n)
        self.full_rows, self.thin_rows = np.flatnonzero(dense), np.flatnonzero(wide & ~dense)
        self.full = self.A[self.full_rows].toarray() if len(self.full_rows) * self.n <= _ENTRIES else self.A[self.full_rows]
        self.thin = self.A[self.thin_rows]
        entry = np.zeros(len(counts))
        entry[self.single_rows] = self.A.data[self.A.indptr[self.single_rows]]
        self.single_entry = entry

    @cached_property
    def several(self) -> NDArray[np.intp]:
        """Rows that are not bounds."""
        return np.setdiff1d(np.arange(self.A.shape[0]), self.single_rows)

    @cached_property
    def top(self) -> Any:
        """Equalities and the rows that are not bounds."""
        return sp.csr_array(sp.vstack([self.A_eq, self.A[self.several]]))

    @cached_property
    def _pairs(self) -> tuple[Any, Any]:
        """Where the arguments' matrix goes among the variables (None: they are in order), and the product of scales."""
        index = self.E.indices
        ordered = np.array_equal(index, np.arange(self.n))
        return (None if ordered else np.ix_(index, index)), np.outer(self.E.data, self.E.data)

    @cached_property
    def A_eq_dense(self) -> Any:  # noqa: N802
        """Equality rows."""
        return self.A_eq.toarray()

    @cached_property
    def AtA_eq(self) -> Any:  # noqa: N802
        """Gram matrix of the equality rows."""
        return self.A_eq_dense.T @ self.A_eq_dense

    def A_dense_row(self, row: int) -> Vector:  # noqa: N802
        """One row of A as a dense vector."""
        return np.asarray(self.A[[row]].toarray()).ravel()

    def arguments(self, v: Vector) -> Vector:
        """Loss arguments ``E v``."""
        if self.simple:
            return np.asarray(self.E.data * v[self.E.indices])
        if self.single_argument is None:
            return np.asarray(self.E @ v)
        return np.bincount(self.single_argument, self.argument_scale * v[self.used], self.E.shape[0]).astype(
            float, copy=False
        )

    def forces(self, f: Vector) -> Vector:
        """``E' f``."""
        if self.single_argument is None:
            return np.asarray(self.ET @ f)
        out = np.zeros(self.n)
        out[self.used] = self.argument_scale * f[self.single_argument]
        return out

    def bounds(self, b: Vector) -> tuple[Vector, Vector, NDArray[np.intp], NDArray[np.intp]]:
        """The tightest single-variable rows as bounds ``lower <= v <= upper``, and the rows they come from."""
        n, rows, columns, entry = self.n, self.single_rows, self.single_columns, self.single_entry
        lower, upper = np.full(n, -np.inf), np.full(n, np.inf)
        lower_row, upper_row = np.full(n, -1), np.full(n, -1)
        value = b[rows] / entry[rows]
        for up, bound, row in ((True, upper, upper_row), (False, lower, lower_row)):
            these = np.flatnonzero((entry[rows] > 0) == up)
            # Written from the loosest to the tightest, so that the tightest stays.
            order = these[np.argsort(-value[these] if up else value[these], kind="stable")]
            bound[columns[order]], row[columns[order]] = value[order], rows[order]
        return lower, upper, lower_row, upper_row

    def add_rows(self, H: Any, d: Vector) -> None:
        """``H += A' diag(d) A`` without the host rows."""
        n = self.n
        diagonal = np.bincount(
            self.single_columns, weights=d[self.single_rows] * self.single_squares, minlength=n
        )  # one weighted entry per bound
        H.flat[: n * (len(H) + 1) : len(H) + 1] += diagonal[:n]
        for rows, part in ((self.full_rows, self.full), (self.thin_rows, self.thin)):
            if len(rows) == 0:
                continue
            half = sp.diags_array(np.sqrt(d[rows])) @ part if hasattr(part, "nnz") else part * np.sqrt(d[rows])[:, None]
            gram = half.T @ half
            if hasattr(gram, "nnz"):
                gram = gram.tocoo()
                H[gram.coords[0], gram.coords[1]] += gram.data
            else:
                H[:n, :n] += gram

    def lift(self, Hy: Any) -> Any:
        """``E' Hy E``."""
        if self.simple:
            places, scale = self._pairs
            if places is None:
                return Hy * scale
            out = np.zeros((self.n, self.n))
            out[places] = Hy * scale
            return out
        return (self.ET @ (self.ET @ Hy).T).T
