"""A list in whole lots found quickly: integers over a few cuts of terms and limits, at the ideal and where they were wrong.

A cut is a function nowhere above a term or limit (:mod:`hedgeopt.program.cuts`), so that the small integer program over cuts
knows each term and limit by a handful of rows, however many scenarios there are. Its answer is evaluated exactly; where it
breaks a limit or costs more than the cuts say, cuts are taken there, and it is solved again. Nothing is proven here: the
certificate compares the list with the bound of the ideal trades.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import Box
from hedgeopt.program.certificate import FEASIBILITY, gap_unit, relative_violation
from hedgeopt.program.cuts import Cuts
from hedgeopt.program.lots.choice import LotChoice
from hedgeopt.program.lots.gates import gates_of
from hedgeopt.program.lots.integers import Integers
from hedgeopt.program.program import Program
from hedgeopt.program.tickets import paid_fixed

__all__ = ["quick_list"]

_ROUNDS = 12
_IDLE = 3
# Of the time of a search, what one integer program may take: where cuts are new, its best list is not that of the limits.
_PART = 0.25


def quick_list(
    program: Program,
    e: Exposures,
    box: Box,
    choice: LotChoice,
    ideal: np.ndarray,
    tails: Mapping[int, np.ndarray],
    *,
    gap: float,
    seconds: float,
    known: np.ndarray | None = None,
    loosened: Mapping[tuple[int, int], float] | None = None,
) -> np.ndarray | None:
    """(N,) the best list found in whole lots that meets every limit of the program; None where there is none.

    None, too, with constraints of the user's own, of which there are no cuts.

    Parameters
    ----------
    ideal : (N,)
        The ideal trades, with the ``tails`` and duals of their solve in place in the program.
    gap
        Relative error of the cuts at their own best list at which it stops.
    known : (N,)
        A list in whole lots that meets every limit: only a better one is of use, and is not looked for as long.
    loosened
        By how much limits (number, side) may be exceeded, in their units.
    """
    if not len(choice.at) or program.added:
        return None
    end = time.perf_counter() + seconds
    cuts = Cuts(program, e, box, None, seconds, wide=True)
    cuts.add(ideal, tails)
    gates = gates_of(choice, e, program)
    least = program.objective_value(e, ideal)
    unit = gap_unit(program, least)
    integers = Integers(
        cuts,
        choice,
        gates,
        ideal,
        0.0 if gates.trades is not None or gates.ticket is not None else gap * unit / len(choice.at),
    )
    best, idle = known, 0
    best_value = np.inf if known is None else program.objective_value(e, known) + paid_fixed(program.policy, e, known)
    eased = loosened or {}
    tighten: dict[tuple[int, int], float] = {place: -by for place, by in eased.items()}
    for _ in range(_ROUNDS):
        left = end - time.perf_counter()
        found = integers.solve(tighten, 0.5 * gap, min(left, _PART * seconds)) if left > 0 else None
        if found is None:
            break
        x, told = found
        over = _over(program, e, x, eased)
        value = program.objective_value(e, x) + paid_fixed(program.policy, e, x)
        idle += 1
        if not over and value < best_value:
            best, best_value, idle = x, value, 0
        exact = not over and value - told <= gap * unit
        if best is not None and (exact or best_value - least <= gap * unit or idle > _IDLE):
            break
        before = cuts.count
        cuts.add(x)
        if cuts.count == before:  # a limit that cuts know to rounding only
            if not over:
                break
            for place, excess in over.items():
                more = tighten.get(place, 0.0) + eased.get(place, 0.0)
                tighten[place] = 2.0 * more + 1.05 * excess - eased.get(place, 0.0)
    return best


def _over(
    program: Program, e: Exposures, x: np.ndarray, eased: Mapping[tuple[int, int], float]
) -> dict[tuple[int, int], float]:
    """Limits that x exceeds, by place, and by how much, beyond what they are eased by."""
    found = {}
    for number, limit in enumerate(program.limits):
        for k, side in enumerate(limit.sides(e, x)):
            by = eased.get((number, k), 0.0)
            if by:
                side = replace(side, limit=side.limit + side.sign * by)
            if relative_violation(side) > FEASIBILITY:
                found[number, k] = side.violation
    return found
