"""A bound on any term: Greek bands, leverage, margin, cost budget, CVaR budget, stress-loss limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hedgeopt.constraints.constraint import BoundConstraint, Constraint, PlainSide, Side, shadow_price
from hedgeopt.constraints.margin_utilisation import MarginUtilisation
from hedgeopt.constraints.rows import BoundRows, Row, band
from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, Square, TradeVariables, put
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import Term
from hedgeopt.models.terms import AnyTerm

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["Limit", "paired"]

_MOST_BYTES = 4e9


class Limit(Constraint):
    """``lower <= term <= upper``, either side optional; only affine terms may have a lower limit.

    Written ``Delta("BTC").within(-1, 1)``, ``CVaR(0.99) <= 250_000``, ``Gamma("BTC") >= 0``. ``Margin("deribit") <= 0.6``
    is ``MarginUtilisation(venue="deribit", limit=0.6)``: requirement against equity after trades, transfers and costs.
    """

    source: ClassVar[str] = "the term's own"

    kind: Literal["limit"] = "limit"
    term: AnyTerm = Field(description="the term that is bounded")
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
        if self.term.requirement_of is not None and self.upper is not None and self.upper <= 0:
            raise ValueError(f"the limit on {self.term.name} is a share of equity: it must be above 0, not {self.upper:g}")
        return self

    @property
    def name(self) -> str:
        """The term's name."""
        return str(self.term.name)

    @property
    def by_candidate(self) -> bool:
        """As the term."""
        return bool(self.term.by_candidate)

    @property
    def reads_stress(self) -> bool:
        """As the term."""
        return bool(self.term.reads_stress)

    def terms(self) -> tuple[Term, ...]:
        """The one term."""
        return (self.term,)

    def margin_utilisation(self) -> MarginUtilisation | None:
        """The constraint that a limit on margin stands for: a ratio to equity after trades is not convex, this is."""
        of = self.term.requirement_of
        if of is None or self.upper is None:
            return None
        where: dict[str, Any] = {"venue": of.venue, "account": of.account, "of": of.of}
        return MarginUtilisation(**where, requirement=of.requirement, limit=self.upper)

    def plain_sides(self, e: Exposures, x: np.ndarray, *, everywhere: bool = False) -> list[PlainSide]:
        """That of the margin utilisation it stands for, or the term's parts summed once more."""
        margin = self.margin_utilisation()
        if margin is not None:
            return margin.plain_sides(e, x, everywhere=everywhere)
        parts = self.term.plain_parts(e, x)
        if parts is None:
            return []
        value, size = float(np.sum(parts)), float(np.abs(parts).sum())
        bounds = [(limit, sign) for limit, sign in ((self.upper, 1), (self.lower, -1)) if limit is not None]
        return [PlainSide(Side(self.name, self.term.unit, value, limit, sign), size) for limit, sign in bounds]

    def merged(self, other: Constraint) -> Constraint | None:
        """A band of a limit from below and one from above on the same term.

        A band knows both its sides: one without width is moved where rounding overshoots it, and never closed.
        """
        if not isinstance(other, Limit) or self.term != other.term:
            return None
        one, two = (self, other) if self.upper is None else (other, self)
        if one.lower is None or two.upper is None or one.upper is not None or two.lower is not None:
            return None
        return Limit(term=self.term, lower=one.lower, upper=two.upper) if one.lower <= two.upper else None

    def bind(
        self, trades: TradeVariables, e: Exposures, term: Callable[[Term], BoundTerm], *, slack: bool = False
    ) -> BoundConstraint:
        """A row per side of an affine term, one convex inequality of any other; one per account for margin."""
        margin = self.margin_utilisation()
        if margin is not None:
            return margin.bind(trades, e, term, slack=slack)
        self._refuse_size(e)
        bound = term(self.term)
        if bound.affine(e) is not None:
            return BoundRows(partial(self._rows, bound), trades, e, slack=slack)
        return BoundUpper(self, bound, slack=slack)

    def _refuse_size(self, e: Exposures) -> None:
        """A limit on a square is a cone with one parameter per row and candidate, which cvxpy takes apart whole."""
        n = e.n_candidates
        needed = 8.0 * 2.3 * n * n * min(len(e.base_pnl), n + 1) if self.term.curved else 0.0
        if needed > _MOST_BYTES:
            raise InputError(
                f"a limit on {self.term.name} over {n:,} candidates takes some {needed / 1e9:,.0f} GB of memory",
                file="policy",
                field="subject_to",
                fix="narrow [candidates], take fewer scenarios than candidates, minimise it instead, or limit cvar",
            )

    def _rows(self, bound: BoundTerm, e: Exposures) -> list[Row]:
        """The lower side, then the upper one."""
        found = bound.affine(e)
        assert found is not None
        if self.lower is not None and self.upper is not None:
            sides = self.lower, self.upper
            return band(self.name, self.term.unit, found.slope, *sides, start=found.constant, size=found.size)
        limit, sign = (self.lower, -1) if self.lower is not None else (self.upper, 1)
        assert limit is not None
        eased = abs(limit)
        return [Row(self.name, self.term.unit, found.slope, limit, sign, found.constant, found.size, eased=eased)]


def paired(limits: Sequence[Constraint]) -> list[Constraint]:
    """The limits, where two that :meth:`~Constraint.merged` makes one of are one, at the place of the first."""
    found: list[Constraint] = []
    for limit in limits:
        for k, other in enumerate(found):
            both = limit.merged(other)
            if both is not None:
                found[k] = both
                break
        else:
            found.append(limit)
    return found


class BoundUpper(BoundConstraint):
    """``term <= upper`` of a convex term inside a program."""

    def __init__(self, spec: Limit, term: BoundTerm, *, slack: bool) -> None:
        import cvxpy as cp

        self.spec, self.term = spec, term
        self._limit, self._unit = cp.Parameter(), cp.Parameter(nonneg=True)
        eased: cp.Expression | float = 0.0
        if slack:
            amount = cp.Variable(nonneg=True)
            eased, self.slack_cost = self._unit * amount, amount
        self.constraints = [term.expression - eased <= self._limit]

    def respecify(self, other: BoundConstraint) -> bool:
        """Where it is on the same term."""
        if not isinstance(other, BoundUpper) or other.term is not self.term:
            return False
        self.spec = other.spec
        return True

    @property
    def upper(self) -> float:
        """The limit, in the term's unit."""
        assert self.spec.upper is not None
        return self.spec.upper

    def update(self, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None:
        """Set the limit; the term's own parameters are set by the program, once per term."""
        put(self._limit, self.upper - tighten.get(self.spec.name, 0.0))
        put(self._unit, max(1e-6, abs(self.upper)))

    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]:
        """The term's value against the limit."""
        value, size = self.term.evaluate(e, x), self.term.size(e, x)
        return [Side(self.spec.name, self.spec.term.unit, value, self.upper, 1, shadow_price(self.constraints[0]), size)]

    def square(self, e: Exposures) -> Square | None:
        """As the term."""
        return self.term.square(e)

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        """``dual * (term - upper)``."""
        dual, zero = shadow_price(self.constraints[0]), np.zeros(e.n_candidates)
        if dual <= 0.0:
            return Separable(zero)
        return (self.term.minorant(e, x, tails) + Separable(zero, -self.upper)).scaled(dual)
