"""Multipliers moved as little as possible until the gradient is zero where variables have no bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp
import scipy.sparse.linalg  # noqa: F401  sp.linalg

from hedgeopt.tail.masters.cones import blocks, inward
from hedgeopt.tail.masters.lagrangian import ROUNDING, Bound, Lagrangian
from hedgeopt.tail.source import Vector

# The largest matrix that a projection factorises.
_LARGEST = 4_000_000
# Variables without bounds up to which normal equations are factorised.
_QUICK = 600
# Columns beyond which sparse equations are the quicker ones.
_FEW = 100
# Margins inside the cones that leave room for the projection.
_INSIDE = 0.0, 1e-9, 1e-8, 1e-7
# How far inside their cones dual points are moved before they are projected: what the first leaves, the next may not.
_MARGINS, _TURNS = (0.0, 1e-11, 1e-9, 1e-7), 8


def best(program: Lagrangian, z: Vector) -> Bound:
    """The better bound of ``z`` in the cone and of ``z`` moved until ``d`` is zero where it has to be."""
    first = program.bound(program.feasible(z))
    moved = _projected(program, program.feasible(z))
    if moved is None:
        return first
    # In a quadratic program the point of the tangent has moved, too: the bound holds at any.
    now = replace(program, x=moved[1])
    second = now.bound(now.feasible(moved[0]))
    return second if second.value > first.value else first


def quick(program: Lagrangian, z: Vector) -> Bound:
    """The bound after one projection through normal equations, where implied bounds are not asked for."""
    z, now = program.feasible(z), program
    for turn in range(2):
        d = now.gradient(z)
        open_ = ~np.isfinite(np.where(d > 0, program.lower, program.upper)) & (d != 0)
        if not np.any(open_ & (np.abs(d) > ROUNDING * now.terms(z))):
            return now.bound(z, implied=False)
        if turn:
            break
        moved = _nearest(program, z, d, open_)
        if moved is None:
            break
        z, now = program.feasible(moved[0]), moved[1]
    return Bound(-np.inf, 0.0)


def _weights(program: Lagrangian, z: Vector) -> Vector:
    """How far each multiplier may move, relative to its size."""
    weight = np.zeros(len(z))
    weight[: program.signed.start] = max(float(np.abs(z[: program.signed.start]).max(initial=0.0)), 1.0)
    weight[program.signed] = z[program.signed]
    for kind, rows, _ in blocks(program.dims):
        # Cones move last: a step that leaves one has to be taken back.
        weight[rows] = 0.1 * z[rows][0] if kind == "soc" else 0.1 * np.abs(z[rows]) if kind != "psd" else 0.0
    weight[~np.isfinite(program.b)] = 0.0
    return weight


def _nearest(program: Lagrangian, z: Vector, d: Vector, open_: Any) -> tuple[Vector, Lagrangian] | None:
    """``z`` moved by least squares until ``d`` is zero where nothing bounds a variable; None where that fails."""
    free = ~np.isfinite(program.lower) & ~np.isfinite(program.upper)
    wanted, weight = np.flatnonzero(open_ | free), _weights(program, z)
    use = np.flatnonzero(weight > 0)
    if not len(use):
        return None
    diagonal = program.P is None and all(kind not in ("soc", "psd") for kind, _, _ in blocks(program.dims))
    if diagonal and len(wanted) > _FEW:
        return _nearest_sparse(program, z, weight, wanted)
    if len(wanted) > _QUICK:
        return None
    A = program.A[:, wanted].toarray()
    size = max(float(np.abs(program.x).max(initial=0.0)), 1.0)
    curve = None if program.P is None else size * sp.csr_array(program.P)[:, wanted].toarray()
    curved = any(True for _ in blocks(program.dims))
    for margin in _INSIDE if curved else _INSIDE[:1]:
        out = z.copy()
        if margin:
            inward(out, program.dims, margin)
        moves = _metric(program, out, weight, A)
        gram = A.T @ moves
        if curve is not None:
            gram += curve.T @ curve
        top = np.sqrt(np.maximum(np.diag(gram), 1e-300))
        gram /= np.outer(top, top)
        gram.flat[:: len(gram) + 1] += 1e-14
        try:
            factor = la.cho_factor(gram, check_finite=False)
        except (la.LinAlgError, ValueError):
            continue
        now = program
        for _ in range(4):
            step = la.cho_solve(factor, now.gradient(out)[wanted] / top, check_finite=False) / top
            out -= moves @ step
            if curve is not None:
                # The point of the tangent moves, too: the bound holds at any.
                now = replace(now, x=now.x - size * (curve @ step))
            back = program.feasible(out)
            if np.all(np.abs(now.gradient(back)[wanted]) <= ROUNDING * now.terms(back)[wanted]):
                return back, now
    return None


def _nearest_sparse(program: Lagrangian, z: Vector, weight: Vector, wanted: Any) -> tuple[Vector, Lagrangian] | None:
    """:func:`_nearest` for many variables of linear problems with exponentials and powers, whose metric is diagonal.

    ``u + B y = 0, B'u = -d`` with ``B = W A`` stays sparse where the normal equations of a budget row fill up.
    """
    B = sp.diags_array(weight) @ program.A[:, wanted]
    top = np.sqrt(np.maximum(np.asarray(B.power(2).sum(axis=0)).ravel(), 1e-300))
    B = sp.csr_array(B @ sp.diags_array(1.0 / top))
    rows, columns = B.shape
    whole = sp.block_array([[sp.eye_array(rows), B], [B.T, -1e-14 * sp.eye_array(columns)]], format="csc")
    try:
        factor = sp.linalg.splu(whole)
    except RuntimeError:
        return None
    for margin in _INSIDE:
        out = z.copy()
        if margin:
            inward(out, program.dims, margin)
        for _ in range(4):
            short = np.concatenate((np.zeros(rows), -program.gradient(out)[wanted] / top))
            out = out + weight * factor.solve(short)[:rows]
            back = program.feasible(out)
            if np.all(np.abs(program.gradient(back)[wanted]) <= ROUNDING * program.terms(back)[wanted]):
                return back, program
    return None


def _metric(program: Lagrangian, z: Vector, weight: Vector, A: Any) -> Any:
    """``W A`` of the metric in which steps are short: squares of the weights, of second-order cones their barrier's.

    The inverse Hessian of ``-log(z_0^2 - |z_1|^2)`` is ``z z' - det / 2 J``: steps along it stay in the cone.
    """
    out = weight[:, None] ** 2 * A
    for kind, rows, _ in blocks(program.dims):
        part = z[rows]
        det = (part[0] - np.linalg.norm(part[1:])) * (part[0] + np.linalg.norm(part[1:])) if kind == "soc" else 0.0
        if det > 0.0:
            flat = 0.5 * det * A[rows]
            flat[0] *= -1.0
            out[rows] = np.outer(part, part @ A[rows]) + flat
    return out


def _projected(program: Lagrangian, z: Vector) -> tuple[Vector, Vector] | None:
    """``z`` and the point of the tangent moved, as little as possible, until ``d`` is zero where nothing bounds it."""
    d = program.gradient(z)
    free = ~np.isfinite(program.lower) & ~np.isfinite(program.upper)
    wanted = np.flatnonzero((~np.isfinite(np.where(d > 0, program.lower, program.upper)) & (d != 0)) | free)
    weight = _weights(program, z)
    use = np.flatnonzero(weight > 0)
    if not len(wanted) or not len(use) or len(wanted) * len(use) > _LARGEST:
        return None
    B = program.A[use][:, wanted].toarray().T * weight[use]
    at, n = program.x.copy(), len(use)
    size = max(float(np.abs(program.x).max(initial=0.0)), 1.0)
    if program.P is not None:
        B = np.hstack((B, size * sp.csr_array(program.P)[wanted].toarray()))
    top = np.maximum(np.abs(B).max(axis=1), 1e-300)
    scale = np.concatenate((weight[use], np.full(B.shape[1] - n, size)))
    inverse = scale[:, None] * np.linalg.pinv(B / top[:, None], rcond=1e-13) / top
    out, now = z.copy(), program
    for margin in _MARGINS:
        # By turns into the interior of the cones and back to d = 0, until both hold.
        for _ in range(_TURNS):
            inward(out, program.dims, margin)
            for _ in range(2):
                step = inverse @ now.gradient(out)[wanted]
                out[use] -= step[:n]
                if program.P is not None:
                    at = at - step[n:]
                    now = replace(program, x=at)
            back = now.feasible(out)
            if np.all(np.abs(now.gradient(back)[wanted]) <= ROUNDING * now.terms(back)[wanted]):
                return back, at
    return out, at
