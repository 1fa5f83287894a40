"""Columns to begin with: those that pay at a plan of nothing, by the tails' own weights there, and some that move each row.

A hedge of 4,000 candidates trades some ten. Before the first solve nothing says which; the losses of doing nothing do, well
enough: their worst scenarios weigh the gradients of all columns, and each column's reduced cost times its reach is what it
could gain at once. A wrong guess costs a round of columns that join, never accuracy (:mod:`hedgeopt.tail.masters.working`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hedgeopt.tail.masters.bound import envelope
from hedgeopt.tail.source import Vector

# Programs of fewer columns keep all; share of the columns and least number to begin with, columns per row that they move,
# rows looked at (of those a plan of nothing breaks), and the share of columns from which a choice is not worth it.
_FEW, _SHARE, _LEAST, _PER_ROW, _ROWS, _MANY, _MOST = 150, 0.12, 60, 12, 60, 1000, 0.7
# Share of the columns from which an equality is a budget.
_BUDGET = 0.5


def first_columns(p: Any) -> NDArray[np.bool_]:
    """Which columns of the scaled program ``p`` the first solve works in."""
    everything = np.ones(p.n, dtype=bool)
    invested = (p.b_eq != 0) & (np.diff(p.A_eq.indptr) > _BUDGET * p.n)
    if p.n < _FEW or not p.c.any() or p.P is not None or invested.any():
        # Without costs, or with a budget to be spread over most columns, plans are dense.
        return everything
    v = np.minimum(np.maximum(0.0, p.lower), p.upper)
    reduced = p.c + p.forces(tail_forces(p, v))
    reach = np.where(reduced < 0, p.upper - v, v - p.lower)
    gain = np.abs(reduced) * np.where(np.isfinite(reach), reach, 1.0)
    gain[reach <= 0] = 0.0
    work = np.zeros(p.n, dtype=bool)
    work[np.argsort(-gain)[: max(_LEAST, int(_SHARE * p.n))]] = True
    work &= gain > 0
    wide = np.minimum(p.upper - p.lower, 1e6)
    price = np.abs(p.c) * wide
    plain = p.several
    broken = p.inequalities.times(v)[plain] > p.b[plain]
    if len(plain) > _ROWS:
        # Rows that a plan of nothing breaks need columns, the others can wait.
        plain = plain[broken]
    for A in (p.A_eq, p.A[plain]):
        if A.shape[0] > _MANY:
            continue
        for row in np.abs(A.toarray()) * wide:
            # The cheapest per unit of effect, and the strongest.
            work[np.argsort(-row / (price + 1e-6 * price.max(initial=1.0)))[:_PER_ROW]] = True
            work[np.argsort(-row)[:_PER_ROW]] = True
    # What must not be zero, and what neither loses nor costs, such as a level of cash.
    idle = np.ones(p.n, dtype=bool)
    idle[p.used] = False
    work |= (p.lower > 0) | (p.upper < 0) | (idle & (p.c == 0))
    return work if work.any() and work.sum() < _MOST * p.n else everything


def tail_forces(p: Any, v: Vector) -> Vector:
    """Gradient of the tails in the loss arguments at ``v``; a tail under a limit weighs as one in the objective would."""
    y = p.arguments(v)
    out = np.zeros(p.E.shape[0])
    for k, piece in enumerate(p.pieces):
        weight = p.price[k] if p.price[k] > 0 else max(float(np.max(p.price, initial=0.0)), 1.0)
        out += weight * p.G[k]
        if len(piece.caps):
            losses = p.R[k] @ y + p.offset[k]
            order = np.argsort(-losses, kind="stable")
            caps = piece.caps[order]
            q = np.zeros(len(losses))
            q[order] = np.clip(1.0 - piece.mass - np.concatenate(([0.0], np.cumsum(caps)[:-1])), 0.0, caps)
            out += weight * (envelope(q, piece.caps, 1.0 - piece.mass) @ p.R[k])
    return out
