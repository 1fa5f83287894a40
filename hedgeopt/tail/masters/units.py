"""Units in which the rows and columns of a conic program are of order one, for solvers that judge by absolute sizes.

With ``x = D x'`` and rows times E (one factor per cone, so that ``s' = E s`` stays in it) the program
``min ½ x'Px + c'x``, ``Ax + s = b``, ``s ∈ K`` has the arrays ``w DPD``, ``w Dc``, ``EAD``, ``Eb``, and ``z = E z' / w``.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg  # noqa: F401  sp.linalg

from hedgeopt.tail.masters.cones import blocks, exponentials
from hedgeopt.tail.source import Vector

# Rows from a bound to a variable without, by which sizes are carried.
_CARRIED = 5
# Sweeps of the equilibration (Ruiz 2001), and the share of the largest position below which a position says nothing.
_SWEEPS, _SMALL = 20, 1e-6
# Entries this far apart are balanced in a second solve.
_SPREAD = 1e8
# Steps of least squares in logarithms at most, and the largest of those.
_STEPS, _LONGEST = 200, 300.0


@dataclass(frozen=True)
class Units:
    """``columns`` D, ``rows`` E and the weight w of the objective."""

    columns: Vector
    rows: Vector
    weight: float

    def scaled(self, data: dict[str, Any]) -> dict[str, Any]:
        """Canonical data in these units."""
        D, E = sp.diags_array(self.columns), sp.diags_array(self.rows)
        out = data | {
            "A": sp.csc_array(E @ sp.csc_array(data["A"]) @ D),
            "b": self.rows * np.asarray(data["b"], dtype=float),
            "c": self.weight * self.columns * np.asarray(data["c"], dtype=float),
        }
        if data.get("P") is not None:
            out["P"] = sp.csc_array(self.weight * (D @ sp.csc_array(data["P"]) @ D))
        return out

    def back(self, raw: Any) -> Any:
        """Clarabel's answer in the units the data came in."""
        x, z, s = (None if part is None else np.array(part) for part in (raw.x, raw.z, raw.s))
        return SimpleNamespace(
            x=None if x is None else self.columns * x, z=None if z is None else self.rows * z / self.weight,
            s=None if s is None else s / self.rows, status=raw.status, obj_val=raw.obj_val / self.weight,
            solve_time=raw.solve_time, iterations=raw.iterations,
        )  # fmt: skip

    def none(self) -> Units:
        """The problem's units."""
        return Units(np.ones(len(self.columns)), np.ones(len(self.rows)), 1.0)

    def fitted(self, data: dict[str, Any], x: Vector, far: Vector) -> Units:
        """Units after a solve in these: columns as large as they were there, or as far as it pays to go (``far``)."""
        size = np.maximum(np.abs(np.nan_to_num(x)), far)
        size = np.where(size > _SMALL * size.max(initial=0.0), size, 1.0)
        return _rows(data, self.columns * size)


def many_decades(data: dict[str, Any]) -> bool:
    """Whether entries are farther apart than the sweeps of :func:`equilibrated` take away."""
    held = np.abs(sp.csr_array(data["A"]).data)
    held = held[held > 0]
    return bool(len(held)) and bool(held.max() > _SPREAD * held.min())


def at_point(data: dict[str, Any], x: Vector) -> Units:
    """Units in which every position is one; where a position is nothing, the largest entry of its column is."""
    top = _largest(abs(sp.csr_array(data["A"])), 0)
    size = np.abs(x)
    size = np.where(size > _SMALL * (1.0 / np.where(top > 0, top, 1.0)), size, 1.0 / np.where(top > 0, top, 1.0))
    return _rows(data, size)


def equilibrated(data: dict[str, Any], sweeps: int = _SWEEPS) -> Units:
    """Units in which the largest entry of every row and column is about one."""
    A = abs(sp.csr_array(data["A"]))
    P = None if data.get("P") is None else abs(sp.csr_array(data["P"]))
    columns, rows = np.ones(A.shape[1]), np.ones(A.shape[0])
    for _ in range(sweeps):
        now: Any = sp.diags_array(rows) @ A @ sp.diags_array(columns)
        across, down = _largest(now, 1), _largest(now, 0)
        _together(across, data["dims"])
        if P is not None:
            # A variable that stands in the objective only has its curvature for a size.
            curve = np.maximum(_largest(P, 0), _largest(P, 1)) * columns**2
            down = np.where(down > 0, down, curve)
        rows /= np.sqrt(np.where(across > 0, across, 1.0))
        columns /= np.sqrt(np.where(down > 0, down, 1.0))
    return _rows(data, columns)


def balanced(data: dict[str, Any], costs: Vector) -> Units:
    """Units in which entries, costs and sides of rows are one in the geometric mean (Curtis & Reid 1972).

    Least squares in logarithms: whatever units the variables and rows come in, the same. Bounds are no part of it, as they
    may be a million where one would do.
    """
    A, b = sp.coo_array(sp.csr_array(data["A"])), np.asarray(data["b"], dtype=float)
    n, group = A.shape[1], np.arange(A.shape[0])
    for _, at, _ in blocks(data["dims"]):
        group[at] = at.start
    count = np.bincount(group[A.row], minlength=len(b))
    use = (A.data != 0) & (count[group[A.row]] > 1)
    entry, row, column = np.abs(A.data[use]), group[A.row[use]], A.col[use]
    sided = np.flatnonzero(np.isfinite(b) & (b != 0) & (count[group] > 1))
    priced = np.flatnonzero(costs > 0)
    # Unknowns: columns, rows, and the objective's weight last.
    right = -np.log(np.concatenate((entry, np.abs(b[sided]), costs[priced])))
    line = np.arange(len(right))
    first = np.concatenate((n + row, n + group[sided], np.full(len(priced), n + len(b))))
    second, who = np.concatenate((column, priced)), np.concatenate((line[: len(entry)], line[len(entry) + len(sided) :]))
    place = np.concatenate((line, who)), np.concatenate((first, second))
    M = sp.csr_array((np.ones(len(line) + len(who)), place), (len(right), n + len(b) + 1))
    top = _largest(abs(sp.csr_array(data["A"])), 0)
    if data.get("P") is not None:
        top = np.where(top > 0, top, np.sqrt(np.abs(sp.csr_array(data["P"]).diagonal())))
    known = np.zeros(n, dtype=bool)
    known[second] = True
    logs = sp.linalg.lsqr(M, right, atol=1e-6, btol=1e-6, iter_lim=_STEPS)[0][:n] if len(right) else np.zeros(n)
    columns = np.where(known, np.exp(np.clip(logs, -_LONGEST, _LONGEST)), 1.0 / np.where(top > 0, top, 1.0))
    return _rows(data, columns)


def of_bounds(data: dict[str, Any]) -> Units:
    """Units in which the farther bound of every variable is one, and variables without as far as rows carry that."""
    A, b = sp.csr_array(data["A"]), np.asarray(data["b"], dtype=float)
    first, linear = int(data["dims"].zero), int(data["dims"].zero) + int(data["dims"].nonneg)
    single = first + np.flatnonzero(np.diff(A.indptr)[first:linear] == 1)
    at = A.indptr[single]
    far = np.abs(b[single] / np.where(A.data[at] != 0, A.data[at], np.inf))
    reach = np.zeros(A.shape[1])
    np.maximum.at(reach, A.indices[at], np.where(np.isfinite(far), far, 0.0))
    entry, row = np.abs(A.data), np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
    use = entry > 0
    entry, row, column = entry[use], row[use], A.indices[use]
    for _ in range(_CARRIED):
        top = np.zeros(A.shape[0])
        np.maximum.at(top, row, entry * reach[column])
        top = np.where(top > 0, np.maximum(top, np.where(np.isfinite(b), np.abs(b), 0.0)), 0.0)
        found = np.zeros(len(reach))
        np.maximum.at(found, column, top[row] / entry)
        reach = np.where(reach > 0, reach, found)
    top = _largest(abs(A), 0)
    return _rows(data, np.where(reach > 0, reach, 1.0 / np.where(top > 0, top, 1.0)))


def _rows(data: dict[str, Any], columns: Vector) -> Units:
    """Rows and the objective in units of their largest term, for given columns."""
    A = abs(sp.csr_array(data["A"]))
    across = _largest(A @ sp.diags_array(columns), 1)
    _together(across, data["dims"])
    cost = float((columns * np.abs(np.asarray(data["c"], dtype=float))).max(initial=0.0))
    if data.get("P") is not None:
        D = sp.diags_array(columns)
        cost = max(cost, float(_largest(abs(D @ sp.csr_array(data["P"]) @ D), 1).max(initial=0.0)))
    return Units(columns, 1.0 / np.where(across > 0, across, 1.0), 1.0 / cost if cost > 0 else 1.0)


def _largest(matrix: Any, axis: int) -> Vector:
    if 0 in matrix.shape:
        return np.zeros(matrix.shape[1 - axis])
    return np.asarray(sp.csr_array(matrix).max(axis=axis).toarray(), dtype=float).ravel()


def _together(across: Vector, dims: Any) -> None:
    """The largest of each cone's rows for all of them, in place."""
    if dims.exp:
        every = across[exponentials(dims)].reshape(-1, 3)
        every[:] = every.max(axis=1, keepdims=True)
    for _, rows, _ in blocks(dims, exponential=False):
        across[rows] = across[rows].max(initial=0.0)
