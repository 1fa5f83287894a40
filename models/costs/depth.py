"""Cost beyond the best quotes, for all candidates at once: convex, exact, in USD. Walked ladders, or a law of impact.

Of candidate i, with levels k of the side traded, ``d_k`` units taken from each in order::

    cost_i(x) = sum_k rate_k d_k + bend_k d_k^2 / (1 + turn_k d_k)

``rate`` is the first price of a level over the reference (``min(mid, mark)`` for purchases, ``max`` for sales) in USD, and
the fee; ``bend`` and ``turn`` are 0 in an order book. Rates rise from level to level, so the cost is convex and the best
levels are taken first. Beyond the last level nothing is traded. A candidate without a ladder may have impact
(:mod:`hedgeopt.models.costs.impact`): ``impact_i |x|^power``, at any size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.models.costs.bowed import power_below
from hedgeopt.models.costs.ladder import Ladder, Levels
from hedgeopt.models.costs.quotes import TAKER, FeeTerms, unit_fee
from hedgeopt.models.pricing.families import family_of
from hedgeopt.models.pricing.family import MarketView
from hedgeopt.models.separable import Separable

__all__ = ["Depth", "depth_of"]


@dataclass(frozen=True, eq=False)
class Depth:
    """Levels of all candidates with a ladder, L in all, in order per candidate and side.

    Attributes
    ----------
    count
        N, the number of candidates.
    candidate : (L,) int
        Whose level it is.
    sign : (L,)
        1 for levels that are bought from (asks), -1 for those sold to.
    start, size : (L,)
        Units before the level, and in it.
    rate, fee : (L,)
        USD per unit at its start, with the fee; and the fee.
    bend, turn : (L,)
        Curvature within the level, USD per unit squared and per unit; 0 in order books.
    first : (2, N)
        Rates of the best level, bought and sold: the part of the cost that is linear; NaN without a ladder.
    gas : (N,)
        USD per swap whatever its size, 0 in order books.
    impact : (N,)
        USD per unit to the ``power`` of a trade, 0 with a ladder and where nothing is known.
    power
        1.5 or 2.
    reach : (N,)
        Units worth 100m USD: tangents of impact are drawn up to there.
    """

    count: int
    candidate: np.ndarray
    sign: np.ndarray
    start: np.ndarray
    size: np.ndarray
    rate: np.ndarray
    fee: np.ndarray
    bend: np.ndarray
    turn: np.ndarray
    first: np.ndarray
    gas: np.ndarray
    impact: np.ndarray
    power: float
    reach: np.ndarray

    @property
    def key(self) -> tuple[Any, ...]:
        """What a compiled program depends on: which levels are whose, which are curved, and what has impact."""
        levels = (self.candidate.tobytes(), self.sign.tobytes(), (self.bend > 0.0).tobytes())
        return (*levels, (self.impact > 0.0).tobytes())

    @property
    def base(self) -> np.ndarray:
        """(L,) the rate of the best level of each level's own side."""
        return np.where(self.sign > 0, self.first[0, self.candidate], self.first[1, self.candidate])

    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """(N,) units that may be sold, negative, and bought; infinite where there is no ladder."""
        most = [self._sum(np.where(self.sign == sign, self.size, 0.0)) for sign in (-1.0, 1.0)]
        known = ~np.isnan(self.first)
        return np.where(known.any(axis=0), -most[0], -np.inf), np.where(known.any(axis=0), most[1], np.inf)

    def taken(self, x: np.ndarray) -> np.ndarray:
        """(L,) units taken from each level by trades x (N,)."""
        return np.asarray(np.clip(self.sign * x[self.candidate] - self.start, 0.0, self.size))

    def extra(self, x: np.ndarray) -> np.ndarray:
        """(N,) USD that walking the ladder costs beyond the best level's rate, or impact beyond the best quote."""
        d = self.taken(x)
        walked = self._sum((self.rate - self.base) * d + self.bend * d * d / (1.0 + self.turn * d))
        return walked + self.impact * np.abs(x) ** self.power

    def fees(self, x: np.ndarray, best: np.ndarray) -> np.ndarray:
        """(N,) USD of fees where they differ from ``best`` (N,) per unit, that of the best level."""
        return self._sum((self.fee - best[self.candidate]) * self.taken(x))

    def dearer_fees(self, x: np.ndarray) -> np.ndarray:
        """(N,) the part of :meth:`extra` that is fee: where a cap is not that of the best level."""
        best = np.zeros(len(self.fee))
        heads = np.flatnonzero(self.start == 0.0)
        rank = np.searchsorted(heads, np.arange(len(self.fee)), side="right") - 1
        best = self.fee[heads[rank]] if len(heads) else best
        return self._sum((self.fee - best) * self.taken(x))

    def minorant(self, x: np.ndarray, weight: np.ndarray | None = None) -> Separable:
        """A function nowhere above ``sum_i weight_i extra_i``, equal at x: exact in order books, else tangents."""
        walked = self._walked_below(x, weight)
        factor = self.impact if weight is None else self.impact * weight
        return walked + power_below(factor, self.power, self.reach, x) if factor.any() else walked

    def _walked_below(self, x: np.ndarray, weight: np.ndarray | None) -> Separable:
        lines: list[tuple[int, np.ndarray, np.ndarray]] = []
        slope, constant = np.zeros(self.count), 0.0
        for i in np.unique(self.candidate).tolist():
            times = 1.0 if weight is None else float(weight[i])
            if times == 0.0:
                continue
            at, value, rise = self._tangents(i, float(x[i]))
            turns = np.diff(rise)
            kept = np.flatnonzero(turns > 0.0)
            meet = (value[:-1] - rise[:-1] * at[:-1] - value[1:] + rise[1:] * at[1:])[kept] / turns[kept]
            kinks = np.clip(meet, at[:-1][kept], at[1:][kept])
            slope[i] = times * rise[0]
            lines.append((i, kinks, times * turns[kept]))
            zero = float(np.sum(turns[kept] * np.maximum(-kinks, 0.0)))
            constant -= times * zero
        most = max((len(kinks) for _, kinks, _ in lines), default=0)
        if not most:
            return Separable(slope, constant)
        kinks, weights = np.zeros((most, self.count)), np.zeros((most, self.count))
        for i, mine, turns in lines:
            kinks[: len(mine), i], weights[: len(mine), i] = mine, turns
        return Separable(slope, constant, weights, kinks)

    def _tangents(self, i: int, x: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points in order, with the extra cost and its slope there: ends of levels, and x where a level is curved."""
        found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        for sign in (-1.0, 1.0):
            k = np.flatnonzero((self.candidate == i) & (self.sign == sign))
            at, value, rise = [np.zeros(1)], [np.zeros(1)], [np.zeros(1)]
            if len(k):
                over = self.rate[k] - self.base[k]
                full = over * self.size[k] + self.bend[k] * self.size[k] ** 2 / (1.0 + self.turn[k] * self.size[k])
                before = np.concatenate([[0.0], np.cumsum(full)[:-1]])
                inside = np.clip(sign * x - self.start[k], 0.0, self.size[k])
                d = np.stack([np.zeros(len(k)), inside, self.size[k]], axis=1)
                grown = 1.0 + self.turn[k, None] * d
                at.append((self.start[k, None] + d).ravel())
                value.append((before[:, None] + over[:, None] * d + self.bend[k, None] * d * d / grown).ravel())
                steep = over[:, None] + self.bend[k, None] * (2.0 * d + self.turn[k, None] * d * d) / grown**2
                rise.append(np.maximum.accumulate(steep.ravel()))  # equal slopes differ by rounding
            points = [np.concatenate(part) for part in (at, value, rise)]
            if sign < 0:
                points = [-points[0][::-1], points[1][::-1], -points[2][::-1]]
            found.append((points[0], points[1], points[2]))
        merged = [np.concatenate([a, b]) for a, b in zip(*found, strict=True)]
        return merged[0], merged[1], merged[2]

    def _sum(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.candidate, values, minlength=self.count)


def depth_of(
    instruments: Sequence[Any],
    ladders: Mapping[str, Ladder],
    market: MarketView,
    notional: np.ndarray,
    reference: tuple[np.ndarray, np.ndarray],
    among: np.ndarray,
    impact: np.ndarray | None = None,
    power: float = 1.5,
    terms: Sequence[FeeTerms] | None = None,
) -> Depth | None:
    """Ladders and impact of candidates in USD; None where no candidate has either.

    Parameters
    ----------
    notional : (N,)
        USD of underlying per unit.
    reference : pair of (N,)
        What a purchase, and a sale, is measured from, in the quote unit.
    among : (N,)
        How many candidates share the instrument's ladder, see :meth:`~hedgeopt.models.costs.ladder.Ladder.shared`.
    impact : (N,) or None
        See :func:`~hedgeopt.models.costs.impact.impact_of`.
    """
    n = len(notional)
    bowed = np.zeros(n) if impact is None else impact
    parts: list[tuple[np.ndarray, ...]] = []
    first, gas = np.full((2, n), np.nan), np.zeros(n)
    for i, item in enumerate(instruments):
        whole = ladders.get(item.id)
        if whole is None:
            continue
        ladder = whole.shared(int(among[i]))
        gas[i] = ladder.gas
        for side, (levels, way) in enumerate(((ladder.asks, 1.0), (ladder.bids, -1.0))):
            found = _side(
                item,
                levels,
                way,
                market,
                float(notional[i]),
                float(reference[side][i]),
                ladder.kind == "pool",
                terms[i] if terms else TAKER,
            )
            start = np.concatenate([[0.0], np.cumsum(levels.size)[:-1]]) if len(levels) else np.zeros(0)
            parts.append((np.full(len(levels), i), np.full(len(levels), way), start, levels.size, *found))
            first[side, i] = found[0][0] if len(levels) else 0.0
    if not parts and not bowed.any():
        return None
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else [np.zeros(0)] * 8
    who, sign, start, size, rate, fee, bend, turn = joined
    reach = 1e8 / np.maximum(np.abs(notional), 1e-12)
    return Depth(n, who.astype(np.int64), sign, start, size, rate, fee, bend, turn, first, gas, bowed, power, reach)


def _side(
    item: Any,
    levels: Levels,
    sign: float,
    market: MarketView,
    notional: float,
    reference: float,
    pool: bool,
    terms: FeeTerms,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rate, fee, bend and turn (L,) of one side's levels."""
    family, price = family_of(item), levels.price
    usd = np.array([family.quote_value(item, market, (reference * p) ** 0.5) for p in price.tolist()])
    worth = price * (usd if item.nature.option else 1.0)
    fee = np.array([0.0 if pool else unit_fee(item, market, notional, one, terms) for one in worth.tolist()])
    over = np.maximum(sign * (price - reference), 0.0) * usd
    rate = np.maximum.accumulate(over + fee) if len(price) else over
    curved = np.isfinite(levels.reserve)
    bend = np.where(curved, price * usd / levels.reserve, 0.0)
    return rate, fee, bend, np.where(curved, -sign / levels.reserve, 0.0)
