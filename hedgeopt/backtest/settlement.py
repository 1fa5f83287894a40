"""Expiry: options and futures settle on the index nearest their expiry among those known by now.

A recorded index price is held to the rule of snapshots (:class:`~hedgeopt.backtest.sanity.Sanity`): one that lies further
from the nearest snapshot's than an index moves settles nothing, and an event tells it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from hedgeopt.backtest.accruals import variation
from hedgeopt.backtest.portfolio import Portfolio
from hedgeopt.backtest.sanity import Sanity
from hedgeopt.errors import InputError
from hedgeopt.inputs.market import Market
from hedgeopt.models.costs.delivery import fee_at_delivery
from hedgeopt.models.pricing.families import family_of

__all__ = ["IndexHistory", "settle"]

_NEAR = 8
"""Recorded prices looked at on either side of an expiry."""


@dataclass
class IndexHistory:
    """Index prices by moment: those of the snapshots so far, and a recorded series of which only the past is read."""

    recorded: pd.DataFrame | None = None
    sanity: Sanity = field(default_factory=Sanity)
    _seen: dict[str, list[tuple[datetime, float]]] = field(default_factory=dict)
    _refused: dict[tuple[str, datetime], str] = field(default_factory=dict)

    def add(self, market: Market) -> None:
        """Remember the snapshot's index prices."""
        for asset, price in market.prices.items():
            self._seen.setdefault(asset, []).append((market.timestamp, float(price)))

    def warm(self, prices: pd.DataFrame, before: datetime) -> None:
        """Remember index prices from before the first snapshot, by moment (UTC) and asset."""
        earlier = prices[prices.index < pd.Timestamp(before)]
        for asset in earlier.columns:
            known = earlier[asset].dropna()
            known = known[known > 0]
            pairs = [(when.to_pydatetime(), float(price)) for when, price in known.items()]
            self._seen[str(asset)] = pairs + self._seen.get(str(asset), [])

    def nearest(self, asset: str, moment: datetime, now: datetime) -> tuple[float, datetime]:
        """Price nearest to ``moment`` among those not later than ``now``, and its time; the earlier of two equally near."""
        known = [pair for pair in self._seen.get(asset, ()) if pair[0] <= now]
        if self.recorded is not None and asset in self.recorded.columns:
            past = self.recorded[asset].loc[: pd.Timestamp(now)].dropna()
            at = int(past.index.searchsorted(pd.Timestamp(moment)))
            near = past.iloc[max(at - _NEAR, 0) : at + _NEAR]
            pairs = ((when.to_pydatetime(), float(price)) for when, price in near.items())
            known += [pair for pair in pairs if self._believed(asset, *pair)]
        if not known:
            raise InputError(f"no index price of {asset} is known", field="settlement", value=moment.isoformat())
        when, price = min(known, key=lambda pair: (abs((pair[0] - moment).total_seconds()), pair[0]))
        return price, when

    def _believed(self, asset: str, when: datetime, price: float) -> bool:
        """Whether a recorded price lies as near to the nearest snapshot's as an index moves; what does not is told later."""
        seen = self._seen.get(asset)
        if not seen:
            return price > 0
        moment, anchor = min(seen, key=lambda pair: abs((pair[0] - when).total_seconds()))
        if self.sanity.moves(price / anchor, (when - moment).total_seconds()):
            return True
        self._refused.setdefault(
            (asset, when),
            f"recorded index of {asset} at {when.isoformat()} ({price:,.6g}) is {price / anchor:.4g} × that of the snapshot "
            f"of {moment.isoformat()}: nothing settles on it",
        )
        return False

    def refused(self) -> list[dict[str, Any]]:
        """An event for each recorded price that was not believed; told once."""
        told = [{"kind": "implausible_index", "message": said} for said in self._refused.values() if said]
        self._refused = dict.fromkeys(self._refused, "")
        return told

    def frame(self) -> pd.DataFrame:
        """Prices by moment and asset, of the snapshots so far."""
        series = {asset: pd.Series(dict(pairs), dtype=float) for asset, pairs in self._seen.items()}
        frame = pd.DataFrame(series)
        frame.index = pd.DatetimeIndex(frame.index)
        return frame.sort_index()


def settle(portfolio: Portfolio, market: Market, history: IndexHistory) -> list[dict[str, Any]]:
    """Settle every holding whose expiry has come; one event each, and one for each recorded price that settles nothing.

    An inverse option pays ``max(+-(S - K), 0) / S`` coins, a linear one dollars; futures settle their P&L to S. Delivery
    fees by venue: :func:`~hedgeopt.models.costs.delivery.fee_at_delivery`; a venue without one is refused.
    """
    events = []
    for (account, _), holding in list(portfolio.holdings.items()):
        item = holding.instrument
        if not item.nature.expires or item.expiry > market.timestamp:
            continue
        expiry, family = item.expiry, family_of(item)
        price, when = history.nearest(item.underlying, expiry, market.timestamp)
        dollars = price if item.inverse else market.price(item.settlement)
        q, memo = holding.quantity, f"expiry {item.name}"
        portfolio.drop(account, item)
        if item.nature.settles == "payoff":
            payoff = family.payoff(item, price)
            received = q * payoff
            postings = [("cash", received), ("positions", -holding.cost), ("settlement", holding.cost - received)]
            portfolio.ledger.book(expiry, account, item.settlement, dollars, postings, memo)
        else:
            delivered = family.mark_at(item, price)
            received = variation(holding, delivered, dollars)
            portfolio.cash(expiry, account, item.settlement, dollars, received, "settlement", memo)
        fee = abs(q) * fee_at_delivery(item, price, dollars)
        portfolio.cash(expiry, account, item.settlement, dollars, -fee, "fees", f"delivery {item.name}")
        events.append(
            {
                "timestamp": market.timestamp,
                "kind": "settlement",
                "account": account,
                "instrument": item.name,
                "quantity": q,
                "price": price,
                "index_time": when,
                "received": received * dollars,
            }
        )
    return [*history.refused(), *events]
