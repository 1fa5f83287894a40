"""The list in whole lots that comes nearest to meeting every limit: a list to begin from, or what a refusal names.

Over the same cuts as :mod:`hedgeopt.program.lots.repair`, the largest excess of a limit is least in place of the objective.
Bands that no single lot fits in (a Greek held at one number, above all) are the first to be exceeded, and only where the
other limits cannot be met with them alone, all are.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from itertools import pairwise

import numpy as np

from hedgeopt.constraints.constraint import Side
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import Box
from hedgeopt.program.certificate import FEASIBILITY, relative_violation
from hedgeopt.program.cuts import Cuts, each
from hedgeopt.program.lots.choice import LotChoice
from hedgeopt.program.lots.gates import gates_of
from hedgeopt.program.lots.integers import Integers
from hedgeopt.program.program import Program

__all__ = ["missed_sides", "narrow_bands", "nearest_list", "only", "with_room"]

_ROUNDS = 8


def nearest_list(
    program: Program,
    e: Exposures,
    box: Box,
    choice: LotChoice,
    ideal: np.ndarray,
    tails: Mapping[int, np.ndarray],
    narrow: Collection[tuple[int, int]],
    *,
    seconds: float,
) -> np.ndarray | None:
    """(N,) whole lots of these candidates that exceed the program's limits least; None where none were found.

    None, too, with constraints of the user's own, of which there are no cuts. ``tails`` and duals as for ``quick_list``,
    ``narrow`` from :func:`narrow_bands`.
    """
    if not len(choice.at) or program.added:
        return None
    end = time.perf_counter() + seconds
    cuts = Cuts(program, e, box, None, seconds, wide=True)
    cuts.add(ideal, tails)
    integers = Integers(cuts, choice, gates_of(choice, e, program), ideal, 0.0)
    best, least = None, (np.inf, np.inf)
    for eased in (frozenset(narrow), None) if narrow else (None,):
        for _ in range(_ROUNDS):
            left = end - time.perf_counter()
            if left <= 0:
                return best
            found = integers.solve({}, 1e-3, min(left, 0.2 * seconds), elastic=True, eased=eased)
            if found is None:
                break
            x = found[0]
            broken = missed_sides(program, e, x)
            # those in bands without room for a lot come last: nothing else could be done about them
            names = _names(program, e, x, narrow)
            worst = max((_share(side) for side in broken), default=0.0)
            others = max((_share(side) for side in broken if side.name not in names), default=0.0)
            if (others, worst) < least:
                best, least = x, (others, worst)
            before = cuts.count
            cuts.add(x)
            if not broken or cuts.count == before:
                break
        if best is not None and least[0] == 0.0:
            break
    return best


def missed_sides(program: Program, e: Exposures, x: np.ndarray) -> list[Side]:
    """Limits of the program that trades x exceed."""
    return [side for side in program.sides(e, x) if relative_violation(side) > FEASIBILITY]


def narrow_bands(program: Program, e: Exposures, choice: LotChoice) -> dict[tuple[int, int], float]:
    """Sides (number of the limit, place) of bands in which no single step of any candidate has room, and the least step."""
    found = {}
    for number, limit in enumerate(program.limits):
        sides = limit.sides(e, np.zeros(e.n_candidates))
        for k, (low, high) in enumerate(pairwise(sides)):
            if (low.sign, high.sign) != (-1, 1) or low.name.rsplit(" ", 1)[0] != high.name.rsplit(" ", 1)[0]:
                continue
            slope = next(iter(each(limit, [k + 1], e, np.zeros(e.n_candidates), {}))).slope
            moved = np.abs(slope[choice.at] * choice.step)[choice.whole]
            moved = moved[moved > 0.0]
            if len(moved) and high.limit - low.limit < float(np.median(moved)):
                found[number, k] = found[number, k + 1] = float(np.median(moved))
    return found


def with_room(
    program: Program,
    e: Exposures,
    choice: LotChoice,
    x: np.ndarray,
    tails: Mapping[int, np.ndarray],
    narrow: Mapping[tuple[int, int], float],
    lots: float,
) -> dict[tuple[int, int], float]:
    """By how much limits may be exceeded: ``narrow`` by as much as it says; others keep room for ``lots`` of a median trade.

    Then a few lots more or less keep them.
    """
    found = dict(narrow)
    for number, limit in enumerate(program.limits):
        places = [k for k in range(len(limit.sides(e, x))) if (number, k) not in narrow]
        for k, cut in zip(places, each(limit, places, e, x, tails), strict=True):
            moved = np.abs(cut.slope[choice.at] * choice.step)[choice.whole]
            if (moved > 0.0).any():
                found[number, k] = -lots * float(np.median(moved[moved > 0.0]))
    return found


def _share(side: Side) -> float:
    return side.violation / max(abs(side.limit), 1e-9 * side.size, 1e-300)


def only(program: Program, e: Exposures, x: np.ndarray, places: Collection[tuple[int, int]]) -> bool:
    """Whether trades x exceed limits, and none but those."""
    broken, names = missed_sides(program, e, x), _names(program, e, x, places)
    return bool(broken) and all(side.name in names for side in broken)


def _names(program: Program, e: Exposures, x: np.ndarray, places: Collection[tuple[int, int]]) -> set[str]:
    named = program.named_sides(e, x)
    return {named[number][k].name for number, k in places}
