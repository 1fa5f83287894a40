"""A program as cuts: lower envelopes of its terms and limits, solved exactly for a point and a bound.

Every term and limit gives functions that never lie above it and touch it where they were taken
(:class:`~hedgeopt.models.separable.Separable`). With those in place of terms and limits a program is a small linear, or with
variance and a user's cones a small conic, program in the trades alone. Its optimum is a point; its duals, made exact,
prove a bound on the true program by weak duality. Cuts taken at the point sharpen both (Kelley 1960).

The certificate uses it where the duals of the solver that found the trades prove too little, and the search for trades
where no solver gave any that could be certified.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from hedgeopt.constraints.constraint import BoundConstraint
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.separable import Separable
from hedgeopt.program.box import Box
from hedgeopt.program.cones import OwnRows
from hedgeopt.program.cut_model import CutModel
from hedgeopt.program.cut_proof import CutRow, Proof
from hedgeopt.program.program import Program

__all__ = ["Cuts", "each"]

_SECONDS = 30.0
_SAME = 1e-13


class Cuts:
    """Cuts of a program on one exposures and trade box."""

    def __init__(
        self, program: Program, e: Exposures, box: Box, own: OwnRows | None, seconds: float = _SECONDS, wide: bool = False
    ) -> None:
        """``wide``: cuts of every limit from the first point on, not only of those that are near there; of squares, too."""
        self.program, self.e, self.box, self.own, self.seconds, self.wide = program, e, box, own, seconds, wide
        self.terms: list[list[Separable]] = [[] for _ in program.objective_terms]
        self.squares = [None if wide else bound.square(e) for _, _, bound in program.objective_terms]
        self.rows: dict[tuple[int, int], CutRow] = {}
        self.balance: Any = None
        """(R, R) map of the user's own slacks onto slacks of one size, once a solve needed it
        (:mod:`hedgeopt.program.balance`)."""

    def add(self, x: np.ndarray, tails: Mapping[int, np.ndarray] | None = None) -> None:
        """Cuts at trades x; with ``tails`` those of the last solve, whose duals weigh scenarios, else the worst alone."""
        if tails is None:
            with _without_auxiliary(self.program):
                self._add(x, {})
        else:
            self._add(x, tails)

    def _add(self, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> None:
        e, program = self.e, self.program
        for cuts, square, (_, _, bound) in zip(self.terms, self.squares, program.objective_terms, strict=True):
            if square is None:
                _append(cuts, bound.minorant(e, x, tails))
        for number, limit in enumerate(program.limits):
            sides = limit.sides(e, x)
            square, chosen = None if self.wide else limit.square(e), []
            for k, side in enumerate(sides):
                if square is not None:
                    self.rows.setdefault((number, k), CutRow((number, k), [], (*square, float(side.limit))))
                    continue
                near = self.wide or side.violation > -0.05 * max(abs(side.limit), abs(side.value)) or side.dual > 0
                if near or (number, k) in self.rows:
                    chosen.append(k)
            for k, cut in zip(chosen, each(limit, chosen, e, x, tails), strict=True):
                _append(self.rows.setdefault((number, k), CutRow((number, k), [])).cuts, cut)

    @property
    def count(self) -> int:
        """How many cuts there are."""
        return sum(map(len, self.terms)) + sum(len(row.cuts) for row in self.rows.values())

    def solve(self, tighten: Mapping[tuple[int, int], float] | None = None, inwards: float = 0.0) -> Proof | str:
        """The cuts' optimum and the bound that its duals prove; "infeasible" or another status without one."""
        return CutModel(self, tighten or {}, inwards).solve()

    def closest(self) -> Proof | str:
        """Trades that exceed the worst limit's cuts least, in the unit of its row, and a bound on that excess.

        A bound above zero, by more than what limits may be exceeded by and still hold, proves that there is no feasible
        trade list: the duals are Farkas multipliers of the limits themselves.
        """
        return CutModel(self, {}, 0.0, elastic=True).solve()


def _append(cuts: list[Separable], new: Separable) -> None:
    """A cut that is not there yet."""
    if not any(_same(new, old) for old in cuts):
        cuts.append(new)


def _same(a: Separable, b: Separable) -> bool:
    pairs = ((a.slope, b.slope), (np.array(a.constant), np.array(b.constant)), (a.weights, b.weights), (a.kinks, b.kinks))
    for one, other in pairs:
        if (one is None) != (other is None):
            return False
        if one is not None and other is not None:
            if one.shape != other.shape:
                return False
            if np.abs(one - other).max(initial=0.0) > _SAME * np.abs(one).max(initial=0.0):
                return False
    return True


def each(
    limit: BoundConstraint, chosen: Sequence[int], e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]
) -> Iterator[Separable]:
    """The cut of each chosen inequality alone: its dual is 1, all others are 0."""
    rows, count = limit.constraints, len(limit.sides(e, x))
    kept = [row.dual_value for row in rows]
    try:
        for k in chosen:
            limit.put_duals(e, (np.arange(count) == k).astype(float))
            yield limit.minorant(e, x, tails)
    finally:
        for row, value in zip(rows, kept, strict=True):
            row.dual_variables[0].save_value(value)


@contextmanager
def _without_auxiliary(program: Program) -> Iterator[None]:
    """Rows that define the variables of terms and limits without their duals: those belong to other trades."""
    rows = [row for part in program.parts for row in part.auxiliary]
    kept = [row.dual_value for row in rows]
    try:
        for row in rows:
            row.dual_variables[0].save_value(None)
        yield
    finally:
        for row, value in zip(rows, kept, strict=True):
            row.dual_variables[0].save_value(value)
