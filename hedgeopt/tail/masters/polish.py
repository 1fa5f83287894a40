"""The last digits of feasibility: equalities and rows that interior points leave open by their tolerance are closed exactly.

The variables move as little as possible in units of their room to their bounds, so that what rests on a bound stays there.
The bound that the multipliers prove does not depend on the point; its objective is evaluated anew over all scenarios.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp

from hedgeopt.tail.source import Vector

# Steps at most, rows at most, and what of a row's terms is rounding.
_STEPS, _ROWS, _ROUNDING = 4, 400, 1e-14
# A Cholesky factor is the quicker way, unless its diagonal comes as near to zero as this.
_SINGULAR = 1e-4


def polished(p: Any, v: Vector) -> Vector:
    """``v`` inside its bounds, on the equalities and below the rows without a tail, as far as its room allows."""
    v = np.minimum(np.maximum(v, p.lower), p.upper)
    plain = p.several[~p.is_host[p.several]]
    for _ in range(_STEPS):
        size = np.abs(v)
        over = p.inequalities.times(v)[plain] - p.b[plain]
        missed = p.equalities.times(v) - p.b_eq
        broken = plain[over > 0]
        if len(broken):
            terms = np.maximum(abs(p.A[broken]) @ size, np.abs(p.b[broken]))
            broken = broken[over[over > 0] > _ROUNDING * terms]
        equal = np.arange(len(missed))
        if len(missed):
            terms = np.maximum(abs(p.A_eq) @ size, np.abs(p.b_eq))
            equal = np.flatnonzero(np.abs(missed) > _ROUNDING * terms)
        if not len(broken) and not len(equal):
            break
        if len(broken) + p.A_eq.shape[0] > _ROWS:
            break
        # Every equality stays where it is, whichever row is moved.
        held = p.A[broken] @ v - p.b[broken]
        rows = sp.csr_array(sp.vstack([p.A_eq, p.A[broken]])).toarray()
        room = np.minimum(v - p.lower, p.upper - v)
        room = np.where(np.isfinite(room), room, np.maximum(size, 1.0))
        scaled = rows * room
        top = np.abs(scaled).max(axis=1)
        use = top > 0
        right = -np.concatenate((missed, held))[use] / top[use]
        step = room * shortest(scaled[use] / top[use, None], right)
        v = np.minimum(np.maximum(v + step, p.lower), p.upper)
    return v


def shortest(rows: Any, right: Vector) -> Vector:
    """The shortest solution of ``rows @ step = right``, which the next step refines."""
    try:
        factor = la.cho_factor(rows @ rows.T, check_finite=False)
        if np.diag(factor[0]).min(initial=1.0) > _SINGULAR:
            return np.asarray(rows.T @ la.cho_solve(factor, right, check_finite=False))
    except la.LinAlgError:
        pass
    return np.asarray(np.linalg.lstsq(rows, right, rcond=1e-12)[0])
