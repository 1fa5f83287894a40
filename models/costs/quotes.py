"""Trading cost per unit from quotes and venue fee tables.

A venue's fees are those of ``[fees]``, in place of which an account's tier may have others (``[fee_tiers.NAME]``). Orders
pay as takers; a policy may have them pay as makers: ``option_maker``, ``perpetual_maker``, ``future_maker``, ``spot_maker``,
and 0 where a venue pays a rebate, which is concave in the trades. Half-spreads count in full either way: nobody knows what
rests unfilled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.data import lacking, table, venues
from hedgeopt.models.pricing.families import family_of, quoted_kinds
from hedgeopt.models.pricing.family import MarketView

__all__ = ["TAKER", "FeeTerms", "UnitCost", "fee_parameters", "fees", "not_traded", "unit_cost", "unit_fee", "venue_ticket"]


@dataclass(frozen=True)
class FeeTerms:
    """The tier of an account at its venue (None: the table's own fees), and whether its orders pay as makers."""

    tier: str | None = None
    maker: bool = False


TAKER = FeeTerms()
"""The venue's own fees of takers."""


@dataclass(frozen=True)
class UnitCost:
    """USD per unit bought or sold (n,), fee included; ``buyable`` and ``sellable`` tell where there is a quote.

    ``from_buy`` and ``from_sell`` are the prices in the quote unit that a purchase and a sale are measured from.
    """

    buy: np.ndarray
    sell: np.ndarray
    fee: np.ndarray
    buyable: np.ndarray
    sellable: np.ndarray
    assumed: np.ndarray
    from_buy: np.ndarray
    from_sell: np.ndarray


def unit_cost(
    instruments: Sequence[Any],
    market: MarketView,
    notional: np.ndarray,
    *,
    mark_half_spread: float | None = None,
    terms: Sequence[FeeTerms] | None = None,
) -> UnitCost:
    """Half-spread plus fee; ``terms`` are each instrument's account's, takers' by default.

    Buying costs ``ask - min(mid, mark)``, selling ``max(mid, mark) - bid``, in USD per unit; with one quote missing the
    mark alone is the reference and the other side is closed.

    Parameters
    ----------
    notional : (n,)
        USD of underlying per unit.
    mark_half_spread
        Half-spread as a share of price assumed for instruments that carry a mark and no quote at all; None: not tradable.
    """
    if not len(instruments):
        nothing, none = np.zeros(0), np.zeros(0, bool)
        return UnitCost(nothing, nothing, nothing, none, none, none, nothing, nothing)
    ids = [item.id for item in instruments]
    bid, ask, mark = (market.quoted(field, ids) for field in ("bid_price", "ask_price", "mark_price"))
    if mark_half_spread is not None:
        assumed = np.isnan(bid) & np.isnan(ask) & np.array([not item.nature.option for item in instruments], bool)
        bid = np.where(assumed, mark * (1.0 - mark_half_spread), bid)
        ask = np.where(assumed, mark * (1.0 + mark_half_spread), ask)
    else:
        assumed = np.zeros(len(ids), bool)
    mid = np.where(np.isnan(bid) | np.isnan(ask), mark, 0.5 * (bid + ask))
    to_usd = _quote_value(instruments, market, mark)
    fee = fees(instruments, market, notional, mark * to_usd, terms)
    low, high = np.minimum(mid, mark), np.maximum(mid, mark)
    buy = np.maximum(ask - low, 0.0) * to_usd + fee
    sell = np.maximum(high - bid, 0.0) * to_usd + fee
    buyable, sellable = ~np.isnan(ask), ~np.isnan(bid)
    buy, sell = np.where(buyable, buy, 0.0), np.where(sellable, sell, 0.0)
    return UnitCost(buy, sell, fee, buyable, sellable, assumed, low, high)


def _quote_value(instruments: Sequence[Any], market: MarketView, mark: np.ndarray) -> np.ndarray:
    """USD per unit of quantity per unit of quoted price."""
    for item in instruments:
        if not item.nature.quoted:
            raise not_traded(item)
    pairs = zip(instruments, mark.tolist(), strict=True)
    return np.array([family_of(item).quote_value(item, market, price) for item, price in pairs], float)


def not_traded(item: Any) -> InputError:
    """The error for what no market quotes."""
    return InputError(
        f"{item.name} ({item.kind}) is not traded at quotes",
        field="kind",
        value=item.kind,
        fix=f"kinds that are: {', '.join(quoted_kinds())}",
    )


def fees(
    instruments: Sequence[Any],
    market: MarketView,
    notional: np.ndarray,
    option_price: np.ndarray,
    terms: Sequence[FeeTerms] | None = None,
) -> np.ndarray:
    """Fee in USD per unit (n,); an option's is ``min(rate * index, cap * price)``.

    Vectors (coins): price .0001 pays .0000125; .0024 pays .0003; .05 pays .0003.
    """
    each = zip(instruments, notional.tolist(), option_price.tolist(), terms or [TAKER] * len(instruments), strict=True)
    return np.array([unit_fee(item, market, usd, price, mine) for item, usd, price, mine in each], float)


def unit_fee(item: Any, market: MarketView, notional: float, option_price: float, terms: FeeTerms = TAKER) -> float:
    """:func:`fees` of one instrument."""
    nature = item.nature
    if nature.fee is None:
        raise not_traded(item)
    if nature.option:
        index = market.price(item.underlying)
        rate = _rate(item, f"{nature.fee}_{'maker' if terms.maker else 'rate'}", terms)
        return min(rate * index, _rate(item, f"{nature.fee}_cap", terms) * option_price)
    return _rate(item, f"{nature.fee}_{'maker' if terms.maker else 'taker'}", terms) * notional


def fee_parameters(item: Any) -> tuple[str, ...]:
    """Parameters of the venue's table that :func:`unit_fee` reads."""
    fee = item.nature.fee
    if fee is None:
        return ()
    return (f"fees.{fee}_rate", f"fees.{fee}_cap") if item.nature.option else (f"fees.{fee}_taker",)


def venue_ticket(venue: str, tier: str | None = None) -> float:
    """USD that a venue charges for an order whatever its size; 0 where its table says nothing of it."""
    return float(_rates(venue, tier).get("ticket", 0.0)) if venue in venues() else 0.0


def _rate(item: Any, key: str, terms: FeeTerms) -> float:
    rates = _rates(item.venue, terms.tier)
    if key not in rates:
        raise lacking(
            item.venue,
            f"{item.name} ({item.kind}) has no fee at {item.venue}",
            field=f"fees.{key}",
            line=f"[fees] {key} = SHARE",
            known=", ".join(rates),
        )
    return float(rates[key])


def _rates(venue: str, tier: str | None) -> dict[str, float]:
    try:
        found = table(venue)
    except FileNotFoundError:
        raise lacking(venue, f"no fee table for venue {venue!r}", field="fees", line="[fees]") from None
    own: dict[str, float] = found.get("fees", {})
    if tier is None:
        return own
    tiers = found.get("fee_tiers", {})
    if tier not in tiers:
        raise lacking(
            venue,
            f"has no tier {tier!r}, which an account of the book is in",
            field="fee_tiers",
            line=f"[fee_tiers.{tier}] perpetual_taker = SHARE",
            known=", ".join(tiers),
        )
    return {**own, **tiers[tier]}
