"""Points of solvers moved onto the bounds, and without cones onto the rows, that they break by their tolerance.

A solver that stops within its tolerance may leave ``w >= 0`` at ``-1e-18`` or ``-1e-8``. A bound is a row of one variable
and can be met exactly; the other rows are closed by the step that uses the least of the variables' room. What is left of
rows and cones is measured, and charged to the upper bound, afterwards.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from hedgeopt.tail.masters.cones import blocks
from hedgeopt.tail.masters.polish import shortest
from hedgeopt.tail.masters.rows import dense
from hedgeopt.tail.source import Vector

# A point that is farther outside, relative to its largest variable, is judged as it is; entries of a dense step at most.
_FAR, _ENTRIES = 1e-5, 200_000
# Steps at most, rows that they close at most, and what of a row's terms is rounding.
_TURNS, _ROWS = 4, 400
_ROUNDED = 1e-13
# A position counts as so much of the largest, where a row's terms vanish.
_LEAST = 1e-3


def bounds_of(data: dict[str, Any], size: int) -> tuple[Vector, Vector]:
    """(n,), (n,) bounds of the variables in a solver's data: rows of one variable among its inequalities."""
    low, high = np.full(size, -np.inf), np.full(size, np.inf)
    for ends, side, keep in ((data.get("lower_bounds"), low, np.maximum), (data.get("upper_bounds"), high, np.minimum)):
        if ends is not None:
            keep(side, np.asarray(ends, dtype=float), out=side)
    for A, b in _inequalities(data):
        if isinstance(A, np.ndarray):
            single = np.flatnonzero((np.count_nonzero(A, axis=1) == 1) & np.isfinite(b))
            column = np.argmax(A[single] != 0.0, axis=1)
            entry = A[single, column]
        else:
            A = sp.csr_array(A)
            A.eliminate_zeros()
            single = np.flatnonzero((np.diff(A.indptr) == 1) & np.isfinite(b))
            at = A.indptr[single]
            entry, column = A.data[at], A.indices[at]
        value = b[single] / entry
        np.minimum.at(high, column[entry > 0], value[entry > 0])
        np.maximum.at(low, column[entry < 0], value[entry < 0])
    return low, high


def _inequalities(data: dict[str, Any]) -> list[tuple[Any, Vector]]:
    """Rows ``A x <= b``: a quadratic solver's F and G, ECOS' G and h, else those after the equalities."""
    dims = data["dims"]
    if "F" in data:
        return [(data["F"], np.asarray(data["G"], dtype=float))]
    signed = int(dims.nonneg)
    if "h" in data:
        return [] if data["G"] is None else [(sp.csr_array(data["G"])[:signed], np.asarray(data["h"], dtype=float)[:signed])]
    rows, A = slice(int(dims.zero), int(dims.zero) + signed), data["A"]
    A = A if isinstance(A, np.ndarray) else sp.csr_array(A)
    return [(A[rows], np.asarray(data["b"], dtype=float)[rows])]


def clipped(solver: str, data: dict[str, Any], raw: Any) -> Any:
    """``raw`` with its point inside the variables' bounds; the same object where there is nothing to move."""
    x = _point(solver, raw)
    if x is None or data.get("dims") is None:
        return raw
    found = inside(data, x)
    return raw if found is x else with_point(solver, raw, found)


def inside(data: dict[str, Any], x: Vector) -> Vector:
    """``x`` inside the bounds and on the rows; the same array where there is nothing to move."""
    if not len(x) or not np.isfinite(x).all():
        return x
    low, high = bounds_of(data, len(x))
    found = np.minimum(np.maximum(x, low), high)
    if np.any(low > high) or np.any(np.abs(found - x) > _FAR * float(np.abs(x).max())):
        return x
    found = _closed(data, found, low, high)
    return found if (found != x).any() else x


def with_point(solver: str, raw: Any, x: Vector) -> Any:
    """A solver's answer with another point."""
    if solver == cp.HIGHS:
        found = raw["solution"]
        parts = {name: getattr(found, name) for name in ("row_value", "row_dual", "col_dual")}
        return raw | {"solution": SimpleNamespace(col_value=x, **parts)}
    if isinstance(raw, dict):
        return raw | {"x": x}
    parts = {name: getattr(raw, name) for name in dir(raw) if not name.startswith("_")}
    return SimpleNamespace(**(parts | {"x": x}))


def _closed(data: dict[str, Any], x: Vector, low: Vector, high: Vector) -> Vector:
    """``x`` on the rows of a small program without cones, whose bounds it meets; what cannot be closed stays open."""
    if "h" in data or any(True for _ in blocks(data["dims"])):
        return x
    zero = int(data["dims"].zero)
    ((A, b),) = _inequalities(data)
    if (zero + A.shape[0]) * len(x) > _ENTRIES:
        return x
    A = dense(A)
    equal, right = dense(data["A"])[:zero], np.asarray(data["b"], dtype=float)[:zero]
    several = (np.count_nonzero(A, axis=1) > 1) & np.isfinite(b)
    rows, sides, found = np.vstack((equal, A[several])), np.concatenate((right, b[several])), x
    whole, large = np.abs(rows), np.abs(sides)
    for turn in range(_TURNS):
        size = np.abs(found)
        size = np.maximum(size, _LEAST * float(size.max(initial=0.0)))
        away = rows @ found - sides
        away[zero:] = np.maximum(away[zero:], 0.0)
        broken = np.abs(away) > _ROUNDED * np.maximum(whole @ size, large)
        if not broken.any() or (turn == 0 and np.count_nonzero(broken) > _ROWS):
            break
        # Every equality stays where it is, whichever row is moved.
        broken[:zero] = True
        room = np.minimum(found - low, high - found)
        room = np.where(np.isfinite(room), room, np.maximum(np.abs(found), 1.0))
        scaled = rows[broken] * room
        top = np.abs(scaled).max(axis=1, initial=0.0)
        use = top > 0
        try:
            step = room * shortest(scaled[use] / top[use, None], -away[broken][use] / top[use])
        except np.linalg.LinAlgError:
            return x
        found = np.minimum(np.maximum(found + step, low), high)
    return found if np.abs(found - x).max() <= _FAR * float(np.abs(x).max()) else x


def _point(solver: str, raw: Any) -> Vector | None:
    """The point that a solver came back with, of those whose answer we can read."""
    if solver == cp.HIGHS:
        found = raw.get("solution") if isinstance(raw, dict) else None
        return None if found is None else np.array(found.col_value, dtype=float)
    if solver in (cp.SCS, cp.ECOS):
        found = raw.get("x")
    elif solver in (cp.CLARABEL, cp.OSQP):
        found = raw.x
    else:
        return None
    return None if found is None else np.array(found, dtype=float)
