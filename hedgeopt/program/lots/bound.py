"""A lower bound on every list in whole lots, above that of the ideal trades: what lots and a limit on trades cost at least.

The search of the tail solver proves a bound for the candidates that it is given. Those left out are proven useless first:
with the ideal's shadow prices the Lagrangian is a sum over candidates and nowhere above the objective of a list that holds
every limit, so a candidate whose smallest order alone lifts it above the best list known is in no better one. The bound is
then the smaller of the search's and of what that list costs. It is claimed only where the program says exactly what limits
and terms are: with margin rules that are approximated, links or depth it is the ideal's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundPart
from hedgeopt.program.box import Box
from hedgeopt.program.lots.choice import LotChoice, lots_within, rise
from hedgeopt.program.lots.steps import lots_of, smallest_orders
from hedgeopt.program.program import Program

__all__ = ["exactly_posed", "useful"]

_APPROXIMATE = ("refine", "anchor", "forget", "domain", "near", "jumping")
"""Hooks of parts that the program knows an approximation of."""


def exactly_posed(program: Program, e: Exposures) -> bool:
    """Whether the program's convex problem has every list that holds the limits, at its objective or less."""
    if len(e.links) or program.variables.fills is not None or program.off:
        return False
    return all(getattr(type(part), name) is getattr(BoundPart, name) for part in program.parts for name in _APPROXIMATE)


def useful(
    program: Program, e: Exposures, x: np.ndarray, box: Box, tails: Mapping[int, Any], best: float
) -> LotChoice | None:
    """Every candidate and direction that may be in a list better than ``best``; duals and ``tails`` of ``x`` in place.

    None where some have no known lot: nobody knows what their smallest order is.
    """
    lot = lots_of(e)
    lagrangian = program.lagrangian(e, x, tails)
    if np.isnan(lot).any() or not (np.isfinite(box.lower).all() and np.isfinite(box.upper).all()):
        return None
    here, least = lagrangian.minimiser(box.lower, box.upper), lagrangian.minimum(box.lower, box.upper)
    room = best - least + 1e-9 * (abs(best) + abs(least))
    step = np.where(lot > 0.0, np.maximum(lot, smallest_orders(e, program.policy)), 0.0)
    place, way = [], []
    for sign in (1.0, -1.0):
        # The function is convex in each trade: beyond the smallest order it is least there, or at its minimiser farther out.
        at = np.where(sign * here > step, here, sign * step)
        at = np.clip(at, box.lower, box.upper)
        keep = np.flatnonzero(~(rise(lagrangian, here, at - here) >= room) | (lot == 0.0))
        place.append(keep)
        way.append(np.full(len(keep), sign))
    at, direction = np.concatenate(place), np.concatenate(way)
    order = np.argsort(lot[at] == 0.0, kind="stable")
    steps = np.where(lot > 0.0, lot, program.scale)
    return lots_within(at[order], direction[order], lot, steps, smallest_orders(e, program.policy), box)
