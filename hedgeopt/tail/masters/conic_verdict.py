"""Verdicts on conic programs that are proofs: multipliers for "infeasible", a ray for "unbounded".

As for linear programs (:mod:`hedgeopt.tail.masters.verdict`) both come from separate programs that have a solution
whatever the data are, and are checked on the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import clarabel  # type: ignore[import-untyped]
import numpy as np
import scipy.sparse as sp

from hedgeopt.tail.masters.call import Answer, even, panics_as_errors
from hedgeopt.tail.masters.cones import blocks
from hedgeopt.tail.masters.curvature import symmetric
from hedgeopt.tail.masters.dual_point import standard
from hedgeopt.tail.masters.exactly import outlives
from hedgeopt.tail.masters.lagrangian import Bound
from hedgeopt.tail.masters.options import LONGEST
from hedgeopt.tail.masters.outside import broken
from hedgeopt.tail.masters.units import balanced, equilibrated, many_decades
from hedgeopt.tail.masters.weak import DUST, bound_of, large_multipliers
from hedgeopt.tail.source import Vector

# Share of its terms that a proof of infeasibility must pass; a ray's rows hold to this share of theirs, and its decrease
# passes that one; what is less than this share of a ray is none of it, where there are cones.
_CERTAIN, _NEAR, _FALLS, _STEEP = 1e-10, 1e-7, 1e-6, 1e-3
# Calls of Clarabel for a certificate, each in the units that the one before suggests.
_TURNS = 3
# How far inside the cones a ray is looked for first, and what is rounding in a cone.
_MARGIN, _EXACT = 1e-5, 1e-14
# Bounds closer than this are the same.
_TINY = 1e-15


def impossible(answer: Answer, levels: list[int], seconds: float | None) -> bool:
    """Whether multipliers prove that no point meets the rows: the solver's, or those of the point that is closest."""
    found = standard(answer) if answer.data else None
    if found is None:
        return False
    data, _, z = found
    if _crossed(data):
        return True
    nothing = {key: value for key, value in data.items() if key != "P"} | {"c": np.zeros(len(data["c"]))}
    size = np.ones(len(data["c"])) if answer.units is None else answer.units.columns
    if answer.status == "infeasible" and _proves(nothing, z, levels, size):
        return True
    if data.get("lower_triangle"):
        return False  # matrices of SCS are not laid out as Clarabel's
    return _proves(nothing, closest(data, seconds), levels, size)


def _crossed(data: dict[str, Any]) -> bool:
    """Whether rows of one variable leave it nothing: a lower bound above an upper one."""
    A, b, zero = sp.csr_array(data["A"]), np.asarray(data["b"], dtype=float), int(data["dims"].zero)
    rows = np.flatnonzero(np.diff(A.indptr)[: zero + int(data["dims"].nonneg)] == 1)
    at = A.indptr[rows]
    rows, at = rows[A.data[at] != 0.0], at[A.data[at] != 0.0]
    value, column = b[rows] / A.data[at], A.indices[at]
    low, high = np.full(A.shape[1], -np.inf), np.full(A.shape[1], np.inf)
    up, down = (A.data[at] > 0) | (rows < zero), (A.data[at] < 0) | (rows < zero)
    np.minimum.at(high, column[up], value[up])
    np.maximum.at(low, column[down], value[down])
    with np.errstate(invalid="ignore"):
        return bool(np.any(low - high > _CERTAIN * (np.abs(low) + np.abs(high)) + _TINY))


def _proves(data: dict[str, Any], z: Vector, levels: list[int], columns: Vector) -> bool:
    if "noise" in data and len(z) == len(data["b"]):
        # Rounding of the data contradicts nothing.
        z = z * np.append(~data["noise"], np.ones(len(z) - len(data["noise"])))
    size = float(np.abs(np.nan_to_num(z)).max(initial=0.0))
    if not size > 0:
        return False
    for share in (0.0, *DUST):
        bound = bound_of(data, np.zeros(len(data["c"])), large_multipliers(z / size, data["dims"], share), levels)
        if bound.value > _CERTAIN * bound.terms > 0 and _everywhere(data, bound, columns):
            return True
    return False


def _everywhere(data: dict[str, Any], bound: Bound, columns: Vector) -> bool:
    """Whether the proof holds at any distance, where rows bound nothing and a gradient was taken for rounding."""
    if bound.rounded is None:
        return True
    z, d, far = bound.rounded
    sides = np.asarray(data["b"], dtype=float)
    A, held = sp.csr_array(data["A"])[:, far], np.isfinite(sides)
    return outlives(A, np.where(held, z, 0.0), d[far], np.where(held, sides, 0.0), bound.value, columns[far])


def closest(data: dict[str, Any], seconds: float | None) -> Vector:
    """Multipliers of the program that moves all rows outwards by one amount, in their units, and minimises that."""
    A, b, dims = sp.csc_array(data["A"]), np.asarray(data["b"], dtype=float), data["dims"]
    zero, n = int(dims.zero), A.shape[1]
    held = np.where(np.isfinite(b), b, np.finfo(float).max ** 0.25)
    out = _inside(dims, len(b))[zero:]
    equal = A[:zero]
    ones = sp.csc_array(np.ones((zero, 1)))
    whole = sp.vstack([
        sp.hstack([equal, -ones]), sp.hstack([-equal, -ones]), sp.hstack([A[zero:], -sp.csc_array(out[:, None])]),
        sp.csc_array(([-1.0], ([0], [n])), shape=(1, n + 1)),
    ])  # fmt: skip
    right = np.concatenate((held[:zero], -held[:zero], held[zero:], [1.0]))
    cones = [clarabel.NonnegativeConeT(2 * zero), *_cones(dims), clarabel.NonnegativeConeT(1)]
    cost = np.append(np.zeros(n), 1.0)
    answer = _solve(sp.csc_array((n + 1, n + 1)), cost, whole, right, cones, seconds)
    z = np.nan_to_num(np.asarray(answer.z, dtype=float))
    return np.concatenate((z[:zero] - z[zero : 2 * zero], z[2 * zero : -1]))


def _inside(dims: Any, size: int) -> Vector:
    """(R,) a step that takes every slack into its cone."""
    step = np.zeros(size)
    step[int(dims.zero) : int(dims.zero) + int(dims.nonneg)] = 1.0
    for kind, at, power in blocks(dims):
        if kind == "soc":
            step[at.start] = 1.0
        elif kind == "psd":
            i, j = np.tril_indices(int(power))
            step[at] = i == j
        else:
            step[at] = 1.0
            if kind == "exp":
                step[at.start] = -1.0
            else:
                step[at.stop - 1] = 0.0
    return step


def ray_of(data: dict[str, Any], seconds: float | None) -> Vector | None:
    """A direction along which a conic program falls for ever: ``c'r < 0``, ``-Ar`` in the cone, ``Pr = 0``, |r| <= 1."""
    dims = data.get("dims")
    if dims is None or data.get("A") is None:
        return None
    A, c = sp.csc_array(data["A"]), np.asarray(data["c"], dtype=float)
    n, size = len(c), float(np.abs(c).max(initial=0.0)) or 1.0
    rows = 1.0 / np.maximum(abs(A).max(axis=1).toarray().ravel(), 1e-300)
    for _, at, _ in blocks(dims):
        rows[at] = rows[at].min(initial=1.0)
    scaled = sp.diags_array(rows) @ A
    low, high = (np.full(n, end) if found is None else np.asarray(found, dtype=float)
                 for end, found in ((-np.inf, data.get("lower_bounds")), (np.inf, data.get("upper_bounds"))))  # fmt: skip
    ends = np.where(np.isfinite(high), 0.0, 1.0), np.where(np.isfinite(low), 0.0, 1.0)
    more = [scaled[: int(dims.zero)]]
    if data.get("P") is not None:
        more.append(sp.csr_array(symmetric(data["P"])))
    equal = sp.vstack(more)
    whole = sp.vstack([equal, scaled[int(dims.zero) :], sp.eye_array(n), -sp.eye_array(n)])
    cones = [clarabel.ZeroConeT(equal.shape[0]), *_cones(dims), clarabel.NonnegativeConeT(2 * n)]
    inside = _inside(dims, A.shape[0])[int(dims.zero) :]
    inside[: int(dims.nonneg)] = 0.0
    for room in (_MARGIN, 0.0) if inside.any() else (0.0,):
        # Well inside of the cones there is no doubt about a ray.
        b = np.concatenate((np.zeros(equal.shape[0]), -room * inside, *ends))
        r = np.asarray(_solve(sp.csc_array((n, n)), c / size, whole, b, cones, seconds).x, dtype=float)
        if np.all(np.isfinite(r)) and r.any() and (found := _checked(r, c, scaled, dims, low, high)) is not None:
            return found
    return None


def is_ray(data: dict[str, Any], r: Vector) -> bool:
    """Whether ``r`` itself is such a direction."""
    if len(r) != len(data["c"]) or not np.isfinite(r).all() or not r.any():
        return False
    P = None if data.get("P") is None else symmetric(data["P"])
    if P is not None and np.any(np.abs(P @ r) > _NEAR * (abs(P) @ np.abs(r))):
        return False
    none = np.full(len(r), -np.inf), np.full(len(r), np.inf)
    A, b = sp.csc_array(data["A"]), np.asarray(data["b"], dtype=float)
    if not np.isfinite(b).all() or data.get("lower_triangle"):
        return False
    return _checked(r / np.abs(r).max(), np.asarray(data["c"], dtype=float), A, data["dims"], *none) is not None


def feasible(data: dict[str, Any], seconds: float | None) -> bool:
    """Whether some point meets every row to 1e-7 of its terms."""
    if data.get("lower_triangle"):
        return False
    A, b, dims = sp.csc_array(data["A"]), np.asarray(data["b"], dtype=float), data["dims"]
    held = np.where(np.isfinite(b), b, np.finfo(float).max ** 0.25)
    n = A.shape[1]
    cones = [clarabel.ZeroConeT(int(dims.zero)), *_cones(dims)]
    # The smallest such point: without a cost some would run off.
    answer = _solve(sp.eye_array(n), np.zeros(n), A, held, cones, seconds)
    x = np.asarray(answer.x, dtype=float)
    return len(x) == n and broken(data, x, np.zeros(len(b))).violation <= _NEAR


def _checked(r: Vector, c: Vector, scaled: Any, dims: Any, low: Vector, high: Vector) -> Vector | None:
    """The ray without its entries that are rounding, if it is one."""
    # What a cone holds up by its curvature alone (x where x^2 <= t, of a ray in t) is there by the root of the accuracy.
    least = _STEEP if any(True for _ in blocks(dims)) else _NEAR
    r = np.where(np.abs(r) > least * np.abs(r).max(), r, 0.0)
    if not c @ r < -_FALLS * float(np.abs(c) @ np.abs(r)):
        return None
    s, terms = -(scaled @ r), abs(scaled) @ np.abs(r)
    zero, signed = slice(0, int(dims.zero)), slice(int(dims.zero), int(dims.zero) + int(dims.nonneg))
    ok = bool(np.all(np.abs(s[zero]) <= _NEAR * terms[zero]) and np.all(s[signed] >= -_NEAR * terms[signed]))
    for kind, at, power in blocks(dims):
        ok = ok and _recedes(kind, s[at], power, _NEAR * terms[at])
    ok = ok and bool(np.all(r[np.isfinite(high)] <= 0.0) and np.all(r[np.isfinite(low)] >= 0.0))
    return r if ok else None


def _recedes(kind: str, s: Vector, power: Any, room: Vector) -> bool:
    """Whether ``s`` is in the cone but for ``room`` in each row.

    Of exponentials and powers, rows with next to nothing count as zero: a little of one would hold up much of another.
    """
    if kind == "soc":
        return bool(np.linalg.norm(s[1:]) <= (1.0 + _EXACT) * s[0])
    if kind == "psd":
        i, j = np.tril_indices(int(power))
        M = np.zeros((int(power), int(power)))
        M[i, j] = M[j, i] = np.where(i == j, s, s / np.sqrt(2.0))
        return not len(M) or float(np.linalg.eigvalsh(M)[0]) >= -_EXACT * float(np.abs(M).max())
    s = np.where(np.abs(s) > room, s, 0.0)
    if kind == "powers":
        return bool(s[:-1].min() >= 0.0 and abs(s[-1]) - np.prod(s[:-1] ** power) <= room[-1])
    x, y, z = (float(value) for value in s)
    if kind == "exp":
        return y >= 0.0 and (y * float(np.exp(min(x / y, 700.0))) - z <= room[2] if y > 0.0 else x <= 0.0 <= z)
    return x >= 0.0 and y >= 0.0 and abs(z) - x**power * y ** (1.0 - power) <= room[2]


def _cones(dims: Any) -> list[Any]:
    """Clarabel's cones after the equations."""
    return [clarabel.NonnegativeConeT(int(dims.nonneg))] + [
        clarabel.SecondOrderConeT(at.stop - at.start) if kind == "soc"
        else clarabel.PSDTriangleConeT(int(power)) if kind == "psd"
        else clarabel.ExponentialConeT() if kind == "exp" else clarabel.PowerConeT(power) if kind == "power"
        else clarabel.GenPowerConeT(even(power), 1)
        for kind, at, power in blocks(dims)
    ]  # fmt: skip


def solve_arrays(data: dict[str, Any], far: list[Vector]) -> Iterator[tuple[Vector, Vector]]:
    """Points and multipliers of a small conic program from Clarabel, in units of one and then in those of its point.

    The caller appends to ``far`` where the bound charged each variable: that far it pays to go.
    """
    units = equilibrated(data)
    for turn in range(_TURNS + 1):
        scaled = units.scaled(data)
        P, n = scaled.get("P"), len(scaled["c"])
        upper = sp.csc_array((n, n)) if P is None else sp.csc_array(sp.triu(sp.csc_array(P)))
        b = np.where(np.isfinite(scaled["b"]), scaled["b"], np.finfo(float).max ** 0.25)
        cones = [clarabel.ZeroConeT(int(data["dims"].zero)), *_cones(data["dims"])]
        answer = _solve(upper, scaled["c"], scaled["A"], b, cones, None, 1e-11)
        x, z = units.columns * np.asarray(answer.x), units.rows * np.asarray(answer.z) / units.weight
        if not (np.isfinite(x).all() and np.isfinite(z).all()):
            return
        yield x, z
        if turn == 0 and many_decades(data):
            units = balanced(data, np.abs(np.asarray(data["c"], dtype=float)))
            continue
        units = units.fitted(data, np.asarray(answer.x), far[-1] / units.columns if far else np.zeros(n))


def _solve(P: Any, cost: Vector, A: Any, b: Vector, cones: list[Any], seconds: float | None, accuracy: float = 1e-8) -> Any:
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = accuracy
    settings.time_limit = LONGEST if seconds is None else max(seconds, 1e-3)
    with panics_as_errors("CLARABEL"):
        return clarabel.DefaultSolver(sp.csc_matrix(P), cost, sp.csc_matrix(A), b, cones, settings).solve()
