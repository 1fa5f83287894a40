"""Duals of a user's rows (:class:`~hedgeopt.program.cones.OwnRows`), repaired until they prove a bound.

For any ``y`` in the dual cone with ``A_a' y = 0``, every feasible ``v`` has ``y' (A_v v - b) <= 0``: an affine function of
buys and sells that may be added to a Lagrangian. Solvers return such a ``y`` to a tolerance; :func:`repaired`
makes it exact.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from hedgeopt.program.cones import OwnRows, svec

__all__ = ["into_dual", "own_sizes", "repaired"]

_FAR = 1e3
"""Variables of the user's own are taken to stay within so many times their size at the solution."""
_TRIES = 30
_STEEP = 20.0


def repaired(rows: OwnRows, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A member of the dual cone near ``y``, and the rest of ``own' y`` (K,): rounding, if the repair went well.

    Steps towards ``own' y = 0`` that move entries in proportion to how far inside the cone they are alternate with
    projections into the cone.
    """
    y = into_dual(rows, np.nan_to_num(y))
    own = sp.csc_array(rows.own)
    if not own.shape[1]:
        return y, np.zeros(0)
    best, least = y, np.inf
    for _ in range(_TRIES):
        left = own.T @ y
        size = float(np.abs(left).max(initial=0.0))
        if size < least:
            best, least = y, size
        if size <= 1e-15 * max(1.0, float(np.abs(y).max(initial=0.0))):
            break
        weight = np.minimum(_room(rows, y), 1e100) ** 2
        gram = sp.csc_array((own.T * weight) @ own)
        gram = gram + sp.eye_array(gram.shape[0], format="csc") * (1e-15 * float(abs(gram).max() or 1.0))
        try:
            step = splu(sp.csc_matrix(gram)).solve(left)
        except RuntimeError:  # singular: nothing more to repair with
            break
        y = into_dual(rows, y - weight * (own @ step))
    return best, own.T @ best


def own_sizes(values: np.ndarray) -> np.ndarray:
    """(K,) sizes of the user's variables, from their values at a solution."""
    return _FAR * np.maximum(1.0, np.abs(values))


def _room(rows: OwnRows, y: np.ndarray) -> np.ndarray:
    """(R,) how far inside the dual cone each entry is; equations are free."""
    room = np.zeros(len(y))
    for kind, at, parameter in rows.parts():
        part = y[at]
        if kind == "zero":
            room[at] = 1.0 + np.abs(part)
        elif kind == "nonneg":
            room[at] = part
        elif kind == "soc":
            room[at] = max(part[0] - float(np.linalg.norm(part[1:])), 1e-8 * part[0])
        elif kind == "psd":
            room[at] = max(float(np.linalg.eigvalsh(_matrix(part, parameter))[0]), 1e-8 * float(np.abs(part).max()))
        else:
            room[at] = 1e-3 * float(np.abs(part).min())
    return np.maximum(room, 1e-300)


def into_dual(rows: OwnRows, y: np.ndarray) -> np.ndarray:
    """``y`` moved into the dual cone, by as little as is simple."""
    y = y.copy()
    for kind, at, parameter in rows.parts():
        part = y[at]
        if kind == "nonneg":
            y[at] = np.maximum(part, 0.0)
        elif kind == "soc":
            y[at.start] = max(part[0], float(np.linalg.norm(part[1:])) * (1 + 4e-16))
        elif kind == "psd":
            lowest = float(np.linalg.eigvalsh(_matrix(part, parameter))[0])
            if lowest < 0:
                y[at] = part + svec(np.eye(parameter)) * (-lowest * (1 + 1e-12))
        elif kind == "exp":
            y[at] = _into_dual_exp(part)
        elif kind in ("power", "powers"):
            alpha = np.array([parameter, 1.0 - parameter]) if kind == "power" else parameter
            y[at] = _into_dual_power(part, alpha)
    return y


def _into_dual_exp(part: np.ndarray) -> np.ndarray:
    """Dual of ``{(x, y, z): y exp(x / y) <= z}``: ``u < 0, w >= -u exp(v / u - 1)``, or ``u = 0, v >= 0, w >= 0``."""
    u, v, w = (float(value) for value in part)
    if u < 0:
        exponent = v / u - 1.0
        if exponent > _STEEP:  # moving w would take it out of sight: v moves instead
            w = max(w, -u)
            v = u * (1.0 + float(np.log(w / -u))) * (1 - 1e-15)
            exponent = v / u - 1.0
        return np.array([u, v, max(w, -u * float(np.exp(exponent)) * (1 + 1e-15))])
    return np.array([0.0, max(v, 0.0), max(w, 0.0)])


def _into_dual_power(part: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Dual of ``{(x, z): prod x^alpha >= |z|}``: ``prod (u / alpha)^alpha >= |w|``."""
    u, w = np.maximum(part[:-1], 0.0), float(part[-1])
    reach = float(np.prod((u / alpha) ** alpha))
    if reach < abs(w):
        w = np.sign(w) * reach * (1 - 1e-15)
    return np.append(u, w)


def _matrix(part: np.ndarray, n: int) -> np.ndarray:
    """The symmetric matrix of a triangle stored by columns, off-diagonal entries times the root of two."""
    found = np.zeros((n, n))
    at = 0
    for j in range(n):
        found[: j + 1, j] = part[at : at + j + 1]
        at += j + 1
    off = np.triu(found, 1) / np.sqrt(2.0)
    return np.asarray(np.diag(np.diag(found)) + off + off.T)
