"""The proof from cuts: a bound, where it is reached, and its shadow prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.separable import Separable
from hedgeopt.program.box import Box
from hedgeopt.program.cones import OwnRows
from hedgeopt.program.dual_cones import own_sizes, repaired
from hedgeopt.program.own_bounds import proven_sizes
from hedgeopt.program.program import Program

__all__ = ["CutRow", "Proof", "own_part"]


@dataclass(frozen=True)
class Proof:
    """A bound, the trades (N,) at which the cuts have their optimum, and the dual of each limit's inequality.

    ``own`` is by how much the bound would move if each of the user's own constraints held to rounding only.
    """

    bound: float
    x: np.ndarray
    duals: Mapping[tuple[int, int], float]
    own: float = 0.0

    def save(self, program: Program, e: Exposures) -> None:
        """Give the program's limits these duals, which are their shadow prices."""
        for number, limit in enumerate(program.limits):
            count = len(limit.sides(e, self.x))
            limit.put_duals(e, np.array([self.duals.get((number, k), 0.0) for k in range(count)]))


@dataclass
class CutRow:
    """One inequality ``f(x) <= 0`` by its cuts; ``size`` is its scale."""

    place: tuple[int, int]
    cuts: list[Separable]
    square: tuple[np.ndarray, np.ndarray, float] | None = None


def own_part(
    own: OwnRows, y: np.ndarray, values: np.ndarray, scale: np.ndarray, box: Box, both: np.ndarray | None
) -> tuple[Separable, float]:
    """``y' (A_v v - b)`` with exact duals as a function of net trades, and its possible further loss.

    Lost are the user's own variables where rounding leaves them a coefficient. Where the duals pay more for buys and sells
    of one instrument at once than the ``both`` (N,) that they cost, the function has as many of them as the box leaves room
    for beside the net trade: none at its ends.
    """
    n = len(scale)
    exact, left = repaired(own, y)
    slope = np.asarray(own.trades.T @ exact).ravel()
    buy, sell = slope[:n] / scale, slope[n:] / scale
    loss = 0.0
    if len(left):
        ends = np.concatenate([np.maximum(box.upper, 0.0) / scale, np.maximum(-box.lower, 0.0) / scale])
        sizes = np.minimum(proven_sizes(own, ends), own_sizes(values))
        loss = float(np.abs(left) @ sizes)
    pay = np.maximum(-(buy + sell) - (0.0 if both is None else both), 0.0)
    most, least = np.maximum(box.upper, 0.0), np.maximum(-box.lower, 0.0)
    room = np.minimum(most, least)
    # room - (x - (most - room))+ - (-x - (least - room))+ at net trade x, each paid for
    constant = -float(exact @ own.right) - float(pay @ least)
    weights = np.vstack([buy + sell, pay, pay])
    return Separable(-sell - pay, constant, weights, np.vstack([np.zeros(n), most - room, room - least])), loss
