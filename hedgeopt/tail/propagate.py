"""Bounds of columns that rows imply: ``x <= (b - least of the rest) / a``, in a few sweeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from hedgeopt.tail.source import Vector

# Sweeps over all rows, and by how much a bound is widened against rounding.
_SWEEPS, _WIDER = 8, 1e-9


def implied_bounds(A: Any, lower: Vector, upper: Vector, first: Vector, last: Vector) -> tuple[Vector, Vector]:
    """Bounds of x that ``lower <= A x <= upper`` and ``first <= x <= last`` imply; given ones are kept as they are."""
    low, high = first.copy(), last.copy()
    row = np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
    for _ in range(_SWEEPS):
        before = low.copy(), high.copy()
        _sweep(A.data, A.indices, row, upper, low, high)
        _sweep(-A.data, A.indices, row, -lower, low, high)
        if np.array_equal(low, before[0]) and np.array_equal(high, before[1]):
            break
    given = np.isfinite(first), np.isfinite(last)
    return np.where(given[0], first, low), np.where(given[1], last, high)


def _sweep(a: Vector, column: Any, row: Any, b: Vector, low: Vector, high: Vector) -> None:
    """Tighten ``low`` and ``high`` where they are infinite, by rows ``sum a x <= b``."""
    with np.errstate(invalid="ignore"):
        least = np.where(a > 0, a * low[column], a * high[column])
    least[a == 0] = 0.0
    free = ~np.isfinite(least)
    count = np.bincount(row, weights=free, minlength=len(b))
    total = np.bincount(row, weights=np.where(free, 0.0, least), minlength=len(b))
    size = np.bincount(row, weights=np.where(free, 0.0, np.abs(least)), minlength=len(b)) + np.where(
        np.isfinite(b), np.abs(b), 0
    )
    others = count[row] - free
    rest = total[row] - np.where(free, 0.0, least)
    known = (others == 0) & np.isfinite(b[row]) & (a != 0)
    bound = (b[row] - rest + _WIDER * size[row])[known] / a[known]
    up = a[known] > 0
    at = column[known]
    top, bottom = np.full(len(high), np.inf), np.full(len(low), -np.inf)
    np.minimum.at(top, at[up], bound[up])
    np.maximum.at(bottom, at[~up], bound[~up])
    open_high, open_low = ~np.isfinite(high), ~np.isfinite(low)
    high[open_high], low[open_low] = top[open_high], bottom[open_low]
