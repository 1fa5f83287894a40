"""The certificate of a solve: weights of every tail and multipliers of the other rows, which prove the gap by themselves.

The weak dual value of the program without scenarios (:mod:`hedgeopt.tail.summed`) is the bound, whatever found the
multipliers; where those of the solve prove less, that program is solved for better ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.tail.compiled import Compiled
from hedgeopt.tail.masters.conic_verdict import solve_arrays
from hedgeopt.tail.masters.lagrangian import Bound
from hedgeopt.tail.masters.units import at_point
from hedgeopt.tail.masters.weak import bound_of
from hedgeopt.tail.source import Vector
from hedgeopt.tail.summed import SummedTail, program


@dataclass(frozen=True)
class RowMultipliers:
    """Multipliers of the rows of the base problem as cvxpy compiles it for Clarabel, and the point of the tangent."""

    equalities: Vector
    inequalities: Vector
    point: Vector


def best_bound(
    compiled: Compiled,
    dims: Any,
    tails: list[SummedTail],
    found: RowMultipliers | None,
    goal: Callable[[float, Bound], bool],
) -> tuple[float, Bound, RowMultipliers | None]:
    """Lower bound, the same with its unit, and what proves it; ``goal`` of both says whether that is enough.

    Where ``found`` proves less, the program without scenarios is solved for multipliers that prove more.
    """
    data, signed, offset = program(compiled, dims, tails), int(dims.nonneg), compiled.offset
    best, kept = Bound(-np.inf, 0.0), found

    def enough(bound: Any) -> bool:
        return goal(bound.value + offset, bound)

    if found is not None:
        z = _joined(compiled, found, signed)
        bound = _bound(data, found.point, z, enough)
        best = bound
        if enough(bound):
            return best.value + offset, best, found
    far: list[Vector] = []
    for x, z in solve_arrays(data, far):
        bound = _bound(data, x, z, enough)
        if bound.far is not None:
            far.append(bound.far)
        if bound.value > best.value:
            zero = len(compiled.b_eq)
            rest = np.concatenate((z[zero : zero + signed], z[zero + signed + len(tails) :]))
            best, kept = bound, RowMultipliers(z[:zero], rest, x)
        if enough(bound):
            break
    return best.value + offset, best, kept


def _bound(data: dict[str, Any], x: Vector, z: Vector, enough: Callable[[Bound], bool]) -> Bound:
    """The bound in the units of the data, or in those of the point: the better one."""
    bound = bound_of(data, x, z, enough=enough)
    if enough(bound):
        return bound
    units = at_point(data, x)
    one = units.weight

    def fine(b: Bound) -> bool:
        return enough(Bound(b.value / one, b.terms / one, None, bound.measure))

    other = bound_of(units.scaled(data), x / units.columns, one * z / units.rows, enough=fine)
    if other.value / one > bound.value:
        reach = None if other.far is None else other.far * units.columns
        return Bound(other.value / one, other.terms / one, reach, bound.measure)
    return bound


def _joined(compiled: Compiled, found: RowMultipliers, signed: int) -> Vector:
    """All multipliers; a tail's is what is left of the gradient at its level."""
    pull = compiled.c + compiled.A_eq.T @ found.equalities + compiled.A_in.T @ found.inequalities
    if compiled.P is not None:
        pull = pull + compiled.P @ found.point
    tails = np.maximum(np.array([pull[host.column] for host in compiled.hosts]), 0.0)
    return np.concatenate((found.equalities, found.inequalities[:signed], tails, found.inequalities[signed:]))
