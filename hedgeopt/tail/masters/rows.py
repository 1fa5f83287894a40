"""Products with rows that are mostly bounds: index arrays for those, a small dense or a sparse matrix for the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from hedgeopt.tail.source import Vector

# Up to so many entries a dense product is quicker than scipy's way into a sparse one.
_DENSE = 100_000


def dense(A: Any) -> Any:
    """The matrix as a plain array."""
    return A if isinstance(A, np.ndarray) else A.toarray()


def median(x: Vector) -> float:
    """``np.median`` of an array that has entries, which takes ten times as long."""
    half = len(x) // 2
    if len(x) % 2:
        return float(np.partition(x, half)[half])
    middle = np.partition(x, (half - 1, half))
    return 0.5 * float(middle[half - 1] + middle[half])


class RowProducts:
    """``A v`` and ``A' u`` for a fixed sparse A of shape (m, n)."""

    def __init__(self, A: Any) -> None:
        A = sp.csr_array(A)
        self.shape = A.shape
        counts = np.diff(A.indptr)
        self._single = np.flatnonzero(counts == 1)
        at = A.indptr[self._single]
        self._column, self._entry = A.indices[at].astype(np.intp), A.data[at]
        self._other = np.flatnonzero(counts > 1)
        rest = A[self._other]
        dense = rest.shape[0] * rest.shape[1] <= _DENSE
        self._rest = rest.toarray() if dense else rest
        self._rest_T = self._rest.T if dense else sp.csr_array(rest.T)

    def times(self, v: Vector) -> Vector:
        """``A v``."""
        out = np.zeros(self.shape[0])
        out[self._single] = self._entry * v[self._column]
        if len(self._other):
            out[self._other] = self._rest @ v
        return out

    def pull(self, u: Vector) -> Vector:
        """``A' u``."""
        out = np.bincount(self._column, self._entry * u[self._single], self.shape[1]).astype(float, copy=False)
        if len(self._other):
            out += self._rest_T @ u[self._other]
        return out
