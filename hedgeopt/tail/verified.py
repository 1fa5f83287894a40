"""The gap of a solved problem proven from the problem's data and what the solve returned, in plain numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from hedgeopt.errors import InputError
from hedgeopt.tail.certificate import best_bound
from hedgeopt.tail.compiled import compile_base
from hedgeopt.tail.masters.bound import envelope
from hedgeopt.tail.model import LossModel, build_models
from hedgeopt.tail.source import Vector
from hedgeopt.tail.split import Split, split
from hedgeopt.tail.summed import weighted

# An objective of zero is measured by this share of a middle cost times a middle position; a violation of more than the
# second, relative to its terms, is no rounding.
UNIT, BROKEN, ROUNDING = 1e-3, 1e-5, 1e-12


@dataclass(frozen=True)
class Verified:
    """Result of :func:`verify`, in the sense of a minimisation (``-objective`` of a maximisation)."""

    lower: float
    """What the weights and multipliers prove; minus infinity: nothing."""
    upper: float
    """Objective at the variables' values, every loss evaluated."""
    gap: float
    """``(upper + charge - lower) / max(|upper|, unit)``; the unit is a thousandth of a middle cost times position.

    No less than the violation, where that is more than rounding: a point that breaks its constraints proves nothing.
    ``extra_stats["gap"]`` is the same but for two things: an objective near zero is measured there by losses of the solve,
    here by the problem's data alone; and violations are charged there row by row as compiled, here constraint by constraint
    as written (a norm by its length). What is "optimal" there, up to 1e-5, is so here: tests ask it of every answer.
    """
    violation: float
    """The largest violation of a constraint, relative to the terms ``|row| |x|`` of what it breaks."""
    charge: float = 0.0
    """What the violations are worth at the multipliers of their constraints."""


def verify(problem: cp.Problem) -> Verified:
    """Prove the gap of a problem that ``method="tail"`` has solved, from the problem's data and what the solve returned.

    The problem is compiled anew, the weights of ``extra_stats["tails"]`` are moved into their envelopes and summed over all
    scenarios, and with the multipliers of ``extra_stats["certificate"]`` (or better ones) the bound is evaluated in numpy;
    the objective is evaluated at the variables' values. No number of the solve itself is used.

    Raises
    ------
    InputError
        The problem has no solution of this method.
    """
    extra = getattr(problem.solver_stats, "extra_stats", None)
    if not isinstance(extra, dict) or "tails" not in extra or any(v.value is None for v in problem.variables()):
        raise InputError("no solution to verify", field="problem", value=problem.status, fix='solve it with method="tail"')
    parts = split(problem)
    if not problem.variables():
        value, violation, _ = _at_values(problem, parts, [])
        return Verified(value, value, violation if violation > BROKEN else 0.0, violation)
    slices, width = [], 0
    for v in parts.inner:
        slices.append(slice(width, width + v.size))
        width += v.size
    models = build_models(parts.tails, slices, width)
    records = {id(record.atom): record for record in extra["tails"]}
    sums = []
    for tail, model in zip(parts.tails, models, strict=True):
        record = records.get(id(tail.atom))
        if record is None:
            raise InputError(
                "a tail has no weights", field="tails", value=str(tail.atom)[:60], fix="solve the problem again"
            )
        q = envelope(np.asarray(record.weights, dtype=float), model.caps, 1.0)
        if abs(q.sum() - 1.0) > 1e-12:
            raise InputError("weights must sum to one", field="tails", value=float(q.sum()))
        sums.append(weighted(model, q / q.sum() if q.sum() > 1.0 else q))
    compiled = compile_base(parts)
    upper, violation, charge = _at_values(problem, parts, models)
    found = extra.get("certificate")
    fits = (
        found is not None and len(found.equalities) == len(compiled.b_eq) and len(found.inequalities) == len(compiled.b_in)
    )
    lower, best, _ = best_bound(
        compiled, parts.memory["dims"], sums, found if fits else None,
        lambda bound, b: upper - bound <= 1e-9 * max(abs(upper), UNIT * b.unit),
    )  # fmt: skip
    gap = max(upper + charge - lower, 0.0) / max(abs(upper), UNIT * best.unit, 1e-300)
    return Verified(lower, upper, max(gap, violation) if violation > BROKEN else gap, violation, charge)


def _at_values(problem: cp.Problem, parts: Split, models: list[LossModel]) -> tuple[float, float, float]:
    """Objective (minimised), violation and its charge at the variables' values, the losses evaluated by cvxpy."""
    levels: dict[int, float] = {}
    for tail, model in zip(parts.tails, models, strict=True):
        losses = np.asarray(tail.atom.args[0].value, dtype=float)
        tail.level.save_value(np.array(model.scale * model.tail(losses)[0]))
        levels[tail.level.id] = model.scale * float(np.abs(losses).max())
    sense = -1.0 if isinstance(problem.objective, cp.Maximize) else 1.0
    value = sense * float(parts.base.objective.value)
    worst, charge = 0.0, 0.0
    for given, constraint in zip(problem.constraints, parts.base.constraints, strict=False):
        apart = np.atleast_1d(np.asarray(constraint.violation(), dtype=float))
        if not apart.any():
            continue
        terms = sum((_terms(a, levels) for a in constraint.args), np.zeros(1))
        terms = terms if terms.shape == apart.ravel().shape else np.full(apart.size, terms.max())
        out = apart.ravel(order="F")
        over = out > ROUNDING * terms
        worst = max(worst, float(np.max(out[over] / np.maximum(terms[over], 1e-300), initial=0.0)))
        dual = [
            np.abs(np.asarray(d.value, dtype=float)).ravel(order="F") for d in given.dual_variables if d.value is not None
        ]
        if len(dual) == 1 and len(dual[0]) == len(out):
            charge += float(out @ dual[0])
        elif dual:
            charge += float(out.max()) * max(float(np.linalg.norm(d)) for d in dual)
    for v in problem.variables():
        at = v.value.toarray() if hasattr(v.value, "toarray") else np.asarray(v.value)
        away = float(np.max(np.abs(at - v.project(at)), initial=0.0))
        if away > 0:
            worst = max(worst, away / max(float(np.max(np.abs(at), initial=0.0)), 1e-300))
    return value, worst, charge


def _terms(expression: cp.Expression, levels: dict[int, float]) -> Vector:
    """Per entry the sum of the magnitudes ``|gradient| |x|`` and of the value: what its rounding is measured by.

    ``levels``: by variable, the magnitude of the losses that a tail's level was summed from.
    """
    size = _size(expression.value)
    try:
        slopes = expression.grad
    except NotImplementedError:
        # cvxpy has no gradients of conjugates, real and imaginary parts: what they are parts of.
        return size + max((float(_size(part.value).max(initial=0.0)) for part in expression.args), default=0.0)
    for v in expression.variables():
        slope = slopes.get(v)
        if slope is not None:
            size = size + np.asarray(
                abs(sp.csr_array(slope if sp.issparse(slope) else np.atleast_2d(slope))).T
                @ np.maximum(_size(v.value), levels.get(v.id, 0.0))
            )
    return size


def _size(value: Any) -> Vector:
    """Magnitudes of a value of cvxpy's, which may be sparse or complex."""
    return np.abs(np.asarray(value.toarray() if hasattr(value, "toarray") else value)).ravel(order="F")
