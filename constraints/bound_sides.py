"""Requirements against equity, and caps on delta, inside a program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hedgeopt.constraints.constraint import BoundConstraint, Side, shadow_price
from hedgeopt.constraints.equity_covers import Cover, DeltaCap, SideForm
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import TradeVariables, put
from hedgeopt.models.margin.bind import BoundEncoding
from hedgeopt.models.separable import Separable

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["BoundSides"]


class BoundSides(BoundConstraint):
    """Several covers and caps inside a program: one side per cover, two per cap."""

    def __init__(self, trades: TradeVariables, e: Exposures, forms: Sequence[SideForm], slack: bool = False) -> None:
        import cvxpy as cp

        amounts = [cp.Variable(nonneg=True) if slack else None for _ in forms]
        self._parts = [_bound(form, trades, e, amount) for form, amount in zip(forms, amounts, strict=True)]
        self.constraints: list[cp.Constraint] = [row for part in self._parts for row in part.constraints]
        self.auxiliary: list[cp.Constraint] = [row for one in self._encodings for row in one.constraints]
        if slack and amounts:
            self.slack_cost = cp.sum(cp.hstack(amounts))

    def update(self, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None:
        """Load new data."""
        for part in self._parts:
            part.update(e, scale, tighten)

    def respecify(self, other: BoundConstraint) -> bool:
        """Where it has the same covers and caps of the same accounts."""
        if not isinstance(other, BoundSides) or [part.form.name for part in self._parts] != [
            part.form.name for part in other._parts
        ]:
            return False
        for mine, theirs in zip(self._parts, other._parts, strict=True):
            mine.form = theirs.form
            for one, two in zip(mine.bound, theirs.bound, strict=True):
                one.rule(two)
        return True

    def refine(self, e: Exposures, x: np.ndarray, scale: np.ndarray) -> bool:
        """Sharpen the requirements' approximations around trades x; see :meth:`BoundEncoding.refine`."""
        changed = [one.refine(e, x, scale) for one in self._encodings]  # every one, not only until the first
        return any(changed)

    def anchor(self, e: Exposures, x: np.ndarray) -> bool:
        """Make the requirements exact at trades x; see :meth:`BoundEncoding.anchor`."""
        changed = [one.anchor(e, x) for one in self._encodings]
        return any(changed)

    def forget(self, tight: bool = False) -> None:
        """Back to the start; see :meth:`BoundEncoding.forget`."""
        for one in self._encodings:
            one.forget(tight)

    def domain(self, e: Exposures) -> np.ndarray:
        """(N,) sizes of position up to which the requirements hold; see :meth:`BoundEncoding.domain`."""
        return np.min([np.full(e.n_candidates, np.inf), *(one.domain(e) for one in self._encodings)], axis=0)

    def near(self, e: Exposures) -> set[int]:
        """Accounts whose requirement binds and is encoded around the answer; see :meth:`BoundEncoding.local`."""
        tight = [part for part in self._parts if any(_price(row) > _TIGHT for row in part.constraints)]
        return {one.account for part in tight for one in part.bound if one.local(e)}

    def jumping(self, e: Exposures) -> set[int]:
        """Accounts whose requirements jump within the trade limits; see :meth:`BoundEncoding.jumps`."""
        return {one.account for one in self._encodings if one.jumps(e)}

    @property
    def _encodings(self) -> list[BoundEncoding]:
        return [one for part in self._parts for one in part.bound]

    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]:
        """Requirement against equity per cover, delta against threshold per cap; duals per USD."""
        return [side for part in self._parts for side in part.sides(e, x)]

    def put_duals(self, e: Exposures, duals: np.ndarray) -> None:
        """Set the shadow prices, per USD."""
        units = [part.unit(e) for part in self._parts for _ in part.constraints]
        super().put_duals(e, duals * np.array(units))

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        """Sum of dual times a lower bound of each side's violation."""
        total = Separable(np.zeros(e.n_candidates))
        for part in self._parts:
            total += part.minorant(e, x)
        return total


_TIGHT = 1e-9
"""Shadow price, objective per USD, below which a requirement plays no part in a bound."""


def _price(row: cp.Constraint) -> float:
    return 0.0 if row.dual_value is None else float(np.max(row.dual_value))


class _Part(ABC):
    """One form inside a program: its inequalities, and the requirements in them."""

    form: Any
    constraints: list[cp.Constraint]
    bound: Sequence[BoundEncoding] = ()

    @abstractmethod
    def update(self, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None: ...

    @abstractmethod
    def unit(self, e: Exposures) -> float:
        """USD that one unit of the inequalities stands for."""

    @abstractmethod
    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]: ...

    @abstractmethod
    def minorant(self, e: Exposures, x: np.ndarray) -> Separable: ...


def _bound(form: SideForm, trades: TradeVariables, e: Exposures, amount: cp.Variable | None) -> _Part:
    return _BoundCover(form, trades, e, amount) if isinstance(form, Cover) else _BoundCap(form, trades, e, amount)


class _BoundCover(_Part):
    def __init__(self, form: Cover, trades: TradeVariables, e: Exposures, amount: cp.Variable | None) -> None:
        import cvxpy as cp

        self.form, self._touching = form, form.touching(e)
        at, n = self._touching, len(self._touching)
        self.bound = [
            BoundEncoding(trades, e, c, lambda e, c=c: form.encoding(e, c))  # type: ignore[misc]
            for c in form.accounts
        ]
        self._gain, self._limit = cp.Parameter(max(n, 1)), cp.Parameter()
        self._buy, self._sell = cp.Parameter(max(n, 1), nonneg=True), cp.Parameter(max(n, 1), nonneg=True)
        need = sum((one.expression for one in self.bound), start=cp.Constant(0.0))
        if n:
            need = need + self._buy @ trades.buy[at] + self._sell @ trades.sell[at] - self._gain @ trades.net[at]
        self._fills = trades.fills if n else None
        if self._fills is not None:
            self._depth = cp.Parameter(self._fills.n_weights, nonneg=True)
            need = need + self._fills.of(self._depth)
        self._eased_by = None if amount is None else cp.Parameter(nonneg=True)
        self.constraints = [(need if self._eased_by is None else need - self._eased_by * amount) <= self._limit]

    def update(self, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None:
        # rows stay in USD like the variables of the requirement: divided by equity, a trade's entries would be so much
        # smaller than theirs that solvers drop them (HiGHS below 1e-9 of the largest) and overshoot the limit
        at, share = self._touching, self.form.share
        for one in self.bound:
            one.update(e, scale)
        buy, sell = self.form.costs(e)
        if len(at):
            put(self._gain, share * self.form.effect(e)[at] * scale[at])
            put(self._buy, share * buy[at] * scale[at])
            put(self._sell, share * sell[at] * scale[at])
        if self._fills is not None and e.depth is not None:
            put(self._depth, share * self._fills.weights(e.depth, self.form.pays(e)))
        put(self._limit, self.form.limit(e) - tighten.get(self.form.name, 0.0))
        if self._eased_by is not None:
            put(self._eased_by, max(1.0, abs(self.form.start(e)), float(sum(abs(e.equity[c]) for c in self.form.accounts))))

    def unit(self, e: Exposures) -> float:
        return 1.0

    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]:
        form = self.form
        dual = shadow_price(self.constraints[0])
        return [Side(form.name, form.unit, self._value(e, x), form.limit(e), 1, dual, self._summed(e, x))]

    def _value(self, e: Exposures, x: np.ndarray) -> float:
        buy, sell = self.form.costs(e)
        cost = float(buy @ np.maximum(x, 0.0) + sell @ np.maximum(-x, 0.0))
        cost += 0.0 if e.depth is None else float(e.depth.extra(x)[self.form.pays(e)].sum())
        need = sum(one.evaluate(e, x) for one in self.bound)
        return need + self.form.share * (cost - float(self.form.effect(e) @ x))

    def _summed(self, e: Exposures, x: np.ndarray) -> float:
        """Sum of the magnitudes behind value and limit, USD."""
        buy, sell = self.form.costs(e)
        moved = np.maximum(buy, sell) + np.abs(self.form.effect(e))
        need = sum(one.size(e, x) for one in self.bound)
        return need + self.form.share * float(moved @ np.abs(x)) + self.form.start_size(e)

    def minorant(self, e: Exposures, x: np.ndarray) -> Separable:
        dual, n = shadow_price(self.constraints[0]), e.n_candidates
        if dual <= 0.0:
            return Separable(np.zeros(n))
        buy, sell = self.form.costs(e)
        share = self.form.share
        both = share * (buy + sell)
        total = Separable(share * (-sell - self.form.effect(e)), 0.0, both[None, :], np.zeros((1, n)), both)
        if e.depth is not None:
            total += e.depth.minorant(x, share * self.form.pays(e))
        for one in self.bound:
            total += one.minorant(e, x)
        return (total + Separable(np.zeros(n), -self.form.limit(e))).scaled(dual)


class _BoundCap(_Part):
    def __init__(self, form: DeltaCap, trades: TradeVariables, e: Exposures, amount: cp.Variable | None) -> None:
        import cvxpy as cp

        self.form = form
        self._row, self._start, self._limit = cp.Parameter(e.n_candidates), cp.Parameter(), cp.Parameter()
        value = self._row @ trades.net + self._start
        eased: cp.Expression | float = 0.0 if amount is None else amount
        self.constraints = [value - eased <= self._limit, -value - eased <= self._limit]

    def update(self, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None:
        row, start, limit = self.form.row(e)
        inwards = max(tighten.get(name, 0.0) for name in (self.form.name, f"{self.form.name} short"))
        put(self._row, row * scale / limit)
        put(self._start, start / limit)
        put(self._limit, 1.0 - inwards / limit)

    def unit(self, e: Exposures) -> float:
        return self.form.row(e)[2]

    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]:
        form, (row, start, limit) = self.form, self.form.row(e)
        value, size = float(row @ x) + start, float(np.abs(row) @ np.abs(x)) + abs(start)
        upper, lower = (shadow_price(line) / limit for line in self.constraints)
        return [
            Side(form.name, form.unit, value, limit, 1, upper, size),
            Side(f"{form.name} short", form.unit, value, -limit, -1, lower, size),
        ]

    def minorant(self, e: Exposures, x: np.ndarray) -> Separable:
        row, start, limit = self.form.row(e)
        upper, lower = (shadow_price(line) / limit for line in self.constraints)
        return Separable((upper - lower) * row, (upper - lower) * start - (upper + lower) * limit)
