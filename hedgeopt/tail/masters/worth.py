"""What a conic solver's answer is worth: whether another in other units may be better, and which of two is."""

from __future__ import annotations

import cvxpy as cp
import numpy as np

from hedgeopt.tail.masters.base import Point

# The relative violation that is worth another call.
EXACT = 5e-7


def done(point: Point, tolerance: float) -> bool:
    """Whether a solve in other units has nothing to add: a verdict, or a point as exact as it was asked for."""
    if point.status != "optimal":
        return point.status in ("infeasible", "unbounded")
    # A value below the bound is none: rows of scenarios, which count as the tail's, were met in the wrong units.
    gap = abs(point.value - point.lower)
    return breach(point) <= min(5.0 * tolerance, EXACT) and gap <= 5.0 * tolerance * max(abs(point.value), _size(point))


def better(point: Point, best: Point) -> bool:
    """Whether a later answer is worth more: a verdict, a point at all, one that breaks less, a smaller gap."""
    if point.status != "optimal" or best.status != "optimal":
        return point.status in ("infeasible", "unbounded", "optimal") and best.status not in ("infeasible", "unbounded")
    exact = breach(point) <= EXACT, breach(best) <= EXACT
    if exact[0] != exact[1] or not exact[0]:
        return exact[0] if exact[0] != exact[1] else breach(point) < breach(best)
    return abs(point.value - point.lower) < abs(best.value - best.lower)


def breach(point: Point) -> float:
    """The largest violation of rows that hold no tail."""
    return float(point.details["violation"])


def _size(point: Point) -> float:
    return 1e-6 * float(point.details["size"])


def relative(constraint: cp.Constraint, floor: float) -> float:
    """The violation of a constraint over the size of its sides, which is no less than ``floor``."""
    size = max((float(np.max(np.abs(a.value), initial=0.0)) for a in constraint.args), default=1.0)
    return float(np.max(constraint.violation(), initial=0.0)) / max(size, floor, 1e-12)
