"""Bounds and trades by cuts, where solvers prove too little or find nothing that can be certified."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import Box
from hedgeopt.program.certificate import FEASIBILITY, allowance, gap_unit, relative_violation
from hedgeopt.program.cones import canonical
from hedgeopt.program.cut_proof import Proof
from hedgeopt.program.cuts import Cuts
from hedgeopt.program.own_excess import own_excess
from hedgeopt.program.polish import onto_limits
from hedgeopt.program.program import Program
from hedgeopt.program.solution import Multipliers

__all__ = ["Deadline", "Found", "by_cuts", "feasible_by_cuts", "prove"]

_ROUNDS = 30
_ROUNDING = 1e-13
_SMALL = 1e-5
"""Excess, relative, up to which a limit is tightened by it instead of cut once more."""


@dataclass(frozen=True)
class Deadline:
    """A moment after which no solver is begun, and the seconds until then."""

    seconds: float
    started: float = field(default_factory=time.perf_counter)

    def left(self) -> float:
        """Seconds left, at least 0."""
        return max(self.seconds - (time.perf_counter() - self.started), 0.0)

    def share(self) -> float:
        """Seconds for one attempt: half of the rest, so that another can follow."""
        return max(0.5 * self.left(), 0.1)


@dataclass
class _Inwards:
    """How far the user's cones are drawn in, in the unit of their slacks: as little as keeps trades within them.

    A step that was enough is made smaller towards those that were not: what it costs has nothing to do with what it mends,
    where cones are many or their slacks small.
    """

    step: float = 0.0
    short: float = 0.0
    enough: float = np.inf

    def learn(self, excess: float) -> None:
        """The next step, from the relative ``excess`` (0: none) that the last one left."""
        if 0 < excess <= _SMALL:
            self.short = max(self.short, self.step)
            self.step = 2.0 * self.step + 2.0 * excess
        elif excess == 0 and self.step:
            self.enough = self.step
            self.step /= 10.0
        if self.short < self.enough < np.inf:
            self.step = (self.short * self.enough) ** 0.5 if self.short else 0.1 * self.enough


@dataclass(frozen=True)
class Found:
    """Trades and a bound; ``status`` is "found", "infeasible" (proven by cuts) or "nothing".

    ``feasible`` says that the trades meet every limit.
    """

    status: str
    x: np.ndarray
    bound: float = -np.inf
    rounds: int = 0
    feasible: bool = False
    proof: Multipliers | None = None


def prove(
    program: Program, e: Exposures, box: Box, x: np.ndarray, tails: Mapping[int, np.ndarray], deadline: Deadline
) -> tuple[float, Multipliers | None]:
    """A lower bound from the cuts at x alone, the duals of the last solve made good, and these. -inf where there is none."""
    own = canonical(program.own.relaxed, program.variables) if program.added else None
    cuts = Cuts(program, e, box, own, deadline.share())
    cuts.add(x, tails)
    found = cuts.solve()
    return (-np.inf, None) if isinstance(found, str) else (found.bound, _multipliers(program, e, found, tails))


def _multipliers(program: Program, e: Exposures, proof: Proof, tails: Mapping[int, np.ndarray]) -> Multipliers:
    """The duals of cuts by the limits' names."""
    sides = []
    for number, names in enumerate(program.named_sides(e, proof.x)):
        sides += [replace(side, dual=proof.duals.get((number, k), 0.0)) for k, side in enumerate(names)]
    return Multipliers.of(sides, tails)


def by_cuts(
    program: Program,
    e: Exposures,
    box: Box,
    start: np.ndarray,
    tails: Mapping[int, np.ndarray] | None,
    deadline: Deadline,
    goal: float,
) -> Found:
    """Cuts until trades and bound are within ``goal`` of each other, or nothing gets better.

    Parameters
    ----------
    start
        (N,) trades to begin from.
    tails
        Tail weights that belong to ``start``; None when it is no solver's.
    """
    own = canonical(program.own.relaxed, program.variables) if program.added else None
    cuts = Cuts(program, e, box, own, deadline.share())
    cuts.add(start, tails)
    bound, best, best_value = -np.inf, start, np.inf
    tighten: dict[tuple[int, int], float] = {}
    inwards, proof = _Inwards(), None
    best_proof: Proof | None = None
    idle = 0
    if not any(_excesses(program, e, start)):
        best_value = program.objective_value(e, start)
    for rounds in range(1, _ROUNDS + 1):
        found = cuts.solve(tighten, inwards.step)
        if isinstance(found, str):
            if not tighten and not inwards.step:
                if found == "infeasible" and not np.isfinite(best_value) and _proves_nothing_feasible(program, e, cuts):
                    return Found("infeasible", start, -np.inf, rounds)
                break
            tighten, inwards = {}, _Inwards()  # tightened too far
            idle += 1
            if idle > 3:
                break
            continue
        proof = found
        improved = found.bound > bound + 1e-3 * goal * gap_unit(program, found.bound)
        if found.bound > bound:
            bound, best_proof = found.bound, found
        over, own_over = _excesses(program, e, found.x)
        if over and not own_over and max(relative for _, relative in over.values()) <= _SMALL:
            moved = onto_limits(program, e, box, found.x)
            if not any(_excesses(program, e, moved)):
                found, over = replace(found, x=moved), {}
        if not over and not own_over:
            value = program.objective_value(e, found.x)
        elif np.isfinite(best_value):
            found, value = _between(program, e, best, found)
        else:
            value = np.inf
        if value < best_value:
            best, best_value, improved = found.x, value, True
            found.save(program, e)
        near = np.isfinite(best_value) and best_value - bound <= goal * gap_unit(program, best_value)
        if near or deadline.left() <= 0:
            break
        before = cuts.count
        cuts.add(found.x)
        for place, (amount, relative) in over.items():
            if relative <= _SMALL:
                tighten[place] = 1.5 * tighten.get(place, 0.0) + 1.05 * amount
        inwards.learn(own_over)
        idle = 0 if improved or cuts.count > before else idle + 1
        if idle > 3:
            break
    status = "found" if np.isfinite(best_value) or proof is not None else "nothing"
    if not np.isfinite(best_value) and proof is not None:
        best = proof.x
        proof.save(program, e)
    kept = None if best_proof is None else _multipliers(program, e, best_proof, tails or {})
    return Found(status, best, bound, rounds, bool(np.isfinite(best_value)), kept)


def feasible_by_cuts(
    program: Program, e: Exposures, box: Box, start: np.ndarray, tails: Mapping[int, np.ndarray] | None, deadline: Deadline
) -> str:
    """ "feasible" where trades that meet every limit are found, "infeasible" where none is proven to be, else "undecided".

    ``start`` (N,) and ``tails`` as for :func:`by_cuts`.
    """
    own = canonical(program.own.relaxed, program.variables) if program.added else None
    cuts = Cuts(program, e, box, own, deadline.share())
    cuts.add(start, tails)
    for _ in range(_ROUNDS):
        found = cuts.closest()
        if isinstance(found, str):
            break
        if found.bound > _room(program, e, found):
            return "infeasible"
        if not any(_excesses(program, e, found.x)):
            return "feasible"
        before = cuts.count
        cuts.add(found.x)
        if cuts.count == before or deadline.left() <= 0:
            break
    return "undecided"


def _proves_nothing_feasible(program: Program, e: Exposures, cuts: Cuts) -> bool:
    found = cuts.closest()
    return not isinstance(found, str) and found.bound > _room(program, e, found)


def _room(program: Program, e: Exposures, proof: Proof) -> float:
    """Largest bound on the worst excess that rounding and allowances explain: more than that is proof."""
    room = proof.own
    for number, limit in enumerate(program.limits):
        for k, side in enumerate(limit.sides(e, proof.x)):
            size = max(side.size, abs(side.value), abs(side.limit))
            room += proof.duals.get((number, k), 0.0) * (2.0 * allowance(side) + _ROUNDING * size)
    return room


def _excesses(program: Program, e: Exposures, x: np.ndarray) -> tuple[dict[tuple[int, int], tuple[float, float]], float]:
    """Limits that trades x exceed by more than rounding, absolute and relative; and the worst user constraint."""
    over = {}
    for number, limit in enumerate(program.limits):
        for k, side in enumerate(limit.sides(e, x)):
            relative = relative_violation(side)
            if relative > 0.5 * FEASIBILITY:
                over[number, k] = side.violation, relative
    own = [excess for _, excess in own_excess(program.own.relaxed, program.variables, x / program.scale)]
    worst = max(own, default=0.0)
    return over, worst if worst > 0.5 * FEASIBILITY else 0.0


def _between(program: Program, e: Exposures, inside: np.ndarray, found: Proof) -> tuple[Proof, float]:
    """The farthest trades from ``inside`` towards the cuts' optimum that meet every limit: feasible sets are convex."""
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = 0.5 * (low + high)
        over, own = _excesses(program, e, (1.0 - middle) * inside + middle * found.x)
        low, high = (low, middle) if over or own else (middle, high)
        if high - low < 1e-9:
            break
    x = (1.0 - low) * inside + low * found.x
    return Proof(found.bound, x, found.duals), program.objective_value(e, x)
