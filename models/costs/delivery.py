"""Delivery: what a venue charges for settling a position at its expiry, and that fee as a term."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar, Literal

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import TradeVariables
from hedgeopt.models.data import lacking, table, venues
from hedgeopt.models.pricing.families import family_of
from hedgeopt.models.sizes_held import SizesHeld
from hedgeopt.models.term import Term

__all__ = ["DeliveryFee", "fee_at_delivery"]


def fee_at_delivery(item: Any, price: float, dollars: float) -> float:
    """Units of the settlement asset that one unit, long or short, pays when it is delivered at ``price`` (USD, the index).

    Of an option ``min(option_rate * S, option_cap * payoff)``, of a future ``future_rate`` of its notional, rates in
    ``[delivery]`` of the venue's table; ``dollars`` is USD of one unit of the settlement asset then.

    Raises
    ------
    MissingNumberError
        For a venue without such a rate: nobody knows what it charges.
    """
    family = family_of(item)
    if item.nature.settles == "payoff":
        coin = price if item.inverse else 1.0
        rate, cap = _share(item, "option_rate"), _share(item, "option_cap")
        return float(min(rate * price / coin, cap * family.payoff(item, price)))
    return float(_share(item, "future_rate") * family.size(item, family.mark_at(item, price), dollars))


def _share(item: Any, name: str) -> float:
    found = (table(item.venue) if item.venue in venues() else {}).get("delivery", {}).get(name)
    if found is None:
        raise lacking(
            item.venue,
            f"no delivery fee of {item.venue} is known, and {item.name} ({item.kind}) expires there",
            field=f"delivery.{name}",
            line=f"[delivery] {name} = SHARE (0.0 where it takes none)",
            instead="close the position before it expires",
        )
    return float(found)


class _BoundDelivery(SizesHeld):
    def per_unit(self, e: Exposures) -> np.ndarray:
        found, end = np.zeros(len(e.rows)), e.timestamp + timedelta(days=e.horizon_days)
        for row, item in enumerate(e.rows.instruments):
            if item.nature.expires and item.expiry <= end:
                dollars = float(e.rows.settlement_price[row])
                found[row] = dollars * fee_at_delivery(item, float(e.rows.index[row]), dollars)
        return found


class DeliveryFee(Term):
    """USD that venues charge at delivery for positions that expire within the horizon, if prices stay as they are.

    ``sum over positions of fee |q + x|``, convex: an option that ends worthless today pays nothing, one in the money at most
    ``option_cap`` of its payoff. Positions of later expiry pay nothing within the horizon. Scenario P&L does not count it.
    """

    unit: ClassVar[str] = "USD"
    source: ClassVar[str] = "deribit.com/pages/docs, Delivery; models/data/deribit.toml"

    kind: Literal["delivery_fee"] = "delivery_fee"

    @property
    def name(self) -> str:
        """``delivery fees``."""
        return "delivery fees"

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundDelivery:
        """Weighted absolute values."""
        return _BoundDelivery(trades, e)
