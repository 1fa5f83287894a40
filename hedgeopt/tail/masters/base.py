"""Input of a master (the active pieces of each tail) and its output (a point with a lower bound)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from cvxpy.reductions.solution import Solution
from numpy.typing import NDArray

from hedgeopt.tail.source import Vector


@dataclass
class Piece:
    """Reduced tail: ``(1 - mass) alpha + gradient'y + constant + sum_B caps (L_s - alpha)_+`` minimised over alpha.

    ``rows``, ``offset``, ``caps`` belong to the boundary scenarios (``L_s = rows_s @ y + offset_s``); ``gradient``,
    ``constant`` and ``mass`` sum the scenarios known to lie in the tail, weighted by their caps. The tail's level in
    the base problem is ``scale`` times this value.
    """

    rows: Vector
    offset: Vector
    caps: Vector
    gradient: Vector
    constant: float
    mass: float
    scale: float
    summed: NDArray[np.bool_] | None = None
    """Which boundary scenarios were part of the aggregate before they joined (a hint for bases)."""
    boundary: object = None
    """The same object as long as the boundary only grows at its end."""


@dataclass
class Point:
    """Answer of a master; ``lower`` bounds the (minimisation) value of the reduced problem from below."""

    status: str
    y: Vector
    levels: Vector
    value: float
    lower: float
    q: list[Vector]
    """Dual weight of each boundary scenario, per tail, divided by the tail's multiplier (sums to ``1 - mass``)."""
    multipliers: Vector
    """Per tail: increase of the minimised objective per unit of its CVaR."""
    iterations: int = 0
    state: Any = None
    details: dict[str, Any] = field(default_factory=dict)
    master: Any = None
    """Who can read ``state`` (set by the loop): masters may change between rounds."""
    gap: float = np.inf
    """Relative gap judged over all scenarios: how far from the optimum a start may be."""


class Master(Protocol):
    """Solves the reduced problem; several can be in use during one solve."""

    name: str
    retry: bool
    """Whether a solve that failed from a start is worth another from nothing."""

    def solve(self, pieces: list[Piece], tolerance: float, start: Point | None) -> Point:
        """Solve to the relative gap ``tolerance``; ``status`` is optimal, infeasible, unbounded, failed
        or late (the time limit ended the solve before it had a point)."""
        ...

    def upper(self, point: Point, levels: Vector) -> tuple[float, float]:
        """Objective with the true tail levels, and the largest relative constraint violation they cause."""
        ...

    def blend(self, a: Point, b: Point, share: float) -> Point:
        """``(1 - share) a + share b`` with the duals of ``b``."""
        ...

    def solution(self, point: Point, levels: Vector) -> Solution:
        """The point as a cvxpy Solution of the original problem."""
        ...


def blendable(a: Point, b: Point) -> bool:
    """Whether two points describe the same variables, so that one master can mix them."""
    return isinstance(a.state, dict) and isinstance(b.state, dict) and a.state.keys() == b.state.keys()


@dataclass(frozen=True)
class Refusal:
    """Why a master has no point: ``status`` as in :class:`Point`; ``technical`` where it never looked at the problem."""

    status: str
    reason: str = ""
    technical: bool = False
    adrift: bool = False
    """Whether the solver ran off along a ray, which proves nothing."""
    ray: tuple[Vector, Vector, list[Vector]] | None = None
    """Multipliers of equalities, rows and scenarios that show a program in some columns infeasible (Farkas)."""


def no_point(status: str, width: int, tails: int, reason: str = "", technical: bool = False) -> Point:
    """A point that only carries the reason why there is none."""
    nothing, none = np.zeros(0), np.zeros(tails)
    said = {"refusal": Refusal(status, reason, technical)}
    return Point(status, np.zeros(width), none, np.nan, -np.inf, [nothing] * tails, none, details=said)
