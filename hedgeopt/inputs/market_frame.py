"""Markets as tables and as one line of text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.files.counted import many
from hedgeopt.files.given import Given
from hedgeopt.files.notebook import html_card, html_table
from hedgeopt.inputs.chain.reader import read_market
from hedgeopt.inputs.columns import CHAIN, MORE_FIELDS, QUOTE_FIELDS
from hedgeopt.inputs.market import Market

__all__ = ["market_card", "market_from_frame", "market_line", "market_to_frame"]

_SHOWN = 4


def market_from_frame(frame: Given, **options: Any) -> Market:
    """See :meth:`Market.from_frame`."""
    kept = getattr(frame, "attrs", None)
    prices = kept.get("prices") if isinstance(kept, dict) else None
    if isinstance(prices, dict) and isinstance(options.get("prices"), dict | None):
        options["prices"] = {**prices, **(options.get("prices") or {})}
    return read_market(frame, **options)


def market_to_frame(market: Market) -> pd.DataFrame:
    """See :meth:`Market.to_frame`."""
    items = [market.instruments[key] for key in market.quotes.index]
    base = [getattr(item, "underlying", None) or item.assets[0] for item in items]
    told = {
        "venue": [item.venue for item in items],
        "instrument_name": [item.name for item in items],
        "currency": base,
        "option_type": [item.right if item.nature.option else None for item in items],
        "strike": [float(item.strike) if item.nature.option else np.nan for item in items],
        "expiry": pd.to_datetime([getattr(item, "expiry", None) for item in items], utc=True),
        "index_price": [market.price(asset) for asset in base],
    }
    quotes = {name: market.quotes[name].to_numpy() for name in (*QUOTE_FIELDS, *MORE_FIELDS) if name in market.quotes}
    quotes["timestamp"] = pd.to_datetime(market.quotes["timestamp"], utc=True).array
    columns = {**told, **quotes}
    frame = pd.DataFrame({name: columns[name] for name in ("venue", *CHAIN) if name in columns})
    frame.attrs["prices"] = {asset: float(usd) for asset, usd in market.prices.items() if asset not in set(base)}
    return frame


def market_line(market: Market) -> str:
    """``Market(2026-03-06 10:00 UTC, 296 instruments of deribit, BTC 92,147 · ETH 3,182)``."""
    venues = list(dict.fromkeys(item.venue for item in market.instruments.values()))
    prices = [f"{asset} {usd:,.6g}" for asset, usd in list(market.prices.items())[:_SHOWN]]
    more = [f"{len(market.prices) - _SHOWN} more"] if len(market.prices) > _SHOWN else []
    where = f" of {', '.join(venues[:_SHOWN])}{' …' if len(venues) > _SHOWN else ''}" if venues else ""
    when = f"{market.timestamp:%Y-%m-%d %H:%M:%S %Z}"
    count = len(market.instruments)
    return f"Market({when}, {many(count, 'instrument')}{where}, {' · '.join([*prices, *more])})"


def market_card(market: Market) -> str:
    """The market as HTML for notebooks."""
    counts: dict[tuple[str, str], int] = {}
    for item in market.instruments.values():
        counts[item.venue, item.kind] = counts.get((item.venue, item.kind), 0) + 1
    when = f"{market.timestamp:%Y-%m-%d %H:%M:%S %Z}, read from {market.source}"
    doubtful = (
        [f"{many(len(market.doubtful), 'instrument is', 'instruments are')} not offered as hedges"]
        if market.doubtful
        else []
    )
    return html_card(
        f"Market of {many(len(market.instruments), 'instrument')}",
        [when, *doubtful, *market.notes[:_SHOWN]],
        html_table("Prices, USD", ("asset", "USD"), [(asset, float(usd)) for asset, usd in market.prices.items()]),
        html_table("Instruments", ("venue", "kind", "count"), [(*key, count) for key, count in counts.items()]),
    )
