"""Fills that are probably slips: a price in another unit, a fee in another coin, a moment that cannot be."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.inputs.market import Market
from hedgeopt.orders.fills import ListedFill
from hedgeopt.program.proposal import Proposal

__all__ = ["OddFills"]

_FAR = {"option": 50.0, "other": 2.0}
"""How many times a known price a fill's may be, or a share of it: beyond is another unit (ladders have the same rule)."""
_FEE_SHARE, _FEE_USD = 0.05, 100.0
"""A fee or rebate is at most this share of what was traded, or so many USD (gas): dear venues ask 0.1 %."""
_CLOCKS = timedelta(minutes=1)
"""How far two clocks may differ."""
_OLD = timedelta(days=1)
"""How much older than a fill the market may be that it is booked at."""


@dataclass(frozen=True)
class OddFills:
    """Refuses what ``allow`` does not name: ``price``, ``fee``, ``early``, ``late``; ``now`` is the moment of booking."""

    proposal: Proposal
    market: Market
    file: str
    now: datetime
    allow: Collection[str] = ()

    def moment(self, fill: ListedFill) -> None:
        """Refuse a fill from before the proposal's market, of the future, or a day after the market."""
        if fill.time is None:
            return
        told = fill.time.isoformat()
        if "early" not in self.allow and fill.time < self.proposal.created:
            problem = f"is before the proposal, which is of {self.proposal.created.isoformat()}"
            raise self._refused(fill, problem, "time", told, "leave out fills of other orders", "early")
        if "late" in self.allow:
            return
        if fill.time > self.now + _CLOCKS:
            problem = f"is in the future: it is {self.now:%Y-%m-%d %H:%M:%S} UTC"
            raise self._refused(fill, problem, "time", told, "check the date, its time zone and the clock", "late")
        if fill.time > self.market.timestamp + _OLD:
            problem = f"is more than a day after the market, which is of {self.market.timestamp.isoformat()}"
            raise self._refused(fill, problem, "time", told, "give the market of now with --market", "late")

    def price(self, fill: ListedFill, item: Any, proposed: float) -> None:
        """Refuse a price far from the mark in the market and from the proposal's; where neither is known, none is."""
        mark = float(self.market.quoted("mark_price", [item.id])[0])
        known = {word: price for word, price in (("the mark", mark), ("the proposal's price", proposed)) if price > 0.0}
        most = _FAR["option" if item.nature.option else "other"]
        if "price" in self.allow or not known:
            return
        if any(price / most <= fill.price <= price * most for price in known.values()):
            return
        told = " and ".join(f"{word} {price:g}" for word, price in known.items())
        fix = "prices of inverse options are in coins, others in dollars"
        raise self._refused(fill, f"is far from {told}", "price", fill.price, fix, "price")

    def fee(self, fill: ListedFill, usd: float, traded: float) -> None:
        """Refuse a fee of ``usd`` that is a large share of the USD traded."""
        if "fee" in self.allow or abs(usd) <= max(_FEE_SHARE * traded, _FEE_USD):
            return
        problem = f"would be {abs(usd):,.0f} USD, of {traded:,.0f} USD traded"
        raise self._refused(fill, problem, "fee", fill.fee, "check fee_asset: is it a fee in USD?", "fee")

    def _refused(self, fill: ListedFill, problem: str, field: str, value: object, fix: str, word: str) -> InputError:
        where = f"{field}, row {fill.row}"
        return InputError(problem, file=self.file, field=where, value=value, fix=f"{fix} (or say --allow {word})")
