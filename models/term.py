"""Terms: what a policy may minimise or limit, and the algebra that combines them.

A *spec* (:class:`Term`, a frozen pydantic model) says what is meant, in the policy's words, and goes to and from TOML and
JSON. Bound to a program it becomes a :class:`BoundTerm`: a cvxpy expression of the trades with its parameters, and the same
function in plain numpy, from which certificates are computed.

Trades are scaled inside programs: ``x = scale * net`` with ``net = buy - sell`` in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Protocol

import numpy as np
from pydantic import ValidationError

from hedgeopt.errors import InputError
from hedgeopt.files.record import Record
from hedgeopt.models.algebra import Word, finite_number, is_number
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.separable import Separable

if TYPE_CHECKING:
    import cvxpy as cp

    from hedgeopt.constraints.limit import Limit

__all__ = ["BoundTerm", "LinearTerm", "Objective", "Term", "TradeVariables", "Weighted", "put"]


def put(parameter: cp.Parameter, value: np.ndarray | float) -> None:
    """Set a parameter without cvxpy's check of shape and sign, which costs more than the value; exposures are checked."""
    parameter.save_value(np.asarray(value, float))


@dataclass(frozen=True)
class TradeVariables:
    """The program's variables, scaled: ``buy`` and ``sell`` (N,) in [0, 1]; ``net = buy - sell``."""

    buy: cp.Variable
    sell: cp.Variable

    @property
    def net(self) -> cp.Expression:
        """(N,) signed scaled trades."""
        return self.buy - self.sell


class BoundTerm(Protocol):
    """A term inside a compiled program."""

    expression: cp.Expression
    """Scalar convex expression of the trades, DPP in its parameters, in the term's unit.

    A term that needs variables of its own lists the cvxpy constraints that define them in ``auxiliary`` (optional).
    """

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        """Set the parameters from new exposures."""
        ...

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        """The same function in plain numpy, at trades x (N,) in natural units."""
        ...

    def size(self, e: Exposures, x: np.ndarray) -> float:
        """Sum of the magnitudes of what the value at x is summed from, in its unit: never below ``abs(evaluate(e, x))``."""
        ...

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        """A function nowhere above this term and (nearly) equal to it at x.

        ``tails`` holds the tail weights (S,) found by the solver for each CVaR atom, by ``id``; they are made feasible
        before use, so a wrong weight loosens the bound but never falsifies it.
        """
        ...


class Term(Word, Record):
    """Base of all terms. ``unit`` is the unit of its value; ``affine`` terms may be limited from below as well.

    ``term <= u``, ``term >= l`` and ``term == v`` (affine terms) with a number are limits, whichever side the number stands
    on; ``term == other`` is whether two terms are the same. Nothing else compares, and a term has no truth value.
    """

    unit: ClassVar[str]
    affine: ClassVar[bool] = False
    source: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """Short name for reports and duals, such as ``delta BTC``."""
        raise NotImplementedError

    def bind(self, trades: TradeVariables, e: Exposures) -> BoundTerm:
        """The cvxpy expression and numpy evaluation of this term for exposures shaped like ``e``."""
        raise NotImplementedError

    def __mul__(self, weight: float) -> Objective:
        return Objective((Weighted(weight=finite_number(weight, f"the weight of {self.name}"), term=self),))

    __rmul__ = __mul__

    def __neg__(self) -> Objective:
        return self * -1.0

    def __add__(self, other: Term | Objective) -> Objective:
        return self * 1.0 + other

    def __sub__(self, other: Term | Objective) -> Objective:
        return self * 1.0 + other * -1.0

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
        from hedgeopt.constraints.limit import Limit  # constraints build on models: imported when first compared
        from hedgeopt.files.reading import validation_line

        try:
            return Limit(term=self, lower=lower, upper=upper)
        except ValidationError as error:
            raise validation_line(error, "policy") from None


class Weighted(Record):
    """A term and its weight in the objective."""

    weight: float = 1.0
    term: Any


@dataclass(frozen=True)
class Objective(Word):
    """A weighted sum of terms, to be minimised: ``TransactionCost() + 0.5 * CVaR(0.99)``."""

    parts: tuple[Weighted, ...]

    def __add__(self, other: Term | Objective) -> Objective:
        return Objective(self.parts + _objective(other).parts)

    __radd__ = __add__

    def __sub__(self, other: Term | Objective) -> Objective:
        return self + _objective(other) * -1.0

    def __mul__(self, factor: float) -> Objective:
        by = finite_number(factor, "the weight of a sum of terms")
        return Objective(tuple(Weighted(weight=part.weight * by, term=part.term) for part in self.parts))

    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        if is_number(other):
            self._no_order("==", other)
        return isinstance(other, Objective) and self.parts == other.parts

    def _no_order(self, sign: str, other: object) -> NoReturn:
        raise InputError(
            f"a sum of terms cannot be compared by {sign}: a limit is on one term",
            file="policy",
            value=other,
            fix="limit each term, and divide the bound instead of multiplying the term",
        )


def _objective(value: Term | Objective) -> Objective:
    if not isinstance(value, Term | Objective):
        raise InputError("only terms add up to an objective", file="policy", field="minimize", value=value)
    return value * 1.0


class LinearTerm:
    """A bound term ``constant(e) + coefficients(e) @ x``.

    Subclasses give :meth:`coefficients` and :meth:`constant`; expression, update, evaluation and minorant follow.
    """

    def __init__(self, trades: TradeVariables, e: Exposures) -> None:
        import cvxpy as cp

        self._slope = cp.Parameter(e.n_candidates)
        self._constant = cp.Parameter()
        self.expression = self._slope @ trades.net + self._constant

    def coefficients(self, e: Exposures) -> np.ndarray:
        """(N,) change per unit traded."""
        raise NotImplementedError

    def constant(self, e: Exposures) -> float:
        """Value without trades."""
        raise NotImplementedError

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        """Set slope and constant."""
        put(self._slope, self.coefficients(e) * scale)
        put(self._constant, self.constant(e))

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        """``constant + coefficients @ x``."""
        return float(self.constant(e) + self.coefficients(e) @ x)

    def constant_size(self, e: Exposures) -> float:
        """Sum of the magnitudes of what the constant is summed from; where subclasses do not say, the constant's own."""
        return abs(float(self.constant(e)))

    def size(self, e: Exposures, x: np.ndarray) -> float:
        """``constant_size + |coefficients| @ |x|``."""
        return self.constant_size(e) + float(np.abs(self.coefficients(e)) @ np.abs(x))

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        """Exact."""
        return Separable(self.coefficients(e), float(self.constant(e)))
