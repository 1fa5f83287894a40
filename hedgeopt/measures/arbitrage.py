"""Static arbitrage in a market's options, one line each."""

from __future__ import annotations

import numpy as np

from hedgeopt.inputs.market import Market

__all__ = ["arbitrage_notes"]


def arbitrage_notes(market: Market, tolerance: float = 1e-3) -> list[str]:
    """Lines per coin and settlement on butterflies, verticals and calendars worth more than ``tolerance`` of the forward.

    Vols are those of the market at the median forward of each expiry, out of the money where both sides are listed; doubtful
    instruments are left out. See :mod:`hedgeopt.models.surface.arbitrage`.
    """
    from hedgeopt.models.surface.surface import VolSurface

    pools: dict[tuple[str, str], list[str]] = {}
    for key, item in market.instruments.items():
        if item.nature.option and key not in market.doubtful:
            pools.setdefault((item.underlying, item.settlement), []).append(key)
    lines = []
    for (coin, settlement), ids in pools.items():
        items = [market.instruments[key] for key in ids]
        years = np.array([item.years_from(market.timestamp) for item in items])
        forward, vol = market.quoted("underlying_price", ids).copy(), market.quoted("mark_iv", ids)
        for tenor in np.unique(years):
            forward[years == tenor] = np.median(forward[years == tenor])
        call = np.array([item.right == "call" for item in items], bool)
        strike = np.array([item.strike for item in items])
        surface = VolSurface.from_chain(forward, strike, years, vol, call)
        lines += [f"{coin} options settled in {settlement}: {note}" for note in surface.notes(tolerance)]
    return lines
