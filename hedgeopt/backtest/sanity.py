"""Checks that a snapshot is one moment of one market, before anything is valued, settled, liquidated or traded on it.

* A snapshot whose index contradicts its own forwards, perpetuals or futures, or jumps further than a market moves between
  two steps, is passed over: only an event with the reason is noted. A jump that the next snapshot confirms is real.
* Quotes of another moment cannot be traded: those whose stamp is older or later than allowed, those beyond their marks,
  those of instruments the reader doubts, and all of a coin where the marks of too many options lie outside their quotes
  (in the recorded chains at most 9 % do, in the crash; with quotes 6 hours old over half, once the index moves by 1 %).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.files.counted import many
from hedgeopt.inputs.chain.quote_checks import too_good
from hedgeopt.inputs.market import Market

__all__ = ["Sanity", "problem_within", "without_false_quotes"]

_BASIS, _PER_YEAR = 0.1, 1.0
_PERPETUAL = 0.4
_OUTSIDE = 1e-4, 0.01
_MOST_OUTSIDE, _MOST_BEYOND, _FEWEST = 0.15, 0.02, 8
_SECOND = pd.Timedelta(seconds=1)


@dataclass(frozen=True)
class Sanity:
    """Bounds on a snapshot.

    Attributes
    ----------
    largest_move
        Factor that an index may move by within a day, up or down; the logarithm grows with the root of longer steps.
    max_quote_age_seconds
        Older quotes, and such as lie more than a second after the snapshot, cannot be traded.
    """

    largest_move: float = 2.0
    max_quote_age_seconds: float = 600.0

    def moves(self, ratio: float, seconds: float) -> bool:
        """Whether an index may move by a factor within a time."""
        days = abs(seconds) / 86_400.0
        most = math.log(self.largest_move) * max(1.0, math.sqrt(days))
        return ratio > 0 and math.isfinite(ratio) and abs(math.log(ratio)) <= most

    def jump(self, market: Market, before: Market) -> str | None:
        """One line on the first index that moved further than that since ``before``."""
        seconds = (market.timestamp - before.timestamp).total_seconds()
        for asset, price in market.prices.items():
            if asset in before.prices and not self.moves(price / before.prices[asset], seconds):
                return (
                    f"index of {asset} is {price / before.prices[asset]:.4g} × that of {before.timestamp.isoformat()} "
                    f"({before.prices[asset]:,.6g} to {price:,.6g})"
                )
        return None


def problem_within(market: Market) -> str | None:
    """One line on the first coin whose index contradicts its options' forwards, perpetuals or futures; None: all agree."""
    ids = list(market.instruments)
    forward, mark = market.quoted("underlying_price", ids), market.quoted("mark_price", ids)
    gaps: dict[tuple[str, str], list[float]] = defaultdict(list)
    logs: dict[tuple[str, str], list[float]] = defaultdict(list)
    for item, one, other in zip(market.instruments.values(), forward.tolist(), mark.tolist(), strict=True):
        nature = item.nature
        if not nature.derivative or nature.payoff == "curved":  # whose mark is no price of the index
            continue
        price = one if nature.option else other
        if not (price > 0 and math.isfinite(price)):
            continue
        ratio = math.log(price / market.price(item.underlying))
        years = 0.0 if not nature.expires else max((item.expiry - market.timestamp).total_seconds() / 3.1536e7, 0.0)
        room = (_BASIS if nature.option else _PERPETUAL) + _PER_YEAR * years
        group = item.underlying, "options' forwards" if nature.option else "perpetuals and futures"
        gaps[group].append(abs(ratio) - room)
        logs[group].append(ratio)
    for (asset, what), gap in gaps.items():
        if 2 * sum(g > 0 for g in gap) > len(gap):
            ratio = math.exp(-float(np.median(logs[asset, what])))
            return f"index of {asset} ({market.price(asset):,.6g}) is {ratio:.4g} × its {what}"
    return None


def without_false_quotes(market: Market, settings: Sanity) -> tuple[Market, list[dict[str, Any]]]:
    """The market without bids and asks that are not of its moment, and an event per reason with how many."""
    items = list(market.instruments.values())
    ids = list(market.instruments)
    bid, ask = market.quoted("bid_price", ids), market.quoted("ask_price", ids)
    quoted = np.isfinite(bid) | np.isfinite(ask)
    if not quoted.any():
        return market, []
    mark, forward = market.quoted("mark_price", ids), market.quoted("underlying_price", ids)
    beyond = quoted & too_good(items, mark, bid, ask, forward)
    reasons = {
        "quoted at another moment": quoted & _other_moment(market, ids, market.timestamp, settings),
        "their mark, vol, forward or quotes contradict each other": quoted & np.array([k in market.doubtful for k in ids]),
        "an ask below the mark, or a bid above it": beyond,
        "the marks of their coin lie outside its quotes": quoted & _old_coins(items, mark, bid, ask, forward, beyond),
    }
    events, refused = [], np.zeros(len(ids), bool)
    for why, bad in reasons.items():
        new = bad & ~refused
        if new.any():
            names = [items[i].name for i in np.flatnonzero(new)[:3]]
            said = (
                f"{many(int(new.sum()), 'quote')} cannot be traded: {why} "
                f"({', '.join(names)}{', …' if new.sum() > 3 else ''})"
            )
            events.append({"kind": "quotes_refused", "count": int(new.sum()), "message": said})
        refused |= bad
    if not refused.any():
        return market, []
    quotes = market.quotes.copy()
    bad_ids = [ids[i] for i in np.flatnonzero(refused)]
    quotes.loc[bad_ids, ["bid_price", "ask_price"]] = np.nan
    doubtful = {**market.doubtful, **dict.fromkeys(bad_ids, "its quotes are not of this moment")}
    return replace(market, quotes=quotes, doubtful=doubtful), events


def _other_moment(market: Market, ids: Sequence[str], now: datetime, settings: Sanity) -> np.ndarray:
    stamps = pd.to_datetime(market.quotes["timestamp"].reindex(pd.Index(ids)), utc=True)
    age = pd.Timestamp(now) - stamps
    old = (age > pd.Timedelta(seconds=settings.max_quote_age_seconds)) | (age < -_SECOND)
    return np.asarray(old, bool)


def _old_coins(
    items: Sequence[Any], mark: np.ndarray, bid: np.ndarray, ask: np.ndarray, forward: np.ndarray, beyond: np.ndarray
) -> np.ndarray:
    """Everything on coins whose options' quotes, taken together, are not of the marks' moment."""
    option = np.array([item.nature.option for item in items], bool)
    both = option & np.isfinite(bid) & np.isfinite(ask)
    unit = np.where(option & ~np.array([getattr(item, "inverse", True) for item in items], bool), forward, 1.0)
    m, b, a = mark / unit, bid / unit, ask / unit
    room = _OUTSIDE[0] + _OUTSIDE[1] * m
    out = both & ((m > a + room) | (m < b - room))
    bad = np.zeros(len(items), bool)
    if not out.any():
        return bad
    coin = np.array([item.assets[0] for item in items], dtype=object)
    for name in sorted(set(coin[out])):
        mine = both & (coin == name)
        if mine.sum() < _FEWEST:
            continue
        if out[mine].mean() > _MOST_OUTSIDE or beyond[mine].mean() > _MOST_BEYOND:
            bad |= coin == name
    return bad
