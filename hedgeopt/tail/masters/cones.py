"""Cones as cvxpy hands them to solvers: dual points made feasible, and the linear rows a cone implies.

Rows come in the order zero, non-negative, second-order, semidefinite, exponential, power, powers of many;
``s = b - A x`` lies in the cone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

from hedgeopt.tail.source import Vector


def exponentials(dims: Any) -> slice:
    """Rows of all exponential cones, three each."""
    orders = sum(order * (order + 1) // 2 for order in dims.psd)
    begin = int(dims.zero) + int(dims.nonneg) + sum(dims.soc) + orders
    return slice(begin, begin + 3 * int(dims.exp))


def blocks(dims: Any, exponential: bool = True) -> Iterator[tuple[str, slice, Any]]:
    """Kind, rows and exponent (``powers``: exponents) of every cone but the zero and non-negative ones.

    Without ``exponential`` those are left out: there may be thousands, better taken all at once (:func:`exponentials`).
    """
    at = int(dims.zero) + int(dims.nonneg)
    for size in dims.soc:
        yield "soc", slice(at, at + size), 0.0
        at += size
    for order in dims.psd:
        size = order * (order + 1) // 2
        yield "psd", slice(at, at + size), float(order)
        at += size
    for _ in range(int(dims.exp)):
        if exponential:
            yield "exp", slice(at, at + 3), 0.0
        at += 3
    for power in dims.p3d:
        yield "power", slice(at, at + 3), float(power)
        at += 3
    for powers in getattr(dims, "pnd", None) or []:
        yield "powers", slice(at, at + len(powers) + 1), np.asarray(powers, dtype=float)
        at += len(powers) + 1


def into_dual_cone(z: Vector, dims: Any, lower_triangle: bool = False, seconds: Any = None) -> Vector:
    """The point moved into the dual cone; exact to rounding for every cone of :func:`blocks`.

    ``seconds`` (exponential cones,): those whose second entry gives way instead of the third.
    """
    z = z.copy() if np.isfinite(z).all() else np.nan_to_num(z, nan=0.0, posinf=0.0, neginf=0.0)
    signed = slice(int(dims.zero), int(dims.zero) + int(dims.nonneg))
    z[signed] = np.maximum(z[signed], 0.0)
    if dims.exp:
        _lift_exponentials(z[exponentials(dims)].reshape(-1, 3), seconds)
    for kind, rows, power in blocks(dims, exponential=False):
        part = z[rows]
        if kind == "soc":
            part[0] = max(part[0], float(np.linalg.norm(part[1:])))
        elif kind == "psd":
            _lift_matrix(part, int(power), lower_triangle)
        else:
            _lift_power(part, np.array([power, 1.0 - power]) if kind == "power" else power)
    return z


def inward(z: Vector, dims: Any, margin: float, lower_triangle: bool = False) -> None:
    """Moves a dual point into the interior of its cones by a share of its size, in place."""
    if dims.exp:
        every = z[exponentials(dims)].reshape(-1, 3)
        every[:, 1] += margin * np.abs(every[:, 0])
    for kind, rows, power in blocks(dims, exponential=False):
        part = z[rows]
        if kind == "soc":
            size = float(np.linalg.norm(part[1:]))
            if size > (1.0 - margin) * part[0] > 0.0:
                part[1:] *= (1.0 - margin) * part[0] / size
        elif kind == "psd":
            i, j = entry_places(int(power), lower_triangle)
            part[i == j] += margin * float(np.abs(part).max(initial=0.0))
        else:
            part[-1] *= 1.0 - margin


def entry_places(order: int, lower_triangle: bool) -> tuple[Any, Any]:
    """Places in the matrix of the entries of a semidefinite cone (off-diagonals are held times root two)."""
    # Columns of the upper triangle are the rows of the lower one.
    i, j = np.tril_indices(order)
    return (i, j) if not lower_triangle else np.triu_indices(order)


def matrices(parts: Vector, order: int, lower_triangle: bool) -> Vector:
    """(k, order, order) symmetric matrices of (rows, k) columns of entries."""
    i, j = entry_places(order, lower_triangle)
    out = np.zeros((parts.shape[1], order, order))
    out[:, i, j] = out[:, j, i] = (parts * np.where(i == j, 1.0, np.sqrt(0.5))[:, None]).T
    return out


def _lift_matrix(part: Vector, order: int, lower_triangle: bool) -> None:
    """Raise the diagonal until the smallest eigenvalue is zero (``part`` holds off-diagonals times root two)."""
    # Columns of the upper triangle are the rows of the lower one.
    i, j = np.tril_indices(order)
    if lower_triangle:
        j, i = np.triu_indices(order)
    M = np.zeros((order, order))
    M[i, j] = M[j, i] = np.where(i == j, part, part / np.sqrt(2.0))
    least = float(np.linalg.eigvalsh(M)[0]) if order else 0.0
    if least < 0.0:
        part[i == j] += -least + 1e-14 * float(np.abs(M).max())


def _lift_exponentials(parts: Vector, seconds: Any) -> None:
    """Rows ``u, v, w`` into ``{u < 0, -u exp(v/u) <= e w}`` and its closure ``{u = 0, v >= 0, w >= 0}``, in place."""
    u, v, w = parts.T.copy()
    if seconds is not None:
        there = seconds & (u < 0.0) & (w > 0.0)
        u_, w_ = np.where(there, u, -1.0), np.where(there, w, 1.0)
        v = np.where(there, np.maximum(v, u_ * (1.0 + np.log(w_) - np.log(-u_))), v)
    below = u < 0.0
    with np.errstate(over="ignore"):
        power = v / np.where(below, u, -1.0) - 1.0
    below &= power < 700.0
    parts[:, 0] = np.where(below, u, 0.0)
    parts[:, 1] = np.where(below, v, np.maximum(v, 0.0))
    with np.errstate(over="ignore"):
        least = np.where(below, -u * np.exp(np.where(below, power, 0.0)), 0.0)
    if seconds is not None:
        # What the logarithm rounded is none of w's affair.
        least = np.where(there & (least <= w * (1.0 + 1e-13)), 0.0, least)
    parts[:, 2] = np.maximum(w, least)


def _lift_power(part: Vector, powers: Vector) -> None:
    """Into ``{prod (u_i/a_i)^a_i >= |w|, u >= 0}``: all u grow by one factor, or w gives way."""
    u, w = np.maximum(part[:-1], 0.0), part[-1]
    size = float(np.prod((u / powers) ** powers))
    if size < abs(w):
        if size > 0.5 * abs(w):
            u = u * abs(w) / size
        else:
            w = np.sign(w) * size
    part[:-1], part[-1] = u, w


def implied_rows(A: Any, b: Vector, dims: Any, lower_triangle: bool = False) -> tuple[Any, Vector]:
    """Rows ``M x <= side`` that every feasible x meets."""
    A = sp.csr_array(A)
    zero, nonneg = int(dims.zero), int(dims.nonneg)
    rows, sides = [A[:zero], -A[:zero], A[zero : zero + nonneg]], [b[:zero], -b[:zero], b[zero : zero + nonneg]]
    count = int(dims.exp)
    if count:
        # All exponential cones at once. y exp(x / y) <= z: y, z >= 0 and, as exp is above its tangent, x + y <= z.
        every = exponentials(dims)
        W = sp.kron(sp.eye_array(count), np.array([[0.0, 1, 0], [0, 0, 1], [-1, -1, 1]]), format="csr")
        rows.append(sp.csr_array(W) @ A[every])
        sides.append(W @ b[every])
    for kind, at, power in blocks(dims, exponential=False):
        part, side = A[at], b[at]
        size = part.shape[0]
        if kind == "soc":
            # s_0 >= |s_i|
            W = sp.vstack([_first(size), *([_first(size) - _rest(size), _first(size) + _rest(size)] if size > 1 else [])])
        elif kind == "psd":
            W = _minors(int(power), lower_triangle)
        else:
            # prod x_i^a_i >= |z|: x >= 0 and, means in order, a'x >= |z|.
            a = np.array([power, 1.0 - power]) if kind == "power" else power
            W = sp.csr_array(np.vstack([np.eye(size)[:-1], np.append(a, 1.0), np.append(a, -1.0)]))
        rows.append(sp.csr_array(W) @ part)
        sides.append(W @ side)
    return sp.csr_array(sp.vstack(rows)), np.concatenate(sides)


def _minors(order: int, lower_triangle: bool) -> Any:
    """Rows of ``W s >= 0``: ``M_ii >= 0`` and, from ``(e_i +- e_j)' M (e_i +- e_j) >= 0``, ``M_ii + M_jj >= 2 |M_ij|``."""
    i, j = np.triu_indices(order) if lower_triangle else np.tril_indices(order)
    eye = sp.eye_array(len(i), format="csr")
    diagonal = np.flatnonzero(i == j)
    off = np.flatnonzero(i != j)
    both = eye[diagonal[i[off]]] + eye[diagonal[j[off]]]  # off-diagonals are held times root two
    return sp.csr_array(sp.vstack([eye[diagonal], both - np.sqrt(2.0) * eye[off], both + np.sqrt(2.0) * eye[off]]))


def _first(size: int) -> Any:
    return sp.csr_array((np.ones(max(size - 1, 1)), (np.arange(max(size - 1, 1)), np.zeros(max(size - 1, 1), dtype=int))),
                        (max(size - 1, 1), size))  # fmt: skip


def _rest(size: int) -> Any:
    return sp.csr_array((np.ones(size - 1), (np.arange(size - 1), np.arange(1, size))), (size - 1, size))
