"""The candidates that a search for whole lots looks at: those that the ideal trades, and those that would pay next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import Box
from hedgeopt.program.lots.steps import WHOLE, lots_of, smallest_orders
from hedgeopt.program.program import Program
from hedgeopt.program.solution import Solution

__all__ = ["LotChoice", "choose", "lots_within", "rise"]

_MOST = 400
"""Candidates in one search; more where the ideal trades more."""


@dataclass(frozen=True)
class LotChoice:
    """Candidates in a search, each with its direction; sizes count in steps.

    Attributes
    ----------
    at, direction : (K,)
        Candidate, and 1 to buy or -1 to sell.
    whole : (K,)
        Whether only whole steps are taken; these come first.
    step : (K,)
        A lot; where any size is traded, the unit of the program's variable.
    most, least : (K,)
        Steps at most, and at least where it is traded.
    """

    at: np.ndarray
    direction: np.ndarray
    whole: np.ndarray
    step: np.ndarray
    most: np.ndarray
    least: np.ndarray

    @property
    def counts(self) -> int:
        """How many are traded in whole steps."""
        return int(self.whole.sum())


def choose(
    program: Program, e: Exposures, ideal: Solution, box: Box, tails: Mapping[int, Any], more: int, both: bool
) -> LotChoice:
    """The ideal's trades, and the ``more`` candidates that cost least to move at its shadow prices, in place in the program.

    ``both``: each of them in either direction, where the ideal's own trades may not all be made, or are not enough.
    """
    x, lot = ideal.trades, lots_of(e)
    free = np.isfinite(lot)
    free[e.links.candidate] = False
    step = np.where(lot > 0.0, lot, program.scale)
    # Of one lot either way, what the Lagrangian rises by, per dollar.
    lagrangian = program.lagrangian(e, x, tails)
    bounded = np.isfinite(box.lower).all() and np.isfinite(box.upper).all()
    here = lagrangian.minimiser(box.lower, box.upper) if bounded else x
    moved = np.where(free & (lot > 0.0), step, np.where(free, 1e-3 * step, 0.0))
    notional = np.maximum(np.where(free, moved, 1.0) * np.abs(e.rows.notional[e.candidate]), 1e-12)
    up, down = (rise(lagrangian, np.zeros_like(x), sign * moved) / notional for sign in (1.0, -1.0))
    direction = np.where(x > 0, 1.0, np.where(x < 0, -1.0, np.where(up <= down, 1.0, -1.0)))
    direction = np.where((x == 0.0) & (here != 0.0), np.sign(here), direction)
    traded = np.flatnonzero(free & (x != 0.0))
    others = np.flatnonzero(free & (x == 0.0))
    others = others[np.argsort(np.minimum(up, down)[others], kind="stable")[:more]]
    at = np.sort(np.concatenate((traded, others[: max(_MOST - len(traded), 0)])))
    at = at[np.argsort(lot[at] == 0.0, kind="stable")]
    place, way = (np.concatenate((at, at)), np.concatenate((direction[at], -direction[at]))) if both else (at, direction[at])
    order = np.argsort(lot[place] == 0.0, kind="stable")
    return lots_within(place[order], way[order], lot, step, smallest_orders(e, program.policy), box)


def lots_within(
    at: np.ndarray, way: np.ndarray, lot: np.ndarray, step: np.ndarray, smallest: np.ndarray, box: Box
) -> LotChoice:
    """Those with room for their smallest order."""
    whole, steps = lot[at] > 0.0, step[at]
    room = np.where(way > 0, box.upper[at], -box.lower[at]) / steps
    most = np.where(whole, np.floor(room * (1.0 + WHOLE) + WHOLE), room)
    asked = smallest[at] / steps
    least = np.where(whole, np.ceil(asked * (1.0 - WHOLE) - WHOLE), asked)
    able = most >= np.where(whole, np.maximum(least, 1.0), np.maximum(least, 1e-12))
    return LotChoice(at[able], way[able], whole[able], steps[able], most[able], least[able])


def rise(f: Any, x: np.ndarray, by: np.ndarray) -> np.ndarray:
    """(N,) by how much a separable function rises when each coordinate moves alone."""
    out = f.slope * by
    if f.weights is not None and f.kinks is not None:
        out = out + (f.weights * (np.maximum(x + by - f.kinks, 0.0) - np.maximum(x - f.kinks, 0.0))).sum(axis=0)
    return np.asarray(out)
