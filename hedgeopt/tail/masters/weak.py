"""A lower bound of a conic program from the arrays its solver was given and the dual point it came back with.

For ``min 1/2 x'Px + c'x`` with ``Ax + s = b``, ``s`` in a cone K, and ``z`` in the dual cone, convexity of the objective
gives for every feasible x'

    f(x') >= -1/2 x'Px - b'z + d'x',    d = Px + c + A'z,

at whatever x the solver stopped. What is left of ``d`` is charged at the size of x, as free variables have no bounds to
absorb it.
"""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from hedgeopt.tail.masters.call import Answer
from hedgeopt.tail.source import Vector

# Accuracy assumed of solvers whose dual point is not read: their usual default.
_ASSUMED = 1e-8


def proven(problem: cp.Problem, answer: Answer, value: float, tolerance: float) -> float:
    """Lower bound (as a minimisation) of a problem just solved with ``answer`` and value ``value``."""
    if problem.is_mixed_integer():
        info = problem.solver_stats.extra_stats
        bound = getattr(info, "mip_dual_bound", None)
        if bound is None:
            return value - tolerance * abs(value)
        # Both of HiGHS' numbers lack the constant that cvxpy keeps outside.
        return value - max(float(info.objective_function_value) - float(bound), 0.0)
    data, raw = answer.data, answer.raw
    if answer.solver == cp.CLARABEL:
        found = bound_of(data, np.array(raw.x), np.array(raw.z))
    elif answer.solver == cp.SCS:
        found = bound_of(data, raw["x"], raw["y"])
    elif answer.solver == cp.ECOS:
        stacked = {"A": [data["A"], data["G"]], "b": [data["b"], data["h"]], "z": [raw["y"], raw["z"]]}
        kept = {key: [part for part in parts if part is not None] for key, parts in stacked.items()}
        z = np.concatenate(kept["z"][-len(kept["b"]) :])
        A, b = sp.vstack([sp.csr_array(part) for part in kept["A"]]), np.concatenate(kept["b"])
        found = bound_of({"A": A, "b": b, "c": data["c"], "dims": data["dims"]}, raw["x"], z)
    else:
        return value - _ASSUMED * abs(value) - _slackness(problem)
    return found + answer.offset


def _slackness(problem: cp.Problem) -> float:
    """Sum of |dual| |residual| over violated and slack constraints: the solver's own primal-dual gap."""
    total = 0.0
    for constraint in problem.constraints:
        dual, residual = constraint.dual_value, getattr(constraint, "expr", None)
        if isinstance(dual, np.ndarray | float) and residual is not None and np.shape(residual.value) == np.shape(dual):
            total += float(np.sum(np.abs(np.asarray(dual) * np.asarray(residual.value))))
    return total


def bound_of(data: dict[str, Any], x: Vector, z: Vector) -> float:
    """The bound above for canonical conic data and a point, ``z`` moved into the dual cone where that is simple."""
    A, b, c = sp.csr_array(data["A"]), np.asarray(data["b"], dtype=float), np.asarray(data["c"], dtype=float)
    z = into_dual_cone(z, data["dims"])
    P = data.get("P")
    Px = np.zeros(len(x)) if P is None else _symmetric(P) @ x
    d = Px + c + A.T @ z
    return float(-0.5 * (x @ Px) - b @ z - np.abs(d) @ np.abs(x))


def into_dual_cone(z: Vector, dims: Any) -> Vector:
    """Non-negative rows clipped, second-order cones lifted; the other cones as they come."""
    z = z.copy()
    at = dims.zero
    z[at : at + dims.nonneg] = np.maximum(z[at : at + dims.nonneg], 0.0)
    at += dims.nonneg
    for size in dims.soc:
        z[at] = max(z[at], float(np.linalg.norm(z[at + 1 : at + size])))
        at += size
    return z


def _symmetric(P: Any) -> Any:
    """The quadratic term, whichever triangle of it the solver asked for."""
    upper = sp.csr_array(sp.triu(P))
    return upper + sp.csr_array(sp.triu(P, 1)).T
