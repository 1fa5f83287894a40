"""One order over several books and pools, split again where all of them stop at one marginal cost.

A solver meets the best cost to its tolerance, and the split between places that cost nearly the same far worse. Where
candidates are alike but for their ladders, the split of their sum is known level by level: at the shadow price ``m`` of
the sum a flat level is taken whole where its rate is below ``m``, and of a curved one the units at which its marginal cost
``rate + (bend / turn) (1 - 1 / u^2)``, ``u = 1 + turn d``, is ``m``; flat levels at ``m`` itself give the rest. Whether the
new trades keep every limit (accounts pay what they buy) is for the certificate to say.

Source: Angeris, Chitra, Evans and Boyd, arXiv 2204.05238, section 3; here with fees and reference prices of several venues.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import Box

__all__ = ["split_again"]

_HALVINGS = 200


def split_again(e: Exposures, box: Box, x: np.ndarray) -> np.ndarray | None:
    """Trades (N,) that cost least of all with the same sums over candidates that are alike; None where there are none."""
    if e.depth is None or not len(e.depth.rate):
        return None
    found = x.copy()
    for group in _alike(e, np.unique(e.depth.candidate)):
        total, sign = float(x[group].sum()), float(np.sign(x[group].sum()))
        if total == 0.0 or np.any(x[group] * sign < 0.0):
            continue
        again = sign * _Levels.of(e, group, sign).split(abs(total))
        if np.all(again >= box.lower[group]) and np.all(again <= box.upper[group]):
            found[group] = again
    return None if np.array_equal(found, x) else found


def _alike(e: Exposures, candidates: np.ndarray) -> list[np.ndarray]:
    """Candidates of which a unit is worth, moves and is paid for alike, at least two each."""
    groups: dict[bytes, list[int]] = {}
    for i in candidates.tolist():
        row = int(e.candidate[i])
        paid = float(e.rows.premium[row] * e.rows.settlement_price[row])
        columns = [e.pnl[:, i], e.stress_pnl[:, i], e.trade_greeks[:, i].ravel(), [paid, e.rows.notional[row]]]
        groups.setdefault(b"".join(np.asarray(part, np.float32).tobytes() for part in columns), []).append(i)
    return [np.array(group) for group in groups.values() if len(group) > 1]


@dataclass(frozen=True)
class _Levels:
    """Levels of one side of a group: whose (place in the group), rate, size, and curvature."""

    who: np.ndarray
    count: int
    rate: np.ndarray
    size: np.ndarray
    bend: np.ndarray
    turn: np.ndarray

    @classmethod
    def of(cls, e: Exposures, group: np.ndarray, sign: float) -> _Levels:
        d = e.depth
        assert d is not None
        mine = np.isin(d.candidate, group) & (d.sign == sign)
        who = np.searchsorted(group, d.candidate[mine])
        return cls(who, len(group), d.rate[mine], d.size[mine], d.bend[mine], d.turn[mine])

    def split(self, total: float) -> np.ndarray:
        """(G,) units of each that together are ``total``, at the least cost; at most what all levels hold."""
        total = min(total, float(self.size.sum()))
        curved = self.bend > 0.0
        u = 1.0 + self.turn * self.size
        last = np.where(curved, self.rate + np.divide(self.bend, self.turn, where=curved, out=np.zeros_like(u))
                        * (1.0 - 1.0 / u**2), self.rate)  # fmt: skip
        low, high = float(self.rate.min()), float(last.max())
        high = low if self._upto(low, flat=True).sum() >= total else high
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            if not low < middle < high:
                break
            if self._upto(middle, flat=True).sum() < total:
                low = middle
            else:
                high = middle
        # flat levels at the price itself give what is missing; curved ones are as good at either end of the last interval
        below, through = self._upto(high, flat=False), self._upto(high, flat=True)
        room, rest = through - below, total - below.sum()
        if room.sum() > 0.0:
            below = below + room * (min(max(rest, 0.0), room.sum()) / room.sum())
        units = np.bincount(self.who, below, minlength=self.count)
        inside = curved & (below > 0.0) & (below < self.size)
        moving = np.bincount(self.who, np.where(inside, below, 0.0), minlength=self.count)
        if moving.sum() > 0.0:  # what rounding of the price leaves
            units = units + (total - units.sum()) * moving / moving.sum()
        return np.asarray(units)

    def _upto(self, m: float, *, flat: bool) -> np.ndarray:
        """(L,) units of each level up to the marginal cost m; with ``flat`` also of flat levels at m."""
        curved = self.bend > 0.0
        slope = np.divide(self.turn, self.bend, where=curved, out=np.zeros_like(self.rate))
        with np.errstate(divide="ignore", invalid="ignore"):
            u = 1.0 / np.sqrt(1.0 - (m - self.rate) * slope)
            bowed = np.where(curved, (u - 1.0) / self.turn, 0.0)
        straight = np.where(self.rate <= m if flat else self.rate < m, self.size, 0.0)
        bent = np.where(m > self.rate, np.clip(np.nan_to_num(bowed, nan=np.inf), 0.0, self.size), 0.0)
        return np.where(curved, bent, straight)
