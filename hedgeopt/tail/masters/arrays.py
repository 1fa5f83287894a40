"""Common part of the masters on compiled arrays: points, their true value, and the way back to cvxpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from cvxpy.reductions.solution import Solution

from hedgeopt.tail.compiled import Compiled
from hedgeopt.tail.masters.base import Piece, Point, Refusal, no_point
from hedgeopt.tail.masters.bound import Repaired
from hedgeopt.tail.masters.layout import Layout
from hedgeopt.tail.masters.scaled import Scaled
from hedgeopt.tail.masters.verdict import falls, ray, shown_infeasible
from hedgeopt.tail.source import Vector

# Violations of the base problem's rows count a hundredth of those of a tail's row (see Judge): the first are the
# solver's accuracy, the second a promise about risk.
ROWS = 0.01
# Share of the columns from which an equality is a budget to be spread over them.
_MOST = 0.5


class ArrayMaster:
    """Linear and convex quadratic programs; ``memory`` outlives the solve, ``remaining`` are the seconds until its limit."""

    name = ""
    retry = False

    def __init__(
        self,
        compiled: Compiled,
        memory: dict[str, Any] | None = None,
        remaining: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.compiled, self.remaining = compiled, remaining
        self.memory = {} if memory is None else memory
        known = self.memory.get("layout")
        self.layout = self.memory["layout"] = Layout(compiled) if known is None else known.renewed(compiled)

    def judged(self, p: Scaled, refusal: Refusal) -> Point:
        """A refusal as a point; "unbounded" and "infeasible" only where the data prove it, whatever the solver says."""
        K, width = len(p.pieces), self.compiled.E.shape[0]
        status, reason = refusal.status, refusal.reason
        details: dict[str, Any] = {}
        if status in ("unbounded", "infeasible"):
            none = shown_infeasible(p, self.remaining())
            if isinstance(none, Repaired):
                details = {"farkas": self._farkas(p, none)}
            r = None
            if none is False and status == "unbounded":
                # Inside a box no loss can run away; what does may be a variable without any.
                r = ray(p, getattr(self, "box", None) is not None, self.remaining())
            if none:
                status = "infeasible"
            elif r is not None:
                status, details = "unbounded", {"still": not np.any(self.layout.E @ r), "ray": r}
            else:
                status, reason = "failed", f"{reason}, which the data do not prove"
        point = no_point(status, width, K, reason, refusal.technical)
        point.details.update(details | {"adrift": refusal.adrift})
        if "farkas" in details:
            point = replace(point, q=details["farkas"]["q"], multipliers=details["farkas"]["multipliers"])
        return point

    def _farkas(self, p: Scaled, proof: Repaired) -> dict[str, Any]:
        """Multipliers that no point can meet all rows, in the compiled problem's units and the largest of them one."""
        nu = np.zeros(len(self.compiled.b_eq)) if proof.nu is None else proof.nu
        eq, rows = nu * p.eq_scale, (proof.lam * p.row_scale)[: len(self.compiled.b_in)]
        top = max(float(np.abs(eq).max(initial=0.0)), float(rows.max(initial=0.0))) or 1.0
        q = [qk / mk if mk > 0 else np.zeros_like(qk) for qk, mk in zip(proof.q, proof.m, strict=True)]
        return {"dual_eq": eq / top, "dual_in": rows / top, "q": q, "multipliers": proof.m / top}

    def certificate(self, point: Point) -> tuple[dict[int, Any], dict[int, Any]]:
        """Multipliers by constraint of an infeasible problem, and directions by variable of an unbounded one, as known."""
        c, shown = self.compiled, point.details.get("farkas")
        none = np.zeros(len(c.c)), np.zeros(c.E.shape[0]), np.zeros(len(c.b_eq)), np.zeros(len(c.b_in))
        if shown is not None:
            return c.solution("optimal", none[0], none[1], shown["dual_eq"], shown["dual_in"], 0.0).dual_vars, {}
        r = point.details.get("ray")
        if r is None:
            return {}, {}
        z = np.zeros(len(c.c))
        z[self.layout.columns] = r
        # The way back is affine: a direction is a difference of points.
        there, here = (c.solution("optimal", at, c.E @ at, none[2], none[3], 0.0).primal_vars for at in (z, none[0]))
        return {}, {key: np.asarray(value) - np.asarray(here[key]) for key, value in there.items()}

    def beyond(self, y: Vector, share: float) -> bool:
        """Whether loss arguments are at ``share`` of the box or farther out (in units of the losses they cause)."""
        p = self.layout.scaled_now
        sizes = np.where(p.sizes > 0, p.sizes, 1.0)
        return bool(np.any(np.abs(y - self.compiled.f) * sizes > share * self.box * p.unit))  # type: ignore[attr-defined]

    def ray(self, pieces: list[Piece]) -> Vector | None:
        """A direction of z (the layout's columns) along which the reduced problem falls for ever."""
        with np.errstate(all="ignore"):
            return ray(self.layout.scaled(pieces), False, self.remaining())

    def moves(self, r: Vector) -> Vector:
        """The loss arguments of a ray."""
        return np.asarray(self.layout.E @ r)

    def falls(self, pieces: list[Piece], r: Vector, tails: Vector) -> bool:
        """Whether ``r`` is a ray with the tails over all scenarios."""
        return falls(self.layout.scaled(pieces), r, tails)

    @property
    def dense(self) -> bool:
        """Whether a plan holds many columns: nothing costs anything to hold, or a sum is to be spread over most of them."""
        return bool(not self.layout.c.any() or (self.layout.broad & (self.compiled.b_eq != 0)).any())

    def upper(self, point: Point, levels: Vector) -> tuple[float, float]:
        """Objective and violation at the point's z with the true levels, including violations of the rows without a tail."""
        value, worst = self.layout.upper(point.state["z"], levels)
        return value, max(worst, ROWS * float(point.details.get("violation", 0.0)))

    def checked(self, point: Point) -> Point:
        """The point with the largest violation of rows, bounds and equalities, which no scaling enters."""
        return replace(point, details=point.details | {"violation": self.layout.violation(point.state["z"])})

    def blend(self, a: Point, b: Point, share: float) -> Point:
        """A point on the segment; no more infeasible than its worse end, because the base problem is convex."""
        worst = max(float(x.details.get("violation", 0.0)) for x in ((b,) if share == 1.0 else (a, b)))
        z = (1 - share) * a.state["z"] + share * b.state["z"]
        return replace(
            b, y=(1 - share) * a.y + share * b.y, state=b.state | {"z": z},
            details=b.details | {"violation": worst},
        )  # fmt: skip

    def solution(self, point: Point, levels: Vector) -> Solution:
        """The point in cvxpy's terms."""
        z = point.state["z"].copy()
        for host, level in zip(self.compiled.hosts, levels, strict=True):
            z[host.column] = level
        state = point.state
        return self.compiled.solution("optimal", z, point.y, state["dual_eq"], state["dual_in"], state["value"])
