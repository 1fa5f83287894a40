"""What multipliers of a conic program prove: the least of the Lagrangian with every variable inside its bounds.

Gradients ``d`` that are not zero are charged to the bounds of their variables, and where those have none, to what rows,
cones and the level set imply. Where there is nothing, what is more than rounding makes the bound minus infinity.

"Zero to rounding" is ``|d_j| <= 4e-15 (|c_j| + sum_i |A_ij z_i|)``, some 18 units in the last place of its terms. No
doubles z make d zero exactly where entries are arbitrary doubles, so the question is what the bound is worth. It is exact
for the program whose cost of that variable is ``c_j - d_j``: one whose entries differ by no more than they are rounded by
when cvxpy compiles them (Wilkinson's backward error). For the program as given it holds at every point with ``|x_j|`` up to
ten times the largest position, since d is charged that far; beyond, it can be off by ``|d_j x_j|``, which passes 1e-6 of the
terms only where ``|x_j|`` passes 2e8 and no row, cone or level set limits it. Any slope above that rounding is charged to a
limit or makes the bound none. ``tests/tail/test_exact.py`` asks both in exact arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from hedgeopt.tail.masters.bound import envelope
from hedgeopt.tail.masters.cones import exponentials, implied_rows, into_dual_cone
from hedgeopt.tail.masters.implied import tightened, with_pairs
from hedgeopt.tail.source import Index, Vector

# Gradients below this share of their terms are rounding, charged at so many times the largest value.
ROUNDING, _FAR = 4e-15, 10.0
# The share of what a bound loses from which a variable's part of it matters.
_MATTERS = 1e-3


@dataclass
class Bound:
    """A lower bound (minus infinity where none is proven) and the sum of the magnitudes it was summed from."""

    value: float
    terms: float
    far: Vector | None = None
    """Where each variable is charged, zero for those that cost the bound nothing that matters beside the others."""
    measure: Callable[[], float] | None = None
    rounded: tuple[Vector, Vector, Index] | None = None
    """Multipliers, their gradient, and the variables without limits of which it was taken to be zero, where any was not."""

    @property
    def unit(self) -> float:
        """A middle cost of a position: by its thousandth part, where the optimum is zero, gaps are measured.

        Neither the largest, which may stand for nothing else, nor terms of multipliers, which may be anything.
        """
        return 0.0 if self.measure is None else self.measure()


@dataclass
class Lagrangian:
    """A program with its point of the tangent; what multipliers prove about it."""

    A: Any
    by_column: Any
    b: Vector
    c: Vector
    P: Any
    dims: Any
    lower_triangle: bool
    levels: list[int]
    x: Vector

    costs: Vector | None = None
    """What variables cost with what the objective's epigraphs charge for them; None: ``c``."""

    def __post_init__(self) -> None:
        self.Px = np.zeros(len(self.c)) if self.P is None else np.asarray(self.P @ self.x)
        self.g = self.c + self.Px
        dense = isinstance(self.A, np.ndarray)
        self.filled = np.count_nonzero(self.A, axis=1) if dense else np.diff(self.A.indptr)
        # Rows of one variable are its bounds; cones and other rows may imply more.
        self.lower, self.upper = self._own()
        self.signed = slice(int(self.dims.zero), int(self.dims.zero) + int(self.dims.nonneg))
        self._rows: tuple[Any, Vector] | None = None
        self._curve: Vector | None = None
        self._tails: dict[int, Any] = {}
        self._seconds = None
        if self.dims.exp:
            # Where the second row of an exponential cone is a number and the third is not, the second gives way: d stays.
            filled = self.filled[exponentials(self.dims)].reshape(-1, 3) > 0
            self._seconds = ~filled[:, 1] & filled[:, 2]

    def _own(self) -> tuple[Vector, Vector]:
        low, high = np.full(len(self.c), -np.inf), np.full(len(self.c), np.inf)
        at = np.arange(int(self.dims.zero), int(self.dims.zero) + int(self.dims.nonneg))
        self.single = single = at[self.filled[at] == 1]
        side = self.b[single]
        if isinstance(self.A, np.ndarray):
            column = np.argmax(self.A[single] != 0.0, axis=1)
            entry = self.A[single, column]
        else:
            place = self.A.indptr[single]
            entry, column = self.A.data[place], self.A.indices[place]
        use = np.isfinite(side) & (entry != 0)
        entry, column = entry[use], column[use]
        # A bound is as exact as a quotient is: one unit in the last place outwards.
        value = side[use] / entry
        up = entry > 0
        np.minimum.at(high, column[up], np.nextafter(value[up], np.inf))
        np.maximum.at(low, column[~up], np.nextafter(value[~up], -np.inf))
        return low, high

    def feasible(self, z: Vector) -> Vector:
        """``z`` in the dual cone, with the weights of every tail in their envelope."""
        z = into_dual_cone(z, self.dims, self.lower_triangle, self._seconds)
        # Rows of one variable are bounds: what they hold is charged there.
        z[self.single] = 0.0
        z[~np.isfinite(self.b)] = 0.0
        for column in self.levels:
            found = self._tail(column)
            if found is not None:
                host, rows, share, caps, total = found
                z[rows] = envelope(z[rows] * share, z[host] * caps, z[host] * total) / share
        return z

    def _tail(self, column: int) -> tuple[int, Index, Vector, Vector, float] | None:
        if column not in self._tails:
            self._tails[column] = self._read_tail(column)
        return self._tails[column]

    def _read_tail(self, column: int) -> tuple[int, Index, Vector, Vector, float] | None:
        """Row of the level, scenario rows with their entries, caps and mass per unit of the level row."""
        at = slice(self.by_column.indptr[column], self.by_column.indptr[column + 1])
        rows, entries = self.by_column.indices[at], self.by_column.data[at]
        host = rows[entries > 0]
        rows, share = rows[entries < 0], -entries[entries < 0]
        if len(host) != 1 or not len(rows):
            return None
        # The excess of a scenario stands in its own row, and in the level's.
        held = self.A[[int(host[0])]]
        cost = dict(zip(held.indices.tolist(), held.data.tolist(), strict=True))
        caps = np.zeros(len(rows))
        for i, row in enumerate(rows.tolist()):
            here = slice(self.A.indptr[row], self.A.indptr[row + 1])
            for j, a in zip(self.A.indices[here].tolist(), self.A.data[here].tolist(), strict=True):
                if j != column and a < 0 and j in cost and np.isfinite(self.lower[j]) and self._pair(j):
                    caps[i] = cost[j] / -a * share[i]
        return int(host[0]), rows, share, caps, float(cost[column])

    def _pair(self, column: int) -> bool:
        """Whether a variable appears in its scenario, the level and its bound only."""
        return bool(self.by_column.indptr[column + 1] - self.by_column.indptr[column] == 3)

    def gradient(self, z: Vector) -> Vector:
        """``d`` of the module's text."""
        return np.asarray(self.g + self.A.T @ z)

    def terms(self, z: Vector) -> Vector:
        """Sum of the magnitudes that ``d`` was summed from."""
        size = np.abs(self.c) + abs(self.A).T @ np.abs(z)
        return np.asarray(size if self.P is None else size + abs(self.P) @ np.abs(self.x))

    def bound(self, z: Vector, implied: bool = True) -> Bound:
        """Value of the Lagrangian's least, with every variable inside its (implied) bounds."""
        d = self.gradient(z)
        held = np.isfinite(self.b)
        pull, curve = float(self.b[held] @ z[held]), 0.5 * float(self.x @ self.Px)
        constant = -curve - pull
        size = curve + float(np.abs(self.b[held]) @ np.abs(z[held]))
        side, ceiling, rounded = np.where(d > 0, self.lower, self.upper), np.inf, None
        bend = self.curve
        curved = bend > 0.0
        if curved.any():
            # A square of its own ends the way down at ``x - d / p``.
            turn = self.x[curved] - d[curved] / bend[curved]
            side[curved] = np.clip(turn, self.lower[curved], self.upper[curved])
        need = ~np.isfinite(side) & (d != 0)
        if need.any():
            if implied:
                lower, upper, ceiling = self._implied(d, constant, need)
                side = np.where(need, np.where(d > 0, lower, upper), side)
            need = ~np.isfinite(side) & (d != 0)
            small = np.abs(d) <= ROUNDING * self.terms(z)
            far = _FAR * max(float(np.abs(self.x).max(initial=0.0)), 1.0)
            side = np.where(need & small, -np.sign(d) * far, side)
            if (need & ~small).any():
                return Bound(-np.inf, size)
            if need.any():
                free = ~np.isfinite(self.lower) & ~np.isfinite(self.upper)
                rounded = z, d, np.flatnonzero(need | (free & (d == 0)))
        side = np.where(d != 0, side, 0.0)
        charge, lost = d * side, d * (self.x - side)
        if curved.any():
            rise = 0.5 * bend[curved] * np.where(d[curved] != 0, side[curved] - self.x[curved], 0.0) ** 2
            charge[curved] += rise
            lost[curved] -= rise
        reach = np.where(lost > _MATTERS * float(lost.sum()), np.abs(side), 0.0)
        value = min(constant + float(charge.sum()), ceiling)
        return Bound(value, size + float(np.abs(charge).sum()), reach, rounded=rounded)

    @property
    def curve(self) -> Vector:
        """``P_jj`` of variables whose square stands alone, zero for others; ``x'Px`` is at least what these add up to."""
        if self._curve is None:
            self._curve = np.zeros(len(self.c))
            if self.P is not None:
                square = self.P.diagonal()
                P = self.P if isinstance(self.P, np.ndarray) else sp.csr_array(self.P)
                count = np.count_nonzero(P, axis=1) if isinstance(P, np.ndarray) else np.diff(P.indptr)
                alone = (count == 1) & (square > 0.0)
                self._curve[alone] = square[alone]
        return self._curve

    def _implied(self, d: Vector, constant: float, need: Any) -> tuple[Vector, Vector, float]:
        """Bounds at every point with an objective below the ceiling, as rows, cones and the level set imply them.

        The variables in ``need`` lack the one that their gradient ``d`` asks for.
        """
        wanted = np.flatnonzero(need & (d > 0)), np.flatnonzero(need & (d < 0))
        if self._rows is None:
            self._rows = with_pairs(*implied_rows(self.A, self.b, self.dims, self.lower_triangle))
        if self.P is None and not self.c.any():
            # With nothing to minimise there is no level set, and what rounding leaves of d bounds nothing.
            return *tightened(*self._rows, self.lower, self.upper, wanted), np.inf
        value = float(self.c @ self.x) + 0.5 * float(self.x @ self.Px)
        ceiling = value + max(abs(value), float(np.abs(self.c) @ np.abs(self.x)), 1e-300)
        below = ceiling + 0.5 * float(self.x @ self.Px), ceiling - constant
        A = sp.csr_array(sp.vstack([self._rows[0], sp.csr_array(np.stack((self.g, d)))]))
        lower, upper = tightened(A, np.concatenate((self._rows[1], below)), self.lower, self.upper, wanted)
        return lower, upper, ceiling
