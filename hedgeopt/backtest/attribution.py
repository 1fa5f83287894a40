"""P&L of one step by cause, from the Greeks at its start."""

from __future__ import annotations

import numpy as np

from hedgeopt.backtest.valuation import Valuation
from hedgeopt.inputs.market import Market
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.pricing.instrument import has

__all__ = ["attribute"]


def attribute(start: Valuation, before: Market, now: Market, pnl: float, carry: float, cost: float) -> dict[str, float]:
    """``delta dS + gamma dS^2 / 2 + vega dvol + theta dt + carry - cost + residual = pnl``, USD.

    Delta counts posted coins and moves of pegs; vega takes each option's own mark vol; theta stops at expiry. ``carry`` is
    the funding and interest booked, ``cost`` what was paid at the end of the step; the residual holds the rest: higher
    orders, futures basis, and the way to expiry of what settled on the way.
    """
    e = start.exposures
    days = (now.timestamp - before.timestamp).total_seconds() / 86_400.0
    delta = gamma = 0.0
    greeks = start.greeks()
    for asset in e.assets:
        move = _move(asset, before, now)
        delta += greeks[asset]["delta"] * move
        gamma += 0.5 * greeks[asset]["gamma"] * move**2
    ids = [item.id for item in e.rows.instruments]
    change = 100.0 * (now.quoted("mark_iv", ids) - before.quoted("mark_iv", ids))
    change = np.where(np.isfinite(change), change, 0.0)
    per_row = e.rows.greeks.sum(axis=2) * e.rows.quantity
    left = np.array(
        [max(365.0 * i.years_from(before.timestamp), 0.0) if has(i, "years_from") else np.inf for i in e.rows.instruments]
    )
    parts = {
        "delta": float(delta),
        "gamma": float(gamma),
        "vega": float(per_row[greek("vega")] @ change) if len(ids) else 0.0,
        "theta": float(per_row[greek("theta")] @ np.minimum(left, days)) if len(ids) else 0.0,
        "carry": carry,
        "cost": -cost,
    }
    return {**parts, "residual": pnl - sum(parts.values())}


def _move(asset: str, before: Market, now: Market) -> float:
    if not is_peg(asset):
        return now.price(asset) - before.price(asset)
    token, underlying = asset.split("/")
    ratios = []
    for market in (before, now):
        if token not in market.prices:
            return 0.0
        ratios.append(market.price(token) / market.price(underlying))
    return ratios[1] / ratios[0] - 1.0
