"""Master for everything else: the reduced problem as a cvxpy problem, solved by an ordinary solver.

Cones, integers and solvers of the user's choice go this way; the problem is the user's base problem plus one
linear block of boundary scenarios, so statuses and duals are cvxpy's own.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import cvxpy as cp
import numpy as np
from cvxpy import settings as s
from cvxpy.error import SolverError
from cvxpy.reductions.solution import Solution

from hedgeopt.tail.masters.base import Piece, Point, no_point
from hedgeopt.tail.source import Vector
from hedgeopt.tail.split import Split

_STATUS = {
    s.OPTIMAL: "optimal",
    s.OPTIMAL_INACCURATE: "optimal",
    s.USER_LIMIT: "optimal",
    s.INFEASIBLE: "infeasible",
    s.INFEASIBLE_INACCURATE: "infeasible",
    s.UNBOUNDED: "unbounded",
    s.UNBOUNDED_INACCURATE: "unbounded",
    s.INFEASIBLE_OR_UNBOUNDED: "unbounded",
}
# Slack between what a solver calls its value and a bound: its own default relative accuracy.
_ACCURACY = 1e-9


class ConicMaster:
    """The reduced problem through ``cp.Problem.solve(solver=...)``."""

    retry = False

    def __init__(self, split: Split, solver: str, options: dict[str, Any] | None = None) -> None:
        self.split, self.name = split, solver
        self.options = options or {}
        self.sense = -1.0 if isinstance(split.base.objective, cp.Maximize) else 1.0
        self.box: float | None = None
        self.integer = split.base.is_mixed_integer()

    def solve(self, pieces: list[Piece], tolerance: float, start: Point | None) -> Point:
        """Solve the reduced problem; accuracy is the solver's own (for integers, ``tolerance`` is its gap)."""
        split = self.split
        base = split.base
        width = sum(v.size for v in split.inner)
        constraints: list[cp.Constraint] = list(base.constraints)
        y = cp.hstack(split.inner) if split.inner else None
        parts: list[tuple[cp.Constraint | None, cp.Constraint]] = []
        for tail, piece in zip(split.tails, pieces, strict=True):
            if len(piece.caps) == 0:
                value = piece.constant + (piece.gradient @ y if y is not None else 0)
                level = piece.scale * value <= tail.level
                parts.append((None, level))
                constraints.append(level)
                continue
            alpha, excess = cp.Variable(), cp.Variable(len(piece.caps), nonneg=True)
            # Losses in units of their own size keep the rows well scaled.
            unit = float(np.abs(piece.rows).max(initial=0.0)) or 1.0
            rows = (piece.rows @ y if y is not None else 0) + piece.offset
            beyond = (rows - alpha) / unit <= excess / unit
            value = (1.0 - piece.mass) * alpha + piece.constant + piece.caps @ excess
            value = value + (piece.gradient @ y if y is not None else 0)
            level = piece.scale * value <= tail.level
            parts.append((beyond, level))
            constraints += [beyond, level]
        if self.box is not None and y is not None:
            constraints += [y <= self.box, y >= -self.box]
        reduced = cp.Problem(base.objective, constraints)
        options = dict(self.options)
        if self.integer and self.name == "HIGHS":
            options.setdefault("mip_rel_gap", tolerance)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*DPP.*")
                warnings.filterwarnings("ignore", message="Solution may be inaccurate")
                warnings.filterwarnings("ignore", category=UserWarning, module="cvxpy")
                reduced.solve(solver=self.name, **options)
        except SolverError:
            return no_point("failed", width, len(pieces))
        status = _STATUS.get(reduced.status, "failed")
        if status != "optimal" or reduced.value is None:
            return no_point(status if status != "optimal" else "failed", width, len(pieces))
        value = self.sense * float(reduced.value)
        loss = tolerance if self.integer else _ACCURACY
        q, multipliers = [], np.zeros(len(pieces))
        for k, ((beyond, level), piece) in enumerate(zip(parts, pieces, strict=True)):
            if level.dual_value is not None:
                multipliers[k] = abs(float(level.dual_value)) * piece.scale
            duals = None if beyond is None else beyond.dual_value
            if duals is None:
                q.append(np.zeros(len(piece.caps)))
                continue
            unit = float(np.abs(piece.rows).max(initial=0.0)) or 1.0
            total = multipliers[k] if multipliers[k] > 0 else 1.0
            q.append(np.abs(np.asarray(duals, dtype=float)).ravel() / unit / total)
        yv = np.concatenate([np.asarray(v.value, dtype=float).ravel() for v in split.inner] or [np.zeros(0)])
        levels = np.array([float(t.level.value) for t in split.tails])
        state = {"solution": reduced.solution, "variables": [(v, v.value) for v in base.variables()]}
        size = sum(m * float(np.abs(p.rows).max(initial=0.0)) for m, p in zip(multipliers, pieces, strict=True))
        return Point(
            "optimal", yv, levels, value, value - loss * abs(value), q, multipliers, 0, state, {"size": 1e-2 * size}
        )  # fmt: skip

    def upper(self, point: Point, levels: Vector) -> tuple[float, float]:
        """Objective with the true levels and the relative violation of the constraints that hold them."""
        self._restore(point)
        for tail, level in zip(self.split.tails, levels, strict=True):
            tail.level.save_value(np.array(level))
        ids = {tail.level.id for tail in self.split.tails}
        worst = 0.0
        for constraint in self.split.base.constraints:
            if any(v.id in ids for v in constraint.variables()):
                size = max((float(np.max(np.abs(a.value), initial=0.0)) for a in constraint.args), default=1.0)
                worst = max(worst, float(np.max(constraint.violation(), initial=0.0)) / max(size, 1e-12))
        return self.sense * float(self.split.base.objective.value), worst

    def blend(self, a: Point, b: Point, share: float) -> Point:
        """A point on the segment; feasible because the base problem is convex."""
        pairs = zip(a.state["variables"], b.state["variables"], strict=True)
        values = [(v, (1 - share) * np.asarray(p) + share * np.asarray(q)) for (v, p), (_, q) in pairs]
        return replace(b, y=(1 - share) * a.y + share * b.y, state=b.state | {"variables": values})

    def solution(self, point: Point, levels: Vector) -> Solution:
        """The reduced problem's own cvxpy solution; ids are those of the original problem."""
        found = point.state["solution"]
        primal = dict(found.primal_vars) | {v.id: value for v, value in point.state["variables"]}
        return Solution(found.status, found.opt_val, primal, found.dual_vars, found.attr)

    @staticmethod
    def _restore(point: Point) -> None:
        for variable, value in point.state["variables"]:
            variable.save_value(value)
