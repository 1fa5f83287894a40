"""Problems without tails: solved by the solver that cvxpy would take, with the gap proven from that solver's arrays.

A point or a verdict that the data do not prove is handed on to the masters.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
from cvxpy import settings as s
from cvxpy.error import SolverError
from cvxpy.problems.problem import SolverStats
from cvxpy.reductions.solvers.constant_solver import ConstantSolver

from hedgeopt._quiet import silence_highs
from hedgeopt.tail.finite import refuse_infinite, refuse_unless_finite
from hedgeopt.tail.integers import is_whole
from hedgeopt.tail.masters.call import Answer, even_powers, panics_as_errors
from hedgeopt.tail.masters.clip import clipped, inside, with_point
from hedgeopt.tail.masters.conic_verdict import feasible, impossible, is_ray, ray_of
from hedgeopt.tail.masters.dual_point import standard
from hedgeopt.tail.masters.lagrangian import Bound
from hedgeopt.tail.masters.outside import broken, mark_noise
from hedgeopt.tail.masters.weak import bound_of
from hedgeopt.tail.source import Vector

# A point that breaks its rows by more than the tolerance, relative to their terms, is handed on; no finer than this.
_NEAR = 1e-8
# Matrices up to this order go to interior points.
_SMALL = 40
# An objective of zero is measured by this share of a middle cost times a middle position.
UNIT = 1e-3


@dataclass
class Shown:
    """What the arrays prove about a solve: bounds of the minimised objective, the relative gap, the largest violation."""

    lower: float
    upper: float
    gap: float
    violation: float
    proven: bool


def solve_plain(
    problem: cp.Problem,
    name: str | None,
    tolerance: float,
    given: dict[str, Any],
    canon: dict[str, Any],
    warm_start: bool = True,
    verbose: bool = False,
    again: bool = False,
) -> bool:
    """Solve ``problem`` with cvxpy's choice, or with ``name``; False where nothing is proven.

    ``given`` are options of the solver, ``canon`` those of cvxpy's compilation, ``again`` whether a finer solve may
    follow. Values are set as by ``problem.solve()``.
    """
    begin, options = time.perf_counter(), dict(given)
    if name is None and _semidefinite(problem):
        name = cp.CLARABEL
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Solution may be inaccurate")
        warnings.filterwarnings("ignore", message=r"\s*The problem is either infeasible or unbounded")
        try:
            data, chain, inverse = problem.get_problem_data(name, verbose=verbose, solver_opts=options, **canon)
        except ValueError as error:
            if "NaN" in str(error):
                refuse_infinite(problem)
            raise
        if name is None and chain.solver.name() == cp.SCS and 0 < max(data["dims"].psd, default=0) <= _SMALL:
            data, chain, inverse = problem.get_problem_data(cp.CLARABEL, verbose=verbose, solver_opts=options, **canon)
        if isinstance(data, dict):
            refuse_unless_finite(problem, data, inverse)
            even_powers(data)
            mark_noise(data, chain)
        if chain.solver.name() == cp.HIGHS:
            silence_highs()
        compiled = time.perf_counter()
        try:
            with panics_as_errors(chain.solver.name()):
                raw = chain.solve_via_data(problem, data, warm_start, verbose, options)
        except SolverError as error:
            if "panicked" in str(error):
                return False  # others may take it; what a solver refuses, as what is not convex, stays refused
            raise
        solved = time.perf_counter()
        found, answer = None, Answer("optimal")
        if isinstance(data, dict):
            answer = Answer("optimal", "", chain.solver.name(), data, raw, float(inverse[-1].get(s.OFFSET, 0.0)))
            found = None if is_whole(problem) else standard(answer, light=True)
            if found is None:
                answer.raw = clipped(answer.solver, data, raw)
            elif (x := inside(found[0], found[1])) is not found[1]:
                found, answer.raw = (found[0], x, found[2]), with_point(answer.solver, raw, x)
            raw = answer.raw
        try:
            problem.unpack_results(raw, chain, inverse)
        except SolverError:
            return False
    problem._solve_time = solved - compiled
    if isinstance(chain.solver, ConstantSolver):
        _stored(problem, _constant(problem), compiled - begin, begin)
        return True
    proof = shown(problem, answer, found, tolerance, again)
    if proof is None:
        return False
    _stored(problem, proof, compiled - begin, begin)
    return True


def _semidefinite(problem: cp.Problem) -> bool:
    """Whether there are matrices in cones, and small: interior points then are quick and, unlike SCS, exact."""
    own = [c.args[0].shape[-1] for c in problem.constraints if isinstance(c, cp.constraints.PSD)]
    kinds = "PSD", "NSD"
    own += [v.shape[-1] for v in problem.variables() if any(v.attributes.get(kind) for kind in kinds)]
    return 0 < max(own, default=0) <= _SMALL


def _constant(problem: cp.Problem) -> Shown:
    sense = -1.0 if isinstance(problem.objective, cp.Maximize) else 1.0
    if problem.value is None:
        problem._value = sense * np.inf
    value = sense * float(problem.value)
    return Shown(value, value, 0.0, 0.0, True)


def shown(
    problem: cp.Problem,
    answer: Answer,
    found: tuple[dict[str, Any], Vector, Vector] | None,
    tolerance: float,
    again: bool = False,
) -> Shown | None:
    """The proof of a solve, with what :func:`standard` read of it; None where there is none."""
    status = problem.status
    integer = is_whole(problem)
    if status in (s.INFEASIBLE, s.INFEASIBLE_INACCURATE, s.UNBOUNDED, s.UNBOUNDED_INACCURATE, s.INFEASIBLE_OR_UNBOUNDED):
        return _verdict(problem, answer, integer)
    if problem.value is None or not np.isfinite(problem.value):
        return None
    sense = -1.0 if isinstance(problem.objective, cp.Maximize) else 1.0
    value = sense * float(problem.value)
    if integer:
        return _claimed(problem, answer, value, tolerance)
    if found is None:
        return None
    data, x, z = found
    at = value - answer.offset
    away = broken(data, x, z)
    upper = at + away.charge

    def enough(b: Bound) -> bool:
        least = upper - b.value
        return least <= 10.0 * tolerance * abs(value) or least <= 10.0 * tolerance * UNIT * b.unit

    bound = bound_of(data, x, z, enough=enough, cheap=again)
    # The unit, which takes longer than the rest, is asked for only where the value is too small a measure.
    size = max(abs(value), 1e-300)
    if upper - bound.value > 10.0 * tolerance * size:
        size = max(size, UNIT * bound.unit)
    gap = max(upper - bound.value, 0.0) / size
    good = (
        gap <= 10.0 * tolerance
        and away.violation <= max(tolerance, _NEAR)
        and bound.value - upper <= 10.0 * tolerance * size
    )
    if not good:
        return None
    problem._status = s.OPTIMAL
    return Shown(bound.value + answer.offset, upper + answer.offset, gap, away.violation, bool(np.isfinite(bound.value)))


def _claimed(problem: cp.Problem, answer: Answer, value: float, tolerance: float) -> Shown:
    """With integers the bound is the solver's claim."""
    lower, info = value - tolerance * abs(value), answer.raw.get("info") if isinstance(answer.raw, dict) else None
    dual = getattr(info, "mip_dual_bound", None)
    if dual is not None and np.isfinite(dual):
        lower = min(value, float(dual) + answer.offset)
    gap = max(value - lower, 0.0) / max(abs(value), 1e-300) if value != lower else 0.0
    if problem.status == s.OPTIMAL:
        problem._status = s.OPTIMAL_INACCURATE
    return Shown(lower, value, gap, 0.0, False)


def _verdict(problem: cp.Problem, answer: Answer, integer: bool) -> Shown | None:
    """ "Infeasible" and "unbounded" only where the arrays prove it; of integers the relaxation, else the solver's claim."""
    status = problem.status
    found = standard(answer)
    answer.status = "infeasible" if status in (s.INFEASIBLE, s.INFEASIBLE_INACCURATE) else "unbounded"
    if found is not None and answer.status == "infeasible" and impossible(answer, [], None):
        problem._status = s.INFEASIBLE
        return Shown(np.inf, np.inf, 0.0, 0.0, True)
    if found is not None and not integer and status != s.INFEASIBLE:
        data, x, _ = found
        if (is_ray(data, x) or ray_of(data, None) is not None) and feasible(data, None):
            problem._status = s.UNBOUNDED
            return Shown(-np.inf, -np.inf, 0.0, 0.0, True)
    if integer:
        return Shown(-np.inf, np.inf, np.inf, np.inf, False)
    return None


def _stored(problem: cp.Problem, proof: Shown, compilation: float, begin: float) -> None:
    """Statistics under the names that every solve has; duals and values are cvxpy's."""
    sense = -1.0 if isinstance(problem.objective, cp.Maximize) else 1.0
    stats = problem._solver_stats
    name = stats.solver_name if stats is not None else "CONSTANT"
    iterations = stats.num_iters if stats is not None else 0
    took = time.perf_counter() - begin - compilation
    both = sorted((sense * proof.lower, sense * proof.upper))
    extra: dict[str, Any] = {
        "gap": proof.gap, "lower_bound": both[0], "upper_bound": both[1], "violation": proof.violation,
        "passes": 0.0, "rounds": 1, "iterations": iterations or 0, "active_scenarios": 0, "master": name,
        "master_seconds": took, "pass_seconds": 0.0, "proven": proof.proven, "failures": [], "tails": [],
        "solver": None if stats is None else stats.extra_stats,
    }  # fmt: skip
    problem._compilation_time = compilation
    setup = stats.setup_time if stats is not None else None
    problem._solver_stats = SolverStats(f"tail/{name}", took, setup, iterations, extra)
    if problem.status == s.OPTIMAL_INACCURATE and not proof.proven:
        warnings.warn(f"Bound not proven: {name} claims a gap of {proof.gap:.1e}.", stacklevel=4)
