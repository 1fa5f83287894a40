"""Cash over the next days, per account and asset, if prices stay as they are: what the ladder and the limit add up.

``cash(d) = posted - locked(d) + flows until d``, in units of the asset, for days d = 0 (now) .. D. Flows of one unit held:

- premium of what is bought now (day 0), and its cost;
- funding and other income at today's rate, every day until the instrument expires;
- at expiry an option's payoff at today's index, and a future's way from its mark to the index;
- collateral that is sent, gone on day 0, arrived on the day that ends its delay.

What is due within a day counts on that day: an expiry in 30 hours is of day 2, as is a transfer that takes as long.
Interest of deposits and loans grows the position and is no cash. A rate that is not known counts as nothing, and the
exposures' notes say so. What a venue charges at delivery is not in it: the term ``delivery_fee`` counts that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pricing.families import family_of

__all__ = ["CashLine", "cash_line", "day_of", "row_flow"]


def day_of(hours: float) -> int:
    """The day on which something due in so many hours counts; 0 is now."""
    return max(math.ceil(hours / 24.0 - 1e-9), 0)


def row_flow(e: Exposures, row: int, days: int, kinds: tuple[str, ...] = ("income", "expiry")) -> np.ndarray:
    """(days + 1,) units of its settlement asset that one unit of a row has brought by each day, without its premium."""
    item, flow = e.rows.instruments[row], np.zeros(days + 1)
    last = days
    price = float(e.rows.settlement_price[row])
    if item.nature.expires:
        hours = (item.expiry - e.timestamp).total_seconds() / 3600.0
        last = min(day_of(hours), days)
        if day_of(hours) <= days and "expiry" in kinds:
            flow[day_of(hours) :] += _at_expiry(e, row, item, price)
    if item.nature.accrues in ("funding", "carry") and "income" in kinds:
        flow += float(e.rows.carry[row]) / price * np.minimum(np.arange(days + 1), last)
    return flow


def _at_expiry(e: Exposures, row: int, item: Any, price: float) -> float:
    index, family = float(e.rows.index[row]), family_of(item)
    if item.nature.settles == "payoff":
        return float(family.payoff(item, index))
    return float(family.variation(item, float(e.rows.mark[row]), family.mark_at(item, index), price))


@dataclass(frozen=True, eq=False)
class CashLine:
    """Cash of some accounts in an asset: ``start + slope @ x - costs / price``, all (D + 1,) by day.

    Attributes
    ----------
    unit
        The asset, or USD of several.
    start : (D + 1,)
        Without trades: what is posted and not locked, and the flows of what is held.
    slope : (D + 1, N)
        Per unit traded or sent, before costs.
    pays : (N,) bool
        Candidates whose cost leaves this cash.
    price
        USD of one unit.
    size
        Sum of the magnitudes in ``start``.
    """

    unit: str
    start: np.ndarray
    slope: np.ndarray
    pays: np.ndarray
    price: float
    size: float


def cash_line(e: Exposures, accounts: tuple[int, ...], asset: str | None, days: int) -> CashLine:
    """The ladder of some accounts in an asset, or in all dollar assets together in USD (None), for days 0 .. ``days``."""
    several = asset is None
    held = {a for a in e.assets if a == asset or (several and a in dollar_assets())}
    rate = {a: e.price(a) if several else 1.0 for a in held}
    if several:  # spot pairs settle in dollars that nobody posts
        rate |= {a: float(e.market.price(a)) for a in dollar_assets() - held}
    wanted = set(rate)
    start, size, n = np.zeros(days + 1), 0.0, e.n_candidates
    slope, pays = np.zeros((days + 1, n)), np.zeros(n, bool)
    for c in accounts:
        for a in held:
            start += rate[a] * float(e.collateral[c, e.asset(a)])
            size += rate[a] * abs(float(e.collateral[c, e.asset(a)]))
    for c, column, amount, day, inside in e.flows:
        if c in accounts and e.assets[column] in wanted:
            at = np.arange(days + 1)
            known_flow = np.where(at < day, -amount, 0.0) if inside else np.where(at >= day, amount, 0.0)
            start += rate[e.assets[column]] * known_flow
            size += rate[e.assets[column]] * abs(amount)
    moved = {int(i): t for t, i in enumerate(e.links.candidate)}
    known: dict[int, np.ndarray] = {}

    def flow(row: int) -> np.ndarray:
        if row not in known:
            known[row] = rate[e.rows.instruments[row].settlement] * row_flow(e, row, days)
        return known[row]

    def concerns(row: int) -> bool:
        item = e.rows.instruments[row]
        return int(e.rows.account[row]) in accounts and not item.nature.transfer and item.settlement in wanted

    for row in np.flatnonzero(e.rows.quantity).tolist():
        if concerns(row):
            gained = float(e.rows.quantity[row]) * flow(row)
            start += gained
            size += float(np.abs(gained).max())
    for i, row in enumerate(e.candidate.tolist()):
        if i in moved:
            t, item = moved[i], e.rows.instruments[row]
            if item.asset in wanted:
                if int(e.links.source[t]) in accounts:
                    slope[:, i] -= rate[item.asset]
                    pays[i] = True
                if int(e.links.target[t]) in accounts:
                    slope[day_of(item.delay_hours) :, i] += rate[item.asset]
        elif concerns(row):
            slope[:, i] += flow(row) - rate[e.rows.instruments[row].settlement] * float(e.rows.premium[row])
            pays[i] = True
    price, unit = (1.0, "USD") if asset is None else (e.price(asset), asset)
    return CashLine(unit, start, slope, pays, price, size)
