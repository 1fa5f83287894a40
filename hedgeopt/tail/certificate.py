"""The certificate of a solve: weights of every tail and multipliers of the other rows, which prove the gap by themselves.

With weights ``q`` in the envelope of every tail (``0 <= q <= p / (1 - beta)``, ``sum q = 1``) ``CVaR(x) >= q L(x)`` for
every x. In place of the tails this leaves a program without scenarios,

    min 1/2 z'Pz + c'z  with  A_eq z = b_eq,  b - A z in a cone,  t_k >= scale_k (g_k (E z + f) + const_k),  g_k = q_k A_k,

whose optimum is no more than that of the whole. Its weak dual value is the bound, whatever found the multipliers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from hedgeopt.errors import InputError
from hedgeopt.tail.compiled import Compiled, compile_base
from hedgeopt.tail.epigraph import Lifted
from hedgeopt.tail.masters.bound import envelope
from hedgeopt.tail.masters.cones import blocks
from hedgeopt.tail.masters.conic_verdict import solve_arrays
from hedgeopt.tail.masters.units import at_point
from hedgeopt.tail.masters.weak import Bound, bound_of
from hedgeopt.tail.model import LossModel, build_models
from hedgeopt.tail.outcome import Outcome
from hedgeopt.tail.source import Vector
from hedgeopt.tail.split import Split, split

# An objective of zero is measured by this share of a middle cost times a middle position; a violation of more than the
# second, relative to its terms, is no rounding.
UNIT, BROKEN, ROUNDING = 1e-3, 1e-5, 1e-12
# A sum of weighted losses below this share of its terms is rounding; scenarios by which verify measures the terms.
_DUST, _HEAVIEST = 4e-15, 1_000


@dataclass(frozen=True)
class SummedTail:
    """A tail with its weights summed up: ``CVaR >= gradient y + constant``; its level is ``scale`` times that."""

    gradient: Vector
    constant: float
    scale: float
    terms: Vector
    """What the gradient was summed from, in magnitude, or the best known part of it: its rounding is measured by that."""

    @classmethod
    def of(cls, gradient: Vector, constant: float, scale: float, terms: Vector) -> SummedTail:
        """The same with entries that are rounding of their sum set to zero."""
        return cls(np.where(np.abs(gradient) <= _DUST * terms, 0.0, gradient), constant, scale, terms)


@dataclass(frozen=True)
class RowMultipliers:
    """Multipliers of the rows of the base problem as cvxpy compiles it for Clarabel, and the point of the tangent."""

    equalities: Vector
    inequalities: Vector
    point: Vector


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
    """
    violation: float
    """The largest violation of a constraint, relative to the terms ``|row| |x|`` of what it breaks."""
    charge: float = 0.0
    """What the violations are worth at the multipliers of their constraints."""


def weighted(model: LossModel, q: Vector) -> SummedTail:
    """Sum a tail's losses with weights ``q``."""
    at = np.flatnonzero(q)
    gradient, constant = model.weighted_sum(at, q[at])
    heavy = at if len(at) <= _HEAVIEST else np.sort(at[np.argpartition(q[at], -_HEAVIEST)[-_HEAVIEST:]])
    return SummedTail.of(gradient, constant, model.scale, q[heavy] @ np.abs(model.rows(heavy)))


def program(compiled: Compiled, dims: Any, tails: list[SummedTail]) -> dict[str, Any]:
    """The arrays of the program above; rows of tails come last among the inequalities."""
    n, zero, signed = len(compiled.c), len(compiled.b_eq), int(dims.nonneg)
    rows, sides = [], []
    for host, tail in zip(compiled.hosts, tails, strict=True):
        row = tail.scale * (compiled.E.T @ tail.gradient)
        row[host.column] -= 1.0
        rows.append(row)
        sides.append(-tail.scale * (float(tail.gradient @ compiled.f) + tail.constant))
    more = sp.csr_array(np.array(rows).reshape(len(rows), n))
    A = sp.csr_array(sp.vstack([compiled.A_eq, compiled.A_in[:signed], more, compiled.A_in[signed:]]))
    b = np.concatenate((compiled.b_eq, compiled.b_in[:signed], sides, compiled.b_in[signed:]))
    cones = {name: getattr(dims, name) for name in ("soc", "psd", "exp", "p3d", "pnd") if hasattr(dims, name)}
    new = SimpleNamespace(zero=zero, nonneg=signed + len(rows), **cones)
    return {"A": A, "b": b, "c": compiled.c, "P": compiled.P, "dims": new}


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


def confirm(parts: Split, outcome: Outcome, tolerance: float) -> None:
    """Replace the bound of a solve by the one that its weights and multipliers prove without the solve."""
    if outcome.dual is None or not np.isfinite(outcome.lower) or not np.isfinite(outcome.upper) or not outcome.proven:
        return
    compiled = compile_base(parts)
    sums = []
    for a, q in zip(outcome.active, outcome.weights, strict=True):
        # Those inside have their cap and are summed already.
        b = a.boundary
        gradient, constant = a.gradient + q[b] @ a.rows, a.constant + float(q[b] @ a.model.offset[b])
        sums.append(SummedTail.of(gradient, constant, a.model.scale, np.abs(a.gradient) + q[b] @ np.abs(a.rows)))
    state = outcome.dual.state if isinstance(outcome.dual.state, dict) else {}
    found = None
    if "dual_eq" in state:
        at = state.get("tangent", state["z"])
        rows, at = np.asarray(state["dual_in"]), np.asarray(at)
        solved = getattr(outcome.dual.master, "compiled", compiled)
        if isinstance(solved, Lifted):
            rows, at = solved.multipliers(rows), solved.original(at)
        found = RowMultipliers(np.asarray(state["dual_eq"]), rows, at)
    # The point that proved the bound may lie anywhere, and so may the one with the best objective.
    sizes = [float(point.details["size"]) for point in (outcome.dual, outcome.point) if "size" in point.details]
    size = max(abs(outcome.upper), 1e-6 * min(sizes, default=0.0), 1e-300)
    least = min(outcome.lower, outcome.upper) - 0.1 * tolerance * size
    at_once = None if found is None else _direct(parts.memory, compiled, parts.memory["dims"], sums, found)
    if at_once is not None and at_once >= least:
        lower, kept = at_once, found
    else:
        lower, _, kept = best_bound(compiled, parts.memory["dims"], sums, found, lambda bound, _: bound >= least)
    # A bound above the value by rounding is the value's.
    outcome.lower = min(lower, outcome.upper) if lower - outcome.upper <= tolerance * size else -np.inf
    # Violations count by what they are worth. The solver has judged the point itself; a row that is rounding of zero, or
    # whose variables are all zero at the optimum, has no size that a violation could be measured by here.
    charge = _charge(compiled, outcome, sums, kept)
    outcome.gap = max(outcome.upper + charge - outcome.lower, 0.0) / size
    outcome.certificate, outcome.proven = kept, bool(np.isfinite(outcome.lower))
    if outcome.status == "optimal" and not outcome.gap <= 10.0 * tolerance:
        outcome.status = "optimal_inaccurate"
    elif outcome.status == "optimal_inaccurate" and outcome.gap <= 10.0 * tolerance:
        outcome.status = "optimal"


def _direct(
    memory: dict[str, Any], compiled: Compiled, dims: Any, tails: list[SummedTail], found: RowMultipliers
) -> float | None:
    """The bound of a program without cones whose variables all have the bounds that it asks for; None of any other."""
    if any(True for _ in blocks(dims)):
        return None
    known = memory.get("direct")
    if known is None or known[0] is not compiled.A_in or known[1] is not compiled.E:
        single = np.flatnonzero(np.diff(compiled.A_in.indptr) == 1)
        place = compiled.A_in.indptr[single]
        turned = [sp.csr_array(part.T) for part in (compiled.A_eq, compiled.A_in, compiled.E)]
        known = (compiled.A_in, compiled.E, turned, single, compiled.A_in.data[place], compiled.A_in.indices[place])
        memory["direct"] = known
    (A_eq, A_in, E), single, entry, column = known[2:]
    low, high = np.full(len(compiled.c), -np.inf), np.full(len(compiled.c), np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = compiled.b_in[single] / entry
    up, down = (entry > 0) & ~np.isnan(value), (entry < 0) & ~np.isnan(value)
    np.minimum.at(high, column[up], np.nextafter(value[up], np.inf))
    np.maximum.at(low, column[down], np.nextafter(value[down], -np.inf))
    lam = np.where(np.isfinite(compiled.b_in), np.maximum(found.inequalities, 0.0), 0.0)
    lam[single] = 0.0
    held = lam > 0
    d = compiled.c + A_eq @ found.equalities + A_in @ lam
    total = -float(found.equalities @ compiled.b_eq) - float(lam[held] @ compiled.b_in[held])
    if compiled.P is not None:
        curve = compiled.P @ found.point
        d, total = d + curve, total - 0.5 * float(found.point @ curve)
    force = np.zeros(compiled.E.shape[0])
    prices = [max(float(d[host.column]), 0.0) for host in compiled.hosts]
    for host, price, tail in zip(compiled.hosts, prices, tails, strict=True):
        force += price * tail.scale * tail.gradient
        total += price * tail.scale * (float(tail.gradient @ compiled.f) + tail.constant)
        d[host.column] -= price
    d += E @ force
    side = np.where(d > 0, low, high)
    use = d != 0
    if not np.isfinite(side[use]).all():
        return None
    return total + float(d[use] @ side[use]) + compiled.offset


def _charge(compiled: Compiled, outcome: Outcome, sums: list[SummedTail], found: RowMultipliers | None) -> float:
    """What the point's violations of the rows as they were compiled are worth at the multipliers."""
    state = outcome.point.state
    if found is None or not isinstance(state, dict) or "z" not in state:
        return 0.0
    solved, z = getattr(outcome.master, "compiled", compiled), np.array(state["z"])
    for host, value, tail in zip(solved.hosts, outcome.values, sums, strict=True):
        z[host.column] = value * tail.scale
    z = solved.original(z) if isinstance(solved, Lifted) else z
    apart = np.abs(compiled.A_eq @ z - compiled.b_eq)
    beyond = np.maximum(compiled.A_in @ z - compiled.b_in, 0.0)
    broken = beyond > 0.0  # the rest may be minus infinity, whose multiplier is zero
    return float(apart @ np.abs(found.equalities)) + float(beyond[broken] @ np.abs(found.inequalities[broken]))


def _joined(compiled: Compiled, found: RowMultipliers, signed: int) -> Vector:
    """All multipliers; a tail's is what is left of the gradient at its level."""
    pull = compiled.c + compiled.A_eq.T @ found.equalities + compiled.A_in.T @ found.inequalities
    if compiled.P is not None:
        pull = pull + compiled.P @ found.point
    tails = np.maximum(np.array([pull[host.column] for host in compiled.hosts]), 0.0)
    return np.concatenate((found.equalities, found.inequalities[:signed], tails, found.inequalities[signed:]))


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
        at = np.asarray(v.value)
        away = float(np.max(np.abs(at - v.project(at)), initial=0.0))
        if away > 0:
            worst = max(worst, away / max(float(np.max(np.abs(at), initial=0.0)), 1e-300))
    return value, worst, charge


def _terms(expression: cp.Expression, levels: dict[int, float]) -> Vector:
    """Per entry the sum of the magnitudes ``|gradient| |x|`` and of the value: what its rounding is measured by.

    ``levels``: by variable, the magnitude of the losses that a tail's level was summed from.
    """
    size = np.abs(np.asarray(expression.value, dtype=float)).ravel(order="F")
    slopes = expression.grad
    for v in expression.variables():
        slope = slopes.get(v)
        if slope is not None:
            size = size + np.asarray(
                abs(sp.csr_array(slope if sp.issparse(slope) else np.atleast_2d(slope))).T
                @ np.maximum(np.abs(np.asarray(v.value, dtype=float)).ravel(order="F"), levels.get(v.id, 0.0))
            )
    return size
