"""Newton steps of the interior-point master: eliminate scenarios and slacks, factorise what is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg as la
from scipy.linalg import lapack

from hedgeopt.tail.source import Vector

# Smallest pivot of the matrix with unit diagonal that single precision may have.
_PIVOT = 0.03


@dataclass
class Step:
    """Directions of all variables."""

    v: Vector
    alpha: Vector
    nu: Vector
    s: Vector
    lam: Vector
    xi: list[Vector]
    w: list[Vector]
    q: list[Vector]
    r: list[Vector]


class Newton:
    """Factor once per iterate, then solve for predictor and corrector."""

    def __init__(self, problem: Any, single: bool = False) -> None:
        self.p = problem
        # Steps towards a loose tolerance need the scenarios' product in single precision only, where it is well
        # conditioned; residuals stay exact.
        self.R = [R.astype(np.float32) for R in problem.R] if single else problem.R
        self.single = single

    def factor(self, lam: Vector, s: Vector, xi: list[Vector], w: list[Vector], q: list[Vector], r: list[Vector]) -> None:
        """Form and factorise the reduced matrix at an iterate."""
        p, K = self.p, len(xi)
        n = p.n
        self.lam, self.s, self.xi, self.w, self.q, self.r = lam, s, xi, w, q, r
        H = np.zeros((n + K, n + K))
        Hy = np.zeros((p.E.shape[0],) * 2)
        self.h, self.rho, self.ratio = [], [], []
        d = lam / s
        sigma = {row: 1.0 / d[row] for row in p.host_row if row >= 0}
        g = {row: np.zeros(n + K) for row in sigma}
        for row in g:
            g[row][:n] = p.A_dense_row(row)
        for k in range(K):
            ratio = xi[k] / r[k]
            theta = ratio + w[k] / q[k]
            h, rho = 1.0 / theta, ratio / theta
            self.h.append(h)
            self.rho.append(rho)
            self.ratio.append(ratio)
            R = p.R[k]
            scaled = self.R[k] * np.sqrt(h).astype(self.R[k].dtype)[:, None]
            Hy += scaled.T @ scaled
            H[:n, n + k] = H[n + k, :n] = -p.forces(h @ R)
            H[n + k, n + k] = h.sum()
            row = p.host_row[k]
            if row >= 0:
                a, u = p.host_coef[k], p.caps[k]
                g[row][:n] += a * p.forces(p.G[k] + (rho * u) @ R)
                g[row][n + k] += a * (1 - p.mass[k] - rho @ u)
                sigma[row] += a * a * float((u * u * ratio) @ (1 - rho))
        H[:n, :n] += p.lift(Hy)
        if p.P is not None:
            H[:n, :n] += p.P_dense
        plain = np.where(p.is_host, 0.0, d)
        p.add_rows(H, plain)
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
        self.L = _regularised(H)
        if self.single and self.L.diagonal().min() < _PIVOT:
            self.single, self.R = False, p.R
            self.factor(lam, s, xi, w, q, r)
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

    def _solve(self, right: Vector, right_eq: Vector) -> tuple[Vector, Vector]:
        """``H x + A_eq' nu = right``, ``A_eq x = right_eq`` with iterative refinement."""
        x, nu = np.zeros(len(right)), np.zeros(len(right_eq))
        m = len(right_eq)
        b = right * self.scale
        res, res_eq = b, right_eq
        for _ in range(3):
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

    def step(self, residuals: Any, kappa: Vector, kappa_r: list[Vector], kappa_q: list[Vector]) -> Step:
        """Directions for given residuals and complementarity targets (see docs/tail.md for the algebra)."""
        p, K = self.p, len(self.xi)
        r_d, r_e, r_i, r_a, r_w, r_x = residuals
        n = p.n
        right = np.zeros(n + K)
        right[:n] = -r_d
        right[n:] = -r_a
        # Plain rows: dlam = d (A dv + r_i - kappa/lam).
        shift = r_i - kappa / self.lam
        plain = np.where(p.is_host, 0.0, self.d * shift)
        right[:n] -= p.inequalities.pull(plain)
        host_shift = {row: shift[row] for row in self.g}
        e = []
        for k in range(K):
            ek = self.ratio[k] * r_x[k] + kappa_r[k] / self.r[k] - kappa_q[k] / self.q[k] + r_w[k]
            e.append(ek)
            he = self.h[k] * ek
            right[:n] -= p.forces(he @ p.R[k])
            right[n + k] += he.sum()
            row = p.host_row[k]
            if row >= 0:
                u = p.caps[k]
                k0 = u @ (-kappa_r[k] / self.r[k] - self.ratio[k] * r_x[k] + self.rho[k] * ek)
                host_shift[row] += p.host_coef[k] * k0
        for row, vector in self.g.items():
            right -= vector * (host_shift[row] / self.sigma[row])
        if len(r_e):
            # The augmentation gamma A_eq'A_eq is exact when its right-hand side is carried along.
            right[:n] -= self.gamma * p.equalities.pull(r_e)
        x, dnu = self._solve(right, -r_e)
        dv, dalpha = x[:n], x[n:]
        dlam = self.d * (p.inequalities.times(dv) + shift)
        for row, vector in self.g.items():
            dlam[row] = (vector @ x + host_shift[row]) / self.sigma[row]
        ds = (-kappa - self.s * dlam) / self.lam
        dy = p.arguments(dv)
        dxi, dw, dq, dr = [], [], [], []
        for k in range(K):
            row = p.host_row[k]
            dm = p.host_coef[k] * dlam[row] if row >= 0 else 0.0
            dqk = self.h[k] * (p.R[k] @ dy - dalpha[k] + e[k]) + self.rho[k] * p.caps[k] * dm
            drk = dm * p.caps[k] - dqk + r_x[k]
            dq.append(dqk)
            dr.append(drk)
            dxi.append((-kappa_r[k] - self.xi[k] * drk) / self.r[k])
            dw.append((-kappa_q[k] - self.w[k] * dqk) / self.q[k])
        return Step(dv, dalpha, dnu, ds, dlam, dxi, dw, dq, dr)


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
