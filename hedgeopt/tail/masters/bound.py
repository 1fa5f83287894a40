"""Lower bounds from any multipliers: weak duality evaluated on the data of the reduced problem, not on the iterate.

For ``nu``, ``lam >= 0`` and tail weights ``q`` in the risk envelope the Lagrangian is at least

    const + sum_j min { d_j v_j : l_j <= v_j <= u_j },   d = c + P v0 + A_eq' nu + A_wide' lam + E' (sum m G + R' q),

where the rows with one variable only act as its bounds ``l``, ``u``. Whatever residual the solver left in ``d`` is
thereby absorbed by the bounds at its true cost. Variables without the bound that ``d_j`` asks for get the one that rows,
tails and the level set imply (:mod:`hedgeopt.tail.masters.implied`); where there is none either, the multipliers are moved
until ``d_j`` is zero to rounding. What then is left is not proven, and the bound is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from hedgeopt.tail.masters.implied import tightened, with_pairs
from hedgeopt.tail.masters.projected import projected
from hedgeopt.tail.source import Vector

# Gradients below this share of their terms are rounding, charged at so many times the largest position; how often the
# multipliers are moved; and the share from which no move will do.
_ROUNDING, _FAR, _TURNS, _MISSING = 4e-15, 10.0, 2, 1e-5


@dataclass
class Repaired:
    """A dual point and the bound it proves; ``loose`` is infinite where none is (a variable nothing bounds), else zero."""

    value: float
    loose: float
    lam: Vector
    q: list[Vector]
    m: Vector
    reduced: Vector
    """Reduced costs ``d`` of the variables."""
    terms: float = 0.0
    """Sum of the magnitudes that the value was summed from."""
    reach: tuple[Vector, Vector] | None = None
    """Bounds with those that rows imply, where they were asked for."""
    nu: Vector | None = None
    """Multipliers of the equalities, moved where the bound asked for it."""
    tangent: Vector | None = None
    """The point of the tangent in a quadratic program."""


def multipliers(p: Any, lam: Vector) -> Vector:
    """Of the tails: fixed in the objective, plus coefficient times the dual of the host row."""
    if len(p.price) == 0:
        return np.zeros(0)
    hosted = np.where(p.host_row >= 0, p.host_coef * (lam[np.maximum(p.host_row, 0)] if len(lam) else 0.0), 0.0)
    return np.asarray(p.price + hosted)


def envelope(q: Vector, caps: Vector, total: float) -> Vector:
    """The weights moved into ``0 <= q <= caps`` with the given sum, where that exists."""
    q = np.clip(q, 0.0, caps)
    for _ in range(3):
        gap = total - q.sum()
        if abs(gap) <= 1e-15 * total:
            break
        room = caps - q if gap > 0 else q
        whole = room.sum()
        if whole <= 0:
            break
        q = np.clip(q + np.sign(gap) * (min(abs(gap), whole) / whole) * room, 0.0, caps)
    return q


def repaired_dual(p: Any, v: Vector, nu: Vector, lam: Vector, q: list[Vector], turns: int = _TURNS) -> Repaired:
    """Make the dual point feasible and evaluate its bound (``p`` is :class:`~hedgeopt.tail.masters.scaled.Scaled`)."""
    lam = np.maximum(lam, 0.0)
    lam[p.single_rows] = 0.0
    m = multipliers(p, lam)
    value, size, force = 0.0, 0.0, np.zeros(p.E.shape[0])
    new = []
    for k in range(len(p.pieces)):
        qk = envelope(q[k], m[k] * p.caps[k], m[k] * (1.0 - p.mass[k]))
        new.append(qk)
        force += m[k] * p.G[k] + qk @ p.R[k]
        offset = float(qk @ p.offset[k])
        value += m[k] * p.C[k] + offset
        size += abs(m[k] * p.C[k]) + abs(offset)
    d = p.c + p.equalities.pull(nu) + p.inequalities.pull(lam) + p.forces(force)
    held = np.isfinite(p.b)
    if not held.all():
        # A row without a side bounds nothing: its multiplier can only be zero.
        if lam[~held].any():
            return repaired_dual(p, v, nu, np.where(held, lam, 0.0), q, turns)
        rows = float(lam[held] @ p.b[held])
    else:
        rows = float(lam @ p.b)
    equal = float(nu @ p.b_eq)
    value -= equal + rows
    size += abs(equal) + abs(rows)
    if p.P is not None:
        Pv = p.P @ v
        d = d + Pv
        curve = 0.5 * float(v @ Pv)
        value -= curve
        size += curve
    side = np.where(d > 0, p.lower, p.upper)
    held = np.isfinite(side)
    at = _Dual(nu, lam, new, m, d, value)
    reach, ceiling = None, np.inf
    if not held.all() and d[~held].any():
        side, reach, ceiling = beyond(p, v, at, side, held)
        if np.isnan(side).any() and turns:
            free, terms = ~np.isfinite(reach[0]) & ~np.isfinite(reach[1]), gradient_terms(p, v, at)
            # A column at zero whose gradient is no rounding is missing from the plan.
            missing = np.isnan(side) & (v == 0.0) & (np.abs(d) > _MISSING * terms)
            moved = None if missing.any() else projected(p, v, at, np.isnan(side) | free, terms)
            found = None if moved is None else repaired_dual(p, *moved, turns - 1)
            if found is not None and found.loose == 0.0:
                # A move that proves nothing says less about columns that are missing than the multipliers did.
                return found
    side = np.where(held | (d != 0), side, 0.0)
    terms = d * side
    loose = np.inf if np.isnan(terms).any() else 0.0
    total = value + float(terms[~np.isnan(terms)].sum())
    rows_at = np.where(d > 0, p.lower_row, p.upper_row)
    use = held & (rows_at >= 0) & (d != 0)
    lam[rows_at[use]] = np.abs(d[use] / p.single_entry[rows_at[use]])
    size += float(np.abs(terms[~np.isnan(terms)]).sum())
    return Repaired(min(total, ceiling), loose, lam, new, m, d, size, reach, nu, v)


@dataclass
class _Dual:
    """Multipliers and tail weights, the gradient of the Lagrangian they leave, and its value without that."""

    nu: Vector
    lam: Vector
    q: list[Vector]
    m: Vector
    d: Vector
    constant: float


def beyond(p: Any, v: Vector, at: _Dual, side: Vector, held: Any) -> tuple[Vector, tuple[Vector, Vector], float]:
    """Where ``d`` is charged to variables without the bound it asks for: at the bound that rows imply.

    The rows are the program's, those of tails with their weights ``q``, and the level set: every point that is worth finding
    has an objective below ``ceiling``, and so have the linear functions that are nowhere above it. Where no bound is
    implied, gradients that are rounding of their terms are charged at a multiple of the point, others are NaN: not proven.
    """
    lower, upper, ceiling = implied(p, v, at)
    side = np.where(held, side, np.where(at.d > 0, lower, upper))
    open_ = ~np.isfinite(side) & (at.d != 0)
    if open_.any():
        small = np.abs(at.d) <= _ROUNDING * gradient_terms(p, v, at)
        far = _FAR * max(float(np.abs(v).max(initial=0.0)), 1.0)
        side[open_] = np.where(small[open_], -np.sign(at.d[open_]) * far, np.nan)
    return side, (lower, upper), ceiling


def implied(p: Any, v: Vector, at: _Dual) -> tuple[Vector, Vector, float]:
    """Bounds of every variable at points below ``ceiling``, and that ceiling: the value at ``v`` with room above it."""
    known = getattr(p, "_implied", None)
    if known is None or known[0] is not p.b or known[1] is not p.b_eq:
        # Rows of tails come below with the present weights.
        plain = np.setdiff1d(p.several, np.flatnonzero(p.is_host)) if len(p.is_host) else np.zeros(0, dtype=int)
        A = sp.csr_array(sp.vstack([sp.csr_array(p.A)[plain], p.A_eq, -p.A_eq]))
        A, b = with_pairs(A, np.concatenate((p.b[plain], p.b_eq, -p.b_eq)))
        known = (p.b, p.b_eq, A, b, *tightened(A, b, p.lower, p.upper))
        p._implied = known
    A, b, lower, upper = known[2:]
    need = np.where(at.d > 0, ~np.isfinite(lower), ~np.isfinite(upper)) & (at.d != 0)
    if not need.any():
        return lower, upper, np.inf
    more, sides = [], []
    y = p.arguments(v)
    objective = p.c @ v + (0.5 * float(v @ (p.P @ v)) if p.P is not None else 0.0)
    slope, constant = p.c.copy(), 0.0
    if p.P is not None:
        slope = slope + p.P @ v
        constant -= 0.5 * float(v @ (p.P @ v))
    hosts: dict[int, tuple[Vector, float]] = {}
    for k, piece in enumerate(p.pieces):
        weights = at.q[k] / at.m[k] if at.m[k] > 0 else envelope(np.zeros(len(p.caps[k])), p.caps[k], 1.0 - piece.mass)
        pull = np.asarray(p.forces(p.G[k] + weights @ p.R[k]))
        fixed = float(p.C[k] + weights @ p.offset[k])
        if p.price[k] > 0:
            slope += p.price[k] * pull
            constant += p.price[k] * fixed
            objective += p.price[k] * tail_value(p, k, y)
        if p.host_row[k] >= 0:
            row, side = hosts.get(int(p.host_row[k]), (p.A_dense_row(p.host_row[k]), float(p.b[p.host_row[k]])))
            hosts[int(p.host_row[k])] = row + p.host_coef[k] * pull, side - p.host_coef[k] * fixed
    ceiling = float(objective + max(abs(objective), p.spread))
    more += [slope, at.d, *(row for row, _ in hosts.values())]
    sides += [ceiling - constant, ceiling - at.constant, *(side for _, side in hosts.values())]
    A = sp.csr_array(sp.vstack([A, sp.csr_array(np.array(more))]))
    return *tightened(A, np.concatenate((b, sides)), lower, upper), ceiling


def gradient_terms(p: Any, v: Vector, at: _Dual) -> Vector:
    """Sum of the magnitudes of the terms of ``d``."""
    force = np.zeros(p.E.shape[0])
    for k in range(len(p.pieces)):
        force += np.abs(at.m[k] * p.G[k]) + at.q[k] @ np.abs(p.R[k])
    out = np.abs(p.c) + abs(p.A_eq).T @ np.abs(at.nu) + abs(p.A).T @ at.lam + abs(p.E).T @ force
    return np.asarray(out if p.P is None else out + abs(p.P) @ np.abs(v))


def tail_value(p: Any, k: int, y: Vector) -> float:
    """The reduced tail at a point: its best level is the quantile of the boundary."""
    value = float(p.G[k] @ y + p.C[k])
    if len(p.caps[k]) == 0:
        return value
    losses = p.R[k] @ y + p.offset[k]
    order = np.argsort(-losses, kind="stable")
    before = np.cumsum(p.caps[k][order])
    at = min(int(np.searchsorted(before, 1.0 - p.mass[k])), len(losses) - 1)
    alpha = float(losses[order[at]])
    return value + (1.0 - p.mass[k]) * alpha + float(p.caps[k] @ np.maximum(losses - alpha, 0.0))
