"""Newton steps of the interior-point master: eliminate scenarios and slacks, factorise the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg as la
from numpy.typing import NDArray
from scipy.linalg import lapack

from hedgeopt.tail.masters.pairs import Places
from hedgeopt.tail.source import Vector

# Smallest pivot of the matrix with unit diagonal that single precision may have, and the complementarity below which
# what its steps leave would count.
_PIVOT, _SHARE = 0.03, 1e-4


@dataclass
class Step:
    """Directions of all variables; ``x`` and ``z`` are the flat pairs of :mod:`~hedgeopt.tail.masters.pairs`."""

    v: Vector
    alpha: Vector
    nu: Vector
    x: Vector
    z: Vector


@dataclass
class Residuals:
    """Residuals of the optimality conditions at an iterate: gradient, equalities, rows, levels, scenarios, caps."""

    d: Vector
    e: Vector
    i: Vector
    a: Vector
    w: list[Vector]
    x: list[Vector]


class Scratch:
    """Large arrays that serve solve after solve: fresh memory costs more than the computation in it."""

    def __init__(self) -> None:
        self._held: dict[object, NDArray[np.uint8]] = {}

    def take(self, name: object, shape: tuple[int, ...], kind: type) -> NDArray[Any]:
        """An array with any content, until the name is taken again."""
        size = math.prod(shape) * np.dtype(kind).itemsize
        held = self._held.get(name)
        if held is None or len(held) < size:
            held = self._held[name] = np.empty(size + size // 2, dtype=np.uint8)
        return held[:size].view(kind).reshape(shape)

    def copy(self, name: object, array: NDArray[Any], kind: type) -> NDArray[Any]:
        """``array`` as another type."""
        out = self.take(name, array.shape, kind)
        np.copyto(out, array, casting="same_kind")
        return out


class Newton:
    """Factor once per iterate, then solve for predictor and correctors."""

    def __init__(self, problem: Any, places: Places, scratch: Scratch) -> None:
        self.p, self.places, self.scratch = problem, places, scratch
        # Products with the scenarios need single precision only, while the matrix is well conditioned: what a step leaves
        # is part of the next one's residuals, and those are exact.
        self.single = True
        self.R = [scratch.copy(("single", k), R, np.float32) for k, R in enumerate(problem.R)]
        self.scaled = [scratch.take(("scaled", k), R.shape, np.float32) for k, R in enumerate(problem.R)]

    def factor(self, x: Vector, z: Vector, left: Residuals, share: float) -> None:
        """Form and factorise the reduced matrix at an iterate whose complementarity is ``share`` of the objective."""
        p, places, K = self.p, self.places, len(self.p.pieces)
        n = p.n
        if self.single and share < _SHARE:
            self._double()
        self.z, self.left = z, left
        self.ratio = x / z
        H = np.zeros((n + K, n + K))
        self.h, self.rho, self.fixed = [], [], []
        d = 1.0 / self.ratio[places.rows]
        sigma = {row: 1.0 / d[row] for row in p.host_row if row >= 0}
        g = {row: np.zeros(n + K) for row in sigma}
        for row in g:
            g[row][:n] = p.A_dense_row(row)
        Hy = None
        for k in range(K):
            ratio = self.ratio[places.excess[k]]
            h = 1.0 / (ratio + self.ratio[places.slack[k]])
            rho = ratio * h
            self.h.append(h)
            self.rho.append(rho)
            self.fixed.append(ratio * left.x[k] + left.w[k])
            R = p.R[k]
            scaled = np.multiply(self.R[k], np.sqrt(h).astype(self.R[k].dtype)[:, None], out=self.scaled[k])
            product = scaled.T @ scaled
            Hy = product.astype(float, copy=False) if Hy is None else Hy + product
            H[:n, n + k] = H[n + k, :n] = -p.forces(_pull(self.R[k], h))
            H[n + k, n + k] = h.sum()
            row = p.host_row[k]
            if row >= 0:
                a, u = p.host_coef[k], p.caps[k]
                g[row][:n] += a * p.forces(p.G[k] + (rho * u) @ R)
                g[row][n + k] += a * (1 - p.mass[k] - rho @ u)
                sigma[row] += a * a * float((u * u * ratio) @ (1 - rho))
        if Hy is not None:
            H[:n, :n] = p.lift(Hy)
        if p.P is not None:
            H[:n, :n] += p.P_dense
        self.plain = np.where(p.is_host, 0.0, d) if g else d
        p.add_rows(H, self.plain)
        for row, vector in g.items():
            H += np.outer(vector, vector / sigma[row])
        self.g, self.sigma = g, sigma
        self.d = d
        if p.A_eq.shape[0]:
            gamma = max(float(np.diag(H)[:n].mean()), 1e-8)
            H[:n, :n] += gamma * p.AtA_eq
            self.gamma = gamma
        diagonal = np.diag(H).copy()
        self.scale = 1.0 / np.sqrt(np.maximum(diagonal, 1e-300))
        self.scale[diagonal <= 0] = 1.0
        H *= self.scale[:, None]
        H *= self.scale[None, :]
        self.H = H
        size = len(H)
        if self.single and not np.isfinite(np.diag(H)).all():
            self._double()
            self.factor(x, z, left, share)
            return
        self.L = _regularised(H)
        if self.single and self.L.diagonal().min() < _PIVOT:
            self._double()
            self.factor(x, z, left, share)
            return
        if p.A_eq.shape[0]:
            B = np.zeros((size, p.A_eq.shape[0]))
            B[:n] = p.A_eq_dense.T
            B *= self.scale[:, None]
            self.B = B
            self.X = _forward(self.L, B)
            S = self.X.T @ self.X
            S.flat[:: len(S) + 1] += 1e-13 * max(float(np.trace(S)) / len(S), 1e-300)
            self.S = _cholesky(S)

    def _double(self) -> None:
        """From here on in double precision."""
        self.single, self.R = False, self.p.R
        self.scaled = [self.scratch.take(("scaled", k), R.shape, np.float64) for k, R in enumerate(self.R)]

    def _solve(self, right: Vector, right_eq: Vector) -> tuple[Vector, Vector]:
        """``H x + A_eq' nu = right``, ``A_eq x = right_eq`` with iterative refinement."""
        x, nu = np.zeros(len(right)), np.zeros(len(right_eq))
        m = len(right_eq)
        b = right * self.scale
        res, res_eq = b, right_eq
        # What single precision leaves in H is more than refinement could take away.
        for _ in range(1 if self.single else 3):
            if m:
                half = _forward(self.L, res)
                dnu = _both(self.S, self.X.T @ half - res_eq)
                dx = _back(self.L, half - self.X @ dnu)
                nu = nu + dnu
            else:
                dx = _both(self.L, res)
            x = x + dx
            res = b - self.H @ x
            if m:
                res = res - self.B @ nu
                res_eq = right_eq - self.B.T @ x
            if np.abs(res).max() <= 1e-12 * max(np.abs(b).max(), 1e-300):
                break
        return x * self.scale, nu

    def step(self, kappa: Vector) -> Step:
        """Directions towards complementarity residuals ``kappa`` (see docs/tail.md for the algebra)."""
        p, places, left = self.p, self.places, self.left
        n, K = p.n, len(self.h)
        shift = kappa / self.z
        right = np.empty(n + K)
        right[:n] = -left.d
        right[n:] = -left.a
        # Plain rows: dlam = d (A dv + r_i - kappa/lam).
        rows = left.i - shift[places.rows]
        right[:n] -= p.inequalities.pull(self.plain * rows)
        hosted = {row: rows[row] for row in self.g}
        e = []
        for k in range(K):
            ek = self.fixed[k] + shift[places.excess[k]] - shift[places.slack[k]]
            e.append(ek)
            he = self.h[k] * ek
            right[:n] -= p.forces(_pull(self.R[k], he))
            right[n + k] += he.sum()
            row = p.host_row[k]
            if row >= 0:
                held = self.rho[k] * ek - shift[places.excess[k]] - self.ratio[places.excess[k]] * left.x[k]
                hosted[row] += p.host_coef[k] * float(p.caps[k] @ held)
        for row, vector in self.g.items():
            right -= vector * (hosted[row] / self.sigma[row])
        if len(left.e):
            # The augmentation gamma A_eq'A_eq is exact when its right-hand side is carried along.
            right[:n] -= self.gamma * p.equalities.pull(left.e)
        found, dnu = self._solve(right, -left.e)
        dv, dalpha = found[:n], found[n:]
        dz = places.empty()
        dlam = self.d * (p.inequalities.times(dv) + rows)
        for row, vector in self.g.items():
            dlam[row] = (vector @ found + hosted[row]) / self.sigma[row]
        dz[places.rows] = dlam
        dy = p.arguments(dv)
        for k in range(K):
            row = p.host_row[k]
            dq = self.h[k] * (_times(self.R[k], dy) - dalpha[k] + e[k])
            dr = left.x[k]
            if row >= 0:
                dm = p.host_coef[k] * dlam[row]
                dq += self.rho[k] * p.caps[k] * dm
                dr = dr + dm * p.caps[k]
            dz[places.slack[k]], dz[places.excess[k]] = dq, dr - dq
        return Step(dv, dalpha, dnu, -(shift + self.ratio * dz), dz)


def _times(R: Any, y: Vector) -> Vector:
    """``R y`` in the precision of R."""
    return np.asarray(R @ y.astype(R.dtype, copy=False), dtype=float)


def _pull(R: Any, u: Vector) -> Vector:
    """``u R`` in the precision of R."""
    return np.asarray(u.astype(R.dtype, copy=False) @ R, dtype=float)


# LAPACK without scipy's checks and batching, which cost more than the small systems themselves.
def _regularised(H: Any) -> Any:
    for regular in (1e-14, 1e-12, 1e-10, 1e-8, 1e-6):
        M = H.copy()
        M.flat[:: len(H) + 1] += regular
        try:
            return _cholesky(M)
        except la.LinAlgError:
            continue
    raise la.LinAlgError("not positive definite")


def _cholesky(M: Any) -> Any:
    L, info = lapack.dpotrf(M, lower=1, clean=0, overwrite_a=0)
    if info:
        raise la.LinAlgError("not positive definite")
    return L


def _forward(L: Any, b: Any) -> Any:
    return lapack.dtrtrs(L, b, lower=1)[0]


def _back(L: Any, b: Any) -> Any:
    return lapack.dtrtrs(L, b, lower=1, trans=1)[0]


def _both(L: Any, b: Any) -> Any:
    return lapack.dpotrs(L, b, lower=1)[0]
