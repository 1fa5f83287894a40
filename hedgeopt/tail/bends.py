"""Variables of the compiled problem that stand above two lines of one other variable, and rows that limit one variable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hedgeopt.tail.compiled import Compiled
from hedgeopt.tail.entries import column_counts
from hedgeopt.tail.source import Index, Vector


@dataclass
class Bends:
    """Per epigraph variable: its column, the column it bends over, slopes ``s1 > s2``, their rows, and the bend."""

    t: Index
    x: Index
    s1: Vector
    s2: Vector
    row1: Index
    row2: Index
    x0: Vector
    t0: Vector

    def some(self, use: Any) -> Bends:
        """The chosen ones."""
        return Bends(*(getattr(self, name)[use] for name in self.__dataclass_fields__))


@dataclass
class Limits:
    """Rows of one variable: ``entry * z[column] <= entry * value``."""

    row: Index
    column: Index
    entry: Vector
    value: Vector


def single_limits(c: Compiled) -> Limits:
    """Rows of one variable that are not hosts of a tail."""
    A = c.A_in
    single = np.flatnonzero((np.diff(A.indptr) == 1) & np.isfinite(c.b_in))
    if c.hosts:
        single = np.setdiff1d(single, np.concatenate([h.rows for h in c.hosts]))
    column, entry = A.indices[A.indptr[single]], A.data[A.indptr[single]]
    return Limits(single, column, entry, c.b_in[single] / entry)


def find(c: Compiled) -> tuple[Bends, NDArray[np.bool_]]:
    """All epigraph variables over one other variable, and which variables rows add up."""
    A = sp.csr_array(c.A_in)
    m, n = A.shape
    none = np.zeros(0, dtype=int)
    counts = np.diff(A.indptr)
    row = np.repeat(np.arange(m), counts)
    column, a = A.indices, A.data
    count = counts[row]
    host_row = np.zeros(m, dtype=bool)
    busy = (column_counts(c.A_eq) > 0) | (column_counts(c.E) > 0)
    if c.P is not None:
        busy |= column_counts(c.P) > 0
    hosts = np.zeros(n, dtype=bool)
    for h in c.hosts:
        host_row[h.rows], hosts[h.column] = True, True
    plain = ~host_row[row] & np.isfinite(c.b_in)[row]
    piece = plain & (a < 0) & (count <= 2)
    bad = busy | hosts | ~(c.c >= 0)
    bad[column[(a < 0) & ~piece]] = True
    bad |= np.bincount(column[piece], minlength=n) != 2
    wide = np.zeros(n, dtype=bool)
    wide[column[(a > 0) & ((count > 1) | host_row[row])]] = True
    at: Any = np.flatnonzero(piece & ~bad[column])
    empty = Bends(none, none, *(np.zeros(0),) * 2, none, none, *(np.zeros(0),) * 2)
    if not len(at):
        return empty, wide
    at = at[np.argsort(column[at], kind="stable")].reshape(-1, 2)
    # The other entry of a row of two: the entries of a row stand side by side.
    begin = A.indptr[row[at]]
    other = np.where(count[at] == 2, 2 * begin + 1 - at, at)
    partner = np.where(count[at] == 2, column[other], -1)
    slope = np.where(count[at] == 2, a[other] / -a[at], 0.0)
    constant = c.b_in[row[at]] / a[at]
    x = partner.max(axis=1)
    good = (x >= 0) & ((partner == x[:, None]) | (partner < 0)).all(axis=1) & (slope[:, 0] != slope[:, 1])
    good &= ~hosts[np.maximum(x, 0)] & np.isfinite(constant).all(axis=1)
    t = column[at[:, 0]]
    is_t = np.zeros(n, dtype=bool)
    is_t[t[good]] = True
    # A variable above another epigraph variable stays.
    good &= ~is_t[np.maximum(x, 0)]
    if not good.any():
        return empty, wide
    at, slope, constant, x, t = at[good], slope[good], constant[good], x[good], t[good]
    high = np.argmax(slope, axis=1)
    i = np.arange(len(t))
    s1, s2, k1, k2 = slope[i, high], slope[i, 1 - high], constant[i, high], constant[i, 1 - high]
    x0 = (k2 - k1) / (s1 - s2)
    return Bends(t, x, s1, s2, row[at[i, high]], row[at[i, 1 - high]], x0, s1 * x0 + k1), wide
