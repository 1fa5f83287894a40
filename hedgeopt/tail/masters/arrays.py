"""What masters on the compiled arrays share: points, their true value, and the way back to cvxpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cvxpy.reductions.solution import Solution

from hedgeopt.tail.compiled import Compiled
from hedgeopt.tail.masters.base import Point
from hedgeopt.tail.masters.layout import Layout
from hedgeopt.tail.source import Vector


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

    @property
    def dense(self) -> bool:
        """Whether nothing costs anything to hold: then a plan holds many columns."""
        return not self.layout.c.any()

    def upper(self, point: Point, levels: Vector) -> tuple[float, float]:
        """Objective and violation at the point's z with the true levels."""
        return self.layout.upper(point.state["z"], levels)

    def blend(self, a: Point, b: Point, share: float) -> Point:
        """A point on the segment; feasible because the base problem is convex."""
        z = (1 - share) * a.state["z"] + share * b.state["z"]
        return replace(b, y=(1 - share) * a.y + share * b.y, state=b.state | {"z": z})

    def solution(self, point: Point, levels: Vector) -> Solution:
        """The point in cvxpy's terms."""
        z = point.state["z"].copy()
        for host, level in zip(self.compiled.hosts, levels, strict=True):
            z[host.column] = level
        state = point.state
        return self.compiled.solution("optimal", z, point.y, state["dual_eq"], state["dual_in"], state["value"])
