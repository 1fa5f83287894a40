"""Products and maxima of compressed rows by their arrays, against the dense matrix."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgeopt.tail.entries import column_counts, column_top, rescaled, row_top, some_columns


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 6), st.integers(1, 6), st.sampled_from([0.0, 0.3, 0.7, 1.0]), st.integers(0, 2**32 - 1))
def test_entries_are_those_of_the_dense_matrix(m: int, n: int, density: float, seed: int) -> None:
    r = np.random.default_rng(seed)
    dense = r.normal(size=(m, n)) * (r.random((m, n)) < density)
    A = sp.csr_array(dense)
    rows, columns = r.normal(size=m), r.normal(size=n)
    assert np.allclose(rescaled(A, rows, columns).toarray(), rows[:, None] * dense * columns, rtol=1e-14)
    assert np.array_equal(rescaled(A, None, columns).toarray(), dense * columns)
    assert np.array_equal(row_top(A), np.abs(dense).max(axis=1, initial=0.0))
    assert np.array_equal(column_top(A), np.abs(dense).max(axis=0, initial=0.0))
    assert np.array_equal(column_top(A, np.abs(rows)), np.abs(rows[:, None] * dense).max(axis=0, initial=0.0))
    assert np.array_equal(column_counts(A), (dense != 0).sum(axis=0))
    keep = np.flatnonzero(r.random(n) < 0.6)
    part = some_columns(A, keep)
    assert part.shape == (m, len(keep))
    assert np.array_equal(part.toarray(), dense[:, keep])


def test_a_rescaled_matrix_shares_no_indices() -> None:
    A = sp.csr_array((np.array([1.0, 2.0]), np.array([1, 0]), np.array([0, 2])), (1, 2))
    twice = rescaled(A, np.array([2.0]), None)
    A.sort_indices()
    assert np.array_equal(twice.toarray(), [[4.0, 2.0]])
