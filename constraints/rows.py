"""Linear limits: a new one gives only its rows and bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from hedgeopt.constraints.constraint import BoundConstraint, Constraint, LinkNode, Side, shadow_price
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables, put
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import Term

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["BoundRows", "LinearConstraint", "Row", "band"]


@strict_class
@dataclass(frozen=True)
class Row:
    """``start + slope @ x <= limit`` (``sign`` 1) or ``>= limit`` (``sign`` -1) for trades x (N,).

    Attributes
    ----------
    name, unit
        Of the side in reports; ``unit`` is that of start and limit.
    slope : (N,)
        Change per unit traded.
    start, size
        Value without trades, and the sum of the magnitudes of what it is summed from.
    scale
        What the row is divided by inside the program.
    eased
        Where a program asks which limits can't be met: the amount that one unit of slack stands for, at least the bound's
        size. None: never eased.
    innermost
        ``sign * limit`` is tightened no lower than this.
    node
        Account and asset: the row holds only where something of it leaves. None: always.
    paired
        The row and the one after it are the lower and upper side of one band (:func:`band`).
    """

    name: str
    unit: str
    slope: np.ndarray
    limit: float
    sign: int = 1
    start: float = 0.0
    size: float = 0.0
    scale: float = 1.0
    eased: float | None = 0.0
    innermost: float = -np.inf
    node: LinkNode | None = None
    paired: bool = False


@strict_call
def band(
    name: str, unit: str, slope: np.ndarray, lower: float, upper: float, *, start: float = 0.0, size: float = 0.0
) -> list[Row]:
    """The rows of ``lower <= start + slope @ x <= upper``: ``NAME lower`` and ``NAME upper``, one line of reports.

    Both sides are eased alike, and a band too narrow to be tightened on both sides is moved instead.
    """
    eased = max(abs(lower), abs(upper))
    low = Row(f"{name} lower", unit, slope, lower, -1, start, size, eased=eased, paired=True)
    return [low, Row(f"{name} upper", unit, slope, upper, 1, start, size, eased=eased)]


class LinearConstraint(Constraint):
    """Base of linear limits: a subclass gives :meth:`rows`, and the program's form follows."""

    def rows(self, e: Exposures) -> Sequence[Row]:
        """The limit's rows, as many and in the same order for all exposures of one structure."""
        raise NotImplementedError

    def bind(
        self, trades: TradeVariables, e: Exposures, term: Callable[[Term], BoundTerm], *, slack: bool = False
    ) -> BoundConstraint:
        """One linear inequality per row."""
        return BoundRows(self.rows, trades, e, slack=slack)


class BoundRows(BoundConstraint):
    """Rows inside a program, one inequality each; ``rows`` gives them for any exposures of the program's structure."""

    def __init__(
        self, rows: Callable[[Exposures], Sequence[Row]], trades: TradeVariables, e: Exposures, *, slack: bool
    ) -> None:
        import cvxpy as cp

        self._given, first = rows, rows(e)
        count = len(first)
        self._count = count
        self._nodes = [row.node for row in first]
        self._all: list[cp.Constraint] = []
        self._ease: cp.Parameter | None = None
        if count:
            self._slope, self._limit = cp.Parameter((count, e.n_candidates)), cp.Parameter(count)
            value = self._slope @ trades.net
            if slack and any(row.eased is not None for row in first):
                amount, self._ease = cp.Variable(count, nonneg=True), cp.Parameter(count, nonneg=True)
                value, self.slack_cost = value - cp.multiply(self._ease, amount), cp.sum(amount)
            self._all = [value[k] <= self._limit[k] for k in range(count)]
        self._off: frozenset[LinkNode] = frozenset()
        self.constraints = list(self._all)

    def respecify(self, other: BoundConstraint) -> bool:
        """Where it has as many rows."""
        if not isinstance(other, BoundRows) or other._count != self._count:
            return False
        self._given = other._given
        return True

    def switch(self, off: frozenset[LinkNode]) -> None:
        """Leave out the rows of the nodes in ``off``."""
        self._off = off
        self.constraints = [line for node, line in zip(self._nodes, self._all, strict=True) if self._holds(node)]

    def priced(self) -> set[LinkNode]:
        """Nodes whose row has a shadow price."""
        lines = zip(self._nodes, self._all, strict=True)
        return {node for node, line in lines if node is not None and self._holds(node) and shadow_price(line) > 0.0}

    def update(self, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None:
        """Load slopes and bounds: every row as ``<=``, divided by its scale."""
        rows = self._given(e)
        if not rows:
            return
        signs, unit = np.array([row.sign for row in rows]), np.array([row.scale for row in rows])
        limits = np.array(self.tightened(rows, tighten)) - [row.start for row in rows]
        put(self._slope, np.stack([row.sign * row.slope * scale for row in rows]) / unit[:, None])
        put(self._limit, signs * limits / unit)
        if self._ease is not None:
            put(self._ease, np.array([_ease(row) for row in rows]) / unit)

    def tightened(self, rows: Sequence[Row], tighten: Mapping[str, float]) -> list[float]:
        """Each row's bound, moved inwards by the amount in ``tighten`` under its name.

        A band too narrow for that (a zero band above all) is moved instead: away from where it was overshot, so that it
        never closes.
        """
        bounds = [(row, row.sign * row.limit) for row in rows]
        found = [r.sign * max(bound - tighten.get(r.name, 0.0), min(r.innermost, bound)) for r, bound in bounds]
        for k, (low, high) in enumerate(pairwise(rows)):
            if low.paired and found[k] > found[k + 1]:
                found[k] = found[k + 1] = found[k + 1] + found[k] - 0.5 * (high.limit + low.limit)
        return found

    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]:
        """Value and bound of every row that holds."""
        found = []
        for row, dual in self._priced(e):
            value, size = row.start + float(row.slope @ x), row.size + float(np.abs(row.slope) @ np.abs(x))
            found.append(Side(row.name, row.unit, value, row.limit, row.sign, dual, size))
        return found

    def put_duals(self, e: Exposures, duals: np.ndarray) -> None:
        """Set the shadow prices, per unit of each row."""
        rows = [row for row in self._given(e) if self._holds(row.node)]
        for row, line, dual in zip(rows, self.constraints, duals, strict=True):
            line.dual_variables[0].save_value(np.array(float(dual) * row.scale))

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        """Exact: ``sum of dual * sign * (start + slope @ x - limit)``."""
        total = Separable(np.zeros(e.n_candidates))
        for row, dual in self._priced(e):
            if dual > 0.0:
                total += Separable(row.slope, row.start - row.limit).scaled(row.sign * dual)
        return total

    def _holds(self, node: LinkNode | None) -> bool:
        return node is None or node not in self._off

    def _priced(self, e: Exposures) -> list[tuple[Row, float]]:
        """The rows that hold, with their shadow prices per unit of the row."""
        rows = [row for row in self._given(e) if self._holds(row.node)]
        return [(row, shadow_price(line) / row.scale) for row, line in zip(rows, self.constraints, strict=True)]


def _ease(row: Row) -> float:
    return 0.0 if row.eased is None else max(row.eased, abs(row.limit), 1e-6)
