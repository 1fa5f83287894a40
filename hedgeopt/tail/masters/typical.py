"""The unit of an objective that is zero at the optimum, from the data: a middle cost of a middle position."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from hedgeopt.tail.masters.lagrangian import Lagrangian
from hedgeopt.tail.masters.units import Units, balanced, of_bounds
from hedgeopt.tail.source import Vector

# Share of the largest below which one is noise, and how sides count beside positions.
_NOISE, _BESIDE = 1e-6, 0.1


def typical(program: Lagrangian) -> float:
    """A middle cost times a middle position or, if larger, a share of a middle side, in units of order one.

    Never the largest, and never in the units of the data: columns may be in any.
    """
    P = None if program.P is None else sp.csr_array(program.P)
    data = {"A": sp.csr_array(program.A), "b": program.b, "c": program.c, "P": P, "dims": program.dims}
    # Entries beside a bound of 1e12 may be one, a bound may be a million where one would do: the lesser of both.
    costs = np.abs(program.c if program.costs is None else program.costs)
    return min(_usual_cost(program, balanced(data, costs), costs), _usual_cost(program, of_bounds(data), costs))


def _usual_cost(program: Lagrangian, one: Units, costs: Vector) -> float:
    cost, size = costs * one.columns, np.abs(program.x) / one.columns
    held = np.isfinite(program.b)
    held[program.single] = False
    side = np.abs(program.b[held] * one.rows[held])
    usual = max(_usual(size), _BESIDE * (_usual(side) or 1.0))
    curve = np.zeros(0) if program.P is None else np.abs(program.P.diagonal()) * one.columns**2
    return max(_middle(cost[cost > 0]) * usual, 0.5 * _middle(curve[curve > 0]) * usual**2)


def _usual(values: Vector) -> float:
    """The middle of those that are not noise."""
    return _middle(values[values > _NOISE * values.max(initial=0.0)])


def _middle(values: Vector) -> float:
    """The lower of the middle values; zero of none."""
    return float(np.sort(values)[(len(values) - 1) // 2]) if len(values) else 0.0
