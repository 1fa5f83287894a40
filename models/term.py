"""Terms: what a policy may minimise or limit, and the algebra that combines them.

A *spec* (:class:`Term`, a frozen pydantic model) states the meaning, in the policy's words, and goes to and from TOML and
JSON. Bound to a program it becomes a :class:`~hedgeopt.models.bound.BoundTerm`: a cvxpy expression of the trades with its
parameters, and the same function in plain numpy, from which certificates are computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_class
from hedgeopt.files.notebook import shortened
from hedgeopt.files.own_kinds import OwnKinds
from hedgeopt.files.record import Record
from hedgeopt.models.algebra import Word, finite_number, is_number
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables

if TYPE_CHECKING:
    from hedgeopt.constraints.limit import Limit

__all__ = ["OWN_TERMS", "Objective", "RequirementOf", "Term", "Weighted", "weighted_name"]

OWN_TERMS = OwnKinds("term")
"""Terms that users define: a subclass of :class:`Term` with a ``kind`` is known as soon as it is defined."""


@dataclass(frozen=True)
class RequirementOf:
    """Whose margin a term is: the ``requirement`` of a venue's accounts, of the one named, or of those that ``of`` names."""

    venue: str | None
    account: str | None
    requirement: Literal["initial", "maintenance"]
    of: tuple[str, ...] = ()


class Term(Word, Record):
    """Base of all terms, and everything that the code may ask of one.

    ``term <= u``, ``term >= l`` and ``term == v`` (affine terms) with a number are limits, whichever side the number is
    on; ``term == other`` is whether two terms are the same. Nothing else compares, and a term has no truth value.

    Attributes
    ----------
    unit
        Unit of its value.
    affine
        Whether the value is affine in the trades: such terms may be limited from below as well, and their bound form
        gives :meth:`~hedgeopt.models.bound.BoundTerm.affine`.
    source
        Where the formula is published.
    by_candidate
        Whether the bound form is nothing but parameters of which each has a shape of candidates, assets, accounts and
        scenarios alone: a program of it is compiled once and serves other moments, whichever candidates, rows (positions),
        instruments and expiries they hold. False, which always works and makes backtests slower, where it is built from
        any of these.
    tail
        Whether the value is an average over the worst scenarios, which the tail solver is for.
    curved
        Whether the value is a square of the trades.
    reads_stress
        Whether the value reads named stress scenarios.
    """

    unit: ClassVar[str]
    affine: ClassVar[bool] = False
    source: ClassVar[str] = ""
    by_candidate: ClassVar[bool] = False
    tail: ClassVar[bool] = False
    curved: ClassVar[bool] = False
    reads_stress: ClassVar[bool] = False

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        OWN_TERMS.define(cls)

    @property
    def name(self) -> str:
        """Short name for reports and duals, such as ``delta BTC``."""
        raise NotImplementedError

    def bind(self, trades: TradeVariables, e: Exposures) -> BoundTerm:
        """The cvxpy expression and numpy evaluation of this term for exposures shaped like ``e``."""
        raise NotImplementedError

    @property
    def requirement_of(self) -> RequirementOf | None:
        """Whose margin this term is; None for everything else.

        A limit on margin is a ``margin_utilisation``, and programs that minimise margin keep the accounts where their rule
        is convex.
        """
        return None

    def plain(self, e: Exposures, x: np.ndarray) -> float | None:
        """The value at trades x (N,) by a venue's own rule, where the bound form only encodes that; None elsewhere."""
        return None

    def plain_parts(self, e: Exposures, x: np.ndarray) -> np.ndarray | None:
        """What the value at trades x (N,) adds up from, for a second sum that shares nothing with the bound form.

        None where the certificate has nothing to add to the bound form's own evaluation.
        """
        return None

    def __mul__(self, weight: float) -> Objective:
        return Objective((Weighted(weight=finite_number(weight, f"the weight of {self.name}"), term=self),))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Objective:
        return self * (1.0 / _divisor(divisor))

    def __neg__(self) -> Objective:
        return self * -1.0

    def __add__(self, other: Term | Objective) -> Objective:
        return self * 1.0 + other

    def __radd__(self, other: float) -> Objective:
        return _sum_from(other, self * 1.0)

    def __sub__(self, other: Term | Objective) -> Objective:
        return self * 1.0 + _objective(other) * -1.0

    def __le__(self, upper: float) -> Limit:
        return self._limit(None, finite_number(upper, f"the limit on {self.name}"))

    def __ge__(self, lower: float) -> Limit:
        return self._limit(finite_number(lower, f"the limit on {self.name}"), None)

    def __eq__(self, other: object) -> Any:
        if not is_number(other):
            return Record.__eq__(self, other)
        value = finite_number(other, f"the limit on {self.name}")
        return self._limit(value, value)

    def __ne__(self, other: object) -> bool:
        if is_number(other):
            self._no_order("!=", other)
        return not Record.__eq__(self, other)

    def within(self, lower: float, upper: float) -> Limit:
        """Limit from both sides (affine terms only)."""
        what = f"the limit on {self.name}"
        return self._limit(finite_number(lower, what), finite_number(upper, what))

    def _no_order(self, sign: str, other: object) -> NoReturn:
        what = "is no convex limit" if sign == "!=" else "is not how limits are written"
        shown = other.called() if isinstance(other, Word) else other
        raise InputError(f"{self.name} {sign} {shown} {what}", file="policy", fix="write <=, >= or .within(lower, upper)")

    def _limit(self, lower: float | None, upper: float | None) -> Limit:
        return _limited(self, lower, upper)


class Weighted(Record):
    """A term and its weight in the objective."""

    weight: float = 1.0
    term: Any


@strict_class
@dataclass(frozen=True)
class Objective(Word):
    """A weighted sum of terms, to be minimised: ``TransactionCost() + 0.5 * CVaR(0.99)``."""

    parts: tuple[Weighted, ...]

    def __repr__(self) -> str:
        return f"Objective({shortened(self.name, 200)})"

    def __add__(self, other: Term | Objective) -> Objective:
        return Objective(self.parts + _objective(other).parts)

    def __radd__(self, other: float) -> Objective:
        return _sum_from(other, self)

    def __sub__(self, other: Term | Objective) -> Objective:
        return self + _objective(other) * -1.0

    def __mul__(self, factor: float) -> Objective:
        by = finite_number(factor, "the weight of a sum of terms")
        return Objective(tuple(Weighted(weight=part.weight * by, term=part.term) for part in self.parts))

    __rmul__ = __mul__

    def __neg__(self) -> Objective:
        return self * -1.0

    def __truediv__(self, divisor: float) -> Objective:
        return self * (1.0 / _divisor(divisor))

    def __le__(self, upper: float) -> Limit:
        return self._limit(None, finite_number(upper, f"the limit on {self.name}"))

    def __ge__(self, lower: float) -> Limit:
        return self._limit(finite_number(lower, f"the limit on {self.name}"), None)

    def __eq__(self, other: object) -> Any:
        if is_number(other):
            value = finite_number(other, f"the limit on {self.name}")
            return self._limit(value, value)
        return isinstance(other, Objective) and self.parts == other.parts

    def __ne__(self, other: object) -> bool:
        if is_number(other):
            self._no_order("!=", other)
        return not (isinstance(other, Objective) and self.parts == other.parts)

    def within(self, lower: float, upper: float) -> Limit:
        """Limit the sum from both sides (affine terms of one unit)."""
        what = f"the limit on {self.name}"
        return self._limit(finite_number(lower, what), finite_number(upper, what))

    @property
    def name(self) -> str:
        """Such as ``delta BTC + 0.8 delta ETH``."""
        return weighted_name([(part.weight, part.term.name) for part in self.parts])

    def _limit(self, lower: float | None, upper: float | None) -> Limit:
        parts = [{"weight": part.weight, "term": part.term} for part in self.parts]
        return _limited({"kind": "sum", "parts": parts}, lower, upper)

    def _no_order(self, sign: str, other: object) -> NoReturn:
        what = "is no convex limit" if sign == "!=" else "is not how limits are written"
        shown = other.called() if isinstance(other, Word) else other
        raise InputError(f"{self.name} {sign} {shown} {what}", file="policy", fix="write <=, >= or .within(lower, upper)")


def weighted_name(parts: Sequence[tuple[float, str]]) -> str:
    """``delta BTC + 0.8 delta ETH``: a sum's name, from weights and names."""
    words = [f"{'-' if weight < 0 else ''}{name}" if abs(weight) == 1.0 else f"{weight:g} {name}" for weight, name in parts]
    return " + ".join(words).replace("+ -", "- ")


def _sum_from(start: object, terms: Objective) -> Objective:
    """``sum([...])`` begins at 0; nothing else but terms adds up."""
    if isinstance(start, int) and not isinstance(start, bool) and start == 0:
        return terms
    raise InputError("only terms add up to an objective", file="policy", field="minimize", value=start)


def _divisor(divisor: float) -> float:
    by = finite_number(divisor, "the divisor of a sum of terms")
    if by == 0.0:
        raise InputError("is 0", file="policy", field="the divisor of a sum of terms", fix="divide by another number")
    return by


def _limited(term: Any, lower: float | None, upper: float | None) -> Limit:
    from hedgeopt.constraints.limit import Limit  # constraints build on models: imported when first compared

    try:
        return Limit(term=term, lower=lower, upper=upper)
    except InputError as error:
        raise InputError(error.problem, file="policy", value=error.value, fix=error.fix) from None


def _objective(value: Term | Objective) -> Objective:
    if not isinstance(value, Term | Objective):
        raise InputError("only terms add up to an objective", file="policy", field="minimize", value=value)
    return value * 1.0
