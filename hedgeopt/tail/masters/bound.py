"""Lower bounds from any multipliers: weak duality evaluated on the data of the reduced problem, not on the iterate.

For ``nu``, ``lam >= 0`` and tail weights ``q`` in the risk envelope the Lagrangian is at least

    const + sum_j min { d_j v_j : l_j <= v_j <= u_j },   d = c + P v0 + A_eq' nu + A_wide' lam + E' (sum m G + R' q),

where the rows with one variable only act as its bounds ``l``, ``u``. Whatever residual the solver left in ``d`` is
thereby absorbed by the bounds at its true cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.tail.source import Vector


@dataclass
class Repaired:
    """A dual point and the bound it proves; ``loose`` is what free variables leave unproven."""

    value: float
    loose: float
    lam: Vector
    q: list[Vector]
    m: Vector
    reduced: Vector
    """Reduced costs ``d`` of the variables."""


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
        q = np.clip(q + np.sign(gap) * min(abs(gap), whole) * room / whole, 0.0, caps)
    return q


def repaired(p: Any, v: Vector, nu: Vector, lam: Vector, q: list[Vector]) -> Repaired:
    """Make the dual point feasible and evaluate its bound (``p`` is :class:`~hedgeopt.tail.masters.scaled.Scaled`)."""
    lam = np.maximum(lam, 0.0)
    lam[p.single_rows] = 0.0
    m = multipliers(p, lam)
    value, force = 0.0, np.zeros(p.E.shape[0])
    new = []
    for k in range(len(p.pieces)):
        qk = envelope(q[k], m[k] * p.caps[k], m[k] * (1.0 - p.mass[k]))
        new.append(qk)
        force += m[k] * p.G[k] + qk @ p.R[k]
        value += m[k] * p.C[k] + float(qk @ p.offset[k])
    d = p.c + p.equalities.pull(nu) + p.inequalities.pull(lam) + p.forces(force)
    value -= float(nu @ p.b_eq) + float(lam @ p.b)
    if p.P is not None:
        Pv = p.P @ v
        d = d + Pv
        value -= 0.5 * float(v @ Pv)
    side = np.where(d > 0, p.lower, p.upper)
    held = np.isfinite(side)
    terms = d * np.where(held, side, v)
    loose = float(np.abs(terms[~held]).sum())
    rows = np.where(d > 0, p.lower_row, p.upper_row)
    use = held & (rows >= 0) & (d != 0)
    lam[rows[use]] = np.abs(d[use] / p.single_entry[rows[use]])
    return Repaired(value + float(terms.sum()), loose, lam, new, m, d)
