"""Refuse when no trade list meets every limit; proven, never taken from a solver.

The proof is Farkas': multipliers ``d >= 0`` of the limits, made exact, with

    min over the trade box of  sum_j d_j h_j(x)  >  sum_j d_j * (what limit j may be exceeded by and still hold),

where each ``h_j`` is replaced by a function nowhere above it, evaluated on the original data. The multipliers come from the
closest point (the trades that minimise the sum of relative excesses), or from cuts of the limits. Where neither proves
anything and no feasible trades turn up, the question is undecided: that is no answer, and the next solver is tried.
"""

from __future__ import annotations

from collections.abc import Mapping

import cvxpy as cp
import numpy as np

from hedgeopt.errors import InfeasibleError
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.separable import Separable
from hedgeopt.program.box import Box
from hedgeopt.program.certificate import allowance
from hedgeopt.program.loosen import conflict_lines, enough, held_back_by, missed
from hedgeopt.program.program import Program
from hedgeopt.program.search import Deadline, feasible_by_cuts

__all__ = ["UNPROVEN", "NoAnswerError", "infeasible"]

UNPROVEN = "said infeasible, which was not proven"
_CONFLICT = 1e-6
_CLOSEST = 1e-9
_ROUNDING = 1e-13


class NoAnswerError(Exception):
    """A solver gave nothing to certify; the text names what it gave."""


def infeasible(program: Program, e: Exposures, box: Box, deadline: Deadline, *, proven: bool = False) -> InfeasibleError:
    """Which limits are violated at the closest point: the trades that minimise the sum of relative excesses.

    ``proven`` says that cuts have proven it already.

    Raises
    ------
    NoAnswerError
        Where limits can be met after all, or where nothing is proven.
    """
    elastic = None if program.added else _closest(program, e, box, deadline)
    if not proven:
        start, tails = np.zeros(e.n_candidates), None
        if elastic is not None:
            start, tails = elastic.x(), _tails(elastic)
        if elastic is None or not _farkas(elastic, e, box, start, tails or {}):
            found = feasible_by_cuts(program, e, box, start, tails, deadline)
            if found == "feasible":
                raise NoAnswerError("said infeasible, but its limits can be met")
            if found == "undecided":
                raise NoAnswerError(UNPROVEN)
    if program.added:
        return InfeasibleError("no trade list meets every limit together with the added constraints")
    if elastic is None:
        return InfeasibleError("no trade list meets every limit")
    x = elastic.x()
    # what is left of a limit must show against what is summed: less is how exactly the closest point was found
    broken = [s for s in elastic.sides(e, x) if s.violation > allowance(s, _CONFLICT) + _CLOSEST * s.size]
    if not broken:
        return InfeasibleError("no trade list meets every limit: they miss each other by very little")
    misses, held = missed(elastic, e, x, broken), held_back_by(elastic, e, box, x, broken)
    line, details = conflict_lines(misses, held, enough(program, e, box, x, misses, deadline.left()))
    error = InfeasibleError(line, {one.told.name: (one.told.value, one.told.limit, one.told.unit) for one in misses})
    for detail in details:
        error.add_note(detail)
    return error


def _closest(program: Program, e: Exposures, box: Box, deadline: Deadline) -> Program | None:
    """The program with limits that may be exceeded at a price, solved; None where no solver managed."""
    elastic = Program(program.policy, e, elastic=True)
    elastic.switch(program.off)
    elastic.update(e, box)
    try:
        elastic.problem.solve(method="tail", tolerance=1e-6, time_limit=deadline.share())
    except cp.SolverError:
        return None
    return None if elastic.variables.buy.value is None else elastic


def _tails(elastic: Program) -> dict[int, np.ndarray]:
    stats = elastic.problem.solver_stats
    told = (stats.extra_stats if stats is not None else None) or {}
    return {id(record.atom): record.weights for record in told.get("tails", ())}


def _farkas(elastic: Program, e: Exposures, box: Box, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> bool:
    """Whether the closest point's shadow prices prove that no trades in the box meet every limit."""
    total, room = Separable(np.zeros(e.n_candidates)), 0.0
    for limit in elastic.limits:
        total += limit.minorant(e, x, tails)
        for side in limit.sides(e, x):
            if side.dual > 0.0 and np.isfinite(side.dual):
                size = max(side.size, abs(side.value), abs(side.limit))
                room += side.dual * (2.0 * allowance(side) + _ROUNDING * size)
    return bool(total.minimum(box.lower, box.upper) > room)
