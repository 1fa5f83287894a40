"""The quadratic term of a program: its whole matrix, and whether it is convex."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp

# Order beyond which a matrix that is not diagonal counts as convex without being factorised.
_LARGE = 600


def symmetric(P: Any) -> Any:
    """The quadratic term, whichever triangle of it the solver asked for."""
    if isinstance(P, np.ndarray):
        half = np.triu(P)
        return half + half.T - np.diag(np.diag(P))
    upper = sp.csr_array(sp.triu(P))
    return upper + sp.csr_array(sp.triu(P, 1)).T


def convex(P: Any) -> bool:
    """Whether a quadratic term (``assume_PSD=True`` takes any) is convex but for rounding; large ones count as such."""
    curve = P.diagonal()
    dense = isinstance(P, np.ndarray)
    top = float(np.abs(P if dense else P.data).max(initial=0.0))
    if np.any(curve < -1e-10 * top):
        return False
    if dense:
        beside = np.flatnonzero(np.count_nonzero(P - np.diag(curve), axis=1))
    else:
        beside = np.flatnonzero(np.diff(sp.csr_array(P - sp.diags_array(curve)).indptr))
    if not len(beside) or len(beside) > _LARGE or top == 0.0:
        return True
    try:
        part = P[beside][:, beside]
        part = part if dense else part.toarray()
        la.cholesky(part + 1e-10 * top * len(beside) * np.eye(len(beside)), check_finite=False)
    except la.LinAlgError:
        return False
    return True
