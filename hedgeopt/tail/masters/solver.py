"""LP and convex QP through any cvxpy solver, in the scaled variables of the other masters and with their proven bound."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import cvxpy as cp
import numpy as np

from hedgeopt.tail.compiled import Compiled
from hedgeopt.tail.masters.arrays import ArrayMaster
from hedgeopt.tail.masters.base import Piece, Point, Refusal, no_point
from hedgeopt.tail.masters.bound import repaired_dual, tail_value
from hedgeopt.tail.masters.call import call
from hedgeopt.tail.source import Vector

# Scaled values are of order one: a point beyond this lies on a ray.
_FARTHEST = 1e11


class SolverMaster(ArrayMaster):
    """The reduced problem as arrays, handed to a cvxpy solver.

    A solver's value is not a bound: one that stops early, or mistakes the units, is off by more than it reports.
    Its point is clipped to the variables' bounds and evaluated anew, its duals prove the bound.
    """

    def __init__(
        self,
        compiled: Compiled,
        solver: str,
        options: dict[str, Any] | None = None,
        remaining: Callable[[], float | None] = lambda: None,
    ) -> None:
        super().__init__(compiled, None, remaining)
        self.name, self.options = solver, options or {}
        self.box: float | None = None
        self.reason = ""

    def solve(self, pieces: list[Piece], tolerance: float, start: Point | None) -> Point:
        """Solve the reduced problem as accurately as the solver can."""
        K, width = len(pieces), self.compiled.E.shape[0]
        with np.errstate(all="ignore"):
            p = self.layout.scaled(pieces)
        v, tails, constraints, named = self._program(p)
        # Linear costs are of order one already; an objective without any is scaled by its quadratic term.
        weight = max(float(np.abs(p.c).max(initial=0.0)), float(p.price.max(initial=0.0)))
        if weight < 1e-7:
            weight = float(abs(p.P).max()) if p.P is not None else weight
        weight = weight or 1.0
        objective = (p.c / weight) @ v
        if p.P is not None:
            objective += 0.5 * cp.quad_form(v, p.P / weight, assume_PSD=True)
        for k in range(K):
            if p.price[k] > 0:
                objective += (p.price[k] / weight) * tails[k]
        problem = cp.Problem(cp.Minimize(objective), constraints)
        answer = call(problem, self.name, self.options, tolerance, self.remaining())
        status, self.reason = answer.status, answer.reason
        if status != "optimal":
            return self.judged(p, Refusal(status, self.reason, answer.technical))
        if v.value is None or not np.all(np.isfinite(v.value)):
            return self.judged(p, Refusal("failed", f"{self.name} returned no point"))
        if np.abs(v.value).max(initial=0.0) > _FARTHEST:
            # Without bounds some solvers stop somewhere along a ray and call it solved.
            judged = self.judged(p, Refusal("unbounded", f"{self.name} ran off"))
            if judged.status != "failed":
                return judged
        point = self._point(p, np.asarray(v.value, dtype=float).ravel(), named, problem, weight)
        if not answer.usable(float(point.details["violation"])):
            return no_point("failed" if self.remaining() is None else "late", width, K, f"{self.name} was cut off")
        return point

    def _program(self, p: Any) -> tuple[cp.Variable, list[Any], list[cp.Constraint], dict[str, Any]]:
        v = cp.Variable(p.n)
        y = p.E @ v
        tails, scenarios, constraints = [], [], []
        for k in range(len(p.pieces)):
            value = (p.ET @ p.G[k]) @ v + float(p.C[k])
            if len(p.caps[k]):
                alpha, excess = cp.Variable(), cp.Variable(len(p.caps[k]), nonneg=True)
                rows = np.ascontiguousarray((p.ET @ p.R[k].T).T)
                scenarios.append(rows @ v + p.offset[k] - alpha <= excess)
                value = value + (1.0 - p.mass[k]) * alpha + p.caps[k] @ excess
            else:
                scenarios.append(None)
            tails.append(value)
        named: dict[str, Any] = {"scenarios": scenarios, "equal": None, "rows": None, "hosts": []}
        if p.A_eq.shape[0]:
            named["equal"] = p.A_eq @ v == p.b_eq
        plain = np.setdiff1d(np.flatnonzero(~p.is_host), p.single_rows)
        named["plain"] = plain
        if len(plain):
            named["rows"] = p.A[plain] @ v <= p.b[plain]
        for row in np.flatnonzero(p.is_host):
            hosted = sum(float(p.host_coef[k]) * tails[k] for k in np.flatnonzero(p.host_row == row))
            named["hosts"].append((row, p.A_dense_row(row) @ v + hosted <= p.b[row]))
        low, high = np.flatnonzero(np.isfinite(p.lower)), np.flatnonzero(np.isfinite(p.upper))
        if len(low):
            constraints.append(v[low] >= p.lower[low])
        if len(high):
            constraints.append(v[high] <= p.upper[high])
        if self.box is not None and p.E.shape[0]:
            wide = self.box / np.where(p.sizes > 0, p.sizes, 1.0)
            constraints += [y <= wide, y >= -wide]
        given = [named["equal"], named["rows"], *scenarios, *(c for _, c in named["hosts"])]
        return v, tails, constraints + [c for c in given if c is not None], named

    def _point(self, p: Any, v: Vector, named: dict[str, Any], problem: cp.Problem, weight: float) -> Point:
        """The bound of the solver's duals, and its point with the tails computed anew."""
        nu, lam = np.zeros(len(p.b_eq)), np.zeros(len(p.b))
        if named["equal"] is not None:
            nu = _dual(named["equal"])
        if named["rows"] is not None:
            lam[named["plain"]] = _dual(named["rows"])
        for row, constraint in named["hosts"]:
            lam[row] = _dual(constraint)[0]
        q = [np.zeros(0) if c is None else weight * _dual(c) for c in named["scenarios"]]
        nu, lam = weight * nu, weight * lam
        v = np.minimum(np.maximum(v, p.lower), p.upper)
        proof = repaired_dual(p, v, nu, lam, q)
        y = p.E @ v
        tails = np.array([tail_value(p, k, y) for k in range(len(p.pieces))])
        primal = float(p.c @ v) + float(p.price @ tails) + (0.5 * float(v @ (p.P @ v)) if p.P is not None else 0.0)
        it = SimpleNamespace(v=v, nu=proof.nu, lam=proof.lam, q=proof.q, tangent=proof.tangent)
        iterations = problem.solver_stats.num_iters or 0
        point = p.point(it, primal, proof.value - proof.loose, tails, proof.m, int(iterations))
        return self.checked(point)


def _dual(constraint: cp.Constraint) -> Vector:
    found = constraint.dual_value
    return np.zeros(constraint.size) if found is None else np.nan_to_num(np.asarray(found, dtype=float).ravel())
