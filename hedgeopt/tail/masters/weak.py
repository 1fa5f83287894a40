"""A lower bound of a conic program from the arrays its solver was given and the dual point it came back with.

For ``min 1/2 x'Px + c'x`` with ``Ax + s = b``, ``s`` in a cone K, and ``z`` in the dual cone, convexity of the objective
gives for every feasible x'

    f(x') >= -1/2 x'Px - b'z + d'x',    d = Px + c + A'z,

at whatever x the solver stopped. ``z`` is moved into the dual cone, the weights of every tail into their envelope, and then
as little as possible until ``d`` is zero where variables have no bounds. The rest of ``d`` is charged to the bounds that
rows, cones and the level set imply. Where there are none, what is more than rounding makes it minus infinity: not proven.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from hedgeopt.tail.masters import moved
from hedgeopt.tail.masters.call import Answer
from hedgeopt.tail.masters.cones import blocks, exponentials
from hedgeopt.tail.masters.curvature import convex, symmetric
from hedgeopt.tail.masters.dual_point import standard
from hedgeopt.tail.masters.lagrangian import Bound, Lagrangian
from hedgeopt.tail.masters.typical import typical
from hedgeopt.tail.source import Vector

# Columns beyond which the best bound takes longer than another solve.
_LARGE = 200
# Shares of the largest multiplier below which others are dropped, where nothing is proven with them.
DUST = 1e-14, 1e-12, 1e-10, 1e-8, 1e-6


def proven_bound(
    problem: cp.Problem, answer: Answer, value: float, tolerance: float, levels: list[int]
) -> tuple[float, bool, Bound | None]:
    """Lower bound (as a minimisation) of a problem just solved, whether it is proven or claimed, and the proof.

    ``levels`` are the columns of the tails' levels.
    """
    if problem.is_mixed_integer():
        info = problem.solver_stats.extra_stats
        bound = getattr(info, "mip_dual_bound", None)
        if bound is None:
            return value - tolerance * abs(value), False, None
        # Both of HiGHS' numbers lack the constant that cvxpy keeps outside.
        return value - max(float(info.objective_function_value) - float(bound), 0.0), False, None
    found = standard(answer)
    if found is None:
        return -np.inf, True, None
    bound = bound_of(*found, levels)
    return bound.value / units_weight(answer) + answer.offset, True, bound


def units_weight(answer: Answer) -> float:
    """Weight of the objective in the units of the solver's arrays."""
    return 1.0 if answer.units is None else answer.units.weight


def bound_of(
    data: dict[str, Any],
    x: Vector,
    z: Vector,
    levels: list[int] | None = None,
    enough: Callable[[Bound], bool] | None = None,
    cheap: bool = False,
) -> Bound:
    """The bound above for canonical conic data and a point; the first that is ``enough`` at once, where that is given.

    ``cheap``: of a large program any bound will do, as the caller rather solves again than looks for the best one.
    """
    b, c = np.asarray(data["b"], dtype=float), np.asarray(data["c"], dtype=float)
    A = data["A"] if isinstance(data["A"], np.ndarray) and not levels else sp.csr_array(data["A"])
    P = None if data.get("P") is None else symmetric(data["P"])
    if len(z) != len(b) or len(x) != len(c):
        return Bound(-np.inf, 0.0)
    if enough is not None and P is None and not c.any():
        z = np.zeros(len(b))  # of nothing to minimise zero is the bound, whatever multipliers came back
    x = x if np.isfinite(x).all() else np.nan_to_num(x, posinf=0.0, neginf=0.0)
    program = Lagrangian(
        A,
        sp.csc_array(A) if levels else None,
        b,
        c,
        P,
        data["dims"],
        bool(data.get("lower_triangle")),
        list(levels or ()),
        x,
    )
    program.costs = data.get("costs")
    if P is not None and not convex(P):
        return Bound(-np.inf, 0.0)
    quick = Bound(-np.inf, 0.0) if enough is None else moved.quick(program, z)
    quick.measure = measure = cache(lambda: typical(program))
    if cheap and len(c) > _LARGE:
        return quick
    if enough is not None and quick.value > -np.inf and enough(quick):
        return quick
    best = moved.best(program, z, enough)
    if best.value == -np.inf and enough is None:
        best = moved.quick(program, z)  # matrices and powers move in their own metric there
    for share in DUST if best.value == -np.inf else ():
        best = moved.best(program, large_multipliers(z, data["dims"], share))
        if best.value > -np.inf:
            break
    best = best if best.value > quick.value else quick
    if P is not None and best.value == -np.inf:
        # Least squares that vanish leave multipliers of rounding; with none, the origin is tangent enough.
        origin = replace(program, x=np.zeros(len(c)))
        best = origin.bound(origin.feasible(np.zeros(len(b))), implied=False)
    best.measure = measure
    return best


def large_multipliers(z: Vector, dims: Any, share: float) -> Vector:
    """``z`` without rows, cones and entries of matrices below ``share`` of the largest, which were not quite nought."""
    z = np.nan_to_num(z, nan=0.0, posinf=0.0, neginf=0.0)
    size = np.abs(z)
    if dims.exp:
        every = size[exponentials(dims)].reshape(-1, 3)
        every[:] = every.max(axis=1, keepdims=True)
    for kind, rows, _ in blocks(dims, exponential=False):
        whole = size[rows].max(initial=0.0)
        # Entries of a matrix go one by one: its diagonal makes good what that costs.
        size[rows] = np.where(size[rows] > share * whole, whole, 0.0) if kind == "psd" else whole
    return np.where(size > share * size.max(initial=0.0), z, 0.0)
