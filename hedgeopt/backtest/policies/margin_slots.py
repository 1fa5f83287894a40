"""Margin limits over slots: one compiled form for whatever stands in the slots, and whatever else the accounts hold.

Where an account's requirement is worked out one position at a time (standard margin, most perpetual venues), the form of a
margin limit does not depend on which candidates there are: each slot has a rate on its size, a rate on what it is short and,
for those that are no options, chords of a square; everything else that the accounts hold is one number. Values, bounds and
shadow prices over all candidates are those of :class:`~hedgeopt.constraints.bound_sides.BoundSides`, built for them.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping

import cvxpy as cp
import numpy as np

from hedgeopt.constraints.bound_sides import BoundSides
from hedgeopt.constraints.constraint import BoundConstraint, Side
from hedgeopt.constraints.equity_covers import Cover
from hedgeopt.constraints.margin_utilisation import MarginUtilisation
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import TradeVariables, put
from hedgeopt.models.margin.bind_ramps import CHORDS, crowded
from hedgeopt.models.separable import Separable

__all__ = ["SlottedMargin", "slottable"]

_NEAR = 1e-7


def slottable(spec: MarginUtilisation, e: Exposures) -> bool:
    """Whether the requirements of its accounts are worked out one position at a time, without tiers that step."""
    for form in spec.forms(e):
        if not isinstance(form, Cover):
            return False
        for c in form.accounts:
            encoding = form.encoding(e, c)
            stepped = (encoding.slopes != encoding.slopes[:, :1]).any() or encoding.deductions.any()
            if stepped or encoding.anchored or encoding.blocks or encoding.caps or encoding.hull is not None:
                return False
    return True


class SlottedMargin(BoundConstraint):
    """A margin limit in a program of slots; those from ``curved`` on hold options, whose margin has no square."""

    def __init__(self, trades: TradeVariables, e: Exposures, spec: MarginUtilisation, curved: int) -> None:
        self._spec = spec
        self._parts = [_Slotted(trades, e.n_candidates, curved) for _ in spec.forms(e)]
        self.constraints = [part.constraint for part in self._parts]
        self.auxiliary: list[cp.Constraint] = []
        self._seen: weakref.ref[Exposures] | None = None
        self._full: BoundSides | None = None

    def update(self, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None:
        """Load the data of what stands in the slots."""
        for part, form in zip(self._parts, self._covers(e), strict=True):
            part.update(form, e, scale, tighten)

    def refine(self, e: Exposures, x: np.ndarray, scale: np.ndarray) -> bool:
        """Move the chords to the positions of trades x; whether that changes anything."""
        changed = [part.refine(e, x, scale) for part in self._parts]
        return any(changed)

    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]:
        """Requirement against equity, of any candidates."""
        return self._over(e).sides(e, x)

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        """At the duals of the slots, over any candidates."""
        return self._over(e).minorant(e, x, tails)

    def _covers(self, e: Exposures) -> list[Cover]:
        return [form for form in self._spec.forms(e) if isinstance(form, Cover)]

    def _over(self, e: Exposures) -> BoundSides:
        """The limit's own form over these exposures, with the duals of now."""
        if self._full is None or self._seen is None or self._seen() is not e:
            n = e.n_candidates
            trades = TradeVariables(cp.Variable(n, nonneg=True), cp.Variable(n, nonneg=True))
            self._full, self._seen = BoundSides(trades, e, self._spec.forms(e)), weakref.ref(e)
            reach = np.maximum(-e.lower, e.upper)
            self._full.update(e, np.where(np.isfinite(reach) & (reach > 0.0), reach, 1.0), {})
        for own, row in zip(self.constraints, self._full.constraints, strict=True):
            dual = own.dual_value
            row.dual_variables[0].save_value(np.zeros(()) if dual is None else np.asarray(dual, float).reshape(()))
        return self._full


class _Slotted:
    """One cover over ``slots`` slots."""

    def __init__(self, trades: TradeVariables, slots: int, curved: int) -> None:
        self._curved = curved
        self._rate, self._short = (cp.Parameter(slots, nonneg=True) for _ in range(2))
        self._rate_held, self._short_held = cp.Parameter(slots), cp.Parameter(slots)
        self._buy, self._sell = (cp.Parameter(slots, nonneg=True) for _ in range(2))
        self._gain, self._limit = cp.Parameter(slots), cp.Parameter()
        need = cp.norm1(cp.multiply(self._rate, trades.net) + self._rate_held)
        need += cp.sum(cp.neg(cp.multiply(self._short, trades.net) + self._short_held))
        need += self._buy @ trades.buy + self._sell @ trades.sell - self._gain @ trades.net
        self._centre: np.ndarray | None = None
        if curved:
            lines = curved * 2 * CHORDS
            self._slopes, self._offsets = cp.Parameter(lines), cp.Parameter(lines)
            drawn = cp.multiply(self._slopes, trades.net[np.repeat(np.arange(curved), 2 * CHORDS)]) + self._offsets
            need += cp.sum(cp.max(cp.reshape(drawn, (curved, 2 * CHORDS), order="C"), axis=1))
        self.constraint = need <= self._limit

    def update(self, form: Cover, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None:
        slots = e.n_candidates
        rate, short, square, apart = np.zeros(slots), np.zeros(slots), np.zeros(slots), 0.0
        held = e.rows.quantity[e.candidate]
        for c in form.accounts:
            rows, encoding = e.margins.rows[c], form.encoding(e, c)
            mine = np.flatnonzero(np.isin(e.candidate, rows))
            at = np.searchsorted(rows, e.candidate[mine])
            rate[mine], short[mine], square[mine] = encoding.slopes[at, 0], encoding.short[at], encoding.quadratic[at]
            rest = e.rows.quantity[rows].copy()
            rest[at] = 0.0
            apart += encoding.positions_only()(rest, np.zeros(encoding.n_assets))
        put(self._rate, rate * scale)
        put(self._rate_held, rate * held)
        put(self._short, short * scale)
        put(self._short_held, short * held)
        buy, sell = form.costs(e)
        put(self._gain, form.share * form.effect(e) * scale)
        put(self._buy, form.share * buy * scale)
        put(self._sell, form.share * sell * scale)
        put(self._limit, form.limit(e) - apart - tighten.get(form.name, 0.0))
        if self._curved:
            first = slice(0, self._curved)
            self._squares(square[first] * scale[first] ** 2, (held / scale)[first])

    def _squares(self, k: np.ndarray, start: np.ndarray) -> None:
        """Chords of ``k (start + net)^2`` on either side, as in BoundPositions."""
        largest = np.abs(start)[:, None] + 1.0
        if self._centre is None or len(self._centre) != len(start):
            nodes = largest * np.linspace(0.0, 1.0, CHORDS + 1)
        else:
            nodes = np.sort(np.clip(crowded(self._centre, largest[:, 0]), 0.0, largest), axis=1)
        rates, drops = k[:, None] * (nodes[:, 1:] + nodes[:, :-1]), k[:, None] * nodes[:, 1:] * nodes[:, :-1]
        put(self._slopes, np.hstack([rates, -rates]).ravel())
        put(self._offsets, np.hstack([rates * start[:, None] - drops, -rates * start[:, None] - drops]).ravel())

    def refine(self, e: Exposures, x: np.ndarray, scale: np.ndarray) -> bool:
        if not self._curved or len(x) != self._rate.size:
            return False
        first = slice(0, self._curved)
        at = np.abs((e.rows.quantity[e.candidate] + x)[first]) / scale[first]
        near = self._centre is not None and bool(np.all(np.abs(at - self._centre) <= _NEAR * (1.0 + at)))
        self._centre = at
        return not near
