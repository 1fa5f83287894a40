"""Bounds that rows imply for variables without bounds.

Row ``sum_j a_j v_j <= b`` bounds one variable by what the bounds of the others leave to it; two rows ``x <= t``,
``-x <= t`` (as cvxpy writes an absolute value) imply together that ``t >= 0``. A few sweeps over all rows are enough: we
need to know that a bound exists and roughly where, not the tightest one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from hedgeopt.tail.source import Index, Vector

# Sweeps at most; by how much of its terms a bound is relaxed for rounding; beyond this a bound says nothing.
_SWEEPS, _ROUNDING, _FAR = 8, 1e-9, 1e100
# Sums of two rows whose entries are less than this share of their terms are not used; the rounding of a sum of two sides.
_CANCELS, _ULPS = 1e-5, 1e-15


def pairs(A: Any) -> Any:
    """Weights (pairs, rows): sums of two rows with the same two variables that leave one of them, see the module's text."""
    A = sp.csr_array(A)
    A.sort_indices()
    two = np.flatnonzero(np.diff(A.indptr) == 2)
    nothing = sp.csr_array((0, A.shape[0]))
    if len(two) < 2:
        return nothing
    at = A.indptr[two]
    columns, entries = np.stack((A.indices[at], A.indices[at + 1])), np.stack((A.data[at], A.data[at + 1]))
    order = np.lexsort((entries[1] > 0, entries[0] > 0, columns[1], columns[0]))
    two, columns, entries = two[order], columns[:, order], entries[:, order]
    first, second, weight_1, weight_2 = [], [], [], []
    for apart in (1, 2, 3):
        if len(two) <= apart:
            break
        here, there = np.arange(len(two) - apart), np.arange(apart, len(two))
        same = np.all(columns[:, here] == columns[:, there], axis=0)
        for side in (0, 1):
            a, b = entries[side, here], entries[side, there]
            use = same & (a * b < 0)
            first.append(two[here[use]])
            second.append(two[there[use]])
            weight_1.append(np.abs(b[use]))
            weight_2.append(np.abs(a[use]))
    rows = np.concatenate(first)
    count = len(rows)
    if not count:
        return nothing
    place = np.concatenate((np.arange(count), np.arange(count)))
    weights = np.concatenate((*weight_1, *weight_2))
    return sp.csr_array((weights, (place, np.concatenate((rows, *second)))), (count, A.shape[0]))


def tightened(
    A: Any, b: Vector, lower: Vector, upper: Vector, wanted: tuple[Index, Index] | None = None
) -> tuple[Vector, Vector]:
    """Bounds implied by ``A v <= b`` and ``lower <= v <= upper``; infinite where nothing is known.

    ``wanted``: places of the lower and upper bounds that are asked for; the sweeps end as soon as there are all.
    """
    A = sp.csr_array(A)
    held = np.isfinite(b)
    if not np.all(held):
        A, b = A[held], b[held]
    lower, upper = lower.copy(), upper.copy()
    a, column = A.data, A.indices
    row = np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
    kept = a != 0
    a, column, row = a[kept], column[kept], row[kept]
    if not len(a):
        return lower, upper
    positive = a > 0
    for _ in range(_SWEEPS):
        least = a * np.where(positive, lower[column], upper[column])
        infinite = ~np.isfinite(least)
        finite = np.where(infinite, 0.0, least)
        count = np.bincount(row, infinite, len(b))
        total, size = np.bincount(row, finite, len(b)), np.bincount(row, np.abs(finite), len(b))
        use = np.flatnonzero((count[row] == 0) | ((count[row] == 1) & infinite))
        if not len(use):
            break
        i, j = row[use], column[use]
        # Rounding: what the sum may be off by, many times over.
        room = b[i] - (total[i] - finite[use]) + _ROUNDING * (np.abs(b[i]) + size[i])
        value = room / a[use]
        value[np.abs(value) > _FAR] = np.nan
        up = positive[use] & ~np.isnan(value)
        down = ~positive[use] & ~np.isnan(value)
        before = lower.copy(), upper.copy()
        np.minimum.at(upper, j[up], value[up])
        np.maximum.at(lower, j[down], value[down])
        if wanted is not None and np.isfinite(lower[wanted[0]]).all() and np.isfinite(upper[wanted[1]]).all():
            break
        if not (_nearer(upper, before[1]) or _nearer(lower, before[0])):
            break
    return lower, upper


def with_pairs(A: Any, b: Vector) -> tuple[Any, Vector]:
    """Rows and sides with the sums of :func:`pairs` added."""
    W = pairs(A)
    if not W.shape[0]:
        return sp.csr_array(A), b
    finite = np.where(np.isfinite(b), b, 0.0)
    # A row without a side takes its pairs with it; so does what all but cancels, whose rounding is no longer small.
    sums, terms = sp.csr_array(W @ A), sp.csr_array(W @ abs(sp.csr_array(A)))
    small = sp.csr_array(abs(sums) < _CANCELS * terms).multiply(sums != 0)
    lost = (W @ (~np.isfinite(b)).astype(float) > 0) | (np.asarray(small.sum(axis=1)).ravel() > 0)
    sides = np.where(lost, np.inf, W @ finite + _ULPS * (W @ np.abs(finite)))
    return sp.csr_array(sp.vstack([A, sums])), np.concatenate((b, sides))


def _nearer(now: Vector, before: Vector) -> bool:
    """Whether a bound has come into being or moved by a tenth."""
    known = np.isfinite(before)
    fresh = bool((np.isfinite(now) & ~known).any())
    return fresh or bool((np.abs(now[known] - before[known]) > 0.1 * np.abs(before[known])).any())
