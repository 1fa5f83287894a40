"""Interior-point master for LP and convex QP that eliminates the scenario block before it factorises.

Mehrotra predictor–corrector on the reduced problem. For a boundary scenario with excess ``xi``, slack ``w`` of
``xi >= L - alpha`` and duals ``r``, ``q`` the elimination leaves the weight ``h = 1 / (xi/r + w/q)`` in front of
``a_s a_s'``, so each step factorises one dense matrix of the order of the number of variables; the work per step is
one symmetric product ``R' diag(h) R`` in BLAS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg as la
from numpy.typing import NDArray

from hedgeopt.tail.masters.bound import Repaired, multipliers, repaired
from hedgeopt.tail.masters.newton import Newton, Step
from hedgeopt.tail.masters.scaled import Restricted, Scaled
from hedgeopt.tail.masters.working import Raw, WorkingMaster
from hedgeopt.tail.source import Vector

# Gondzio's correctors: one per so many variables, as a factorisation costs more, and at most three; the step that needs
# none, the gain that pays for one; and the merit from which a bound is worth proving.
_VARIABLES, _CORRECTORS, _LONG, _GAIN, _PROVE = 200, 3, 0.9, 0.05, 1e-2
# Tolerance from which steps may be taken in single precision.
_SINGLE = 1e-3
# A warm point keeps its place; slacks and duals start this far inside the cone.
_WARM_SLACK, _WARM_DUAL, _WARM_SPREAD, _STEP = 0.01, 0.01, 0.1, 0.99
# Scaled values are of order one: beyond this the iterates run off along a ray (infeasible or unbounded).
_DIVERGED = 1e11


class InteriorMaster(WorkingMaster):
    """See the module's text; raises nothing, a failure is ``Point.status == "failed"``."""

    name = "INTERIOR"
    retry = True
    max_iterations = 150

    def core(
        self, parent: Scaled, part: Scaled | Restricted, work: NDArray[np.bool_], tolerance: float, v: Vector | None
    ) -> Raw | str:
        """Interior-point iterations to a relative gap and relative residuals of ``tolerance``."""
        try:
            return _Iteration(part, None if v is None else v[work], self.max_iterations, self.remaining).run(tolerance)
        except (la.LinAlgError, ValueError, FloatingPointError):
            return "failed"


class _Iteration:
    """One solve: scaled data, iterate and steps."""

    def __init__(
        self,
        problem: Scaled | Restricted,
        z0: Vector | None,
        max_iterations: int,
        remaining: Callable[[], float | None],
    ) -> None:
        self.problem, self.remaining = problem, remaining
        p = problem
        self.pieces = pieces = p.pieces
        self.max_iterations = max_iterations
        K = len(pieces)
        self.v = np.zeros(p.n) if z0 is None else z0.copy()
        self.nu = np.zeros(p.A_eq.shape[0])
        slack = p.b - p.inequalities.times(self.v)
        self.s = np.maximum(slack, 1.0 if z0 is None else _WARM_SLACK)
        # Equal products of slack and dual: bounds far away start with the small dual they deserve.
        self.lam = (1.0 if z0 is None else _WARM_DUAL) / np.maximum(self.s, 1.0)
        self.xi: list[Vector] = []
        self.w: list[Vector] = []
        self.q: list[Vector] = []
        self.r: list[Vector] = []
        self.alpha = np.zeros(K)
        y = p.arguments(self.v)
        m = self.m()
        for k, piece in enumerate(pieces):
            L = p.R[k] @ y + p.offset[k]
            if len(L) == 0:
                for part in (self.xi, self.w, self.q, self.r):
                    part.append(np.zeros(0))
                continue
            share = (1.0 - piece.mass) / piece.caps.sum()
            order = np.argsort(-L)
            cut = min(int(np.searchsorted(np.cumsum(piece.caps[order]), 1.0 - piece.mass)), len(L) - 1)
            self.alpha[k] = L[order[cut]]
            excess = L - self.alpha[k]
            delta = max(float(np.abs(excess).mean()), 1e-3) * (1 if z0 is None else _WARM_SPREAD)
            self.xi.append(np.maximum(excess, 0.0) + delta)
            self.w.append(np.maximum(-excess, 0.0) + delta)
            self.q.append(m[k] * piece.caps * share)
            self.r.append(m[k] * piece.caps * (1 - share))

    def m(self) -> Vector:
        """Multipliers of the tails."""
        return multipliers(self.problem, self.lam)

    def run(self, tolerance: float) -> Raw | str:
        """Iterate until the gap and the residuals are small."""
        p, K = self.problem, len(self.pieces)
        complementary = len(self.s) + 2 * sum(len(q) for q in self.q)
        newton = Newton(p, tolerance >= _SINGLE)
        best, stalled = np.inf, 0
        proof: Repaired | None = None
        proof_nu = self.nu
        for iteration in range(self.max_iterations):
            left = self.remaining()
            if left is not None and left <= 0:
                return "late"
            y = p.arguments(self.v)
            m = self.m()
            Pv = p.P @ self.v if p.P is not None else 0.0
            r_d = p.c + Pv + p.equalities.pull(self.nu) + p.inequalities.pull(self.lam)
            y_force = np.zeros(p.E.shape[0])
            over = p.inequalities.times(self.v) - p.b
            r_i = over + self.s
            r_a, r_w, r_x = np.zeros(K), [], []
            tails = np.zeros(K)
            primal: float = float(p.c @ self.v) + (0.5 * float(self.v @ Pv) if p.P is not None else 0.0)
            dual = primal
            for k, piece in enumerate(self.pieces):
                L = p.R[k] @ y + p.offset[k]
                y_force += m[k] * p.G[k] + p.R[k].T @ self.q[k]
                tails[k] = (1 - piece.mass) * self.alpha[k] + p.G[k] @ y + p.C[k] + piece.caps @ self.xi[k]
                if p.host_row[k] >= 0:
                    r_i[p.host_row[k]] += p.host_coef[k] * tails[k]
                r_a[k] = m[k] * (1 - piece.mass) - self.q[k].sum()
                r_w.append(L - self.alpha[k] - self.xi[k] + self.w[k])
                r_x.append(m[k] * piece.caps - self.q[k] - self.r[k])
                primal += float(p.price[k] * tails[k])
                dual += float(m[k] * (p.G[k] @ y + p.C[k]) + self.q[k] @ L)
            r_d = r_d + p.forces(y_force)
            r_e = p.equalities.times(self.v) - p.b_eq
            dual += float(self.nu @ r_e) + float(self.lam @ over)
            pairs = zip(self.xi, self.r, self.w, self.q, strict=True)
            comp = float(self.s @ self.lam) + sum(float(x @ r + w @ q) for x, r, w, q in pairs)
            mu = comp / max(complementary, 1)
            size = max(abs(float(primal)), 1e-6 * (float(np.abs(p.c) @ np.abs(self.v)) + p.spread), 1e-12)
            infeasible = max(_top(r_e) / (1 + _top(p.b_eq)), _top(r_i) / (1 + _top(p.b)))
            infeasible = max([infeasible, *[_top(x) / p.spread for x in r_w]])
            dual_residual = max([_top(r_d), _top(r_a), *[_top(x) for x in r_x]])
            gap = abs(primal - dual) / size
            total = max(gap, comp / size)
            if (
                abs(primal) > _DIVERGED
                or mu > _DIVERGED
                or not np.isfinite(total)
                or not np.isfinite(infeasible + dual_residual)
            ):
                return "failed"
            feasible = infeasible <= min(tolerance, 1e-8) * 10
            merit = max(total, infeasible, dual_residual)
            if merit < _PROVE:
                # The bound is proven from the data: what is left of the dual residual costs what the bounds say.
                found = repaired(p, self.v, self.nu, self.lam, self.q)
                if found.loose <= 0.1 * tolerance * size and (proof is None or found.value > proof.value):
                    proof, proof_nu = found, self.nu.copy()
                if proof is not None and feasible and primal - proof.value <= tolerance * size:
                    return Raw("optimal", self.v, proof_nu, tails, float(primal), proof, iteration)
            stalled = 0 if merit < 0.9 * best else stalled + 1
            best = min(best, merit)
            done = total <= tolerance and feasible and dual_residual <= tolerance
            if done or (stalled > 8 and merit < min(30 * tolerance, 1e-4)):
                found = Repaired(float(dual), 0.0, self.lam, self.q, m, r_d)
                return Raw("optimal", self.v, self.nu, tails, float(primal), found, iteration, proven=False)
            if stalled > 25:
                break
            newton.factor(self.lam, self.s, self.xi, self.w, self.q, self.r)
            residuals = (r_d, r_e, r_i, r_a, r_w, r_x)
            zero: Any = [self.s * self.lam, [x * r for x, r in zip(self.xi, self.r, strict=True)],
                    [w * q for w, q in zip(self.w, self.q, strict=True)]]  # fmt: skip
            step = newton.step(residuals, zero[0], zero[1], zero[2])
            a_p, a_d = self._lengths(step, 1.0)
            mu_affine = self._mu_after(step, a_p, a_d) / max(complementary, 1)
            sigma = (mu_affine / mu) ** 3
            target = sigma * mu
            kappa = zero[0] + step.s * step.lam - target
            kappa_r = [z + dx * dr - target for z, dx, dr in zip(zero[1], step.xi, step.r, strict=True)]
            kappa_q = [z + dw * dq - target for z, dw, dq in zip(zero[2], step.w, step.q, strict=True)]
            step = newton.step(residuals, kappa, kappa_r, kappa_q)
            step = self._centred(newton, residuals, step, (kappa, kappa_r, kappa_q), target)
            a_p, a_d = self._lengths(step, _STEP)
            if p.P is not None:
                a_p = a_d = min(a_p, a_d)
            self._move(step, a_p, a_d)
        return "failed"

    def _centred(self, newton: Newton, residuals: Any, step: Step, kappas: Any, target: float) -> Step:
        """Gondzio's correctors: pull outlying complementarity products towards the target while steps get longer."""
        for _ in range(min(_CORRECTORS, self.problem.n // _VARIABLES)):
            a_p, a_d = self._lengths(step, 1.0)
            if min(a_p, a_d) >= _LONG:
                break
            t_p, t_d = min(1.0, 1.08 * a_p + 0.08), min(1.0, 1.08 * a_d + 0.08)

            def pull(kappa: Vector, x: Vector, dx: Vector, z: Vector, dz: Vector) -> Vector:
                product = (x + t_p * dx) * (z + t_d * dz)  # noqa: B023
                return kappa - np.maximum(np.clip(product, 0.1 * target, 10 * target) - product, -10 * target)

            kappa, kappa_r, kappa_q = kappas
            trial = (
                pull(kappa, self.s, step.s, self.lam, step.lam),
                [pull(*parts) for parts in zip(kappa_r, self.xi, step.xi, self.r, step.r, strict=True)],
                [pull(*parts) for parts in zip(kappa_q, self.w, step.w, self.q, step.q, strict=True)],
            )
            better = newton.step(residuals, *trial)
            b_p, b_d = self._lengths(better, 1.0)
            if b_p + b_d < a_p + a_d + _GAIN:
                break
            step, kappas = better, trial
        return step

    def _lengths(self, step: Step, shrink: float) -> tuple[float, float]:
        a_p = _longest([(self.s, step.s), *zip(self.xi, step.xi, strict=True), *zip(self.w, step.w, strict=True)])
        a_d = _longest([(self.lam, step.lam), *zip(self.q, step.q, strict=True), *zip(self.r, step.r, strict=True)])
        return min(1.0, shrink * a_p), min(1.0, shrink * a_d)

    def _mu_after(self, step: Step, a_p: float, a_d: float) -> float:
        total = (self.s + a_p * step.s) @ (self.lam + a_d * step.lam)
        for k in range(len(self.pieces)):
            total += (self.xi[k] + a_p * step.xi[k]) @ (self.r[k] + a_d * step.r[k])
            total += (self.w[k] + a_p * step.w[k]) @ (self.q[k] + a_d * step.q[k])
        return float(total)

    def _move(self, step: Step, a_p: float, a_d: float) -> None:
        self.v += a_p * step.v
        self.alpha += a_p * step.alpha
        self.s += a_p * step.s
        self.nu += a_d * step.nu
        self.lam += a_d * step.lam
        for k in range(len(self.pieces)):
            self.xi[k] += a_p * step.xi[k]
            self.w[k] += a_p * step.w[k]
            self.q[k] += a_d * step.q[k]
            self.r[k] += a_d * step.r[k]


def _longest(pairs: list[tuple[Vector, Vector]]) -> float:
    longest = 1e10
    for x, dx in pairs:
        if len(x):
            worst = float((dx / x).min())
            if worst < 0:
                longest = min(longest, -1.0 / worst)
    return longest


def _top(x: Vector) -> float:
    return float(np.abs(x).max()) if len(x) else 0.0
