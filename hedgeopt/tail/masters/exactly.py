"""Whether a proof outlives what rounding leaves of it: no point meets the rows, near or far.

Multipliers whose gradient ``d`` is zero but for rounding prove a value above zero, so "infeasible", of all points with
``|x| < value / |d|_1``: ``x - y = 0, (1 + 16 eps) x - y = 16 eps 1e8`` meets both rows at 1e8. The verdict is given where
that distance is at least 1e12, or where multipliers near them have a gradient of zero in exact arithmetic: where the least
move that takes it there is small beside them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg  # noqa: F401  sp.linalg

from hedgeopt.tail.source import Vector

# The distance up to which a verdict has to hold.
_FARTHEST = 1e12
# Entries of a matrix that is factorised; steps of the iteration for larger ones.
_LARGEST, _STEPS = 4_000_000, 2_000
# The share of a gradient that a move may leave, the share of a multiplier that it may take, and that of the value.
_LEFT, _MOVE, _WORTH = 1e-3, 1e-6, 0.5


def outlives(A: Any, z: Vector, d: Vector, sides: Vector, value: float, size: Vector | float = 1.0) -> bool:
    """Whether ``value`` stands far enough away, or multipliers near ``z`` have a gradient of zero and prove half of it.

    ``A`` (rows, open columns) are the entries of the rows in the columns whose gradient ``d`` is open; ``sides`` is what a
    unit of each multiplier is worth, ``size`` what one of each column is in the units of the problem.
    """
    A, weight = sp.csr_array(A), np.abs(z)
    if float((np.abs(d) / size).sum()) * _FARTHEST < value:
        return True
    use = np.flatnonzero(weight > 0)
    if not len(use):
        return False
    B = sp.csr_array((sp.diags_array(weight[use]) @ A[use]).T)
    # Columns in units of their own: each has to be met.
    top = np.sqrt(np.asarray(B.power(2).sum(axis=1)).ravel())
    if np.any(top == 0.0):
        return False
    B, right = sp.csr_array(sp.diags_array(1.0 / top) @ B), -d / top
    if B.shape[0] * B.shape[1] <= _LARGEST:
        share = np.linalg.lstsq(B.toarray(), right, rcond=1e-13)[0]
    else:
        share = sp.linalg.lsmr(B, right, atol=1e-12, btol=0.1 * _LEFT, conlim=1e13, maxiter=_STEPS)[0]
    left = float(np.linalg.norm(B @ share - right))
    worth = float(np.abs(sides[use]) @ (weight[use] * np.abs(share)))
    return bool(left <= _LEFT * np.linalg.norm(right) and np.abs(share).max() <= _MOVE and worth <= _WORTH * value)
