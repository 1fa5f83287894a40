"""Interior-point master for LP and convex QP that eliminates the scenario block before it factorises.

Mehrotra predictor–corrector on the reduced problem. For a boundary scenario with excess ``xi``, slack ``w`` of
``xi >= L - alpha`` and duals ``r``, ``q`` the elimination leaves the weight ``h = 1 / (xi/r + w/q)`` in front of
``a_s a_s'``, so each step factorises one dense matrix of the order of the number of variables; the work per step is
one symmetric product ``R' diag(h) R`` in BLAS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.linalg as la
from numpy.typing import NDArray

from hedgeopt.tail.masters.base import Refusal
from hedgeopt.tail.masters.bound import Repaired, multipliers, repaired_dual
from hedgeopt.tail.masters.newton import Newton, Residuals, Scratch
from hedgeopt.tail.masters.pairs import Places, longest, outliers
from hedgeopt.tail.masters.polish import polished
from hedgeopt.tail.masters.scaled import Restricted, Scaled
from hedgeopt.tail.masters.start import Iterate, Kept, Warm, starts
from hedgeopt.tail.masters.working import Raw, WorkingMaster
from hedgeopt.tail.source import Vector

# Gondzio's correctors at most, the step that needs none, the gain that pays for one, and the shortest step of which
# second-order terms say something.
_CORRECTORS, _LONG, _GAIN, _TINY = 2, 0.9, 0.05, 0.1
# Iterates this feasible and of at most this complementarity are of use to the next solve.
_FEASIBLE, _WIDE = 1e-3, 3.0
# Merit from which a bound is worth proving, how many tolerances from the optimum, and how near a worse one will do.
_PROVE, _CLOSE, _ENOUGH = 1e-2, 10.0, 1e-3
# Complementarity beyond all need, and the dual residual from which there is no way back then: the systems are too ill.
_SOLVED, _LOST = 1e-12, 1e-2
# Infeasibility below which iterates that run off do so for the objective's sake.
_NEARLY = 1e-2
# So many times the largest loss of doing nothing is more than a plan without bounds gains.
_FALLEN = 1e3
# First step below which a start on an earlier path is too near its end.
_SHORT = 0.25
# Longest step towards the boundary.
_STEP = 0.99
# Rows that are broken by more than this where iterations end may be such as nothing meets.
_APART = 1e-6
# Scaled values are of order one: beyond this the iterates run off along a ray (infeasible or unbounded).
_DIVERGED = 1e11


class InteriorMaster(WorkingMaster):
    """See the module's text; raises nothing, a failure is ``Point.status == "failed"``."""

    name = "INTERIOR"
    max_iterations = 150

    @cached_property
    def scratch(self) -> Scratch:
        """Memory that serves every round."""
        return Scratch()

    def core(
        self, parent: Scaled, part: Scaled | Restricted, work: NDArray[np.bool_], tolerance: float, warm: Warm | None
    ) -> Raw | Refusal:
        """Interior-point iterations to a relative gap and relative residuals of ``tolerance``."""
        try:
            start = None if warm is None else warm.within(work)
            found = _Iteration(part, start, self.max_iterations, self.remaining, self.scratch).run(tolerance)
            return replace(found, v=polished(part, found.v)) if isinstance(found, Raw) else found
        except (la.LinAlgError, ValueError, FloatingPointError) as error:
            return Refusal("failed", f"a step could not be computed: {error}")


class _Iteration:
    """One solve: scaled data, iterate and steps."""

    def __init__(
        self,
        problem: Scaled | Restricted,
        warm: Warm | None,
        max_iterations: int,
        remaining: Callable[[], float | None],
        scratch: Scratch,
    ) -> None:
        self.problem, self.remaining, self.max_iterations, self.scratch = problem, remaining, max_iterations, scratch
        self.pieces = problem.pieces
        self.open = problem.P is None and not bool(np.all(np.isfinite(problem.lower) & np.isfinite(problem.upper)))
        self.places = Places(problem.A.shape[0], [len(piece.caps) for piece in self.pieces])
        self.starts = starts(problem, self.places, warm)
        self.at, self.trial = next(self.starts)
        self.path: list[Iterate] = []

    def run(self, tolerance: float) -> Raw | Refusal:
        """Iterate until the gap and the residuals are small."""
        p, places = self.problem, self.places
        newton = Newton(p, places, self.scratch)
        best = np.inf, np.inf, np.inf
        stalled = 0
        proof: Repaired | None = None
        proof_nu, falling = self.at.nu, False
        for iteration in range(self.max_iterations):
            left = self.remaining()
            if left is not None and left <= 0:
                return Refusal("late", "time limit")
            at, now = self.at, self._look()
            if now is None:
                return Refusal("failed", "the iterates ran off along a ray", adrift=falling)
            # Rows that nothing can meet let iterates run off, too: then there is no plan to go back to.
            falling = now.infeasible < _NEARLY and now.primal < 0.0
            if self.open and now.infeasible < _FEASIBLE and now.primal < -_FALLEN * p.spread:
                return Refusal("failed", "the objective falls beyond any loss", adrift=True)
            if now.infeasible < _FEASIBLE and now.share < _WIDE:
                self.path.append(Iterate(at.v.copy(), at.nu.copy(), now.share, self._kept()))
            feasible = now.infeasible <= min(tolerance, 1e-8) * 10
            merit = max(now.total, now.infeasible, now.dual_residual)
            if merit < _PROVE and now.total <= _CLOSE * tolerance:
                # The bound is proven from the data: what is left of the dual residual costs what the bounds say.
                q = [at.z[part] for part in places.slack]
                found = repaired_dual(p, at.v, at.nu, at.z[places.rows], q)
                if found.loose <= 0.1 * tolerance * now.size and (proof is None or found.value > proof.value):
                    proof, proof_nu = found, at.nu.copy()
                if proof is not None and feasible and now.primal - proof.value <= tolerance * now.size:
                    return Raw("optimal", at.v, proof_nu, now.tails, now.primal, proof, iteration, self.path)
            ahead = now.mu < 0.9 * best[0] or now.dual_residual < 0.9 * best[1] or merit < 0.9 * best[2]
            stalled = 0 if ahead else stalled + 1
            best = min(best[0], now.mu), min(best[1], now.dual_residual), min(best[2], merit)
            # A bound that costs more asks for smaller residuals: on until nothing falls.
            done = max(now.total, now.dual_residual) <= _ENOUGH * tolerance and feasible
            if proof is not None and (done or (stalled > 8 and merit < min(30 * tolerance, 1e-4))):
                return Raw("optimal", at.v, proof_nu, now.tails, now.primal, proof, iteration, self.path)
            if now.share < _SOLVED and now.dual_residual > _LOST:
                return Refusal("failed", f"steps lost their accuracy: a dual residual of {now.dual_residual:.0e}")
            if stalled > 25:
                # Rows that are broken still may exclude each other: the caller asks the data, once.
                status = "infeasible" if now.infeasible > _APART else "failed"
                return Refusal(status, f"no progress at a relative gap of {now.total:.0e}")
            newton.factor(at.x, at.z, now.left, now.share)
            length = self._advance(newton, now.mu)
            if self.trial and length < _SHORT:
                # Too close to a path that is another one: from farther back.
                (self.at, self.trial), self.path = next(self.starts), []
                best, stalled, proof = (np.inf, np.inf, np.inf), 0, None
                newton = Newton(p, places, self.scratch)
            self.trial = self.trial and length < _SHORT
        last = self._look()
        status = "infeasible" if last is not None and last.infeasible > _APART else "failed"
        return Refusal(status, f"no solution within {self.max_iterations} iterations")

    def _kept(self) -> Kept:
        """The pairs of the iterate, for the rows of the whole program."""
        p, at, places = self.problem, self.at, self.places
        parent = p.parent if isinstance(p, Restricted) else p
        slack, dual = np.full(len(parent.b), np.nan), np.full(len(parent.b), np.nan)
        rows = p.rows if isinstance(p, Restricted) else slice(None)
        slack[rows], dual[rows] = at.x[places.rows], at.z[places.rows]
        tails = [
            (piece.boundary, at.x[e].copy(), at.x[w].copy(), at.z[w].copy(), at.z[e].copy())
            for piece, e, w in zip(self.pieces, places.excess, places.slack, strict=True)
        ]
        return Kept(parent, p.unit, p.weight, at.alpha.copy(), slack, dual, tails)

    def _look(self) -> _Look | None:
        """Residuals and values of the iterate; None where it has run off."""
        p, at, places, K = self.problem, self.at, self.places, len(self.pieces)
        s, lam = at.x[places.rows], at.z[places.rows]
        y, m = p.arguments(at.v), multipliers(p, lam)
        Pv = p.P @ at.v if p.P is not None else None
        force = np.zeros(p.E.shape[0])
        over = p.inequalities.times(at.v) - p.b
        rows = over + s
        levels, slacks, caps = np.zeros(K), [], []
        tails = np.zeros(K)
        primal = float(p.c @ at.v) + (0.5 * float(at.v @ Pv) if Pv is not None else 0.0)
        dual = primal
        for k, piece in enumerate(self.pieces):
            xi, r = at.x[places.excess[k]], at.z[places.excess[k]]
            w, q = at.x[places.slack[k]], at.z[places.slack[k]]
            losses = p.R[k] @ y + p.offset[k]
            force += m[k] * p.G[k] + q @ p.R[k]
            fixed = float(p.G[k] @ y) + p.C[k]
            tails[k] = (1 - piece.mass) * at.alpha[k] + fixed + float(piece.caps @ xi)
            if p.host_row[k] >= 0:
                rows[p.host_row[k]] += p.host_coef[k] * tails[k]
            levels[k] = m[k] * (1 - piece.mass) - q.sum()
            slacks.append(losses - at.alpha[k] - xi + w)
            caps.append(m[k] * piece.caps - q - r)
            primal += float(p.price[k] * tails[k])
            dual += float(m[k] * fixed) + float(q @ losses)
        d = p.c + p.equalities.pull(at.nu) + p.inequalities.pull(lam) + p.forces(force)
        if Pv is not None:
            d = d + Pv
        equalities = p.equalities.times(at.v) - p.b_eq
        dual += float(at.nu @ equalities) + float(lam @ over)
        comp = float(at.x @ at.z)
        mu = comp / max(places.size, 1)
        size = max(abs(primal), 1e-6 * (float(np.abs(p.c) @ np.abs(at.v)) + p.spread), 1e-12)
        infeasible = max(_top(equalities) / (1 + _top(p.b_eq)), _top(rows) / (1 + _top(p.b)))
        infeasible = max([infeasible, *[_top(x) / p.spread for x in slacks]])
        dual_residual = max([_top(d), _top(levels), *[_top(x) for x in caps]])
        total = max(abs(primal - dual), comp) / size
        if abs(primal) > _DIVERGED or mu > _DIVERGED or not np.isfinite(total + infeasible + dual_residual):
            return None
        left = Residuals(d, equalities, rows, levels, slacks, caps)
        return _Look(left, tails, primal, size, mu, comp / size, total, infeasible, dual_residual)

    def _advance(self, newton: Newton, mu: float) -> float:
        """Predictor, corrector, centrality correctors, and the step; the shorter of its lengths."""
        at = self.at
        products = at.x * at.z
        step = newton.step(products)
        a_p, a_d = longest(at.x, step.x, 1.0), longest(at.z, step.z, 1.0)
        after = float((at.x + a_p * step.x) @ (at.z + a_d * step.z)) / max(self.places.size, 1)
        target = (after / mu) ** 3 * mu if mu > 0 else 0.0
        kappa = products - target
        if min(a_p, a_d) > _TINY:
            # The second-order term describes a full step: of no use where the step is short.
            kappa += step.x * step.z
        step = newton.step(kappa)
        for _ in range(_CORRECTORS):
            a_p, a_d = longest(at.x, step.x, 1.0), longest(at.z, step.z, 1.0)
            if min(a_p, a_d) >= _LONG:
                break
            reach = min(1.0, 1.08 * a_p + 0.08), min(1.0, 1.08 * a_d + 0.08)
            trial = outliers(kappa, at.x, step.x, at.z, step.z, reach, target)
            better = newton.step(trial)
            b_p, b_d = longest(at.x, better.x, 1.0), longest(at.z, better.z, 1.0)
            if b_p + b_d < a_p + a_d + _GAIN:
                break
            step, kappa = better, trial
        a_p, a_d = longest(at.x, step.x, _STEP), longest(at.z, step.z, _STEP)
        if self.problem.P is not None:
            a_p = a_d = min(a_p, a_d)
        at.v += a_p * step.v
        at.alpha += a_p * step.alpha
        at.x += a_p * step.x
        at.nu += a_d * step.nu
        at.z += a_d * step.z
        return min(a_p, a_d)


@dataclass
class _Look:
    """Residuals, values and relative measures of an iterate."""

    left: Residuals
    tails: Vector
    primal: float
    size: float
    mu: float
    share: float
    total: float
    infeasible: float
    dual_residual: float


def _top(x: Vector) -> float:
    return float(np.abs(x).max()) if len(x) else 0.0
