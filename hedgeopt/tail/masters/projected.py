"""Multipliers moved as little as possible until the gradient of the Lagrangian is zero where nothing bounds a variable."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp

from hedgeopt.tail.source import Vector

# The largest matrix that is laid out; variables up to which singular values are computed, else normal equations.
_LARGEST, _SMALL = 20_000_000, 60
# Gradients below this share of their terms are those of variables between their bounds; how far beyond zero they are moved
# where a bound at zero makes that free of charge.
_BASIC, _BEYOND = 1e-9, 1e-14
# What keeps a singular matrix from breaking its factorisation, relative to the diagonal; refinements.
_LITTLE, _REFINE = 1e-14, 3


def projected(p: Any, v: Vector, at: Any, wanted: Any, terms: Vector) -> tuple[Vector, Vector, Vector, list[Vector]] | None:
    """``v, nu, lam, q`` moved (relative to their size) until ``d`` is zero for the ``wanted`` variables.

    Variables between their bounds, whose gradient is rounding of its ``terms``, keep it at zero: else a move for one
    variable would break another. Multipliers of rows that hold a tail move with the sum of its weights. In a quadratic
    program the point of the tangent moves, too: the bound holds at any.
    """
    one_sided = np.isfinite(p.lower) != np.isfinite(p.upper)
    columns = np.flatnonzero(wanted | (one_sided & (np.abs(at.d) <= _BASIC * terms)))
    hosts = np.flatnonzero((at.lam > 0) & p.is_host)
    plain = np.setdiff1d(np.flatnonzero((at.lam > 0) & ~p.is_host), p.single_rows)
    rows = np.concatenate((plain, hosts))
    K = len(p.pieces)
    rooms = [np.minimum(at.q[k], at.m[k] * p.caps[k] - at.q[k]) for k in range(K)]
    inside = [np.flatnonzero(room > 0) for room in rooms]
    width = p.A_eq.shape[0] + len(rows) + sum(map(len, inside)) + (p.n if p.P is not None else 0)
    if not width or len(columns) * width > _LARGEST:
        return None
    ET = sp.csr_array(p.ET)[columns]
    held = sp.csr_array(p.A)[rows][:, columns].toarray()
    for k, row in enumerate(p.host_row):
        place = np.flatnonzero(hosts == row)
        if row >= 0 and len(place):
            held[len(plain) + place[0]] += p.host_coef[k] * (ET @ p.G[k])
    blocks = [p.A_eq[:, columns].toarray().T, held.T, *(ET @ p.R[k][inside[k]].T for k in range(K))]
    weights = [np.ones(p.A_eq.shape[0]), at.lam[rows], *(rooms[k][inside[k]] for k in range(K))]
    if p.P is not None:
        blocks.append(sp.csr_array(p.P)[columns].toarray())
        weights.append(np.full(p.n, max(float(np.abs(v).max(initial=0.0)), 1.0)))
    w = np.concatenate(weights)
    # The weights of a tail sum to its multiplier, less what the scenarios inside hold.
    sums, begin = np.zeros((K, width)), p.A_eq.shape[0] + len(rows)
    for k in range(K):
        sums[k, begin : begin + len(inside[k])] = 1.0
        begin += len(inside[k])
        place = np.flatnonzero(hosts == p.host_row[k])
        if len(place):
            sums[k, p.A_eq.shape[0] + len(plain) + place[0]] = -p.host_coef[k] * (1.0 - p.mass[k])
    aim = np.where(p.lower[columns] == 0.0, _BEYOND, np.where(p.upper[columns] == 0.0, -_BEYOND, 0.0)) * terms[columns]
    short = aim - at.d[columns]
    scale = max(float(np.abs(short).max(initial=0.0)), 1e-300)
    step = scale * w * _least(np.vstack((np.hstack(blocks), sums)) * w, np.concatenate((short / scale, np.zeros(K))))
    nu, lam, q = at.nu.copy(), at.lam.copy(), [x.copy() for x in at.q]
    nu += step[: len(nu)]
    lam[rows] += step[len(nu) : len(nu) + len(rows)]
    begin = len(nu) + len(rows)
    for k in range(K):
        q[k][inside[k]] += step[begin : begin + len(inside[k])]
        begin += len(inside[k])
    return v + step[begin:] if p.P is not None else v, nu, lam, q


def _least(B: Any, right: Vector) -> Vector:
    """The shortest ``x`` with ``B x = right``, as nearly as there is one."""
    if len(B) > _SMALL:
        top = np.sqrt(np.einsum("ij,ij->i", B, B))
        top[top < 1e-150] = 1.0
        B, right = B / top[:, None], right / top
        gram = B @ B.T
        gram.flat[:: len(gram) + 1] += _LITTLE
        try:
            factor = la.cho_factor(gram, check_finite=False)
        except (la.LinAlgError, ValueError):
            factor = None
        if factor is not None:
            x = np.zeros(B.shape[1])
            for _ in range(_REFINE):
                x += B.T @ la.cho_solve(factor, right - B @ x, check_finite=False)
            return x
    return np.asarray(np.linalg.lstsq(B, right, rcond=1e-13)[0])
