"""How much of an order fills, and what its size costs: quoted sizes, lots, order books, pools, impact.

An order book or pool of the market (``with_depth``) is walked level by level and gives no more than it holds; impact
(``with_impact``) costs ``k size^power`` beyond the quote, by the same law as in decisions. Settings say whether the sizes at
the quotes and the venue's lots limit fills, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from hedgeopt.files.calls import strict_class
from hedgeopt.inputs.market import Market
from hedgeopt.models.costs.impact import Worth, impact_of
from hedgeopt.models.costs.quotes import unit_cost
from hedgeopt.models.pricing.families import family_of
from hedgeopt.models.pricing.family import greek
from hedgeopt.venues.sizes import listed_sizes

__all__ = ["FillRules", "along_ladder", "filled", "impact_cost"]

_WHOLE = 1e-9


@strict_class
@dataclass(frozen=True)
class FillRules:
    """What limits a fill beside the quote.

    Attributes
    ----------
    sizes
        ``any``: a quote without a ladder fills any size. ``quoted``: no more than the size that stands there; an option
        whose size nobody recorded is not filled, a contract with an assumed half-spread in any size.
    lots
        Whether orders are cut to whole lots of the market's file, else of the venue's table; the rest of a holding can
        always be closed.
    maker
        How orders of makers fill. ``at once``: at the other side of the quote, as if takers', at the fees of makers.
        ``rest``: the order stands at the near side (a purchase at the bid) until the next snapshot, and fills there if by
        then the other side has come to its price; else it is cancelled. Its margin is checked only afterwards.
    """

    sizes: Literal["any", "quoted"] = "any"
    lots: bool = False
    maker: Literal["at once", "rest"] = "at once"


def filled(item: Any, market: Market, quantity: float, held: float, rules: FillRules) -> tuple[float, str]:
    """The part of an order that fills, and why the rest does not (empty where all does)."""
    most, why = _offered(item, market, quantity, rules)
    size, said = min(abs(quantity), most), why if abs(quantity) > most else ""
    closing = held * quantity < 0 and size >= abs(held) * (1.0 - _WHOLE)
    if rules.lots and not closing:
        lot = _lot(item, market)
        if lot is None:
            return 0.0, "its lot is unknown"
        if lot > 0.0:
            whole = math.floor(size / lot + _WHOLE) * lot
            said = said or (f"in whole lots of {lot:g}" if whole < size * (1.0 - _WHOLE) else "")
            size = whole
    return math.copysign(size, quantity) if size else 0.0, said


def _offered(item: Any, market: Market, quantity: float, rules: FillRules) -> tuple[float, str]:
    ladder = market.depth.get(item.id)
    if ladder is not None:
        return (ladder.asks if quantity > 0 else ladder.bids).total, "its ladder holds no more"
    side, price = ("ask_size", "ask_price") if quantity > 0 else ("bid_size", "bid_price")
    if rules.sizes == "any" or not item.nature.quoted:
        return math.inf, ""
    size = float(market.quoted(side, [item.id])[0])
    if math.isfinite(size):
        return max(size, 0.0), "no more is quoted"
    if not item.nature.option and not math.isfinite(market.quote(price, item.id)):
        return math.inf, ""  # an assumed half-spread has no size
    return 0.0, "the quoted size is unknown"


def _lot(item: Any, market: Market) -> float | None:
    given = float(market.quoted("lot", [item.id])[0])
    if given > 0.0:
        return given
    settlement = getattr(item, "settlement", item.assets[0])
    listed = listed_sizes(item.venue, item.nature.kind, item.assets[0], settlement).get("lot")
    return listed if listed is not None else item.nature.lot


def along_ladder(item: Any, market: Market, quantity: float, beyond: float | None = None) -> float | None:
    """Average price of a fill along the ladder, in the quote unit; None where there is none.

    What the ladder does not hold costs ``beyond``, where that is given.

    A pool's level of reserve R at price p takes ``p d + (p / R) d^2 / (1 - d / R)`` for d units bought.
    """
    ladder = market.depth.get(item.id)
    if ladder is None:
        return None
    levels, sign = (ladder.asks, 1.0) if quantity > 0 else (ladder.bids, -1.0)
    start = np.concatenate([[0.0], np.cumsum(levels.size)[:-1]])
    taken = np.clip(abs(quantity) - start, 0.0, levels.size)
    if not taken.sum():
        return None
    share = taken / levels.reserve
    paid = levels.price * taken * (1.0 + sign * share / (1.0 - sign * share))
    rest = abs(quantity) - float(taken.sum()) if beyond is not None else 0.0
    return float((paid.sum() + rest * (beyond or 0.0)) / (taken.sum() + rest))


def impact_cost(item: Any, market: Market, quantity: float, half_spread: float | None) -> float:
    """USD that the size of a fill costs beyond its quote; 0 with a ladder and where nothing is known."""
    law = market.impact
    if law is None or item.id in market.depth or not item.nature.quoted:
        return 0.0
    arrays = market.arrays()
    assets = tuple(dict.fromkeys((*item.assets, getattr(item, "settlement", item.assets[0]))))
    risk = family_of(item).unit_risk([item], market, assets)
    notional = risk.notional
    if item.nature.option:
        price = risk.premium * market.price(item.settlement)
        moves = np.abs(risk.greeks[greek("delta"), :, 0]) * market.price(item.assets[0])
    else:
        price = moves = notional
    cost = unit_cost([item], arrays, notional, mark_half_spread=half_spread)
    factor, _ = impact_of(law, [item], arrays, cost, Worth(price, moves), np.ones(1), market.depth)
    return float(factor[0] * abs(quantity) ** law.power)
