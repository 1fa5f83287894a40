"""Where tails meet the base problem's rows, and the scaling the interior-point master works in.

Columns are divided by the size of the losses they cause (option chains mix columns of 1e-3 and 1e5), rows by their
largest entry, the objective by its largest gradient, and losses by one common unit.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from hedgeopt.tail.compiled import Compiled
from hedgeopt.tail.masters.base import Piece, Point
from hedgeopt.tail.source import Vector

# Rows of up to so many entries are kept sparse, and dense copies of rows up to so many entries in all.
_THIN, _ENTRIES = 8, 4_000_000
# Loss sizes may change by this factor before the scales are computed anew.
_RESCALE = 10.0


class Layout:
    """Fixed part: which row or objective weight each tail belongs to."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = c = compiled
        m, n = c.A_in.shape
        eq_columns = np.diff(sp.csc_array(c.A_eq).indptr) if c.A_eq.shape[0] else np.zeros(n, dtype=int)
        e_columns = np.diff(sp.csc_array(c.E).indptr) if c.E.shape[0] else np.zeros(n, dtype=int)
        p_columns = np.diff(sp.csc_array(c.P).indptr) if c.P is not None else np.zeros(n, dtype=int)
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
        A = sp.vstack([c.A_in, *extra]) if extra else c.A_in
        self.extra = len(extra)
        self.A = sp.csr_array(sp.csc_array(A)[:, self.columns])
        self.b = np.concatenate((c.b_in, np.zeros(len(extra))))
        self.A_eq = sp.csr_array(sp.csc_array(c.A_eq)[:, self.columns])
        self.E = sp.csr_array(sp.csc_array(c.E)[:, self.columns])
        self.c = c.c[self.columns]
        self.P = None if c.P is None else sp.csr_array(sp.csc_array(c.P)[:, self.columns])[self.columns]
        self._scaled: Scaled | None = None

    def renewed(self, compiled: Compiled) -> Layout:
        """This layout with new right-hand sides and costs, where the matrices are the same objects; else a new one."""
        old = self.compiled
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
        sizes = _loss_sizes(pieces, self.E.shape[0])
        known = self._scaled
        if known is None or not known.fits(sizes):
            known = self._scaled = Scaled(self, pieces, sizes)
        known.load(pieces)
        return known

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
            magnitude = np.maximum(abs(part) @ np.abs(z), np.abs(c.b_in[rows]))
            worst = float(np.max(excess / np.maximum(magnitude, 1e-12), initial=0.0))
        return value, worst


class Scaled:
    """Scaled data of one solve; ``z[columns] = D * unit * v``."""

    def __init__(self, layout: Layout, pieces: list[Piece], sizes: Vector) -> None:
        self.layout, self.sizes = layout, sizes
        self.n = len(layout.columns)
        self.D = D = self._columns(sizes)
        host_size = np.zeros(len(layout.b))
        for k, piece in enumerate(pieces):
            if layout.row[k] >= 0:
                host_size[layout.row[k]] = max(host_size[layout.row[k]], abs(layout.coef[k]) * piece.scale)
        A = layout.A @ sp.diags_array(D)
        self.row_scale = 1.0 / np.maximum(np.maximum(_row_top(A), host_size), 1e-300)
        self.row_scale[self.row_scale > 1e200] = 1.0
        A_eq = layout.A_eq @ sp.diags_array(D)
        self.eq_scale = 1.0 / np.maximum(_row_top(A_eq), 1e-300)
        self.eq_scale[self.eq_scale > 1e200] = 1.0
        self.A = sp.csr_array(sp.diags_array(self.row_scale) @ A)
        self.A_eq = sp.csr_array(sp.diags_array(self.eq_scale) @ A_eq)
        self.E = sp.csr_array(layout.E @ sp.diags_array(D))
        self.ET = sp.csr_array(self.E.T)
        self.AT, self.A_eqT = sp.csr_array(self.A.T), sp.csr_array(self.A_eq.T)
        self.scaled_P = None if layout.P is None else sp.csr_array(sp.diags_array(D) @ layout.P @ sp.diags_array(D))
        self.host_row = layout.row
        self.is_host = np.zeros(len(layout.b), dtype=bool)
        self.is_host[layout.row[layout.row >= 0]] = True
        self._split_rows()
        by_column = sp.csc_array(self.E)
        counts = np.diff(by_column.indptr)
        self.used = np.flatnonzero(counts)
        """Variables that carry losses; and where each carries one argument only, which, and its scale."""
        single = bool(np.all(counts <= 1))
        self.single_argument = by_column.indices if single else None
        self.argument_scale = by_column.data

    @cached_property
    def several(self) -> Any:
        """Rows that are not bounds."""
        return np.setdiff1d(np.arange(self.A.shape[0]), self.single_rows)

    @cached_property
    def top(self) -> Any:
        """Equalities and the rows that are not bounds."""
        return sp.csr_array(sp.vstack([self.A_eq, self.A[self.several]]))

    def fits(self, sizes: Vector) -> bool:
        """Whether these scales still serve: no loss column is ten times larger or smaller than it was."""
        if len(sizes) != len(self.sizes) or np.any((sizes > 0) != (self.sizes > 0)):
            return False
        ratio = sizes[sizes > 0] / self.sizes[sizes > 0]
        return not len(ratio) or bool(ratio.max() < _RESCALE and ratio.min() > 1 / _RESCALE)

    def load(self, pieces: list[Piece]) -> None:
        """The numbers of one solve."""
        layout, c = self.layout, self.layout.compiled
        self.pieces = pieces
        self.R = [p.rows for p in pieces]
        raw = [p.rows @ c.f + p.offset for p in pieces]
        b, b_eq = layout.b * self.row_scale, c.b_eq * self.eq_scale
        self.unit = _unit(b, b_eq, raw)
        self.b, self.b_eq = b / self.unit, b_eq / self.unit
        self.offset = [x / self.unit for x in raw]
        gradient = layout.c * self.D
        prices = layout.price * np.array([p.scale for p in pieces]) if pieces else np.zeros(0)
        self.weight = max(float(np.abs(gradient).max(initial=0.0)), float(prices.max(initial=0.0)), 1e-12)
        self.c = gradient / self.weight
        self.price = prices / self.weight
        self.P = None if self.scaled_P is None else self.scaled_P * (self.unit / self.weight)
        self.G = [p.gradient for p in pieces]
        self.C = [(p.gradient @ c.f + p.constant) / self.unit for p in pieces]
        self.caps = [p.caps for p in pieces]
        self.mass = [p.mass for p in pieces]
        self.host_coef = np.array(
            [layout.coef[k] * p.scale * self.row_scale[layout.row[k]] if layout.row[k] >= 0 else 0.0
             for k, p in enumerate(pieces)]
        )  # fmt: skip
        self.spread = 1.0 + max([float(np.abs(x).max(initial=0.0)) for x in self.offset], default=0.0)
        self._bounds()

    # Dense forms only the interior-point master needs.
    @property
    def P_dense(self) -> Any:  # noqa: N802
        """The quadratic term."""
        return None if self.P is None else self.P.toarray()

    @cached_property
    def A_eq_dense(self) -> Any:  # noqa: N802
        """Equality rows."""
        return self.A_eq.toarray()

    @cached_property
    def AtA_eq(self) -> Any:  # noqa: N802
        """Gram matrix of the equality rows."""
        return self.A_eq_dense.T @ self.A_eq_dense

    @cached_property
    def simple(self) -> bool:
        """Whether every loss argument is a variable of its own."""
        pattern = np.diff(self.E.indptr)
        return bool(np.all(pattern == 1)) and len(np.unique(self.E.indices)) == self.E.shape[0]

    def _columns(self, size: Vector) -> Vector:
        layout = self.layout
        width = layout.E.shape[0]
        loss = _row_top(sp.csr_array((sp.diags_array(size) @ abs(layout.E)).T)) if width else np.zeros(self.n)
        other = _row_top(sp.csr_array(abs(layout.A).T)) if layout.A.shape[0] else np.zeros(self.n)
        if layout.A_eq.shape[0]:
            other = np.maximum(other, _row_top(sp.csr_array(abs(layout.A_eq).T)))
        size = np.where(loss > 0, loss, other)
        return np.where(size > 0, 1.0 / np.where(size > 0, size, 1.0), 1.0)

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

    def _bounds(self) -> None:
        """The tightest single-variable rows as bounds ``lower <= v <= upper``, and the rows they come from."""
        n, rows, columns, entry = self.n, self.single_rows, self.single_columns, self.single_entry
        self.lower, self.upper = np.full(n, -np.inf), np.full(n, np.inf)
        self.lower_row, self.upper_row = np.full(n, -1), np.full(n, -1)
        value = self.b[rows] / entry[rows]
        for up, bound, row in ((True, self.upper, self.upper_row), (False, self.lower, self.lower_row)):
            these = np.flatnonzero((entry[rows] > 0) == up)
            # Written from the loosest to the tightest, so that the tightest stays.
            order = these[np.argsort(-value[these] if up else value[these], kind="stable")]
            bound[columns[order]], row[columns[order]] = value[order], rows[order]

    def A_dense_row(self, row: int) -> Vector:  # noqa: N802
        """One row of A as a dense vector."""
        return np.asarray(self.A[[row]].toarray()).ravel()

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
            out = np.zeros((self.n, self.n))
            index = self.E.indices
            out[np.ix_(index, index)] = Hy * np.outer(self.E.data, self.E.data)
            return out
        return (self.ET @ (self.ET @ Hy).T).T

    def point(self, it: Any, primal: float, dual: float, tails: Vector, m: Vector, iterations: int) -> Point:
        """Unscale an iterate."""
        layout, c = self.layout, self.layout.compiled
        value_unit = self.unit * self.weight
        z = np.zeros(len(c.c))
        z[layout.columns] = self.D * self.unit * it.v
        levels = np.array([t * self.unit * p.scale for t, p in zip(tails, self.pieces, strict=True)])
        for k, host in enumerate(c.hosts):
            z[host.column] = levels[k]
        dual_in = it.lam * self.weight * self.row_scale
        dual_in = dual_in[: len(c.b_in)]
        dual_eq = it.nu * self.weight * self.eq_scale
        q = [qk / mk if mk > 0 else np.zeros_like(qk) for qk, mk in zip(it.q, m, strict=True)]
        y = c.E @ z + c.f
        state = {"z": z, "dual_in": dual_in, "dual_eq": dual_eq, "value": primal * value_unit + c.offset}
        return Point(
            "optimal", y, levels, primal * value_unit + c.offset, dual * value_unit + c.offset, q,
            m * self.weight, iterations, state, {"size": value_unit},
        )  # fmt: skip


def _loss_sizes(pieces: list[Piece], width: int) -> Vector:
    """Root mean square of each loss gradient over the boundary scenarios."""
    square, count = np.zeros(width), 0
    for piece in pieces:
        square += np.einsum("ij,ij->j", piece.rows, piece.rows)
        count += len(piece.rows)
    return np.asarray(np.sqrt(square / max(count, 1)))


def _row_top(A: Any) -> Vector:
    if A.shape[0] == 0 or A.shape[1] == 0:
        return np.zeros(A.shape[0])
    return np.asarray(abs(A).max(axis=1).toarray()).ravel()


def _unit(b: Vector, b_eq: Vector, raw: list[Vector]) -> float:
    """A typical loss: the constants' spread, else the size of the equality or inequality right-hand sides."""
    sizes = [float(x.std()) for x in raw if len(x)] + [float(np.abs(b_eq).max(initial=0.0))]
    largest = max(sizes, default=0.0)
    if largest <= 0:
        nonzero = np.abs(b[b != 0])
        largest = float(np.median(nonzero)) if len(nonzero) else 1.0
    return largest if largest > 0 and np.isfinite(largest) else 1.0
