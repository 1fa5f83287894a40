"""Base classes of constraints: the policy's spec, and its form inside a program."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hedgeopt.files.own_kinds import OwnKinds
from hedgeopt.files.record import Record
from hedgeopt.models.algebra import Word
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundPart, BoundTerm, TradeVariables
from hedgeopt.models.term import Term

if TYPE_CHECKING:
    from collections.abc import Callable

    import cvxpy as cp

__all__ = [
    "OWN_CONSTRAINTS",
    "BoundConstraint",
    "BoxConstraint",
    "Constraint",
    "LinkNode",
    "PlainSide",
    "Side",
    "shadow_price",
]

OWN_CONSTRAINTS = OwnKinds("constraint")
"""Constraints that users define: a subclass with a ``kind`` is known as soon as it is defined."""

LinkNode = tuple[int, int]
"""An account and an asset that links lead out of."""


@dataclass(frozen=True)
class Side:
    """One inequality of a constraint, ``value <= limit`` (``sign`` 1) or ``value >= limit`` (``sign`` -1).

    ``dual`` is the shadow price, non-negative: USD of objective saved per unit the limit is relaxed. ``size`` is the
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


@dataclass(frozen=True)
class PlainSide:
    """A limit with its value by the plain rule, and ``size``: how much is added up in it, in its unit.

    ``encoded`` says that the program's side of that name only encodes the rule: reports show the value here instead.
    """

    side: Side
    size: float
    encoded: bool = False

    @property
    def excess(self) -> float:
        """Violation relative to the sum of magnitudes; amounts below its rounding count as none."""
        return self.side.violation / max(self.size, abs(self.side.limit), 1e-12)


class BoundConstraint(BoundPart):
    """A constraint inside a compiled program.

    Attributes
    ----------
    constraints
        cvxpy constraints, DPP in their parameters. Mostly each is a number and its dual is that of the side in the same
        place of :meth:`sides`; where one holds many sides, :meth:`put_duals` says how.
    slack_cost
        In a program whose limits may be exceeded at a price: what exceeding them costs, each in a unit of its own. 0: never.
    """

    constraints: Sequence[cp.Constraint]
    slack_cost: cp.Expression | float = 0.0

    @abstractmethod
    def update(self, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None:
        """Set the parameters; ``tighten`` moves the named side's limit inwards by an amount in its unit."""

    @abstractmethod
    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]:
        """Values and limits in plain numpy at trades x, with the last solve's duals, in the order of ``constraints``."""

    def put_duals(self, e: Exposures, duals: np.ndarray) -> None:
        """Set the shadow prices, one per side, in the order of ``constraints``."""
        for row, dual in zip(self.constraints, duals, strict=True):
            row.dual_variables[0].save_value(np.array(float(dual)))

    def respecify(self, other: BoundConstraint) -> bool:
        """Take over the numbers of ``other``, the same limit bound with other ones; False where it has to be bound anew."""
        return False

    def switch(self, off: frozenset[LinkNode]) -> None:
        """Leave out rows that hold only where something of one of the nodes ``off`` leaves."""

    def priced(self) -> set[LinkNode]:
        """Nodes that :meth:`switch` knows and whose rule has a shadow price."""
        return set()


class _Limiting(Word, Record):
    """Base of everything that limits trades; ``source`` documents it."""

    source: ClassVar[str] = ""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        OWN_CONSTRAINTS.define(cls)

    @property
    def name(self) -> str:
        """Short name for reports and duals."""
        raise NotImplementedError

    @property
    def by_candidate(self) -> bool:
        """Whether its form serves other moments, with other candidates, rows and instruments; as of a :class:`Term`."""
        return False

    @property
    def reads_stress(self) -> bool:
        """Whether it reads named stress scenarios."""
        return False

    @property
    def counts(self) -> bool:
        """Whether it counts trades, which the program of ideal trades cannot: asked of lists in whole lots alone."""
        return False

    def terms(self) -> tuple[Term, ...]:
        """The terms that it limits."""
        return ()

    def plain_sides(self, e: Exposures, x: np.ndarray, *, everywhere: bool = False) -> list[PlainSide]:
        """Its sides at trades x (N,) by a second rule that shares no code with the bound form; without shadow prices.

        The certificate refuses what breaks them. Limits whose bound form is the rule itself have none. ``everywhere``: also
        where the rule asks for nothing at these trades, since nothing leaves (and it may be broken).
        """
        return []


class Constraint(_Limiting):
    """Base of all constraints, and everything that the code may ask of one."""

    def bind(
        self, trades: TradeVariables, e: Exposures, term: Callable[[Term], BoundTerm], *, slack: bool = False
    ) -> BoundConstraint:
        """Its cvxpy form. ``term`` binds a term once per program; with ``slack`` each side may be exceeded at a price."""
        raise NotImplementedError

    def merged(self, other: Constraint) -> Constraint | None:
        """One constraint that replaces this and ``other``, where two would not do; None elsewhere."""
        return None


class BoxConstraint(_Limiting):
    """A limit on sizes: the program takes the tightest box of all such limits, for each account alone.

    Where several accounts trade or hold one instrument, ``largest_trade`` and ``largest_position`` limit all of them.

    ``box`` returns ``(lower, upper)`` (N,) with ``lower <= 0 <= upper`` wherever the present position allows it; ``unit`` is
    that of its numbers.
    """

    unit: ClassVar[str]

    @property
    def by_candidate(self) -> bool:
        """A box has one entry per candidate."""
        return True

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
    """The multiplier of a row, non-negative; 0 where there is none or it is not finite: bounds stay true."""
    value = 0.0 if row.dual_value is None else float(np.sum(row.dual_value))
    return max(value, 0.0) if np.isfinite(value) else 0.0
