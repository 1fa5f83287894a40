"""A list in whole lots found quickly: integers over a few cuts of terms and limits, at the ideal and where they were wrong.

A cut is a function nowhere above a term or limit (:mod:`hedgeopt.program.cuts`), so that the small integer program over cuts
knows each term and limit by a handful of rows, however many scenarios there are. Its answer is evaluated exactly; where it
breaks a limit or costs more than the cuts say, cuts are taken there, and it is solved again. Nothing is proven here: the
certificate compares the list with the bound of the ideal trades.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

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
    tighten: dict[tuple[int, int], float] = {}
    for _ in range(_ROUNDS):
        left = end - time.perf_counter()
        found = integers.solve(tighten, 0.5 * gap, left) if left > 0 else None
        if found is None:
            break
        x, told = found
        over = _over(program, e, x)
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
                tighten[place] = 2.0 * tighten.get(place, 0.0) + 1.05 * excess
    return best


def _over(program: Program, e: Exposures, x: np.ndarray) -> dict[tuple[int, int], float]:
    """Limits that x exceeds, by place, and by how much."""
    found = {}
    for number, limit in enumerate(program.limits):
        for k, side in enumerate(limit.sides(e, x)):
            if relative_violation(side) > FEASIBILITY:
                found[number, k] = side.violation
    return found
