"""The protocol of a source of books, and the choice of options that all sources share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.models.pricing.black76 import greeks

__all__ = ["BookSource", "ClientTrade", "nearest_option", "options_of"]


@dataclass(frozen=True)
class ClientTrade:
    """A trade that comes whatever the policy: ``edge`` is the desk's gain as a share of the mark; None hits quotes."""

    account: str
    instrument: str
    quantity: float
    edge: float | None = None


class BookSource(Protocol):
    """A book, and its flow. Both see only the present snapshot."""

    name: str

    def open(self, market: Market) -> Book:
        """The book at the first snapshot."""
        ...

    def flow(self, market: Market, book: Book, step: int, days: float) -> list[ClientTrade]:
        """Trades that come at this step; ``days`` since the step before (0 at the first)."""
        ...


def options_of(market: Market, asset: str, venue: str, least_days: float = 1.0) -> tuple[list[Any], np.ndarray, np.ndarray]:
    """Options on an asset with both quotes, their days to expiry, and their Black-76 deltas."""
    items = [
        i for i in market.instruments.values()
        if i.nature.option and i.underlying == asset and i.venue == venue
    ]  # fmt: skip
    ids = [i.id for i in items]
    quoted = np.isfinite(market.quoted("bid_price", ids)) & np.isfinite(market.quoted("ask_price", ids))
    days = np.array([365.0 * i.years_from(market.timestamp) for i in items])
    kept = np.flatnonzero(quoted & (days >= least_days)) if items else np.zeros(0, int)
    chosen = [items[k] for k in kept]
    if not chosen:
        return [], np.zeros(0), np.zeros(0)
    ids = [i.id for i in chosen]
    delta = greeks(
        market.quoted("underlying_price", ids),
        np.array([i.strike for i in chosen]),
        days[kept] / 365.0,
        market.quoted("mark_iv", ids),
        np.array([i.right == "call" for i in chosen]),
    ).delta
    return chosen, days[kept], delta


def nearest_option(market: Market, asset: str, venue: str, right: str, days: float, delta: float) -> Any:
    """The quoted option nearest in tenor, then in absolute delta.

    Raises
    ------
    InputError
        When the market quotes none.
    """
    items, tenor, found = options_of(market, asset, venue)
    mine = np.array([i.right == right for i in items], bool)
    if not mine.any():
        raise InputError(f"quotes no {right} on {asset}", file=market.source, field="book", fix="start at another moment")
    off = np.abs(tenor - days)
    best = off[mine].min()
    at = np.flatnonzero(mine & (off <= best + 1e-9))
    return items[int(at[np.argmin(np.abs(np.abs(found[at]) - delta))])]
