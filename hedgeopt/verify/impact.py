"""Impact of trades without a ladder, from the law and the market's own columns; nothing of ``models/costs/impact`` is used.

``c_i |x_i|^p``, several accounts of one instrument as if each traded what all do; see docs/costs.md for ``c_i``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.pricing.family import GREEKS
from hedgeopt.verify.convex import Convex

if TYPE_CHECKING:
    from hedgeopt.models.costs.impact import ImpactLaw

__all__ = ["Impact", "impact"]

_GRID = np.concatenate([4.0 ** np.arange(-20.0, 1.0)])
_AROUND = np.array([0.3, 0.03, 0.003, 3e-4, 3e-5])


@dataclass(frozen=True, eq=False)
class Impact:
    """Coefficients (N,) in USD per unit to the power, and units (N,) worth 100m USD."""

    each: np.ndarray
    power: float
    reach: np.ndarray

    def paid(self, x: np.ndarray) -> np.ndarray:
        """(N,) USD beyond half-spread and fee."""
        return np.asarray(self.each * np.power(np.abs(x), self.power))

    def below(self, x: np.ndarray, mine: np.ndarray) -> Convex:
        """A convex function nowhere above what trades of candidates ``mine`` (N,) bool pay: the largest of tangents."""
        at, c, p = np.abs(x), np.where(mine, self.each, 0.0), self.power
        rows = [at * (1.0 + k) for k in (*-_AROUND, 0.0, *_AROUND)] + [self.reach * k for k in _GRID]
        right = np.sort(np.stack(rows), axis=0)
        points = np.concatenate([-right[::-1], np.zeros((1, len(x))), right])
        steep = c * p * np.sign(points) * np.power(np.abs(points), p - 1.0)
        under = c * (1.0 - p) * np.power(np.abs(points), p)
        corners, slope, constant = [], 0.5 * (steep[0] + steep[-1]), 0.0
        for k in range(len(points) - 1):
            more = np.maximum(steep[k + 1] - steep[k], 0.0)
            safe = np.where(more > 0.0, more, 1.0)
            meet = np.where(more > 0.0, (under[k] - under[k + 1]) / safe, points[k])
            meet = np.clip(meet, points[k], points[k + 1])
            corners.append((meet, 0.5 * more))
            constant -= float(np.sum(0.5 * more * np.abs(meet)))
        return Convex(slope, constant, tuple(corners))


def impact(e: Exposures) -> Impact | None:
    """What the market's law says of every candidate; None where there is no law, or it says nothing of any."""
    law = e.market.impact
    if law is None:
        return None
    items = [e.rows.instruments[row] for row in e.candidate.tolist()]
    sent = set(e.links.candidate.tolist())
    times = Counter(item.id for i, item in enumerate(items) if i not in sent)
    each, worth = np.zeros(len(items)), np.ones(len(items))
    for i, item in enumerate(items):
        if i in sent:
            continue
        worth[i] = abs(float(e.rows.notional[e.candidate[i]]))
        if item.id not in e.market.depth:
            each[i] = _each(law, e, i, item) * times[item.id] ** (law.power - 1.0)
    return Impact(each, law.power, 1e8 / np.maximum(worth, 1e-12)) if each.any() else None


def _each(law: ImpactLaw, e: Exposures, i: int, item: Any) -> float:
    """USD per unit to the power of candidate i alone."""
    row, root = int(e.candidate[i]), law.power - 1.0
    volume, bid, ask = (float(e.market.quoted(name, [item.id])[0]) for name in ("volume", "bid_size", "ask_size"))
    option, notional = hasattr(item, "strike"), float(e.rows.notional[row])
    if item.id in law.instruments:
        return law.instruments[item.id].k * (
            float(e.rows.premium[row] * e.rows.settlement_price[row]) if option else notional
        )
    if law.volume is not None and volume > 0.0:
        own = e.assets.index(item.assets[0])
        moved = abs(float(e.rows.greeks[GREEKS.index("delta"), row, own])) * float(e.rows.index[row]) if option else notional
        return law.volume.factor * law.volume.daily_vol[item.assets[0]] * moved / float(volume**root)
    sizes = [size for size in (bid, ask) if not np.isnan(size)]
    if law.spread is None or not sizes or not sum(sizes) > 0.0:
        return 0.0
    open_sides = [not np.isnan(float(e.market.quoted(name, [item.id])[0])) for name in ("ask_price", "bid_price")]
    halves = [float(cost[i] - e.fee[i]) for cost, known in zip((e.cost_buy, e.cost_sell), open_sides, strict=True) if known]
    if not halves:
        return 0.0
    return law.spread.factor * max(sum(halves) / len(halves), 0.0) / float((sum(sizes) / len(sizes)) ** root)
