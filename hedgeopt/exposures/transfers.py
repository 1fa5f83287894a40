"""Transfers of collateral as arrays: source, target, share that arrives in time, capacity and cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from hedgeopt.inputs.book import Book
from hedgeopt.models.costs.cash import day_of
from hedgeopt.models.pricing.transfer import Transfer
from hedgeopt.models.rows import Links

__all__ = ["capacity", "flows_of", "links_of", "sending_cost", "share_of_sending"]

_LEAST_TRANSFER_COST = 1e-6
"""Share of the amount that a transfer costs at least: where moving is free, nothing should move without reason."""


def links_of(
    book: Book, sent: Sequence[Transfer], candidate: np.ndarray, assets: tuple[str, ...], horizon_days: float
) -> Links:
    """Transfers as arrays; one that takes longer than the horizon does not count at its target."""
    where = {account.name: c for c, account in enumerate(book.accounts)}
    return Links(
        candidate=candidate,
        source=np.array([where[item.source] for item in sent], dtype=np.int64),
        target=np.array([where[item.target] for item in sent], dtype=np.int64),
        asset=np.array([assets.index(item.asset) for item in sent], dtype=np.int64),
        arrives=np.array([float(item.delay_hours <= 24.0 * horizon_days) for item in sent]),
    )


def capacity(links: Links, sent: Sequence[Transfer], collateral: np.ndarray) -> np.ndarray:
    """(T,) largest amount: the link's capacity, at most what the book posts of the asset; 0 where it arrives too late."""
    posted = np.maximum(collateral, 0.0).sum(axis=0)[links.asset]
    own = np.array([np.inf if item.capacity is None else item.capacity for item in sent])
    return np.minimum(posted, own) * links.arrives


def sending_cost(sent: Sequence[Transfer], notional: np.ndarray) -> np.ndarray:
    """(T,) USD per unit sent; ``notional`` (T,) is USD per unit."""
    return np.array([share_of_sending(item.cost_rate) for item in sent]) * notional


def share_of_sending(cost_rate: float) -> float:
    """Share of the amount that a transfer costs: its link's, and never nothing."""
    return max(cost_rate, _LEAST_TRANSFER_COST)


def flows_of(book: Book, assets: tuple[str, ...], now: datetime) -> tuple[tuple[int, int, float, int, bool], ...]:
    """The book's known flows to come, as :attr:`Exposures.flows <hedgeopt.models.arrays.Exposures.flows>` has them."""
    where = {account.name: c for c, account in enumerate(book.accounts)}
    return tuple(
        (
            where[one.account],
            assets.index(one.asset),
            one.amount,
            day_of((one.moment - now).total_seconds() / 3600.0),
            one.locked,
        )
        for one in book.flows
        if one.moment > now
    )
