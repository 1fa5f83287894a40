"""The market as the desk sees it: what it holds is valued even where nobody quotes it now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.inputs.market import Market
from hedgeopt.models.pricing.families import family_of

__all__ = ["Desk"]


@dataclass(frozen=True)
class _Last:
    """The last valid mark: vol of an option, ratios of its forward to the index and of a mark to where it stood there."""

    moment: datetime
    vol: float
    forward_ratio: float
    mark_ratio: float
    open_interest: float


class Desk:
    """Remembers the last valid mark of every held instrument.

    An option that is not quoted is revalued by Black-76 with its last vol at the present forward of its expiry (from options
    of the same expiry, else the last ratio to the index); a perpetual or future keeps its last ratio to the index, and a
    margined contract on a curve its last ratio to where its family says that it stands at the index (``mark_at``). None of
    them has a bid or an ask then, so nothing can be traded in it. Each such mark is an event with its age.
    """

    def __init__(self) -> None:
        self._last: dict[str, _Last] = {}

    def remember(self, market: Market, held: Mapping[str, Any], stale: frozenset[str]) -> None:
        """Keep the marks of what is held now, except those that were already carried forward; forget the rest."""
        ids = list(held)
        names = ("mark_iv", "underlying_price", "mark_price", "open_interest")
        vol, forward, mark, interest = (market.quoted(name, ids) for name in names)
        kept = {}
        for k, (key, item) in enumerate(held.items()):
            if key in stale:
                kept[key] = self._last[key]
                continue
            index = market.price(item.assets[0])
            base = _base(item, index)
            ratio = np.nan if base is None else mark[k] / base
            kept[key] = _Last(market.timestamp, vol[k], forward[k] / index, ratio, interest[k])
        self._last = kept

    def view(self, market: Market, held: Mapping[str, Any]) -> tuple[Market, list[dict[str, Any]]]:
        """The snapshot with a row for everything held, and an event per mark that had to be carried forward.

        Raises
        ------
        InputError
            For an instrument that has never been quoted.
        """
        missing = {key: item for key, item in held.items() if key not in market.instruments}
        if not missing:
            return market, []
        rows, events = {}, []
        for key, item in missing.items():
            last = self._last.get(key)
            if last is None:
                raise InputError(
                    f"{item.name} is held and was never quoted",
                    file=market.source,
                    field="book",
                    fix="take it out of the book, or replay a file that quotes it (all strikes)",
                )
            rows[key] = self._row(item, last, market)
            age = (market.timestamp - last.moment).total_seconds() / 3_600.0
            events.append(
                {
                    "timestamp": market.timestamp,
                    "kind": "stale_mark",
                    "instrument": item.name,
                    "age_hours": round(age, 3),
                    "note": "revalued with its last vol at the current forward"
                    if item.nature.option
                    else "carried at its last ratio to the index"
                    if item.nature.payoff == "linear"
                    else "carried at its last ratio to its family's mark at the index",
                }
            )
        quotes = market.quotes.reindex([*market.quotes.index, *rows])
        for key, row in rows.items():
            quotes.loc[key, list(row)] = list(row.values())
        quotes.loc[list(rows), "timestamp"] = pd.Timestamp(market.timestamp)
        return replace(market, instruments={**market.instruments, **missing}, quotes=quotes), events

    def _row(self, item: Any, last: _Last, market: Market) -> dict[str, float]:
        index = market.price(item.assets[0])
        if not item.nature.option:
            base = _base(item, index)
            if base is not None:
                return {"mark_price": last.mark_ratio * base, "open_interest": last.open_interest}
            raise InputError(
                f"{item.name} ({item.kind}) is held and has no quote now",
                file=market.source,
                field="book",
                fix="options are revalued from their last vol, linear contracts from their last ratio to the index, and "
                "others where their family defines mark_at: replay a file that quotes it at every step, or define mark_at",
            )
        from hedgeopt.models.pricing.black76 import black76_price as price

        forward = self._forward(item, market)
        forward = last.forward_ratio * index if forward is None else forward
        years = np.array([item.years_from(market.timestamp)])
        value = price(
            np.array([forward]), np.array([item.strike]), years, np.array([last.vol]), np.array([item.right == "call"])
        )
        mark = float(value[0]) / (forward if item.inverse else 1.0)
        return {
            "mark_price": mark,
            "mark_iv": last.vol,
            "underlying_price": forward,
            "open_interest": last.open_interest,
        }

    @staticmethod
    def _forward(item: Any, market: Market) -> float | None:
        for key, other in market.instruments.items():
            if other.nature.option and other.underlying == item.underlying and other.expiry == item.expiry:
                return float(market.quoted("underlying_price", [key])[0])
        return None


def _base(item: Any, index: float) -> float | None:
    """Where a contract stands at an index without premium; the index for all but margined curves, None if unknown."""
    if not item.nature.margined or item.nature.payoff == "linear":
        return index if item.nature.payoff in ("linear", "option") else None
    try:
        return family_of(item).mark_at(item, index)
    except InputError:  # the family does not say it: refused where a mark is needed
        return None
