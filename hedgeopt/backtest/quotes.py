"""Prices of a holding's trades and marks, as the market of a step quotes them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hedgeopt.exposures.units import known_unit
from hedgeopt.inputs.market import Market
from hedgeopt.models.costs.quotes import not_traded
from hedgeopt.models.pricing.families import family_of

__all__ = ["NoQuote", "fill_price", "mark_of", "unit_notional", "unit_premium", "whole", "worsened"]


class NoQuote(Exception):
    """The side that an order needs is not quoted."""


def whole(item: Any) -> bool:
    """Whether no market quotes it: pools, loans and the like are described in the book itself."""
    return not item.nature.quoted


def unit_premium(item: Any, market: Market) -> float:
    """Units of the settlement asset that one unit is worth at its mark."""
    return _unit(item, market)[0]


def _unit(item: Any, market: Market) -> tuple[float, float]:
    known = known_unit(item, market)
    if known is not None:
        return known
    assets = tuple(dict.fromkeys((*item.assets, item.settlement)))
    risk = family_of(item).unit_risk([item], market, assets)
    return float(risk.premium[0]), float(risk.notional[0])


def mark_of(item: Any, market: Market) -> float:
    """Mark price in the quote unit; 0 for what no market quotes."""
    return market.quote("mark_price", item.id) if not whole(item) else 0.0


def unit_notional(item: Any, market: Market) -> float:
    """USD of underlying in one unit (an inverse contract is one dollar)."""
    return _unit(item, market)[1]


def worsened(item: Any, market: Market, quantity: float, mark: float, worse: float) -> float:
    """The mark less a share of it (of the index, for options whose mark is more), where nobody quotes."""
    if item.nature.option:
        unit = 1.0 if item.inverse else market.price(item.underlying)
        return float(max(mark + np.sign(quantity) * worse * min(mark, unit), 0.0))
    return float(mark * (1.0 + np.sign(quantity) * worse))


def fill_price(
    item: Any, market: Market, quantity: float, mark: float, half_spread: float | None, edge: float | None, worse: float
) -> float:
    """What an order pays: mark and ``edge`` where that is given, else the quoted side, else ``half_spread`` or ``worse``.

    Raises
    ------
    NoQuote
        The side is not quoted and nothing replaces it.
    """
    if whole(item):
        raise not_traded(item)
    if edge is not None:
        return mark * (1.0 - np.sign(quantity) * edge)
    side, other_side = ("ask_price", "bid_price") if quantity > 0 else ("bid_price", "ask_price")
    quote = market.quote(side, item.id)
    ladder = market.depth.get(item.id)
    if ladder is not None:
        levels = ladder.asks if quantity > 0 else ladder.bids
        quote = float(levels.price[0]) if len(levels) else math.nan
    if math.isfinite(quote):
        return quote
    if half_spread is not None and not math.isfinite(market.quote(other_side, item.id)) and not item.nature.option:
        return mark * (1.0 + np.sign(quantity) * half_spread)
    if worse > 0:
        return worsened(item, market, quantity, mark, worse)
    raise NoQuote(f"{item.name} has no {side.split('_')[0]}")
