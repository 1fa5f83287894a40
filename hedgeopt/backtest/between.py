"""The market at a moment of the index between two snapshots: what a venue liquidates by while no chain was recorded.

Spot is the recorded index of that moment. Everything else is the last snapshot's, carried along: forwards, perpetuals and
futures keep their ratio to the index, options keep their vol, and nothing has a quote: a liquidation pays the venue's own
price for closing without one. A crash that recovers before the next snapshot is seen only so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd

from hedgeopt.inputs.market import Market
from hedgeopt.models.data import pegged_assets
from hedgeopt.models.pricing.black76 import black76_price

__all__ = ["between", "moments_between"]

_YEAR = 365.0 * 86_400.0


def moments_between(recorded: pd.DataFrame | None, after: datetime, before: datetime) -> pd.DataFrame:
    """Rows of a recorded index strictly between two moments."""
    if recorded is None:
        return pd.DataFrame()
    index = recorded.index
    return recorded[(index > pd.Timestamp(after)) & (index < pd.Timestamp(before))]


def between(market: Market, moment: datetime, prices: Mapping[str, float], held: Iterable[str]) -> Market:
    """``market`` carried to ``moment`` with these index prices, for the instruments ``held`` (ids) that are alive then.

    Staked and wrapped tokens keep their ratio to what they follow, other assets without an index their price.
    """
    ratio = {asset: prices[asset] / market.prices[asset] for asset in prices if asset in market.prices}
    for token, underlying in pegged_assets().items():
        if token in market.prices and token not in ratio and underlying in ratio:
            ratio[token] = ratio[underlying]
    kept = {key: market.instruments[key] for key in held if key in market.instruments}
    alive = {key: item for key, item in kept.items() if not item.nature.expires or item.expiry > moment}
    items, quotes = list(alive.values()), market.quotes.loc[list(alive)].copy()
    moved = np.array([ratio.get(getattr(item, "underlying", ""), 1.0) for item in items])
    quotes[["bid_price", "ask_price"]] = np.nan
    quotes["underlying_price"] = quotes["underlying_price"].to_numpy(float) * moved
    quotes["timestamp"] = pd.Timestamp(moment)
    mark = quotes["mark_price"].to_numpy(float).copy()
    linear = np.array([item.nature.margined and item.nature.payoff == "linear" for item in items], bool)
    mark[linear] *= moved[linear]
    at = np.flatnonzero([item.nature.option for item in items])
    if len(at):
        chosen = [items[k] for k in at]
        forward = quotes["underlying_price"].to_numpy(float)[at]
        strike, calls = np.array([i.strike for i in chosen], float), np.array([i.right == "call" for i in chosen], bool)
        years = np.array([(item.expiry - moment).total_seconds() / _YEAR for item in chosen])
        value = black76_price(forward, strike, years, quotes["mark_iv"].to_numpy(float)[at], calls)
        mark[at] = value / np.where([item.inverse for item in chosen], forward, 1.0)
    quotes["mark_price"] = mark
    then = {asset: price * ratio.get(asset, 1.0) for asset, price in market.prices.items()}
    source = f"{market.source}, carried to {moment.isoformat()}"
    return replace(
        market, timestamp=moment, prices=then, instruments=alive, quotes=quotes, source=source, notes=(), depth={},
        impact=None,
    )  # fmt: skip
