"""Terms and limits inside a compiled program, and everything that a program may ask of them.

Trades are scaled inside programs: ``x = scale * net`` with ``net = buy - sell`` in [-1, 1].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hedgeopt.files.calls import strict_class
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.separable import Separable

if TYPE_CHECKING:
    import cvxpy as cp

    from hedgeopt.models.costs.fills import Fills

__all__ = ["Affine", "BoundPart", "BoundTerm", "LinearTerm", "Square", "TradeVariables", "put"]


def put(parameter: cp.Parameter, value: np.ndarray | float) -> None:
    """Set a parameter without cvxpy's check of shape and sign, which costs more than the value; exposures are checked."""
    parameter.save_value(np.asarray(value, float))


@strict_class
@dataclass(frozen=True)
class TradeVariables:
    """The program's variables, scaled: ``buy`` and ``sell`` (N,) in [0, 1]; ``net = buy - sell``.

    ``fills`` are the units taken from each level where candidates have ladders, else None.
    """

    buy: cp.Variable
    sell: cp.Variable
    fills: Fills | None = None

    @property
    def net(self) -> cp.Expression:
        """(N,) signed scaled trades."""
        return self.buy - self.sell


Square = tuple[np.ndarray, np.ndarray]
"""F (m, N) and f (m,) of ``|F x + f|^2`` at trades x."""


@dataclass(frozen=True)
class Affine:
    """``constant + slope @ x``; ``size`` is the sum of the magnitudes of what the constant is summed from."""

    slope: np.ndarray
    constant: float = 0.0
    size: float = 0.0


class BoundPart(ABC):
    """Hooks that a program calls on terms and limits alike; the defaults add nothing.

    Attributes
    ----------
    auxiliary
        cvxpy constraints that define variables of the part's own (the worst of several scenarios, for one).
    """

    auxiliary: Sequence[cp.Constraint] = ()

    @abstractmethod
    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        """A function nowhere above this part and (nearly) equal to it at trades x (N,).

        Of a term: its value. Of a limit: the sum over its sides of shadow price times violation. ``tails`` holds the tail
        weights (S,) found by the solver for each CVaR atom, by ``id``; they are made feasible before use, so a wrong weight
        loosens the bound but never falsifies it.
        """

    def square(self, e: Exposures) -> Square | None:
        """The part as a square of the trades, for proofs that keep the square; None: it is none, and cuts replace it."""
        return None

    def refine(self, e: Exposures, x: np.ndarray, scale: np.ndarray) -> bool:
        """Sharpen what is approximated around trades x (N,); whether solving again helps."""
        return False

    def anchor(self, e: Exposures, x: np.ndarray) -> bool:
        """Make a margin rule that is not convex exact at trades x (N,); whether it asks for less there than it did."""
        return False

    def forget(self, tight: bool = False) -> None:  # noqa: B027  (nothing to forget)
        """Back to how the part was before :meth:`anchor`; ``tight``: at the leverage of what is held."""

    def domain(self, e: Exposures) -> np.ndarray:
        """(N,) sizes of position, in units, up to which the part holds as it is encoded now; infinite: everywhere."""
        return np.full(e.n_candidates, np.inf)

    def near(self, e: Exposures) -> set[int]:
        """Accounts whose rule is not convex and counts in the last answer: bounds hold for its encoding around that."""
        return set()

    def jumping(self, e: Exposures) -> set[int]:
        """Accounts whose requirement jumps within the trade limits, so that the best answer may not be provable."""
        return set()


class BoundTerm(BoundPart):
    """A term inside a compiled program.

    Attributes
    ----------
    expression
        Scalar convex expression of the trades, DPP in its parameters, in the term's unit.
    """

    expression: cp.Expression

    @property
    def tail(self) -> object:
        """The CVaR atom whose scenario weights belong to the term: the expression, where that is one."""
        return self.expression

    @abstractmethod
    def update(self, e: Exposures, scale: np.ndarray) -> None:
        """Set the parameters from new exposures; trades x are ``scale`` (N,) times the program's."""

    @abstractmethod
    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        """The same function in plain numpy, at trades x (N,) in natural units."""

    @abstractmethod
    def size(self, e: Exposures, x: np.ndarray) -> float:
        """Sum of the magnitudes of what the value at x is summed from, in its unit: never below ``abs(evaluate(e, x))``."""

    def affine(self, e: Exposures) -> Affine | None:
        """The term as an affine function of the trades; None where it is none. Terms that are ``affine`` give it."""
        return None


class LinearTerm(BoundTerm):
    """A bound term ``constant(e) + coefficients(e) @ x``.

    Subclasses give :meth:`coefficients` and :meth:`constant`; expression, update, evaluation and minorant follow.
    """

    def __init__(self, trades: TradeVariables, e: Exposures) -> None:
        import cvxpy as cp

        self._slope = cp.Parameter(e.n_candidates)
        self._constant = cp.Parameter()
        self.expression = self._slope @ trades.net + self._constant

    @abstractmethod
    def coefficients(self, e: Exposures) -> np.ndarray:
        """(N,) change per unit traded."""

    @abstractmethod
    def constant(self, e: Exposures) -> float:
        """Value without trades."""

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

    def affine(self, e: Exposures) -> Affine | None:
        """Slope and constant."""
        return Affine(self.coefficients(e), float(self.constant(e)), self.constant_size(e))

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        """Exact."""
        return Separable(self.coefficients(e), float(self.constant(e)))
