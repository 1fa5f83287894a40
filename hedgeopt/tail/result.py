"""Results of a solve in the cvxpy problem: values, duals, statistics and one record per tail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
from cvxpy import settings as s
from cvxpy.problems.problem import SolverStats

from hedgeopt.tail.outcome import Outcome
from hedgeopt.tail.source import Vector
from hedgeopt.tail.split import Split


@dataclass(frozen=True)
class TailRecord:
    """One CVaR at the solution (signs of a minimisation).

    ``CVaR(x) >= weights @ losses(x)`` for every x, with equality at the solution; ``0 <= weights <= p / (1 - beta)``
    and ``weights`` sums to one. ``multiplier`` is what one unit of this CVaR adds to the minimised objective: its
    objective weight, or the dual of the constraint times its coefficient.
    """

    atom: cp.Expression
    weights: Vector
    multiplier: float
    value: float
    var: float


def store(problem: cp.Problem, parts: Split, outcome: Outcome) -> float:
    """Write the outcome into the cvxpy problem and return its value."""
    sense = -1.0 if isinstance(problem.objective, cp.Maximize) else 1.0
    extra: dict[str, Any] = {
        "gap": outcome.gap,
        "lower_bound": sense * (outcome.lower if sense > 0 else outcome.upper),
        "upper_bound": sense * (outcome.upper if sense > 0 else outcome.lower),
        "passes": outcome.passes,
        "rounds": outcome.rounds,
        "iterations": outcome.iterations,
        "active_scenarios": int(sum(len(a.boundary) for a in outcome.active)),
        "master": outcome.master.name,
        "master_seconds": outcome.master_seconds,
        "pass_seconds": outcome.pass_seconds,
        "proven": outcome.proven,
        "failures": outcome.failures,
        "certificate": outcome.certificate,
        **outcome.search,
        "tails": [],
    }
    if outcome.status in (s.INFEASIBLE, s.UNBOUNDED):
        value = sense * (np.inf if outcome.status == s.INFEASIBLE else -np.inf)
        shown = getattr(outcome.master, "certificate", None)
        duals, ray = ({}, {}) if shown is None else shown(outcome.point)
        for variable in problem.variables():
            variable.save_value(None)
        for constraint in problem.constraints:
            if constraint.id in duals:
                constraint.save_dual_value(duals[constraint.id])
            else:
                for dual in constraint.dual_variables:
                    dual.save_value(None)
        if ray:
            extra["ray"] = {v: ray[v.id] for v in problem.variables() if v.id in ray}
        extra["tails"] = [
            TailRecord(tail.atom, weights, float(m), np.nan, np.nan)
            for tail, weights, m in zip(parts.tails, outcome.weights, outcome.point.multipliers, strict=False)
        ]
        solution = cp.reductions.solution.Solution(outcome.status, value, {}, duals, {})
    else:
        scale = np.array([a.model.scale for a in outcome.active])
        solution = outcome.master.solution(outcome.point, outcome.values * scale)
        duals = {} if outcome.dual is None else solution.dual_vars
        if outcome.dual is not None and outcome.dual is not outcome.point:
            # Another master proved the bound than found the point: each reads its own.
            duals = outcome.dual.master.solution(outcome.dual, outcome.values * scale).dual_vars
        for variable in problem.variables():
            variable.save_value(solution.primal_vars[variable.id])
        for constraint in problem.constraints:
            if constraint.id in (duals or {}):
                constraint.save_dual_value(duals[constraint.id])
            else:
                for dual in constraint.dual_variables:
                    dual.save_value(None)
        value = sense * (outcome.upper if np.isfinite(outcome.upper) else outcome.point.value)
        extra["tails"] = [
            TailRecord(tail.atom, outcome.weights[k], float(outcome.point.multipliers[k]),
                       float(outcome.values[k]), float(outcome.var[k]))
            for k, tail in enumerate(parts.tails)
        ]  # fmt: skip
    problem._status = outcome.status
    problem._value = value
    problem._solution = solution
    problem._solver_stats = SolverStats(
        solver_name=f"tail/{outcome.master.name}",
        solve_time=outcome.master_seconds + outcome.pass_seconds,
        num_iters=outcome.iterations,
        extra_stats=extra,
    )
    return value
