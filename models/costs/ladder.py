"""Depth of one instrument at one moment: the levels of an order book, or the ranges of a pool, as prices and sizes.

A level sells ``d`` units for ``p d Y / (Y - d)`` and buys them for ``p d Y / (Y + d)`` in the quote unit, where ``p`` is its
first price and ``Y`` its virtual reserve: infinite for orders of a book, which trade at ``p``. Quantities are those of
positions: coins, or USD of an inverse contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_class

__all__ = ["Ladder", "Levels", "book_levels"]

_SAME = 1e-9


@strict_class
@dataclass(frozen=True, eq=False)
class Levels:
    """One side of a ladder, best first.

    Attributes
    ----------
    price : (L,)
        First price of each level, quote unit; fees of a pool are in it.
    size : (L,)
        Units there.
    reserve : (L,)
        Virtual reserve in units, infinite where the price does not move within the level.
    """

    price: np.ndarray
    size: np.ndarray
    reserve: np.ndarray

    def __len__(self) -> int:
        return len(self.price)

    @property
    def total(self) -> float:
        """Units on this side."""
        return float(self.size.sum())


@strict_class
@dataclass(frozen=True, eq=False)
class Ladder:
    """What may be sold (``bids``) and bought (``asks``) of one instrument, and for how much.

    Attributes
    ----------
    instrument
        ``venue:name``.
    timestamp
        Moment of the snapshot.
    bids, asks
        Best first.
    source
        File that it was read from, for messages.
    kind
        ``book``: orders at a venue, whose fee comes on top; ``pool``: an automated market maker, whose fee is in its prices.
    gas
        USD of network fee per swap, whatever its size.
    """

    instrument: str
    timestamp: datetime
    bids: Levels
    asks: Levels
    source: str = "depth"
    kind: Literal["book", "pool"] = "book"
    gas: float = 0.0

    def __post_init__(self) -> None:
        if self.timestamp.tzinfo is None:
            raise self._fault("needs a time zone", "timestamp", self.timestamp, "write it as 2026-02-05T21:29:00Z")
        for word, levels, sign in (("bids", self.bids, -1.0), ("asks", self.asks, 1.0)):
            self._check(word, levels, sign)
        meet = len(self.bids) and len(self.asks) and self.bids.price[0] >= self.asks.price[0]
        if meet and not (self.kind == "pool" and self.bids.price[0] == self.asks.price[0]):  # a pool without fee
            problem = f"is crossed: the best bid is {self.bids.price[0]:g}, the best ask {self.asks.price[0]:g}"
            raise self._fault(problem, "asks.0", float(self.asks.price[0]), "take a snapshot of one moment")

    def _check(self, word: str, levels: Levels, sign: float) -> None:
        for name in ("price", "size", "reserve"):
            values = getattr(levels, name)
            wrong = np.flatnonzero(~(values > 0) | (np.isinf(values) & (name != "reserve")))
            if len(wrong):
                k = int(wrong[0])
                fix = "leave empty levels out" if values[k] == 0 else "give the venue's numbers as they came"
                raise self._fault("must be above 0", f"{word}.{k}.{name}", float(values[k]), fix)
        back = np.flatnonzero(sign * np.diff(levels.price) < -_SAME * levels.price[:-1])
        if len(back):
            k = int(back[0]) + 1
            order = "ascending" if sign > 0 else "descending"
            raise self._fault(
                "is out of order", f"{word}.{k}.price", float(levels.price[k]), f"sort {word} by price, {order}"
            )
        beyond = np.flatnonzero((levels.size >= levels.reserve) & (sign > 0))
        if len(beyond):
            k = int(beyond[0])
            raise self._fault(
                "is no less than the pool holds", f"{word}.{k}.size", float(levels.size[k]), "give the range's own size"
            )

    def _fault(self, problem: str, field: str, value: object, fix: str) -> InputError:
        return InputError(problem, file=self.source, field=f"{self.instrument} {field}", value=value, fix=fix)

    def shared(self, among: int) -> Ladder:
        """The part of one of several accounts that trade here: every level divided by their number.

        Costs of the parts add up to no less than what all of them pay together, as cost is convex; equal trades to as much.
        """
        if among == 1:
            return self
        bids, asks = (Levels(side.price, side.size / among, side.reserve / among) for side in (self.bids, self.asks))
        return replace(self, bids=bids, asks=asks)


def book_levels(levels: Iterable[Sequence[float]] | np.ndarray) -> Levels:
    """Levels of an order book from pairs of price and size; orders at one price are one level."""
    pairs = np.asarray(list(levels) if not isinstance(levels, np.ndarray) else levels, float).reshape(-1, 2)
    price, size = pairs[:, 0], pairs[:, 1]
    if len(price) > 1 and (same := np.diff(price) == 0).any():
        first = np.flatnonzero(np.r_[True, ~same])
        price, size = price[first], np.add.reduceat(size, first)
    return Levels(price, size, np.full(len(price), np.inf))
