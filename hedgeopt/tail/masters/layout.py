"""Where tails meet the base problem's rows: the part of a program that does not change with the scenarios."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hedgeopt.tail.compiled import Compiled
from hedgeopt.tail.entries import column_counts, some_columns
from hedgeopt.tail.masters.base import Piece
from hedgeopt.tail.masters.rows import RowProducts
from hedgeopt.tail.masters.scaled import Scaled
from hedgeopt.tail.masters.sizes import loss_sizes
from hedgeopt.tail.source import Vector

# Rows whose terms all vanish are measured by this share of a typical term; below the second, an excess is rounding.
_FLOOR, _ROUNDING = 1e-3, 1e-12
# A side below this share of that is dust.
_DUST = 1e-15
# A variable this much larger than the middle one, by its losses, is in other units than the rest.
_ODD = 1e6
# Share of the columns from which an equality is a budget.
_BUDGET = 0.5


class Layout:
    """Fixed part: which row or objective weight each tail belongs to."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = c = compiled
        m, n = c.A_in.shape
        eq_columns, e_columns = column_counts(c.A_eq), column_counts(c.E)
        p_columns = column_counts(c.P) if c.P is not None else np.zeros(n, dtype=int)
        self.price = np.zeros(len(c.hosts))
        self.row = np.full(len(c.hosts), -1)
        self.coef = np.zeros(len(c.hosts))
        drop: list[int] = []
        extra: list[Any] = []
        for k, host in enumerate(c.hosts):
            free = not (eq_columns[host.column] or e_columns[host.column] or p_columns[host.column])
            if free and len(host.rows) == 0 and host.weight >= 0:
                self.price[k] = host.weight
                drop.append(host.column)
            elif free and host.weight == 0 and len(host.rows) == 1 and host.coefficients[0] > 0:
                self.row[k], self.coef[k] = host.rows[0], host.coefficients[0]
                drop.append(host.column)
            else:
                self.row[k], self.coef[k] = m + len(extra), 1.0
                extra.append(sp.csr_array(([-1.0], ([0], [host.column])), shape=(1, n)))
        self.columns = np.setdiff1d(np.arange(n), drop)
        A = sp.csr_array(sp.vstack([c.A_in, *extra])) if extra else c.A_in
        self.extra = len(extra)
        self.A = some_columns(A, self.columns)
        self.b = np.concatenate((c.b_in, np.zeros(len(extra))))
        self.A_eq = some_columns(c.A_eq, self.columns)
        self.E = some_columns(c.E, self.columns)
        self.c = c.c[self.columns]
        self.P = None if c.P is None else some_columns(c.P, self.columns)[self.columns]
        self._scaled: Scaled | None = None

    def renewed(self, compiled: Compiled) -> Layout:
        """This layout with new right-hand sides and costs, where the matrices are the same objects; else a new one."""
        old = self.compiled
        if compiled is old:
            return self
        priced = [(host.weight > 0) == (was.weight > 0) for host, was in zip(compiled.hosts, old.hosts, strict=True)]
        if compiled.A_in is not old.A_in or compiled.E is not old.E or compiled.P is not old.P or not all(priced):
            return Layout(compiled)
        self.compiled = compiled
        self.price = np.where(self.price > 0, [host.weight for host in compiled.hosts], self.price)
        self.b = np.concatenate((compiled.b_in, np.zeros(self.extra)))
        self.c = compiled.c[self.columns]
        return self

    def scaled(self, pieces: list[Piece]) -> Scaled:
        """The data of one solve; scales stay while the losses' sizes do."""
        sizes = loss_sizes(pieces, self.E.shape[0])
        known = self._scaled
        if known is None or not known.fits(sizes):
            known = self._scaled = Scaled(self, pieces, sizes)
        known.load(pieces)
        return known

    def violation(self, z: Vector) -> float:
        """The largest excess of rows, bounds and equalities at ``z`` (compiled columns), relative to the terms of each.

        In the units the data came in: one column in other units than the rest hides nothing. Rows that hold a tail are left
        to :meth:`upper`, which knows the tail.
        """
        v = z[self.columns]
        if not np.isfinite(v).all():
            return np.inf
        worst, size = 0.0, np.abs(v)
        (rows, rows_size), (equal_rows, equal_size) = self._products
        blocks = (
            (rows, rows_size, self._sizes[0], self.b, False),
            (equal_rows, equal_size, self._sizes[1], self.compiled.b_eq, True),
        )
        for A, sizes, whole, b, equal in blocks:
            excess = A.times(v) - b
            excess = np.abs(excess) if equal else excess
            terms = np.maximum(sizes.times(size), np.abs(b))
            over = excess > _ROUNDING * terms
            if not equal:
                over[self.row[self.row >= 0]] = False
            for i in np.flatnonzero(over).tolist():
                # A side that is no dust is the row's own size: a point at zero breaks x = 1 by all of it.
                typical = self._typical(whole, i, size)
                typical = 0.0 if abs(b[i]) > _DUST * typical else typical
                worst = max(worst, float(excess[i] / max(terms[i], typical, 1e-300)))
        return worst

    @cached_property
    def broad(self) -> NDArray[np.bool_]:
        """Equalities over most of the columns: with a right-hand side they are budgets."""
        return np.asarray(np.diff(self.A_eq.indptr) > _BUDGET * self.A_eq.shape[1])

    @cached_property
    def _products(self) -> tuple[tuple[RowProducts, RowProducts], ...]:
        return tuple((RowProducts(A), RowProducts(abs(A))) for A in (self.A, self.A_eq))

    @cached_property
    def _sizes(self) -> tuple[Any, Any]:
        return abs(self.A), abs(self.A_eq)

    def _typical(self, whole: Any, row: int, held: Vector) -> float:
        """``_FLOOR`` of a row's largest term, were each of its variables as large as its losses, or its bounds, say.

        No larger than those ``held`` are in such units: where the unit is far off, all that is held would be rounding.
        A variable without bounds whose losses are nothing beside the others' does not count: it would hide any excess.
        """
        p, (begin, end) = self._scaled, whole.indptr[row : row + 2]
        if p is None or begin == end:
            return 0.0
        columns = whole.indices[begin:end]
        sizes, widest = p.D * min(p.unit, float(np.max(held / p.D, initial=0.0))), self._widest[columns]
        middle = float(np.median(sizes))
        usual = sizes[columns]
        usual = np.where(np.isinf(widest) & (usual > _ODD * middle), middle, np.minimum(usual, widest))
        terms, bounded = whole.data[begin:end] * usual, np.isfinite(widest)
        # Beside a variable with bounds, as |x| <= t is written, one without takes its size from there.
        return _FLOOR * float(np.max(terms[bounded] if bounded.any() else terms))

    @property
    def _widest(self) -> Vector:
        """The farther of each variable's bounds; infinite where it has none."""
        single = np.flatnonzero(np.diff(self.A.indptr) == 1)
        at = self.A.indptr[single]
        far = np.abs(self.b[single] / self.A.data[at])
        use = (far > 0) & np.isfinite(far)
        found = np.zeros(len(self.columns))
        np.maximum.at(found, self.A.indices[at][use], far[use])
        return np.where(found > 0, found, np.inf)

    def _level_entries(self, rows: Any, part: Any) -> Vector:
        """The largest entry of a tail's level in each row, times the scale of its losses."""
        columns = [host.column for host in self.compiled.hosts]
        return np.asarray(abs(part)[:, columns].max(axis=1).toarray()).ravel()

    @property
    def scaled_now(self) -> Scaled:
        """The program of the last solve."""
        assert self._scaled is not None
        return self._scaled

    def upper(self, z: Vector, levels: Vector) -> tuple[float, float]:
        """Objective at ``z`` with the true tail levels; the largest violation relative to the row's terms."""
        c = self.compiled
        z = z.copy()
        for host, level in zip(c.hosts, levels, strict=True):
            z[host.column] = level
        value = float(c.c @ z) + c.offset
        if c.P is not None:
            value += 0.5 * float(z @ (c.P @ z))
        worst = 0.0
        touched = [host.rows for k, host in enumerate(c.hosts) if self.row[k] >= 0]
        if touched:
            rows = np.unique(np.concatenate(touched))
            part = c.A_in[rows]
            excess = part @ z - c.b_in[rows]
            # A row whose terms all vanish is measured by a typical loss, never by columns in other units than the losses.
            floor = 0.0 if self._scaled is None else _FLOOR * self._scaled.unit * self._level_entries(rows, part)
            magnitude = np.maximum(np.maximum(abs(part) @ np.abs(z), np.abs(c.b_in[rows])), floor)
            over = excess > _ROUNDING * magnitude
            worst = float(np.max(excess[over] / np.maximum(magnitude[over], 1e-300), initial=0.0))
        return value, worst
