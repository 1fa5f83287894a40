"""Size limits of an instrument that several accounts trade or hold: they hold for all accounts together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from hedgeopt.constraints.constraint import BoundConstraint, BoxConstraint, Constraint, Side
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables, put
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import Term

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["OverAccounts", "shared_instruments"]


@dataclass(frozen=True)
class _Shared:
    """One instrument: candidates that trade it, rows of accounts that only hold it, and whether positions are meant."""

    name: str
    members: tuple[int, ...]
    others: tuple[int, ...]
    position: bool


def shared_instruments(e: Exposures, *, position: bool) -> list[_Shared]:
    """Instruments with candidates in several accounts; with ``position``, also those that another account holds."""
    candidates: dict[str, list[int]] = {}
    rows: dict[str, list[int]] = {}
    sent = set(e.links.candidate.tolist())
    for i, row in enumerate(e.candidate.tolist()):
        if i not in sent:
            candidates.setdefault(e.rows.instruments[row].id, []).append(i)
    traded = set(e.candidate.tolist())
    for row, item in enumerate(e.rows.instruments):
        if position and row not in traded and item.id in candidates:
            rows.setdefault(item.id, []).append(row)
    found = []
    for key, members in candidates.items():
        others = rows.get(key, [])
        if len(members) + len(others) > 1:
            name = e.rows.instruments[e.candidate[members[0]]].name
            found.append(_Shared(name, tuple(members), tuple(others), position))
    return found


class OverAccounts(Constraint):
    """``sum over accounts of |trade| <= largest trade``, and ``sum over accounts of |position| <= largest position``.

    What is bought in one account and sold in another counts twice, not for nothing: both take from the market. Added to
    every program in which several accounts trade or hold one instrument; each account alone is limited by the trade box.
    Positions beyond their limit may stay as large as they are, and no larger.
    """

    source: ClassVar[str] = "the desk's own limits, per instrument"

    kind: Literal["over_accounts"] = "over_accounts"
    rules: tuple[BoxConstraint, ...] = ()
    order_notional: float

    @property
    def name(self) -> str:
        """``sizes over accounts``."""
        return "sizes over accounts"

    def caps(self, e: Exposures, *, position: bool) -> tuple[np.ndarray, list[str]]:
        """(N,) the tightest limit on the gross trade (or position) in each candidate's instrument, and its name."""
        cap, names = np.full(e.n_candidates, np.inf), [""] * e.n_candidates
        limits: list[tuple[str, np.ndarray]] = [
            (rule.name, rule.largest_position(e) if position else rule.largest_trade(e)) for rule in self.rules
        ]
        if not position:
            with np.errstate(divide="ignore"):
                limits.append(("candidates.max_order_notional", self.order_notional / e.rows.notional[e.candidate]))
        for name, largest in limits:
            for i in np.flatnonzero(largest < cap):
                cap[i], names[i] = largest[i], name
        return cap, names

    def bind(
        self, trades: TradeVariables, e: Exposures, term: Callable[[Term], BoundTerm], *, slack: bool = False
    ) -> BoundConstraint:
        """One row per shared instrument, in one inequality for trades and one for positions."""
        kinds = (False, True) if np.isfinite(self.caps(e, position=True)[0]).any() else (False,)
        parts = [_BoundSizes(self, trades, shared) for p in kinds if (shared := shared_instruments(e, position=p))]
        return _BoundOverAccounts(parts)


class _BoundSizes:
    def __init__(self, spec: OverAccounts, trades: TradeVariables, shared: list[_Shared]) -> None:
        import cvxpy as cp
        import scipy.sparse as sp

        self._spec, self._shared, self._position = spec, shared, shared[0].position
        self._members = np.array([i for one in shared for i in one.members])
        self._group = np.repeat(np.arange(len(shared)), [len(one.members) for one in shared])
        n, k = len(self._members), len(shared)
        self._first = np.array([one.members[0] for one in shared])
        self._weight, self._held, self._limit = cp.Parameter(n, nonneg=True), cp.Parameter(n), cp.Parameter(k)
        if self._position:
            size = cp.abs(cp.multiply(self._weight, trades.net[self._members]) + self._held)
        else:
            size = cp.multiply(self._weight, trades.buy[self._members] + trades.sell[self._members])
        total = sp.csr_array((np.ones(n), (self._group, np.arange(n))), shape=(k, n))
        self.constraint: cp.Constraint = total @ size <= self._limit

    def _caps(self, e: Exposures) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """(K,) limit on the members, the gross size that others hold, and each side's name."""
        cap, names = self._spec.caps(e, position=self._position)
        cap = cap[self._first]
        fixed = np.zeros(len(cap))
        if self._position:
            fixed = np.array([float(np.abs(e.rows.quantity[list(one.others)]).sum()) for one in self._shared])
            now = np.zeros(len(cap))
            np.add.at(now, self._group, np.abs(self._start(e)))
            cap = np.where(np.isfinite(cap), np.maximum(cap, now + fixed), np.inf)
        word = "position over accounts" if self._position else "over accounts"
        return cap, fixed, [f"{names[f]} {one.name} {word}" for f, one in zip(self._first, self._shared, strict=True)]

    def _start(self, e: Exposures) -> np.ndarray:
        """(n,) the members' positions; 0 where trades are limited."""
        return e.rows.quantity[e.candidate[self._members]] if self._position else np.zeros(len(self._members))

    @staticmethod
    def _units(cap: np.ndarray) -> np.ndarray:
        return np.where(np.isfinite(cap) & (cap > 0.0), cap, 1.0)

    def update(self, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None:
        cap, fixed, names = self._caps(e)
        unit, known = self._units(cap), np.isfinite(cap)
        weight = (known / unit)[self._group]  # where no limit says anything the row is 0 <= 1
        put(self._weight, weight * scale[self._members])
        put(self._held, weight * self._start(e))
        less = np.array([tighten.get(name, 0.0) for name in names])
        put(self._limit, np.where(known, (np.where(known, cap, 0.0) - fixed - less) / unit, 1.0))

    def _duals(self, cap: np.ndarray) -> np.ndarray:
        """(K,) shadow prices per unit of quantity."""
        found = self.constraint.dual_value
        raw = np.zeros(len(cap)) if found is None else np.nan_to_num(np.atleast_1d(found), nan=0.0, posinf=0.0)
        return np.where(np.isfinite(cap), np.maximum(raw, 0.0) / self._units(cap), 0.0)

    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]:
        cap, fixed, names = self._caps(e)
        start = self._start(e)
        value, size = fixed.copy(), fixed.copy()
        np.add.at(value, self._group, np.abs(start + x[self._members]))
        np.add.at(size, self._group, np.abs(start) + np.abs(x[self._members]))
        duals = self._duals(cap)
        rows = zip(names, self._first, value, cap, duals, size, strict=True)
        return [
            Side(name, e.rows.instruments[e.candidate[i]].quantity_unit, float(v), float(c), 1, float(d), float(s), True)
            for name, i, v, c, d, s in rows
            if np.isfinite(c)
        ]

    def put_duals(self, e: Exposures, duals: np.ndarray) -> int:
        """Set the shadow prices of this inequality's sides, per unit of quantity; returns how many it has."""
        cap, _, _ = self._caps(e)
        known = np.flatnonzero(np.isfinite(cap))
        raw = np.zeros(len(cap))
        raw[known] = duals[: len(known)] * self._units(cap)[known]
        self.constraint.dual_variables[0].save_value(raw)
        return len(known)

    def minorant(self, e: Exposures) -> Separable:
        """Exact: ``|h + x| = 2 max(x + h, 0) - (x + h)``."""
        cap, fixed, _ = self._caps(e)
        start, duals, n = self._start(e), self._duals(cap), e.n_candidates
        if not duals.any():
            return Separable(np.zeros(n))
        price, slope = duals[self._group], np.zeros(n)
        weights, kinks = np.zeros((1, n)), np.zeros((1, n))
        slope[self._members], weights[0, self._members], kinks[0, self._members] = -price, 2.0 * price, -start
        room = np.where(np.isfinite(cap), cap, 0.0) - fixed
        return Separable(slope, -float(price @ start) - float(duals @ room), weights, kinks)


class _BoundOverAccounts(BoundConstraint):
    """Never relaxed, like the trade box: no trades always meet it."""

    def __init__(self, parts: list[_BoundSizes]) -> None:
        self._parts = parts
        self.constraints = [part.constraint for part in parts]

    def respecify(self, other: BoundConstraint) -> bool:
        """Where it is about the same instruments."""
        if not isinstance(other, _BoundOverAccounts) or [p._shared for p in other._parts] != [
            p._shared for p in self._parts
        ]:
            return False
        for mine, theirs in zip(self._parts, other._parts, strict=True):
            mine._spec = theirs._spec
        return True

    def update(self, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None:
        for part in self._parts:
            part.update(e, scale, tighten)

    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]:
        """Gross trade, then gross position, per shared instrument that a limit speaks of."""
        return [side for part in self._parts for side in part.sides(e, x)]

    def put_duals(self, e: Exposures, duals: np.ndarray) -> None:
        """Set the shadow price of every side, in the order of :meth:`sides`; its rows hold many each."""
        for part in self._parts:
            duals = duals[part.put_duals(e, duals) :]

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        total = Separable(np.zeros(e.n_candidates))
        for part in self._parts:
            total += part.minorant(e)
        return total
