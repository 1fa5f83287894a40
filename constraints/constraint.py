"""What a constraint is: a spec in the policy's words, and its form inside a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from hedgeopt.files.record import Record
from hedgeopt.models.algebra import Word
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import BoundTerm, Term, TradeVariables

if TYPE_CHECKING:
    from collections.abc import Callable

    import cvxpy as cp

__all__ = ["BoundConstraint", "BoxConstraint", "Constraint", "Side", "shadow_price"]


@dataclass(frozen=True)
class Side:
    """One inequality of a constraint, ``value <= limit`` (``sign`` 1) or ``value >= limit`` (``sign`` -1).

    ``dual`` is the shadow price, non-negative: USD of objective saved per unit by which the limit is eased. ``size`` is the
    sum of the magnitudes of all that value and limit are summed from, in their unit: what rounding is judged by.
    ``sizing`` marks the size limit of one instrument, of which there may be hundreds: reports list it only where it binds.
    """

    name: str
    unit: str
    value: float
    limit: float
    sign: int
    dual: float = 0.0
    size: float = 0.0
    sizing: bool = False

    @property
    def violation(self) -> float:
        """How far the limit is exceeded, in its unit; 0 or less when it holds."""
        return self.sign * (self.value - self.limit)


class BoundConstraint(Protocol):
    """A constraint inside a compiled program."""

    @property
    def constraints(self) -> Sequence[cp.Constraint]:
        """cvxpy constraints, DPP in their parameters; each dual is named by the matching entry of ``sides``."""
        ...

    def update(self, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None:
        """Set the parameters; ``tighten`` moves the named side's limit inwards by an amount in its unit."""
        ...

    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]:
        """Values and limits in plain numpy at trades x, with the last solve's duals, in the order of ``constraints``."""
        ...

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        """A function nowhere above ``sum over sides of dual * violation``."""
        ...


class Constraint(Word, Record):
    """Base of all constraints; ``unit`` and ``source`` document the limit."""

    source: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """Short name for reports and duals."""
        raise NotImplementedError

    def bind(
        self, trades: TradeVariables, e: Exposures, term: Callable[[Term], BoundTerm], *, slack: bool = False
    ) -> BoundConstraint:
        """Its cvxpy form. ``term`` binds a term once per program; with ``slack`` each side may be exceeded at a price."""
        raise NotImplementedError


class BoxConstraint(Word, Record):
    """A limit on sizes: the program takes the tightest box of all such limits, for each account alone.

    Where several accounts trade or hold one instrument, ``largest_trade`` and ``largest_position`` limit all of them.

    ``box`` returns ``(lower, upper)`` (N,) with ``lower <= 0 <= upper`` wherever the present position allows it.
    """

    unit: ClassVar[str]
    source: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """Short name for reports and duals."""
        raise NotImplementedError

    def box(self, e: Exposures) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest trade (N,) in each candidate, in its quantity unit; infinite where this limit is silent."""
        raise NotImplementedError

    def largest_trade(self, e: Exposures) -> np.ndarray:
        """(N,) largest gross trade in each candidate's instrument over all accounts; infinite where there is none."""
        return np.full(e.n_candidates, np.inf)

    def largest_position(self, e: Exposures) -> np.ndarray:
        """(N,) largest gross position in each candidate's instrument over all accounts; infinite where there is none."""
        return np.full(e.n_candidates, np.inf)


def shadow_price(row: cp.Constraint) -> float:
    """The multiplier of a row, non-negative; where there is none, or no finite number, nought: bounds stay true."""
    value = 0.0 if row.dual_value is None else float(np.sum(row.dual_value))
    return max(value, 0.0) if np.isfinite(value) else 0.0
