"""Proof that a trade list is feasible and how far from optimal it can be, from the original data.

We never trust the solver. Feasibility is the plain-numpy value of every limit; limits on margin, stress, collateral
and transfers are worked out once more by the venue's plain rule (:mod:`hedgeopt.program.plain_limits`), because the program
knows only encodings of it. The lower bound is weak duality: for any shadow prices ``d >= 0``,

    min over feasible x of f(x)  >=  min over the trade box of  f(x) + sum_j d_j h_j(x),

and the right-hand side is bounded from below by replacing each convex function by a separable one that never exceeds
it (:class:`~hedgeopt.models.separable.Separable`), whose minimum over the box is exact. Wrong shadow prices or tail
weights make the bound loose, never false: of the tail solver's account nothing else is read, neither its own bound nor
whether it calls that proven.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from hedgeopt.constraints.constraint import Side
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import Box
from hedgeopt.program.own_excess import own_excess
from hedgeopt.program.own_terms import own_notes
from hedgeopt.program.plain_limits import plain_sides
from hedgeopt.program.program import Program
from hedgeopt.program.proven import AROUND, Certificate
from hedgeopt.program.tickets import paid_fixed

__all__ = ["BY_RULE", "FEASIBILITY", "allowance", "certify", "gap_unit", "lower_bound", "relative_violation"]

FEASIBILITY = 1e-9
BY_RULE = "(by the venue's rule)"
"""Suffix of a limit that only the venue's plain rule finds broken."""
_ROUNDING = 8.0 * float(np.finfo(float).eps)
"""Relative error of a sum of doubles. Trades are rounded to half an eps each, products to another half, and blocked sums of
N of them to a few eps (pairwise: log2(N) / 2): no x meets a zero band more exactly.
"""


def allowance(side: Side, share: float = FEASIBILITY) -> float:
    """By how much a side may be exceeded and still hold: ``share`` of its limit, and the rounding of what is summed."""
    return share * abs(side.limit) + _ROUNDING * max(side.size, abs(side.value), abs(side.limit))


def relative_violation(side: Side) -> float:
    """Excess over the limit, relative to the limit where rounding does not matter: :func:`allowance` allows 1e-9."""
    room = allowance(side)
    return FEASIBILITY * side.violation / room if room > 0.0 else 0.0


def certify(
    program: Program,
    e: Exposures,
    box: Box,
    x: np.ndarray,
    tails: Mapping[int, np.ndarray],
    proven: float = -np.inf,
    *,
    lot_gap: float | None = None,
    whole: bool = False,
) -> tuple[Certificate, list[Side]]:
    """Certificate of trades x (N,), and every limit's value and shadow price.

    ``proven`` is a lower bound found elsewhere (:mod:`hedgeopt.program.cuts`); the better of the two counts. What the user
    added to the program enters that one only: the bound found here leaves it out, which is loose and true. ``lot_gap`` is
    the largest gap of a list in whole lots, in place of the tolerance; ``whole``: limits that count trades
    hold, too, and the user's whole numbers, and fixed costs count.
    """
    sides = program.sides(e, x)
    worst_name, worst = (
        "trade limits",
        float(np.max(np.maximum(box.lower - x, x - box.upper) / program.scale, initial=-1.0)),
    )
    for side in sides:
        violation = relative_violation(side)
        if violation > worst:
            worst_name, worst = side.name, violation
    own = program.own.exact if whole else program.own.relaxed
    for name, violation in own_excess(own, program.variables, x / program.scale) if own else ():
        if violation > worst:
            worst_name, worst = name, violation
    if worst <= FEASIBILITY:  # the plain rules cost more time, and an answer that breaks its encoding is refused anyway
        for plain in plain_sides(program.policy, e, x, whole=whole):
            if plain.excess > max(worst, FEASIBILITY):
                worst_name, worst = f"{plain.side.name} {BY_RULE}", plain.excess
    objective = _plain_objective(program, e, x) + (paid_fixed(program.policy, e, x) if whole else 0.0)
    bound = max(lower_bound(program, e, box, x, tails), proven)
    gap = (objective - bound) / gap_unit(program, objective)
    allowed = program.policy.tolerance if lot_gap is None else lot_gap
    certificate = Certificate(
        objective=objective,
        lower_bound=bound,
        gap=gap,
        tolerance=program.policy.tolerance,
        worst_limit=worst_name,
        worst_violation=worst,
        feasible=worst <= FEASIBILITY,
        # a bound above the objective by more than rounding proves that something is wrong
        optimal=gap <= allowed and bound - objective <= _rounding(program, e, x, sides, worst),
        notes=(*e.caveats, *own_notes(program.policy, e), *_around(program, e)),
        lot_gap=lot_gap,
    )
    return certificate, sides


def _around(program: Program, e: Exposures) -> Iterator[str]:
    names = dict(zip(e.accounts, e.margins.names, strict=True))
    near = [f"{account} ({names[account]})" for account in program.near(e)]
    if near:
        yield (
            f"{AROUND} of {', '.join(near)}: it is not convex where positions offset one another, and lists far from this "
            "one may be better"
        )


def lower_bound(program: Program, e: Exposures, box: Box, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> float:
    """Lower bound on every feasible trade list in the box, by the shadow prices of the last solve."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = program.lagrangian(e, x, tails).minimum(box.lower, box.upper)
    return found if np.isfinite(found) else -np.inf  # shadow prices that overflow prove nothing


def gap_unit(program: Program, objective: float) -> float:
    """Denominator of the gap: the objective, or where that is near zero the sum of weights, at most 1.

    An objective times 1e-9 is the same question, and must be answered as exactly.
    """
    return max(abs(objective), min(1.0, sum(abs(weight) for weight, _, _ in program.objective_terms)), 1e-300)


def _rounding(program: Program, e: Exposures, x: np.ndarray, sides: Sequence[Side], worst: float) -> float:
    """How far a true bound may lie above the objective: sums are rounded, and limits hold to rounding only."""
    summed = sum(abs(weight * bound.evaluate(e, x)) for weight, _, bound in program.objective_terms)
    eased = sum(side.dual * max(side.violation, 0.0) for side in sides if np.isfinite(side.dual))
    own = 1e3 * max(worst, 0.0) * summed if program.added else 0.0
    return float(1e-9 * summed + 2.0 * eased + own + 1e-9 * gap_unit(program, 0.0))


def _plain_objective(program: Program, e: Exposures, x: np.ndarray) -> float:
    """The objective with margin by the venue's plain rule."""
    told = [(weight, bound, term.plain(e, x)) for weight, term, bound in program.objective_terms]
    ruled = [(weight, bound, value) for weight, bound, value in told if value is not None]
    encoded = sum(weight * bound.evaluate(e, x) for weight, bound, _ in ruled)
    plain = sum(weight * value for weight, _, value in ruled)
    return program.objective_value(e, x) + float(plain - encoded)
