"""The bound of a solve replaced by the one that its weights and multipliers prove without the solve."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from hedgeopt.tail.certificate import RowMultipliers, best_bound
from hedgeopt.tail.compiled import Compiled, compile_base
from hedgeopt.tail.epigraph import Lifted
from hedgeopt.tail.masters.cones import blocks
from hedgeopt.tail.outcome import Outcome
from hedgeopt.tail.plain import UNIT
from hedgeopt.tail.split import Split
from hedgeopt.tail.summed import SummedTail


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
    direct = at_once is not None and (bool(sums) or outcome.upper - at_once <= 10.0 * tolerance * abs(outcome.upper))
    if direct and at_once is not None and at_once >= least:
        lower, kept = at_once, found
    else:
        lower, bound, kept = best_bound(compiled, parts.memory["dims"], sums, found, lambda bound, _: bound >= least)
        if not sums and outcome.upper - lower > 10.0 * tolerance * max(abs(outcome.upper), 1e-300):
            # Without losses the solve's unit counts no further than that of the data.
            size = max(abs(outcome.upper), min(size, UNIT * bound.unit), 1e-300)
    # A bound above the value by rounding is the value's.
    outcome.lower = min(lower, outcome.upper) if lower - outcome.upper <= tolerance * size else -np.inf
    # Violations count by what they are worth. The solver has judged the point itself; a row that is rounding of zero, or
    # whose variables are all zero at the optimum, has no size that a violation could be measured by here.
    charge = _charge(compiled, outcome, sums, kept)
    apart = max(outcome.upper + charge - outcome.lower, 0.0)
    # Where the value itself will do as the unit, a larger one would only make the gap look small.
    outcome.gap = apart / (abs(outcome.upper) if 0.0 < apart <= tolerance * abs(outcome.upper) else size)
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
