"""Instances of the tail family as cvxpy programs in the forms that different people write, solved by ours and by cvxpy's."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cvxpy as cp
import numpy as np

from benchmarks.tail_family_cases import Array, Instance, Tail

Answer = tuple[Array, dict[str, Any]]


def cost_of(x: Any, cost: Array, form: str) -> Any:
    """``cost'|x|`` as different people write it."""
    if form == "abs":
        return cost @ cp.abs(x)
    if form == "norm1":
        return cp.norm1(cp.multiply(cost, x))
    if form == "pos_neg":
        return cost @ cp.pos(x) + cost @ cp.neg(x)
    return cp.sum(cp.maximum(cp.multiply(cost, x), cp.multiply(-cost, x)))


def program(made: Instance, cvar: Callable[[Any, Tail], Any]) -> tuple[cp.Problem, Any]:
    """The instance in its form."""
    n, form, limits = len(made.mu), made.spec.form, []
    boxed = bool(np.isfinite(made.size).all())
    if len(made.whole):
        x = cp.Variable(n, integer=[made.whole])
        limits += [cp.abs(x) <= made.size] if boxed else []
        total = cp.abs(x)
        price = made.cost @ total
    elif made.long_only:
        x = cp.Variable(n)
        limits += [x >= 0, *([x <= made.size] if boxed else [])]
        total, price = x, made.cost @ x
    elif form == "buy_sell":
        bounds = [0, made.size] if boxed else [0, None]
        buy, sell = cp.Variable(n, bounds=bounds), cp.Variable(n, bounds=bounds)
        x, total = buy - sell, buy + sell
        price = made.cost @ total
    else:
        x = cp.Variable(n, bounds=[-made.size, made.size]) if boxed and form == "pos_neg" else cp.Variable(n)
        if boxed and form != "pos_neg":
            limits += [cp.abs(x) <= made.size] if form == "abs" else [x <= made.size, x >= -made.size]
        total, price = cp.abs(x), cost_of(x, made.cost, form)
    if len(made.G):
        fixed = made.lower == made.upper
        limits += [made.G[fixed] @ x == made.lower[fixed]] if fixed.any() else []
        limits += (
            [made.G[~fixed] @ x <= made.upper[~fixed], made.G[~fixed] @ x >= made.lower[~fixed]] if (~fixed).any() else []
        )
    if np.isfinite(made.turnover):
        limits.append(cp.sum(total) <= made.turnover)
    if made.F is not None:
        limits.append(cp.norm(made.F @ x) <= made.radius)
    goal = made.mu @ x if made.mu.any() else 0.0
    goal = goal + price if made.cost.any() else goal
    if made.Q is not None:
        goal = goal + 0.5 * cp.quad_form(x, cp.psd_wrap(made.Q))
    for tail in made.tails:
        level = cvar(-(tail.P @ x) - tail.base, tail)
        goal = goal + tail.weight * level if tail.weight else goal
        limits += [level <= tail.budget] if tail.budget is not None else []
    return cp.Problem(cp.Minimize(goal), limits), x


def tail(made: Instance) -> Answer:
    """Ours; the gap is proven anew from the data by ``tail.verify``."""
    import hedgeopt.tail as tails

    problem, x = program(made, lambda e, t: cp.cvar(e, t.beta) if t.p is None else tails.cvar(e, t.beta, t.p))
    options: dict[str, Any] = {"threads": 1, "verbose": "FAMILY_VERBOSE" in os.environ}
    if "FAMILY_SECONDS" in os.environ:
        options["time_limit"] = float(os.environ["FAMILY_SECONDS"])
    began = time.process_time()
    problem.solve(method="tail", **options)
    spent = time.process_time() - began
    stats = problem.solver_stats.extra_stats
    told = {k: float(v) for k, v in stats.items() if isinstance(v, int | float)}
    told |= {"status": problem.status, "master": stats["master"], "failures": stats["failures"], "cpu_seconds": spent}
    if problem.status == "unbounded":
        # The plan is a direction then, to be checked on the data.
        for variable, direction in stats["ray"].items():
            variable.value = direction
        return np.array(x.value, dtype=float), told
    if problem.status == "infeasible":
        return np.zeros(len(made.mu)), told | {"missed": missed(made)}
    weights = np.array(x.value, dtype=float)
    if not len(made.whole):
        verified = tails.verify(problem)
        told |= {"outside_gap": verified.gap, "outside_lower": verified.lower, "outside_violation": verified.violation}
    began = time.process_time()
    problem.solve(method="tail", **options)
    return weights, told | {"again_cpu_seconds": time.process_time() - began}


def missed(made: Instance) -> float:
    """By how much all plans together miss the budgets, at the least: above zero where none meets them.

    The proven bound of another program: the sum of the tails under budgets, relative to these, with the other limits.
    """
    import hedgeopt.tail as tails

    held = [t for t in made.tails if t.budget is not None]
    sizes = [abs(float(t.budget or 0.0)) for t in held]
    eased = [replace(t, budget=None, weight=1.0 / size) for t, size in zip(held, sizes, strict=True)]
    none = np.zeros(len(made.mu))
    problem, _ = program(replace(made, tails=eased, mu=none, cost=none, Q=None), lambda e, t: tails.cvar(e, t.beta, t.p))
    problem.solve(method="tail", threads=1)
    return tails.verify(problem).lower - sum(float(t.budget or 0.0) / size for t, size in zip(held, sizes, strict=True))


def cvxpy_solver(solver: str | None, **options: Any) -> Callable[[Instance], Answer]:
    def solve(made: Instance) -> Answer:
        def level(e: Any, t: Tail) -> Any:
            if t.p is None:
                return cp.cvar(e, t.beta)
            alpha = cp.Variable()
            return alpha + (t.p / (1 - t.beta)) @ cp.pos(e - alpha)

        problem, x = program(made, level)
        began = time.process_time()
        problem.solve(**({} if solver is None else {"solver": solver}), **options)
        return np.asarray(x.value), {"cpu_seconds": time.process_time() - began, "status": problem.status}

    return solve
