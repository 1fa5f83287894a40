"""Multipliers moved as little as possible until the gradient is zero where variables have no bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp
import scipy.sparse.linalg  # noqa: F401  sp.linalg

from hedgeopt.tail.masters.cones import blocks, entry_places, exponentials, inward, matrices
from hedgeopt.tail.masters.lagrangian import ROUNDING, Bound, Lagrangian
from hedgeopt.tail.masters.rows import dense
from hedgeopt.tail.source import Vector

# The largest matrix that a projection factorises.
_LARGEST = 4_000_000
# Variables without bounds up to which normal equations are factorised.
_QUICK = 600
# Columns beyond which sparse equations are the quicker ones, unless so large a share of their entries is filled.
_FEW, _FULL = 100, 0.3
# Columns beyond which those with a row in a cone to themselves are taken apart.
_OWN = 4
# The share of the largest multiplier below which one of a row is none.
_DUST = 1e-12
# Gradients below this share of their terms are those of variables between their bounds.
_BASIC = 1e-9
# What keeps a singular matrix from breaking its factorisation, relative to the diagonal.
_LITTLE = 1e-14
# Margins inside the cones that leave room for the projection.
_INSIDE = 0.0, 1e-9, 1e-8, 1e-7
# How far inside their cones dual points are moved before they are projected: what the first leaves, the next may not.
_MARGINS, _TURNS = (0.0, 1e-11, 1e-9, 1e-7), 8
# How far beyond zero gradients are moved where that costs nothing, the share that a step must not leave, and a bound of
# zero but for its last place.
_BEYOND, _SLOW, _NOTHING = 1e-13, 0.5, 1e-300

_Steps = Callable[[Vector], tuple[Vector, Vector]]


def best(program: Lagrangian, z: Vector, enough: Callable[[Bound], bool] | None = None) -> Bound:
    """The better bound of ``z`` in the cone and of ``z`` moved until ``d`` is zero where it has to be."""
    first = program.bound(program.feasible(z))
    if enough is not None and first.value > -np.inf and enough(first):
        return first
    moved = _projected(program, program.feasible(z))
    if moved is None:
        return first
    # In a quadratic program the point of the tangent has moved, too: the bound holds at any.
    now = replace(program, x=moved[1])
    second = now.bound(now.feasible(moved[0]))
    return second if second.value > first.value else first


def quick(program: Lagrangian, z: Vector) -> Bound:
    """The bound after one projection through sparse or normal equations, where implied bounds are not asked for."""
    if program.P is not None:
        # The tangent may touch anywhere: inside the bounds, what is not quite nought has the right sign.
        low, high = (np.where(np.abs(end) < _NOTHING, 0.0, end) for end in (program.lower, program.upper))
        inside = np.clip(program.x, low, high)
        program = program if np.array_equal(inside, program.x) else replace(program, x=inside)
    least = _DUST * float(np.abs(z).max(initial=0.0))
    linear = np.arange(len(z)) < program.signed.stop
    large = np.where(linear & (np.abs(z) < least), 0.0, z)
    for given, even in ((z, True), (large, False)) if program.P is None else ((large, False), (z, True)):
        at, now = program.feasible(given), program
        for turn in range(2):
            if not _open(now, at).any():
                return now.bound(at, implied=False)
            if turn:
                break
            moved = _nearest(program, at, even)
            if moved is None:
                break
            at, now = program.feasible(moved[0]), moved[1]
    return Bound(-np.inf, 0.0)


def _open(program: Lagrangian, z: Vector) -> Any:
    """Whether each variable's gradient asks for a bound that there is not, and is more than rounding."""
    d = program.gradient(z)
    none = ~np.isfinite(np.where(d > 0, program.lower, program.upper)) & (program.curve == 0.0)
    return none & (np.abs(d) > ROUNDING * program.terms(z))


def _aim(program: Lagrangian, z: Vector, wanted: Any) -> Vector:
    """Where moved gradients shall end: just beyond zero on the side of a bound at zero, where that costs nothing."""
    low, high = program.lower[wanted], program.upper[wanted]
    least = _BEYOND * float(program.terms(z)[wanted].max(initial=0.0))
    return np.where(np.abs(low) < _NOTHING, least, np.where(np.abs(high) < _NOTHING, -least, 0.0))


def _weights(program: Lagrangian, z: Vector, even: bool = True) -> Vector:
    """How far each multiplier may move, relative to its size; those of equations ``even``-ly, as far as the largest."""
    weight = np.zeros(len(z))
    equal = np.abs(z[: program.signed.start])
    weight[: program.signed.start] = max(float(equal.max(initial=0.0)), 1.0) if even else equal
    weight[program.signed] = z[program.signed]
    if program.dims.exp:
        weight[exponentials(program.dims)] = 0.1 * np.abs(z[exponentials(program.dims)])
    for kind, rows, _ in blocks(program.dims, exponential=False):
        # Cones move last: a step that leaves one has to be taken back.
        weight[rows] = 0.1 * z[rows][0] if kind == "soc" else 0.1 * np.abs(z[rows]) if kind != "psd" else 0.0
    weight[~np.isfinite(program.b)] = 0.0
    return weight


def _nearest(program: Lagrangian, z: Vector, even: bool) -> tuple[Vector, Lagrangian] | None:
    """``z`` moved by least squares until ``d`` is zero where nothing bounds a variable; None where that fails."""
    d, terms = program.gradient(z), program.terms(z)
    open_ = ~np.isfinite(np.where(d > 0, program.lower, program.upper)) & (d != 0)
    free = ~np.isfinite(program.lower) & ~np.isfinite(program.upper)
    if not even:
        # What is zero stays so, as every multiplier of its rows moves.
        open_ |= (np.abs(d) <= _BASIC * terms) & (terms > 0)
    # A square of its own needs no gradient of zero.
    wanted, weight = np.flatnonzero((open_ | free) & (program.curve == 0.0)), _weights(program, z, even)
    matrix = any(kind == "psd" for kind, _, _ in blocks(program.dims, exponential=False))
    if not matrix and not (weight > 0).any():
        return None
    own = _own_rows(program, wanted, weight)
    if own is not None and not matrix:
        found = _by_own_rows(program, z, weight, wanted, own)
        if found is not None:
            return found
    A = program.A[:, wanted]
    full = isinstance(A, np.ndarray) or A.nnz > _FULL * A.shape[0] * A.shape[1]
    factorised = _dense if matrix or len(wanted) <= (_QUICK if full else _FEW) else _sparse
    if matrix and len(wanted) > _QUICK:
        return None
    for margin in _INSIDE if any(True for _ in blocks(program.dims)) else _INSIDE[:1]:
        out, now = z.copy(), program
        if margin:
            inward(out, program.dims, margin, program.lower_triangle)
        steps = factorised(program, out, weight, A, wanted)
        if steps is None:
            continue
        aim = _aim(program, out, wanted)
        left = np.inf
        for _ in range(4):
            short = now.gradient(out)[wanted] - aim
            if np.abs(short).max(initial=0.0) > _SLOW * left:
                break
            left = float(np.abs(short).max(initial=0.0))
            moves, along = steps(short)
            back = program.feasible(out - moves)
            if program.P is not None:
                # The point of the tangent moves, too: the bound holds at any.
                now = replace(now, x=now.x - along)
            if not _open(now, back).any():
                return back, now
            out = back
    return None


def _own_rows(program: Lagrangian, wanted: Any, weight: Vector) -> tuple[Any, Any] | None:
    """For each variable in ``wanted`` a row in a cone that holds no other (-1: none), its entry; None where few have one."""
    if program.P is not None or len(wanted) <= _OWN or not program.dims.exp:
        return None
    rows = np.flatnonzero((program.filled == 1) & (weight > 0))
    free = np.zeros(len(weight), dtype=bool)
    free[exponentials(program.dims)] = True
    for _, at, _ in blocks(program.dims, exponential=False):
        free[at.start] = True
    rows = rows[free[rows]]
    if 2 * len(rows) < len(wanted):
        return None
    A = program.A
    if isinstance(A, np.ndarray):
        columns = np.argmax(A[rows] != 0.0, axis=1)
        entries = A[rows, columns]
    else:
        columns, entries = A.indices[A.indptr[rows]], A.data[A.indptr[rows]]
    row, entry = np.full(len(program.c), -1), np.zeros(len(program.c))
    # Of several rows the one with the most room.
    order = np.argsort(weight[rows], kind="stable")
    row[columns[order]], entry[columns[order]] = rows[order], entries[order]
    held = row[wanted] >= 0
    few = len(wanted) - int(held.sum()) <= _FEW and 2 * held.sum() >= len(wanted)
    return (row[wanted], entry[wanted]) if few else None


def _by_own_rows(
    program: Lagrangian, z: Vector, weight: Vector, wanted: Any, own: tuple[Any, Any]
) -> tuple[Vector, Lagrangian] | None:
    """As :func:`_nearest`, where most variables have a row in a cone to themselves: the others first, and then those."""
    held = own[0] >= 0
    rest, rows, entries = wanted[~held], own[0][held], own[1][held]
    cones = [at for kind, at, _ in blocks(program.dims, exponential=False) if kind == "soc"]
    A = dense(program.A[:, rest])
    for at in cones:
        A[at] = 0.0  # these stay where they are
    for margin in _INSIDE:
        out = z.copy()
        if margin:
            inward(out, program.dims, margin, program.lower_triangle)
        steps = _dense(program, out, weight, A, rest) if len(rest) else None
        if steps is None and len(rest):
            return None
        aim = _aim(program, out, wanted)
        out[rows] -= (program.gradient(out)[wanted[held]] - aim[held]) / entries
        for at in cones:
            size = float(np.linalg.norm(out[at][1:]))
            if size > out[at.start]:
                out[at.start + 1 : at.stop] *= (1.0 - 1e-15) * max(out[at.start], 0.0) / size
        for _ in range(2):
            if steps is not None:
                out = out - steps(program.gradient(out)[rest] - aim[~held])[0]
            out[rows] -= (program.gradient(out)[wanted[held]] - aim[held]) / entries
            back = program.feasible(out)
            if not _open(program, back).any():
                return back, program
    return None


def _dense(program: Lagrangian, z: Vector, weight: Vector, A: Any, wanted: Any) -> _Steps | None:
    """Steps in z and x that take a gradient to zero, through a Cholesky factor of the normal equations."""
    A, size = dense(A), _size(program)
    moves = _metric(program, z, weight, A)
    gram = A.T @ moves
    curve = None if program.P is None else size * dense(program.P[:, wanted])
    if curve is not None:
        gram += curve.T @ curve
    top = np.sqrt(np.maximum(np.diag(gram), 0.0))
    # What no multiplier moves stays where it is.
    top[top < 1e-150] = 1.0
    gram /= np.outer(top, top)
    gram.flat[:: len(gram) + 1] += _LITTLE
    try:
        factor = la.cho_factor(gram, check_finite=False)
    except (la.LinAlgError, ValueError):
        return None

    def steps(short: Vector) -> tuple[Vector, Vector]:
        y = la.cho_solve(factor, short / top, check_finite=False) / top
        return moves @ y, size * (curve @ y) if curve is not None else np.zeros(0)

    return steps


def _sparse(program: Lagrangian, z: Vector, weight: Vector, A: Any, wanted: Any) -> _Steps | None:
    """As :func:`_dense` for many variables, through the equations ``S u + B y = 0, B'u = -d`` with ``B'SB`` the normal ones.

    They stay sparse where the normal equations of a budget row fill up. Signs S are one but for the first row of a
    second-order cone, whose metric ``z z' - det / 2 J`` is a row ``z'A`` and a diagonal.
    """
    scale, sign, more = weight.copy(), np.ones(len(weight)), []
    for kind, rows, _ in blocks(program.dims, exponential=False):
        if kind == "soc" and (det := _determinant(z[rows])) > 0.0:
            scale[rows], sign[rows.start] = np.sqrt(0.5 * det), -1.0
            more.append((rows, sp.csr_array(z[rows][None, :] @ A[rows])))
    size, count = _size(program), len(scale)
    parts = [sp.diags_array(scale) @ A, *(row for _, row in more)]
    if program.P is not None:
        parts.append(size * sp.csr_array(program.P)[:, wanted])
    B = sp.csr_array(sp.vstack(parts))
    top = np.sqrt(np.asarray(B.power(2).sum(axis=0)).ravel())
    top[top < 1e-150] = 1.0
    B = sp.csr_array(B @ sp.diags_array(1.0 / top))
    signs = np.concatenate((sign, np.ones(B.shape[0] - count)))
    whole = sp.block_array([[sp.diags_array(signs), B], [B.T, -_LITTLE * sp.eye_array(len(wanted))]], format="csc")
    try:
        factor = sp.linalg.splu(whole, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    except RuntimeError:
        return None

    def steps(short: Vector) -> tuple[Vector, Vector]:
        u = factor.solve(np.concatenate((np.zeros(B.shape[0]), short / top)))[: B.shape[0]]
        moves = scale * u[:count]
        for (rows, _), along in zip(more, u[count : count + len(more)], strict=True):
            moves[rows] += z[rows] * along
        return moves, size * u[count + len(more) :]

    return steps


def _size(program: Lagrangian) -> float:
    return max(float(np.abs(program.x).max(initial=0.0)), 1.0)


def _determinant(part: Vector) -> float:
    """``z_0^2 - |z_1|^2``."""
    rest = float(np.linalg.norm(part[1:]))
    return (float(part[0]) - rest) * (float(part[0]) + rest)


def _metric(program: Lagrangian, z: Vector, weight: Vector, A: Any) -> Any:
    """``W A`` of the metric in which steps are short: squares of the weights, in cones their barrier's.

    The inverse Hessian of ``-log(z_0^2 - |z_1|^2)`` is ``z z' - det / 2 J``, that of ``-log det Z`` is ``U -> Z U Z``:
    steps along them stay in the cone.
    """
    out = weight[:, None] ** 2 * A
    for kind, rows, power in blocks(program.dims, exponential=False):
        if kind == "soc" and (det := _determinant(z[rows])) > 0.0:
            flat = 0.5 * det * A[rows]
            flat[0] *= -1.0
            out[rows] = np.outer(z[rows], z[rows] @ A[rows]) + flat
        elif kind == "psd":
            order = int(power)
            i, j = entry_places(order, program.lower_triangle)
            Z = matrices(z[rows][:, None], order, program.lower_triangle)
            moved = Z @ matrices(A[rows], order, program.lower_triangle) @ Z
            out[rows] = (moved[:, i, j] * np.where(i == j, 1.0, np.sqrt(2.0))).T
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
    B = dense(program.A[use][:, wanted]).T * weight[use]
    at, n = program.x.copy(), len(use)
    size = max(float(np.abs(program.x).max(initial=0.0)), 1.0)
    if program.P is not None:
        B = np.hstack((B, size * dense(program.P[wanted])))
    top = np.maximum(np.abs(B).max(axis=1), 1e-300)
    scale = np.concatenate((weight[use], np.full(B.shape[1] - n, size)))
    inverse = scale[:, None] * np.linalg.pinv(B / top[:, None], rcond=1e-13) / top
    out, now = z.copy(), program
    for margin in _MARGINS:
        # By turns into the interior of the cones and back to d = 0, until both hold.
        for _ in range(_TURNS):
            inward(out, program.dims, margin, program.lower_triangle)
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
