"""What margin limits share: an account's requirement against its equity after trades, transfers and their costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hedgeopt.constraints.constraint import Side, shadow_price
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.margin.bind import BoundEncoding
from hedgeopt.models.margin.effects import account_cost, account_size, candidates_of, equity_effect
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import TradeVariables, put

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["BoundSides", "Cover", "DeltaCap", "SideForm", "Withdrawal"]


@dataclass(frozen=True)
class Cover:
    """``requirement + share * (cost - change of equity) <= share * equity - buffer``, summed over ``accounts``.

    ``stress`` is a stress index or None for now; the side's value and limit are in USD.
    """

    name: str
    accounts: tuple[int, ...]
    encoding: Callable[[Exposures, int], Encoding]
    stress: int | None
    share: float = 1.0
    buffer: float = 0.0
    unit: str = "USD"
    sign: int = 1

    def start(self, e: Exposures) -> float:
        """Equity before trading, USD."""
        total = sum(float(e.equity[c]) for c in self.accounts)
        if self.stress is not None:
            total += sum(float(e.stress_account_pnl[self.stress, c]) for c in self.accounts)
        return total

    def limit(self, e: Exposures) -> float:
        """The right-hand side."""
        return self.share * self.start(e) - self.buffer

    def effect(self, e: Exposures) -> np.ndarray:
        """(N,) change of equity per unit, before costs."""
        return np.asarray(sum(equity_effect(e, c, self.stress) for c in self.accounts))

    def costs(self, e: Exposures) -> tuple[np.ndarray, np.ndarray]:
        """(N,) USD per unit bought and sold."""
        pairs = [account_cost(e, c) for c in self.accounts]
        return np.asarray(sum(buy for buy, _ in pairs)), np.asarray(sum(sell for _, sell in pairs))

    def start_size(self, e: Exposures) -> float:
        """USD magnitude of what equity before trading is summed from."""
        total = sum(account_size(e, c) for c in self.accounts)
        if self.stress is not None:
            total += sum(abs(float(e.stress_account_pnl[self.stress, c])) for c in self.accounts)
        return self.share * total + self.buffer

    def touching(self, e: Exposures) -> np.ndarray:
        """Candidates that change requirement or equity."""
        return np.unique(np.concatenate([candidates_of(e, c) for c in self.accounts]))


@dataclass(frozen=True)
class Withdrawal(Cover):
    """Initial margin after what leaves; an account that is short already may stay as short, and no shorter."""

    def limit(self, e: Exposures) -> float:
        """Equity, or today's requirement where that is more."""
        held = {c: e.rows.quantity[e.margins.rows[c]] for c in self.accounts}
        need = sum(self.encoding(e, c).at(held[c])(held[c], e.collateral[c]) for c in self.accounts)
        return max(super().limit(e), need)


@dataclass(frozen=True)
class DeltaCap:
    """``|delta| <= limit`` in USD on the net delta of an account, up to which its delta shock is convex.

    An account that is beyond it already is not made to trade: it may not go further.
    """

    name: str
    account: int
    number: int
    stress: int | None
    unit: str = "USD"

    def row(self, e: Exposures) -> tuple[np.ndarray, float, float]:
        """(N,) coefficients, value without trades, and the limit."""
        cap = e.margins.encoding(self.account, "maintenance", self.stress).caps[self.number]
        rows = e.margins.rows[self.account]
        per_row = np.zeros(len(e.rows))
        per_row[rows] = cap.row[: len(rows)]
        start = float(per_row @ e.rows.quantity)
        return per_row[e.candidate], start, max(cap.limit, abs(start))


SideForm = Cover | DeltaCap


@dataclass
class _BoundCover:
    form: Cover
    touching: np.ndarray
    bound: list[BoundEncoding]
    gain: cp.Parameter
    buy: cp.Parameter
    sell: cp.Parameter
    limit: cp.Parameter
    eased_by: cp.Parameter | None = None

    def update(self, e: Exposures, scale: np.ndarray, tighten: float) -> None:
        # rows stay in USD like the variables of the requirement: divided by equity, a trade's entries would be so much
        # smaller than theirs that solvers drop them (HiGHS below 1e-9 of the largest) and overshoot the limit
        at, share = self.touching, self.form.share
        for one in self.bound:
            one.update(e, scale)
        buy, sell = self.form.costs(e)
        if len(at):
            put(self.gain, share * self.form.effect(e)[at] * scale[at])
            put(self.buy, share * buy[at] * scale[at])
            put(self.sell, share * sell[at] * scale[at])
        put(self.limit, self.form.limit(e) - tighten)
        if self.eased_by is not None:
            put(self.eased_by, self.size(e))

    def size(self, e: Exposures) -> float:
        """USD that one unit of slack stands for."""
        return max(1.0, abs(self.form.start(e)), float(sum(abs(e.equity[c]) for c in self.form.accounts)))

    def value(self, e: Exposures, x: np.ndarray) -> float:
        buy, sell = self.form.costs(e)
        cost = float(buy @ np.maximum(x, 0.0) + sell @ np.maximum(-x, 0.0))
        need = sum(one.evaluate(e, x) for one in self.bound)
        return need + self.form.share * (cost - float(self.form.effect(e) @ x))

    def summed(self, e: Exposures, x: np.ndarray) -> float:
        """Sum of the magnitudes of what value and limit are summed from, USD."""
        buy, sell = self.form.costs(e)
        moved = np.maximum(buy, sell) + np.abs(self.form.effect(e))
        need = sum(one.size(e, x) for one in self.bound)
        return need + self.form.share * float(moved @ np.abs(x)) + self.form.start_size(e)

    def minorant(self, e: Exposures, x: np.ndarray) -> Separable:
        buy, sell = self.form.costs(e)
        share = self.form.share
        both = share * (buy + sell)
        total = Separable(share * (-sell - self.form.effect(e)), 0.0, both[None, :], np.zeros((1, len(buy))), both)
        for one in self.bound:
            total += one.minorant(e, x)
        return total


@dataclass
class _BoundCap:
    form: DeltaCap
    row: cp.Parameter
    start: cp.Parameter
    limit: cp.Parameter

    def update(self, e: Exposures, scale: np.ndarray, tighten: float) -> None:
        row, start, limit = self.form.row(e)
        put(self.row, row * scale / limit)
        put(self.start, start / limit)
        put(self.limit, 1.0 - tighten / limit)


@dataclass
class BoundSides:
    """Several covers and caps inside a program, one named side each.

    Attributes
    ----------
    constraints
        One inequality per side (two per cap), in the order of :meth:`sides`.
    auxiliary
        cvxpy constraints that define the requirements' own variables.
    """

    trades: TradeVariables
    e: Exposures
    forms: Sequence[SideForm]
    slack: bool = False
    constraints: list[cp.Constraint] = field(default_factory=list)
    auxiliary: list[cp.Constraint] = field(default_factory=list)
    slacks: list[cp.Variable] = field(default_factory=list)
    slack_cost: cp.Expression | None = None

    def __post_init__(self) -> None:
        import cvxpy as cp

        self._parts: list[_BoundCover | _BoundCap] = []
        for form in self.forms:
            amount = cp.Variable(nonneg=True) if self.slack else None
            if amount is not None:
                self.slacks.append(amount)
            self._parts.append(self._cover(form, amount) if isinstance(form, Cover) else self._cap(form, amount))
        if self.slack:
            self.slack_cost = cp.sum(cp.hstack(self.slacks)) if self.slacks else cp.Constant(0.0)

    def _cover(self, form: Cover, amount: cp.Variable | None) -> _BoundCover:
        import cvxpy as cp

        at = form.touching(self.e)
        n = len(at)
        bound = [
            BoundEncoding(self.trades, self.e, c, lambda e, c=c: form.encoding(e, c))  # type: ignore[misc]
            for c in form.accounts
        ]
        gain, buy, sell = cp.Parameter(max(n, 1)), cp.Parameter(max(n, 1), nonneg=True), cp.Parameter(max(n, 1), nonneg=True)
        limit = cp.Parameter()
        need = sum((one.expression for one in bound), start=cp.Constant(0.0))
        if n:
            need = need + buy @ self.trades.buy[at] + sell @ self.trades.sell[at] - gain @ self.trades.net[at]
        eased_by = None if amount is None else cp.Parameter(nonneg=True)
        self.constraints.append((need if eased_by is None else need - eased_by * amount) <= limit)
        self.auxiliary += [row for one in bound for row in one.constraints]
        return _BoundCover(form, at, bound, gain, buy, sell, limit, eased_by)

    def _cap(self, form: DeltaCap, amount: cp.Variable | None) -> _BoundCap:
        import cvxpy as cp

        row, start, limit = cp.Parameter(self.e.n_candidates), cp.Parameter(), cp.Parameter()
        value = row @ self.trades.net + start
        ease: cp.Expression | float = 0.0 if amount is None else amount
        self.constraints += [value - ease <= limit, -value - ease <= limit]
        return _BoundCap(form, row, start, limit)

    def update(self, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None:
        """Load new data."""
        for part in self._parts:
            amount = max(tighten.get(part.form.name, 0.0), tighten.get(f"{part.form.name} short", 0.0))
            part.update(e, scale, amount)

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

    def jumping(self, e: Exposures) -> set[int]:
        """Accounts whose requirements jump within the trade limits; see :meth:`BoundEncoding.jumps`."""
        return {one.account for one in self._encodings if one.jumps(e)}

    @property
    def _encodings(self) -> list[BoundEncoding]:
        return [one for part in self._parts if isinstance(part, _BoundCover) for one in part.bound]

    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]:
        """Requirement against equity per cover, delta against threshold per cap; duals per USD."""
        found: list[Side] = []
        rows = iter(self.constraints)
        for part in self._parts:
            form = part.form
            if isinstance(part, _BoundCover):
                dual = shadow_price(next(rows))
                found.append(Side(form.name, form.unit, part.value(e, x), part.form.limit(e), 1, dual, part.summed(e, x)))
            else:
                row, start, limit = part.form.row(e)
                value, size = float(row @ x) + start, float(np.abs(row) @ np.abs(x)) + abs(start)
                found.append(Side(form.name, form.unit, value, limit, 1, shadow_price(next(rows)) / limit, size))
                found.append(
                    Side(f"{form.name} short", form.unit, value, -limit, -1, shadow_price(next(rows)) / limit, size)
                )
        return found

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        """Sum of dual times a lower bound of each side's violation."""
        n = e.n_candidates
        total = Separable(np.zeros(n))
        rows = iter(self.constraints)
        for part in self._parts:
            if isinstance(part, _BoundCover):
                dual = shadow_price(next(rows))
                if dual > 0:
                    total += (part.minorant(e, x) + Separable(np.zeros(n), -part.form.limit(e))).scaled(dual)
            else:
                row, start, limit = part.form.row(e)
                upper, lower = shadow_price(next(rows)) / limit, shadow_price(next(rows)) / limit
                total += Separable((upper - lower) * row, (upper - lower) * start - (upper + lower) * limit)
        return total
