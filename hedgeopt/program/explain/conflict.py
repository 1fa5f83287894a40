"""Minimal sets of limits that can't be met together: found by deletion, each step proven by a Farkas dual or by trades.

A program whose limits may be exceeded at a price is compiled once. A limit that is left out gets so much room that it
says nothing. Where the multipliers of a solve prove that nothing meets the limits that are left (:mod:`~.infeasible`), only
those with a multiplier are kept; then each is left out in turn. A set from which none can be left out is irreducible.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import cvxpy as cp
import numpy as np

from hedgeopt.constraints.constraint import BoxConstraint, Constraint, Side
from hedgeopt.constraints.limit import Limit, paired
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.separable import Separable
from hedgeopt.program.box import Box, trade_box
from hedgeopt.program.certificate import allowance
from hedgeopt.program.explain.case import with_fields
from hedgeopt.program.program import Program

__all__ = ["ClosestPoint", "Conflict", "Elastic", "LimitItem", "conflicts_of", "irreducible"]

_ROUNDING = 1e-13
_MOST = 20
_SMALL = 1e-9


@dataclass(frozen=True)
class Conflict:
    """Limits that can't be met together; without any one of them the others can.

    Attributes
    ----------
    limits
        Names, in the policy's order.
    multipliers
        Farkas multipliers by side, objective-free: their weighted sum of excesses is above 0 at all trades in the box.
    margin
        By how much, in the unit of that sum, beyond what limits may be exceeded by and hold.
    witnesses
        By limit: the largest relative excess of the others at trades found without it; nothing is exceeded there.
    """

    limits: tuple[str, ...]
    multipliers: Mapping[str, float]
    margin: float
    witnesses: Mapping[str, float] = field(repr=False)


@dataclass(frozen=True)
class LimitItem:
    """A limit of the user's own: one side of a limit on a term, another limit as a whole, or a size limit."""

    name: str
    spec: int
    sign: int = 0
    rule: int = -1


@dataclass
class Elastic:
    """The program of closest trades, of which single limits can be left out or moved; ``solves`` counts."""

    policy: Policy
    e: Exposures
    solves: int = 0

    def __post_init__(self) -> None:
        self.program = Program(self.policy, self.e, elastic=True)
        users = paired([rule for rule in self.policy.subject_to if not isinstance(rule, BoxConstraint)])
        self.items = [item for k, spec in enumerate(users) for item in _items(k, spec)]
        self.boxes = [LimitItem(rule.name, -1, rule=k) for k, rule in enumerate(self.policy.subject_to)
                      if isinstance(rule, BoxConstraint) and not rule.counts]  # fmt: skip
        self._box: dict[frozenset[int], Box] = {}
        box = self.box(frozenset())
        low, high = (np.where(np.isfinite(one), one, 0.0) for one in (box.lower, box.upper))
        self.program.forget()
        self.program.update(self.e, box)
        wide = [self.program.named_sides(self.e, x) for x in (np.zeros(self.e.n_candidates), low, high)]
        self.item_of: dict[str, LimitItem] = {}
        self.room: dict[str, float] = {}
        for k, sides in enumerate(wide[0]):
            for j, side in enumerate(sides):
                size = sum(abs(w[k][j].value) + w[k][j].size for w in wide) + abs(side.limit)
                self.room[side.name] = 4.0 * size + 1.0
                for item in self.items:
                    if item.spec == k and item.sign in (0, side.sign):
                        self.item_of[side.name] = item

    def box(self, dropped: frozenset[int]) -> Box:
        """The trade box without some of the policy's size limits."""
        if dropped not in self._box:
            kept = [rule for k, rule in enumerate(self.policy.subject_to) if k not in dropped]
            self._box[dropped] = trade_box(with_fields(self.policy, subject_to=kept) if dropped else self.policy, self.e)
        return self._box[dropped]

    def solve(self, kept: Collection[LimitItem], moved: Mapping[str, float] | None = None) -> ClosestPoint:
        """The closest trades to the limits in ``kept`` (and those that always hold); ``moved`` gives sides more room."""
        out = {name: -self.room[name] for name, item in self.item_of.items() if item not in kept}
        dropped = frozenset(item.rule for item in self.boxes if item not in kept)
        box = self.box(dropped)
        self.program.update(self.e, box, {**out, **{name: -room for name, room in (moved or {}).items()}})
        self.solves += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                self.program.problem.solve(method="tail", tolerance=1e-7, time_limit=self.policy.time_limit_seconds)
        except cp.SolverError:
            return ClosestPoint(None, [], np.inf, 0.0, {})
        if self.program.variables.buy.value is None:
            return ClosestPoint(None, [], np.inf, 0.0, {})
        x = self.program.x()
        for mine, limit in zip(self.program.named_sides(self.e, x), self.program.limits, strict=True):
            if any(side.name in out and side.dual > 0.0 for side in mine):  # a solver's noise on what was left out
                limit.put_duals(self.e, np.array([0.0 if side.name in out else side.dual for side in mine]))
        more = {**{k: -v for k, v in out.items()}, **(moved or {})}
        sides = [self._shifted(side, more.get(side.name, 0.0)) for side in self.program.sides(self.e, x)]
        margin, used = self._farkas(x, box, sides, more)
        excess = max((s.violation / max(abs(s.limit), s.size, 1e-300) for s in sides), default=0.0)
        return ClosestPoint(x, sides, excess, margin, used)

    @staticmethod
    def _shifted(side: Side, room: float) -> Side:
        return replace(side, limit=side.limit + side.sign * room) if room else side

    def _farkas(
        self, x: np.ndarray, box: Box, sides: Sequence[Side], more: Mapping[str, float]
    ) -> tuple[float, dict[str, float]]:
        """What the multipliers prove, above 0 that nothing in the box meets the limits; and the multipliers."""
        stats = self.program.problem.solver_stats
        told = (stats.extra_stats if stats is not None else None) or {}
        tails = {id(record.atom): record.weights for record in told.get("tails", ())}
        total, room, used = Separable(np.zeros(self.e.n_candidates)), 0.0, {}
        for limit in self.program.limits:
            total += limit.minorant(self.e, x, tails)
        given = 0.0
        for side in sides:
            if side.dual > 0.0 and np.isfinite(side.dual):
                size = max(side.size, abs(side.value), abs(side.limit))
                room += side.dual * (2.0 * allowance(side) + _ROUNDING * size)
                given += side.dual * more.get(side.name, 0.0)
                used[side.name] = side.dual
        return float(total.minimum(box.lower, box.upper) - given - room), used


@dataclass(frozen=True)
class ClosestPoint:
    """The closest trades, sides at them, the largest relative excess, and what the multipliers prove."""

    x: np.ndarray | None
    sides: Sequence[Side]
    excess: float
    margin: float
    used: Mapping[str, float]

    @property
    def infeasible(self) -> bool:
        """Proven."""
        return self.margin > 0.0

    @property
    def feasible(self) -> bool:
        """Shown by trades; to the accuracy of the closest point."""
        return self.x is not None and not self.infeasible


def conflicts_of(elastic: Elastic, *, most: int = _MOST) -> list[Conflict]:
    """Irreducible sets of limits that conflict, without a limit in common, until the rest can be met.

    Empty where all limits can be met, or where nothing is proven.
    """
    left = [*elastic.items, *elastic.boxes]
    found: list[Conflict] = []
    while len(found) < most:
        whole = elastic.solve(left)
        if not whole.infeasible:
            return found
        mine = irreducible(elastic, left, whole)
        if not mine.limits:
            return [*found, mine]
        found.append(mine)
        left = [item for item in left if item.name not in mine.limits]
    return found


def irreducible(elastic: Elastic, left: Sequence[LimitItem], proof: ClosestPoint) -> Conflict:
    """One irreducible set among limits that are proven to conflict."""

    def support(outcome: ClosestPoint, among: Sequence[LimitItem]) -> list[LimitItem]:
        largest = max(outcome.used.values(), default=0.0)
        kept = {elastic.item_of[n] for n, d in outcome.used.items() if n in elastic.item_of and d > 1e-12 * largest}
        return [item for item in among if item in kept or item.rule >= 0]

    items = support(proof, left)
    sizes = [item for item in items if item.rule >= 0]
    if sizes:  # size limits first all at once: mostly they have no part in it
        without = elastic.solve([item for item in items if item.rule < 0])
        if without.infeasible:
            proof, items = without, support(without, [item for item in items if item.rule < 0])
    witnesses: dict[str, float] = {}
    for item in list(items):
        if item not in items:
            continue
        rest = [one for one in items if one is not item]
        trial = elastic.solve(rest)
        if trial.infeasible:
            proof, items = trial, support(trial, rest)
        else:
            witnesses[item.name] = trial.excess
    final = proof
    names = tuple(item.name for item in items)
    return Conflict(names, dict(final.used), final.margin, {n: witnesses[n] for n in names if n in witnesses})


def _items(k: int, spec: Constraint) -> list[LimitItem]:
    if isinstance(spec, Limit) and spec.margin_utilisation() is None and spec.lower is not None and spec.upper is not None:
        return [LimitItem(f"{spec.name} lower", k, -1), LimitItem(f"{spec.name} upper", k, 1)]
    return [LimitItem(spec.name, k)]
