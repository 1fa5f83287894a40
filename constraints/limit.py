"""A bound on any term: Greek bands, leverage, margin, cost budget, CVaR budget, stress-loss limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hedgeopt.constraints.constraint import BoundConstraint, Constraint, Side, shadow_price
from hedgeopt.constraints.margin_utilisation import MarginUtilisation
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.margin.term import Margin
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import BoundTerm, Term, TradeVariables, put
from hedgeopt.models.terms import AnyTerm

__all__ = ["Limit", "paired"]


class Limit(Constraint):
    """``lower <= term <= upper``, either side optional; only affine terms may have a lower limit.

    Written ``Delta("BTC").within(-1, 1)``, ``CVaR(0.99) <= 250_000``, ``Gamma("BTC") >= 0``. ``Margin("deribit") <= 0.6``
    is ``MarginUtilisation(venue="deribit", limit=0.6)``: requirement against equity after trades, transfers and costs.
    """

    source: ClassVar[str] = "the term's own"

    kind: Literal["limit"] = "limit"
    term: AnyTerm
    lower: float | None = Field(default=None, allow_inf_nan=False, description="in the term's unit")
    upper: float | None = Field(default=None, allow_inf_nan=False, description="in the term's unit")

    @model_validator(mode="after")
    def _makes_sense(self) -> Limit:
        if self.lower is None and self.upper is None:
            raise ValueError(f"the limit on {self.term.name} has neither lower nor upper")
        if self.lower is not None and not self.term.affine:
            raise ValueError(f"{self.term.name} is convex: a lower limit would not be, give only an upper one")
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ValueError(f"the limit on {self.term.name} has lower {self.lower:g} above upper {self.upper:g}")
        if isinstance(self.term, Margin) and self.upper is not None and self.upper <= 0:
            raise ValueError(f"the limit on {self.term.name} is a share of equity: it must be above 0, not {self.upper:g}")
        return self

    @property
    def name(self) -> str:
        """The term's name."""
        return str(self.term.name)

    def bind(
        self, trades: TradeVariables, e: Exposures, term: Callable[[Term], BoundTerm], *, slack: bool = False
    ) -> BoundConstraint:
        """At most two scalar inequalities; one per account for margin."""
        if isinstance(self.term, Margin):
            return self.margin_utilisation(self.term).bind(trades, e, term, slack=slack)
        return BoundLimit(self, term(self.term), slack=slack)

    def margin_utilisation(self, term: Margin) -> MarginUtilisation:
        """The constraint that a limit on margin stands for: a ratio to equity after trades is not convex, this is."""
        assert self.upper is not None
        return MarginUtilisation(venue=term.venue, account=term.account, requirement=term.requirement, limit=self.upper)


def paired(limits: Sequence[Constraint]) -> list[Constraint]:
    """The limits, where one from below and one from above on the same term become one band, at the place of the first.

    A band knows both its sides: one without width is moved where rounding overshoots it, and never closed.
    """
    found: list[Constraint] = []
    for limit in limits:
        for k, other in enumerate(found):
            if not isinstance(limit, Limit) or not isinstance(other, Limit) or limit.term != other.term:
                continue
            one, two = (limit, other) if limit.upper is None else (other, limit)
            if one.upper is None and two.lower is None and one.lower <= two.upper:  # type: ignore[operator]
                found[k] = Limit(term=limit.term, lower=one.lower, upper=two.upper)
                break
        else:
            found.append(limit)
    return found


class BoundLimit:
    """A limit inside a program; sides are in the order lower, upper."""

    def __init__(self, spec: Limit, term: BoundTerm, *, slack: bool) -> None:
        import cvxpy as cp

        self.spec, self.term = spec, term
        self._limits: dict[int, cp.Parameter] = {}
        self.slacks: list[cp.Variable] = []
        self.slack_cost: cp.Expression | None = None
        self.constraints: list[cp.Constraint] = []
        ease: cp.Expression | float = 0.0
        if slack:
            self._unit = cp.Parameter(nonneg=True)
            amount = cp.Variable(nonneg=True)
            self.slacks.append(amount)
            self.slack_cost = amount
            ease = self._unit * amount
        if spec.lower is not None:
            self._limits[-1] = cp.Parameter()
            self.constraints.append(-term.expression - ease <= -self._limits[-1])
        if spec.upper is not None:
            self._limits[1] = cp.Parameter()
            self.constraints.append(term.expression - ease <= self._limits[1])

    def update(self, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None:
        """Set the limits; the term's own parameters are set by the program, once per term.

        A band too narrow to be tightened on both sides (a zero band above all) is moved instead: away from where the term
        was overshot, so that it never closes.
        """
        limits = {sign: self._limit(sign) - sign * tighten.get(self._name(sign), 0.0) for sign in self._limits}
        if len(limits) == 2 and limits[-1] > limits[1]:
            limits = dict.fromkeys(limits, limits[1] + limits[-1] - 0.5 * (self._limit(1) + self._limit(-1)))
        for sign, parameter in self._limits.items():
            put(parameter, limits[sign])
        if self.slacks:
            self._unit.value = max(1e-6, *(abs(self._limit(sign)) for sign in self._limits))

    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]:
        """Value and limit of each side."""
        value, size = self.term.evaluate(e, x), self.term.size(e, x)
        duals = [shadow_price(c) for c in self.constraints]
        return [
            Side(self._name(sign), self.spec.term.unit, value, self._limit(sign), sign, dual, size)
            for sign, dual in zip(self._limits, duals, strict=True)
        ]

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        """``dual * (term - upper)`` plus ``dual * (lower - term)`` (affine terms only)."""
        own = self.term.minorant(e, x, tails)
        total = Separable(np.zeros(e.n_candidates))
        for side in self.sides(e, x):
            if side.dual > 0 and math.isfinite(side.dual):
                total += own.scaled(side.sign * side.dual)
                total += Separable(np.zeros(e.n_candidates), -side.sign * side.dual * side.limit)
        return total

    def _limit(self, sign: int) -> float:
        limit = self.spec.upper if sign > 0 else self.spec.lower
        assert limit is not None
        return limit

    def _name(self, sign: int) -> str:
        if len(self._limits) == 1:
            return self.spec.name
        return f"{self.spec.name} {'upper' if sign > 0 else 'lower'}"
