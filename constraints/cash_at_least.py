"""Least cash of an asset over the next days: funding, expiries, unlocks and transfer times counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.constraints.constraint import BoundConstraint, Constraint, Side, shadow_price
from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables, put
from hedgeopt.models.costs.cash import CashLine, cash_line
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import Term

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["CashAtLeast"]


class CashAtLeast(Constraint):
    """``cash(asset, day) >= amount`` on every day from now to ``days``, after trades, transfers and their costs.

    Cash is collateral that is not locked, and what funding, income, expiries, unlocks, known flows and transfers add until
    that day if prices stay as they are (:mod:`hedgeopt.models.costs.cash`). Linear in the trades but for their costs.
    """

    source: ClassVar[str] = "the desk's own limit"

    kind: Literal["cash_at_least"] = "cash_at_least"
    asset: str | None = Field(default=None, description="the asset; none: all dollar assets together, in USD")
    amount: float = Field(default=0.0, allow_inf_nan=False, description="units of the asset; USD of all dollars")
    account: str | None = Field(default=None, description="one account; none: all together")
    days: int = Field(default=7, ge=0, le=366, description="days from now on which it must hold, now included")

    @property
    def name(self) -> str:
        """Such as ``cash USDC main``."""
        return f"cash {self.asset or 'dollars'}" + (f" {self.account}" if self.account else "")

    def line(self, e: Exposures) -> CashLine:
        """The cash that it limits, by day."""
        if self.account is not None and self.account not in e.accounts:
            raise InputError("unknown account", file="policy", field="cash_at_least.account", value=self.account,
                             fix=advice(self.account, e.accounts))  # fmt: skip
        if self.asset is not None and self.asset not in e.assets:
            raise InputError("is no asset of the book or its candidates", file="policy", field="cash_at_least.asset",
                             value=self.asset, fix=advice(self.asset, e.assets))  # fmt: skip
        accounts = range(len(e.accounts)) if self.account is None else [e.accounts.index(self.account)]
        return cash_line(e, tuple(accounts), self.asset, self.days)

    def bind(
        self, trades: TradeVariables, e: Exposures, term: Callable[[Term], BoundTerm], *, slack: bool = False
    ) -> BoundConstraint:
        """One linear inequality per day."""
        return _BoundCash(self, trades, e, slack)


class _BoundCash(BoundConstraint):
    """``amount - start <= slope @ x - costs / price`` by day, divided by a size."""

    def __init__(self, spec: CashAtLeast, trades: TradeVariables, e: Exposures, slack: bool) -> None:
        import cvxpy as cp

        self._spec = spec
        count = spec.days + 1
        self._slope, self._limit = cp.Parameter((count, e.n_candidates)), cp.Parameter(count)
        self._buy, self._sell = cp.Parameter(e.n_candidates, nonneg=True), cp.Parameter(e.n_candidates, nonneg=True)
        cost = self._buy @ trades.buy + self._sell @ trades.sell
        self._fills = trades.fills
        if self._fills is not None:
            self._depth = cp.Parameter(self._fills.n_weights, nonneg=True)
            cost = cost + self._fills.of(self._depth)
        spent = cost - self._slope @ trades.net
        self._ease: cp.Parameter | None = None
        if slack:
            eased, self._ease = cp.Variable(count, nonneg=True), cp.Parameter(nonneg=True)
            spent, self.slack_cost = spent - self._ease * eased, cp.sum(eased)
        self.constraints: list[cp.Constraint] = [spent[k] <= self._limit[k] for k in range(count)]

    def respecify(self, other: BoundConstraint) -> bool:
        """Where it is of as many days."""
        if not isinstance(other, _BoundCash) or other._spec.days != self._spec.days:
            return False
        self._spec = other._spec
        return True

    def _unit(self, line: CashLine) -> float:
        return max(abs(self._spec.amount), line.size, 1e-9)

    def update(self, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None:
        line = self._spec.line(e)
        unit = self._unit(line)
        put(self._slope, line.slope * scale / unit)
        for part, cost in ((self._buy, e.cost_buy), (self._sell, e.cost_sell)):
            put(part, np.where(line.pays, cost, 0.0) * scale / line.price / unit)
        inwards = np.array([tighten.get(self._named(k), 0.0) for k in range(len(line.start))])
        put(self._limit, (line.start - self._spec.amount - inwards) / unit)
        if self._fills is not None and e.depth is not None:
            put(self._depth, self._fills.weights(e.depth, line.pays) / line.price / unit)
        if self._ease is not None:
            put(self._ease, np.array(1.0))

    def _named(self, day: int) -> str:
        return f"{self._spec.name} day {day}"

    def _parts(self, e: Exposures, x: np.ndarray, line: CashLine) -> tuple[np.ndarray, np.ndarray]:
        """(D + 1,) cash at trades x, and the sum of the magnitudes in it."""
        cost = float(np.sum(np.where(line.pays, e.trade_cost(x), 0.0))) / line.price
        return line.start + line.slope @ x - cost, line.size + np.abs(line.slope) @ np.abs(x) + cost

    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]:
        """Cash of every day against the least."""
        line = self._spec.line(e)
        cash, size = self._parts(e, x, line)
        duals = [shadow_price(row) / self._unit(line) for row in self.constraints]
        return [
            Side(self._named(k), line.unit, float(cash[k]), self._spec.amount, -1, dual, float(size[k]))
            for k, dual in enumerate(duals)
        ]

    def put_duals(self, e: Exposures, duals: np.ndarray) -> None:
        """Set the shadow prices, per unit of the asset."""
        super().put_duals(e, duals * self._unit(self._spec.line(e)))

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        """Exact: ``amount - start - slope @ x + costs / price`` times each day's shadow price."""
        total, line = Separable(np.zeros(e.n_candidates)), self._spec.line(e)
        for k, side in enumerate(self.sides(e, x)):
            if side.dual > 0.0:
                buy, sell = (np.where(line.pays, cost, 0.0) * side.dual / line.price for cost in (e.cost_buy, e.cost_sell))
                kinks = np.zeros((1, e.n_candidates))
                slope = -side.dual * line.slope[k] - sell
                total += Separable(slope, side.dual * (self._spec.amount - line.start[k]), (buy + sell)[None, :], kinks)
                if e.depth is not None:
                    total += e.depth.minorant(x, side.dual / line.price * line.pays)
        return total
