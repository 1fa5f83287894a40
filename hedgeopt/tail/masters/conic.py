"""Master for cones and integers: the reduced problem as a cvxpy problem, solved by an ordinary solver.

The problem is the user's base problem plus one linear block of boundary scenarios, so statuses and duals are
cvxpy's. The bound is weak duality on the arrays the solver was given, where its dual point can be read (see
:func:`hedgeopt.tail.masters.weak.proven_bound`), and the solver's bound with integers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cvxpy as cp
import numpy as np
from cvxpy.reductions.solution import Solution

from hedgeopt.tail.integers import is_whole
from hedgeopt.tail.masters.base import Piece, Point, no_point
from hedgeopt.tail.masters.call import NEAR, Answer, call
from hedgeopt.tail.masters.conic_verdict import impossible, ray_of
from hedgeopt.tail.masters.dual_point import standard
from hedgeopt.tail.masters.lagrangian import Bound
from hedgeopt.tail.masters.outside import broken, excess
from hedgeopt.tail.masters.units import balanced, equilibrated, many_decades, of_bounds
from hedgeopt.tail.masters.weak import proven_bound, units_weight
from hedgeopt.tail.masters.worth import better, breach, done, relative
from hedgeopt.tail.source import Vector
from hedgeopt.tail.split import Split, rebuild

# As in masters/solver.py: what violations of the base problem count against those of a tail's row, and the size below
# which a constraint is measured against the problem's largest value instead of its own.
_ROWS, _FLOOR = 0.01, 1e-3


# Calls of Clarabel, each in the units that the one before suggests, the second balanced where entries are many decades apart
# and the fourth in those of the bounds.
_TURNS = 6

# The box that replaces an unbounded relaxation grows by this factor, until it is this large.
_WIDER, _WIDEST = 1e3, 1e18


@dataclass(frozen=True)
class _Reduced:
    """The reduced problem with the units of its parts."""

    problem: cp.Problem
    pieces: list[Piece]
    units: list[float]
    weight: float
    levels: list[cp.Variable]
    alphas: list[cp.Variable]
    parts: list[tuple[cp.Constraint | None, cp.Constraint]]


class ConicMaster:
    """The reduced problem through ``cp.Problem.solve(solver=...)``."""

    retry = False
    boundless = False
    """Whether bounds proven inside a box hold without it."""

    def __init__(
        self,
        split: Split,
        solver: str,
        options: dict[str, Any] | None = None,
        remaining: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.split, self.name = split, solver
        self.options, self.remaining = options or {}, remaining
        self.sense = -1.0 if isinstance(split.base.objective, cp.Maximize) else 1.0
        self.box: float | None = None
        self.reason = ""
        self.integer = is_whole(split.base)
        self.hosts = {tail.level.id for tail in split.tails}

    def solve(self, pieces: list[Piece], tolerance: float, start: Point | None) -> Point:
        """Solve the reduced problem as accurately as the solver can (for integers, ``tolerance`` is its gap)."""
        point = self._solve(pieces, tolerance)
        while point.status == "infeasible" and self.box is not None:
            # Inside the box, which counts in nobody's units, there may be nothing where outside of it there is.
            self.box *= _WIDER
            if self.box > _WIDEST:
                return no_point("failed", len(point.y), len(pieces), f"{self.name} finds no point inside a box")
            point = self._solve(pieces, tolerance)
        return point

    def _solve(self, pieces: list[Piece], tolerance: float) -> Point:
        """The reduced problem, inside the box if there is one."""
        split = self.split
        base = split.base
        y = cp.hstack(split.inner) if split.inner else None
        parts: list[tuple[cp.Constraint | None, cp.Constraint]] = []
        units = [_unit(piece) for piece in pieces]
        # Objective, levels and scenario rows in units of the losses: some solvers judge by absolute sizes.
        weight = max(units, default=1.0)
        levels = [cp.Variable() for _ in split.tails]
        scaled = {id(tail.level): unit * t for tail, unit, t in zip(split.tails, units, levels, strict=True)}
        alphas: list[cp.Variable] = []
        constraints: list[cp.Constraint] = [rebuild(c, scaled) for c in base.constraints]
        for piece, unit, t in zip(pieces, units, levels, strict=True):
            value = piece.constant / unit + ((piece.gradient / unit) @ y if y is not None else 0)
            beyond = None
            if len(piece.caps):
                alpha, excess = cp.Variable(), cp.Variable(len(piece.caps), nonneg=True)
                alphas.append(alpha)
                rows = ((piece.rows / unit) @ y if y is not None else 0) + piece.offset / unit
                beyond = rows - alpha <= excess
                value = value + (1.0 - piece.mass) * alpha + piece.caps @ excess
                constraints.append(beyond)
            level = piece.scale * value <= t
            parts.append((beyond, level))
            constraints.append(level)
        if self.box is not None and y is not None:
            constraints += [y <= self.box, y >= -self.box]
        objective = rebuild(base.objective, scaled).args[0] / weight
        reduced = cp.Problem(type(base.objective)(objective), constraints)
        whole = _Reduced(reduced, pieces, units, weight, levels, alphas, parts)
        best, first, units_of_one = None, None, None
        for turn in range(1 if self.integer else _TURNS):
            answer = call(reduced, self.name, self.options, tolerance, self.remaining(), units_of_one, fit=True)
            point, bound = self._read(whole, answer, tolerance)
            first = first or answer
            if best is None or better(point, best):
                best = point
            if answer.units is None or done(best, tolerance) or best.status == "late":
                break
            if turn == 0 and many_decades(answer.original):
                units_of_one = balanced(answer.original, np.abs(np.asarray(answer.original["c"], dtype=float)))
            elif turn == _TURNS - 4:
                units_of_one = of_bounds(answer.original)
            elif point.status == "optimal" and answer.status == "optimal":
                far = bound.far if bound is not None and bound.far is not None else np.zeros(len(answer.raw.x))
                units_of_one = answer.units.fitted(answer.original, np.array(answer.raw.x), far)
            else:
                units_of_one = answer.units.none()
        assert best is not None
        assert first is not None
        lost = best.status == "failed" or (best.status == "optimal" and breach(best) > NEAR)
        if lost and not self.integer and impossible(first, _columns(first, alphas), self.remaining()):
            # Nothing was found near the constraints because nothing is.
            return no_point("infeasible", best.y.size, len(pieces), "multipliers of the closest point")
        return best

    def _read(self, whole: _Reduced, answer: Answer, tolerance: float) -> tuple[Point, Bound | None]:
        """The point of one call, and the bound its duals prove."""
        split, pieces, reduced, units, weight = self.split, whole.pieces, whole.problem, whole.units, whole.weight
        base, width = split.base, sum(v.size for v in split.inner)
        status, self.reason = answer.status, answer.reason
        columns = _columns(answer, whole.alphas)
        if status != "optimal" or reduced.value is None or not np.isfinite(reduced.value):
            return self._judged(answer, reduced, columns, pieces, tolerance), None
        for tail, unit, t in zip(split.tails, units, whole.levels, strict=True):
            tail.level.save_value(unit * np.asarray(t.value))
        violation = self._violation(answer, columns + _columns(answer, whole.levels))
        if not answer.usable(violation):
            late = "failed" if self.remaining() is None else "late"
            return no_point(late, width, len(pieces), f"{self.name} was cut off"), None
        q, multipliers = [], np.zeros(len(pieces))
        for k, ((beyond, level), piece) in enumerate(zip(whole.parts, pieces, strict=True)):
            if level.dual_value is not None:
                multipliers[k] = weight * abs(float(level.dual_value)) * piece.scale / units[k]
            duals = None if beyond is None else beyond.dual_value
            if duals is None:
                q.append(np.zeros(len(piece.caps)))
                continue
            total = multipliers[k] if multipliers[k] > 0 else 1.0
            q.append(weight * np.abs(np.asarray(duals, dtype=float)).ravel() / units[k] / total)
        value = self.sense * weight * float(reduced.value)
        yv = np.concatenate([np.asarray(v.value, dtype=float).ravel() for v in split.inner] or [np.zeros(0)])
        at = np.array([float(tail.level.value) for tail in split.tails])
        state = {"solution": _weighted(reduced.solution, weight), "variables": [(v, v.value) for v in base.variables()]}
        # Losses at the point: coefficients may be in other units than they, and the solver's level may be anything.
        losses = [
            max(
                float(np.abs(piece.rows @ yv + piece.offset).max(initial=0.0)),
                abs(float(piece.gradient @ yv) + piece.constant),
            )
            for piece in pieces
        ]
        size = float(sum(m * loss for m, loss in zip(multipliers, losses, strict=True)))
        lower, sure, bound = proven_bound(reduced, answer, value / weight, tolerance, columns)
        # What the box ends is no bound of what lies beyond it.
        lower = weight * lower if violation <= NEAR and self.box is None else -np.inf
        # An objective of zero is measured by a thousandth of a typical term (see Judge).
        usual = 0.0 if bound is None else 1e3 * weight * bound.unit / units_weight(answer)
        charge = 0.0
        if found := (None if self.integer else standard(answer)):
            charge = weight * broken(*found, columns + _columns(answer, whole.levels)).charge / units_weight(answer)
        details = {"charge": charge, "size": max(1e-2 * size, usual), "violation": violation, "claimed": not sure}
        return Point("optimal", yv, at, value, lower, q, multipliers, 0, state, details), bound

    def _judged(
        self, answer: Answer, reduced: cp.Problem, columns: list[int], pieces: list[Piece], tolerance: float
    ) -> Point:
        """A solve without a point; "unbounded" and "infeasible" only where the arrays prove it (integers: HiGHS' claim)."""
        status, reason, details = answer.status, answer.reason, {}
        if status == "optimal":
            status, reason = "failed", f"{self.name} returned no value"
        elif status == "infeasible" and not (self.integer or impossible(answer, columns, self.remaining())):
            status, reason = "failed", f"{reason}, which its multipliers do not prove"
        elif status == "unbounded":
            r = ray_of(answer.data, self.remaining())
            free = None if r is None else call(
                cp.Problem(cp.Minimize(0), reduced.constraints), self.name, self.options, tolerance, self.remaining()
            )  # fmt: skip
            if r is None or free is None or free.status != "optimal":
                status, reason = "failed", f"{reason}, which the data do not prove"
            else:
                where = answer.data["param_prob"].var_id_to_col if "param_prob" in answer.data else {}
                held = [r[where[v.id] : where[v.id] + v.size] for v in self.split.inner if v.id in where]
                own = {v.id: r[where[v.id] : where[v.id] + v.size] for v in self.split.base.variables() if v.id in where}
                ray = {v.id: own[v.id].reshape(v.shape, order="F") for v in self.split.base.variables() if v.id in own}
                details = {"still": not any(np.abs(part).max(initial=0.0) > 1e-9 for part in held), "ray": ray}
        if status == "infeasible" and reduced.solution is not None:
            details = {"farkas": dict(reduced.solution.dual_vars or {})}
        point = no_point(status, sum(v.size for v in self.split.inner), len(pieces), reason, answer.technical)
        point.details.update(details)
        return point

    def certificate(self, point: Point) -> tuple[dict[int, Any], dict[int, Any]]:
        """As :meth:`ArrayMaster.certificate`: the solver's multipliers, and the ray that was checked."""
        return point.details.get("farkas", {}), point.details.get("ray", {})

    def beyond(self, y: Vector, share: float) -> bool:
        """Whether loss arguments are at ``share`` of the box or farther out."""
        return bool(np.abs(y).max(initial=0.0) > share * (self.box or np.inf))

    def _violation(self, answer: Answer, skip: list[int]) -> float:
        """The largest relative violation of the constraints that hold no tail, at the point just found."""
        found = standard(answer)
        if found is not None:
            data, x, _ = found
            if answer.units is None:
                units = equilibrated(data)
                data, x = units.scaled(data), x / units.columns
            return excess(data, x, bool(data.get("lower_triangle")), skip)
        base = self.split.base
        floor = _FLOOR * max([float(np.max(np.abs(v.value), initial=0.0)) for v in base.variables()], default=0.0)
        own = [c for c in base.constraints if not any(v.id in self.hosts for v in c.variables())]
        return max([relative(c, floor) for c in own], default=0.0)

    def upper(self, point: Point, levels: Vector) -> tuple[float, float]:
        """Objective with the true levels and the relative violation of the constraints that hold them."""
        for variable, value in point.state["variables"]:
            variable.save_value(value)
        for tail, level in zip(self.split.tails, levels, strict=True):
            tail.level.save_value(np.array(level))
        hosts = [c for c in self.split.base.constraints if any(v.id in self.hosts for v in c.variables())]
        worst = max([relative(c, 1e-12) for c in hosts], default=0.0)
        own = _ROWS * float(point.details.get("violation", 0.0))
        # Violations count at the prices of their rows: a point just outside is no better than the optimum.
        charge = float(point.details.get("charge", 0.0))
        return self.sense * float(self.split.base.objective.value) + charge, max(worst, own)

    def blend(self, a: Point, b: Point, share: float) -> Point:
        """A point on the segment; feasible because the base problem is convex."""
        pairs = zip(a.state["variables"], b.state["variables"], strict=True)
        values = [(v, (1 - share) * np.asarray(p) + share * np.asarray(q)) for (v, p), (_, q) in pairs]
        worst = {name: max(float(x.details.get(name, 0.0)) for x in ((b,) if share == 1.0 else (a, b)))
                 for name in ("violation", "charge")}  # fmt: skip
        return replace(
            b, y=(1 - share) * a.y + share * b.y, state=b.state | {"variables": values},
            details=b.details | worst,
        )  # fmt: skip

    def solution(self, point: Point, levels: Vector) -> Solution:
        """The cvxpy solution of the reduced problem; ids are those of the original problem."""
        found = point.state["solution"]
        primal = dict(found.primal_vars) | {v.id: value for v, value in point.state["variables"]}
        return Solution(found.status, found.opt_val, primal, found.dual_vars, found.attr)


def _weighted(solution: Solution, weight: float) -> Solution:
    """Value and duals of an objective that was divided by ``weight``."""
    duals = {key: _times(value, weight) for key, value in (solution.dual_vars or {}).items()}
    return Solution(solution.status, solution.opt_val * weight, solution.primal_vars, duals, solution.attr)


def _times(value: Any, weight: float) -> Any:
    return [_times(part, weight) for part in value] if isinstance(value, list | tuple) else weight * np.asarray(value)


def _unit(piece: Piece) -> float:
    """The size of a loss: the largest coefficient of a boundary row, else of the aggregate."""
    largest = float(np.abs(piece.rows).max(initial=0.0)) or float(np.abs(piece.gradient).max(initial=0.0))
    return largest or 1.0


def _columns(answer: Answer, alphas: list[cp.Variable]) -> list[int]:
    """Columns of the tails' levels in the solver's arrays."""
    found = answer.data.get("param_prob")
    where = {} if found is None else found.var_id_to_col
    return [int(where[alpha.id]) for alpha in alphas if alpha.id in where]
