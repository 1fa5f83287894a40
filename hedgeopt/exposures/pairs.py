"""Accounts and the instruments they hold or may trade, as pairs: the rows of an exposure before anything is priced."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.exposures.resolve import Holdings
from hedgeopt.models.pricing.transfer import Transfer

__all__ = ["Table", "pair_up"]


@dataclass(frozen=True)
class Table:
    """The rows before pricing: instruments once each, and (account, instrument) pairs that point to them."""

    unique: list[Any]
    instrument: np.ndarray
    account: np.ndarray
    quantity: np.ndarray
    candidate: np.ndarray


def pair_up(holdings: Holdings, candidates: Sequence[Any], transfers: Sequence[Transfer]) -> Table:
    """Every pair once: positions held, then what each tradable account may trade at its venue, then transfers."""
    unique: dict[str, int] = {}
    instruments: list[Any] = []

    def place(item: Any) -> int:
        key = item.id
        at = unique.get(key)
        known = holdings.listed.get(key, item) if at is None else instruments[at]
        if known is not item and known != item:
            raise InputError(
                "two different instruments share this name", field="book", value=key, fix="give each its own name"
            )
        if at is None:
            at = unique[key] = len(instruments)
            instruments.append(item)
        return at

    found: dict[tuple[int, int], float] = defaultdict(float)
    for leg in holdings.legs:
        found[leg.account, place(leg.instrument)] += leg.quantity
    tradable: list[tuple[int, int]] = []
    for c, account in enumerate(holdings.accounts):
        if account.tradable and not account.paused:
            tradable += [(c, place(item)) for item in candidates if item.venue == account.venue]
    where = {account.name: c for c, account in enumerate(holdings.accounts)}
    tradable += [(where[item.source], place(item)) for item in transfers]
    for pair in tradable:
        found.setdefault(pair, 0.0)
    order = {pair: row for row, pair in enumerate(found)}
    return Table(
        unique=instruments,
        instrument=np.array([i for _, i in found], dtype=np.int64),
        account=np.array([c for c, _ in found], dtype=np.int64),
        quantity=np.array(list(found.values()), dtype=float),
        candidate=np.array([order[pair] for pair in tradable], dtype=np.int64),
    )
