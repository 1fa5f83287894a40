"""Every limit at part of a list of trades, by the verifier's plain rules: what may be so at any moment of the execution.

A state is allowed when every limit holds in it, or is at most as far exceeded as by the book before the first leg: a book
outside its limits may be brought back step by step, and no step makes any of them worse than it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.orders.narrow import same_instruments, with_candidates
from hedgeopt.verify.bound import leaving
from hedgeopt.verify.counted import policy_in_dollars, price_of_unit
from hedgeopt.verify.limits import CheckedLimit, checked_limits, known_limit
from hedgeopt.verify.sizes import trade_range

__all__ = ["Excess", "LimitWatch"]

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Excess:
    """A limit in a state that is not allowed: its value there, and the most that is.

    ``allowed`` is the limit itself, or the value before the first leg where that is further outside. ``share`` is how far
    the value is beyond it, over the larger of the limit and the excess at the start.
    """

    limit: str
    unit: str
    value: float
    allowed: float
    share: float

    def __str__(self) -> str:
        return f"{self.limit}: {self.value:,.6g} against {self.allowed:,.6g} {self.unit}".rstrip()


class LimitWatch:
    """The limits of a policy over parts of one list of trades.

    Parameters
    ----------
    policy
        The policy's plain data; limits of a user's own class have no formula here and are named in ``unknown``.
    e
        Exposures of the book before trading, with the list's candidates.
    keep : (K,) int
        Candidates that the list trades; states are vectors (K,) in this order.
    """

    def __init__(self, policy: dict[str, Any], e: Exposures, keep: np.ndarray) -> None:
        rules = policy_in_dollars(policy, price_of_unit(e, policy))
        self.unknown = tuple(dict.fromkeys(r["kind"] for r in rules["subject_to"] if not known_limit(r)))
        self._rules = {**rules, "subject_to": [r for r in rules["subject_to"] if known_limit(r)]}
        self.e = with_candidates(e, same_instruments(e, keep))
        self._at = np.arange(len(keep))
        self._box = trade_range(self._rules, self.e)
        self._way = replace(self.e, links=replace(self.e.links, arrives=np.zeros(len(self.e.links))))
        self._start = self._sides(self.e, np.zeros(len(keep)))
        self._known: dict[bytes, tuple[Excess, ...]] = {}
        self.evaluated = 0
        # costs of ladders and of impact are worked out level by level: fewer states are looked at then
        self.quick = not (e.market.depth or e.market.impact is not None)

    def _sides(self, e: Exposures, x: np.ndarray) -> list[CheckedLimit]:
        whole = np.zeros(e.n_candidates)
        whole[self._at] = x
        return checked_limits(self._rules, e, whole, self._box, ())

    def excesses(self, x: np.ndarray, *, on_its_way: np.ndarray | None = None) -> tuple[Excess, ...]:
        """Limits that are outside what is allowed at x (K,), the furthest first; none where the state is allowed.

        ``on_its_way`` (K,) are transfers that have left their source besides, and not arrived.
        """
        key = x.tobytes() + (b"" if on_its_way is None else on_its_way.tobytes())
        if key not in self._known:
            self._known[key] = tuple(self._found(x, on_its_way))
            self.evaluated += 1
        return self._known[key]

    def _found(self, x: np.ndarray, on_its_way: np.ndarray | None) -> list[Excess]:
        if on_its_way is None:
            e, at = self.e, x
        else:  # what has arrived before counts as arrived, by its account's collateral; what is sent now, as gone
            e, at = self._moving(x, on_its_way), x + on_its_way
        sides = self._sides(e, at)
        whole = np.zeros(e.n_candidates)
        whole[self._at] = at
        left = leaving(e, whole)
        found = []
        for side, first in zip(sides, self._start, strict=True):
            if not side.asked(left):
                continue
            allowed = max(side.sign * side.limit, side.sign * first.value) if not first.holds else side.sign * side.limit
            rounding = _ROUNDING * max(abs(allowed), abs(side.limit)) + 1e-12 * max(side.size, first.size)
            if not side.sign * side.value <= allowed + rounding:  # what is not known is not allowed
                scale = max(abs(side.limit), abs(first.value - side.limit), rounding)
                share = float((side.sign * side.value - allowed) / scale)
                found.append(Excess(side.name, side.unit, side.value, side.sign * allowed, share))
        return sorted(found, key=lambda one: -one.share)

    def _moving(self, x: np.ndarray, moving: np.ndarray) -> Exposures:
        """Exposures in which what moves has not arrived; a candidate that has partly arrived cannot be moving too."""
        arrives = self.e.links.arrives.copy()
        at = {int(i): t for t, i in enumerate(self.e.links.candidate)}
        for k in np.flatnonzero(moving).tolist():
            arrives[at[int(self._at[k])]] = 0.0
        return replace(self.e, links=replace(self.e.links, arrives=arrives))

    def worst(self, states: Sequence[np.ndarray]) -> tuple[float, Excess | None]:
        """The largest excess over some states and the limit it is of; 0 where all are allowed."""
        found = [one for x in states for one in self.excesses(x)[:1]]
        first = max(found, key=lambda one: one.share, default=None)
        return (0.0, None) if first is None else (first.share, first)

    def outside(self, x: np.ndarray) -> float:
        """How far all limits together are exceeded at x, each as a share of its bound: what legs should bring down."""
        total = 0.0
        for side, first in zip(self._sides(self.e, x), self._start, strict=True):
            if side.nodes is None:
                over = side.sign * (side.value - side.limit)
                total += max(over, 0.0) / max(abs(side.limit), abs(first.value - side.limit), 1e-300)
        return total

    def loss(self, x: np.ndarray) -> float:
        """USD that the book loses in the worst stress scenario at x; without scenarios, the CVaR 95 % of the sample."""
        whole = np.zeros(self.e.n_candidates)
        whole[self._at] = x
        if len(self.e.stress):
            return float(-np.min(self.e.stress_base + self.e.stress_pnl @ whole))
        losses = np.sort(-(self.e.base_pnl + self.e.pnl @ whole))
        return float(losses[int(0.95 * len(losses)) :].mean())
