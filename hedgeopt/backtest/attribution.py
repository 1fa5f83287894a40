"""P&L of one step by cause, from the Greeks at its start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hedgeopt.backtest.valuation import Valuation
from hedgeopt.inputs.market import Market
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.pricing.black76 import black76_price
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.pricing.instrument import has

__all__ = ["attribute"]


def attribute(start: Valuation, before: Market, now: Market, pnl: float, carry: float, cost: float) -> dict[str, float]:
    """``delta dS + gamma dS^2 / 2 + vega dvol + theta dt + carry - cost + marks + residual = pnl``, USD.

    Delta counts posted coins and moves of pegs; vega takes each option's own mark vol; theta stops at expiry. ``carry`` is
    the funding and interest booked, ``cost`` what was paid at the end of the step. ``marks`` is the change of what options
    are worth at the venue's marks beyond the formula at recorded vols and forwards. The residual holds the rest: higher
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
        "marks": float(e.rows.quantity @ (_off(e.rows.instruments, now) - _off(e.rows.instruments, before))),
    }
    return {**parts, "residual": pnl - sum(parts.values())}


def _off(items: Sequence[Any], market: Market) -> np.ndarray:
    """(R,) USD by which an option's mark exceeds Black-76 at its vol and forward; 0 for others and where one is unknown."""
    found = np.zeros(len(items))
    at = np.array([k for k, item in enumerate(items) if item.nature.option and item.expiry > market.timestamp], int)
    if not len(at):
        return found
    chosen = [items[k] for k in at]
    mark, vol, forward = (
        market.quoted(name, [i.id for i in chosen]) for name in ("mark_price", "mark_iv", "underlying_price")
    )
    known = np.isfinite(mark) & (vol > 0.0) & (forward > 0.0)
    at, chosen = at[known], [item for item, usable in zip(chosen, known, strict=True) if usable]
    if not chosen:
        return found
    strike, calls = np.array([i.strike for i in chosen], float), np.array([i.right == "call" for i in chosen], bool)
    years = np.array([i.years_from(market.timestamp) for i in chosen])
    unit = np.where([i.inverse for i in chosen], forward[known], 1.0)
    formula = black76_price(forward[known], strike, years, vol[known], calls) / unit
    found[at] = (mark[known] - formula) * np.array([market.price(i.settlement) for i in chosen])
    return found


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
