"""Option rows as arrays, and the value of each by its own vol and forward.

Everything is a share of the forward, so that coin-settled and dollar-settled options compare: a coin-settled mark is one
already, a dollar-settled one is divided by its forward. An undiscounted Black-76 price over the forward is the other side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np

__all__ = ["OptionRows", "disagree", "option_rows"]

# Over the recorded chains (864,000 rows) the worst mark lies 5 % and 7 bp from its own vol and forward.
NEAR_SHARE, NEAR_PART = 1e-3, 0.06
"""A mark agrees within this share of the forward and this part of the larger price."""
NOTHING, GROSS = 5e-5, 10.0
"""Prices below this share of the forward are not informative; above it a ratio like this is never rounding."""
SANE_VOLS = 0.02, 10.0
"""Annual vols outside are not taken as agreeing with anything."""


@dataclass(frozen=True)
class OptionRows:
    """The n options of a chain.

    Attributes
    ----------
    name, venue, coin, settlement
        (n,) objects.
    inverse, is_call
        (n,) booleans.
    expiry
        (n,) whole numbers that distinguish expiries.
    years, strike, mark, vol, forward, index
        (n,) floats: time to expiry, USD, the mark in its quote unit, annual vol as a decimal (NaN: none given), forward and
        index price in USD.
    bid, ask
        (n,) floats in the quote unit; NaN where nobody quotes.
    """

    name: np.ndarray
    venue: np.ndarray
    coin: np.ndarray
    settlement: np.ndarray
    inverse: np.ndarray
    is_call: np.ndarray
    expiry: np.ndarray
    years: np.ndarray
    strike: np.ndarray
    mark: np.ndarray
    vol: np.ndarray
    forward: np.ndarray
    index: np.ndarray
    bid: np.ndarray
    ask: np.ndarray

    def __len__(self) -> int:
        return len(self.name)

    def take(self, rows: np.ndarray) -> OptionRows:
        """Some of the rows."""
        return OptionRows(**{field: getattr(self, field)[rows] for field in self.__dataclass_fields__})

    def having(self, **columns: np.ndarray) -> OptionRows:
        """The same rows with other numbers in some columns."""
        return replace(self, **columns)

    @property
    def unit(self) -> np.ndarray:
        """(n,) what a quote is divided by to be a share of the forward."""
        return np.where(self.inverse, 1.0, self.forward)

    @property
    def marked(self) -> np.ndarray:
        """(n,) mark as a share of the forward."""
        return self.mark / self.unit

    @property
    def intrinsic(self) -> np.ndarray:
        """(n,) ``max(1 - K/F, 0)`` of a call, ``max(K/F - 1, 0)`` of a put."""
        side = np.where(self.is_call, 1.0, -1.0)
        return np.maximum(side * (1.0 - self.strike / self.forward), 0.0)

    @cached_property
    def pools(self) -> np.ndarray:
        """(n,) number of the row's (venue, coin, settlement)."""
        numbers: dict[tuple[str, str, str], int] = {}
        pairs = zip(self.venue.tolist(), self.coin.tolist(), self.settlement.tolist(), strict=True)
        return np.array([numbers.setdefault(pair, len(numbers)) for pair in pairs], np.int64)

    @cached_property
    def groups(self) -> np.ndarray:
        """(n,) number of the row's (venue, coin, settlement, expiry)."""
        expiry = np.unique(self.expiry, return_inverse=True)[1]
        return np.unique(self.pools * (expiry.max(initial=0) + 1) + expiry, return_inverse=True)[1]

    def repriced(self) -> np.ndarray:
        """(n,) ``C(F, K, T, vol) / F``; NaN without a vol."""
        from hedgeopt.models.pricing.black76 import black76_price as price

        found = np.full(len(self), np.nan)
        at = np.isfinite(self.vol)
        if at.any():
            args = (column[at] for column in (self.forward, self.strike, self.years, self.vol, self.is_call))
            found[at] = price(*args) / self.forward[at]
        return found


def disagree(marked: np.ndarray, priced: np.ndarray) -> np.ndarray:
    """Where a mark and a price are not the same: beyond rounding and beyond a forward some basis points old."""
    larger, smaller = np.maximum(marked, priced), np.minimum(marked, priced)
    far = np.abs(marked - priced) > NEAR_SHARE + NEAR_PART * larger
    return far | ((larger > NOTHING) & (smaller * GROSS < larger))


def option_rows(
    items: Sequence[Any], quotes: dict[str, np.ndarray], index: Mapping[str, float], now: datetime
) -> OptionRows:
    """Rows of options: ``quotes`` holds the columns of :data:`~hedgeopt.inputs.columns.QUOTE_FIELDS` in the options'
    order."""
    expiry = [item.expiry for item in items]
    return OptionRows(
        name=np.array([item.name for item in items], dtype=object),
        venue=np.array([item.venue for item in items], dtype=object),
        coin=np.array([item.underlying for item in items], dtype=object),
        settlement=np.array([item.settlement for item in items], dtype=object),
        inverse=np.array([item.inverse for item in items], bool),
        is_call=np.array([item.right == "call" for item in items], bool),
        expiry=np.array([round(moment.timestamp()) for moment in expiry], np.int64),
        years=np.array([(moment - now).total_seconds() for moment in expiry]) / (365.0 * 86_400.0),
        strike=np.array([item.strike for item in items], float),
        mark=np.asarray(quotes["mark_price"], float),
        vol=np.asarray(quotes["mark_iv"], float),
        forward=np.asarray(quotes["underlying_price"], float),
        index=np.array([index[item.underlying] for item in items], float),
        bid=np.asarray(quotes["bid_price"], float),
        ask=np.asarray(quotes["ask_price"], float),
    )
