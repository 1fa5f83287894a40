"""The largest share of a market that one trade may take: of open interest, volume, the best quote or the ladder."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.constraints.constraint import BoxConstraint
from hedgeopt.constraints.selection import Selection, selected
from hedgeopt.models.arrays import Exposures

__all__ = ["Participation"]

_WORDS = {"open_interest": "", "volume": " of volume", "quoted": " of quoted sizes", "depth": " of depth"}


class Participation(BoxConstraint):
    """No trade above ``share`` of the instrument's open interest (or volume, quoted size or ladder), over all accounts.

    ``of``: ``open_interest``; ``volume`` of 24 hours; ``quoted``, the size at the best ask for purchases and at the best bid
    for sales (a share of 1: quoted sizes are bounds); ``depth``, all levels of the ladder on that side. Trades of several
    accounts are added up without netting. Where the market does not give it the instrument is not traded, unless ``missing``
    is "skip": then this limit is silent there and the other limits must bound the trade.
    """

    unit: ClassVar[str] = "share"
    source: ClassVar[str] = "the desk's own limit; open interest, volume and sizes from the venue"

    kind: Literal["participation"] = "participation"
    share: float = Field(gt=0, le=1, description="0.05 is five per cent")
    of: Literal["open_interest", "volume", "quoted", "depth"] = Field(
        default="open_interest",
        exclude_if=lambda value: value == "open_interest",
        description="what it is a share of: open interest, 24-hour volume, sizes at the best quotes, whole ladders",
    )
    missing: Literal["exclude", "skip"] = Field(default="exclude", description="instruments without such a number")
    only: Selection = Field(default=(), description="instruments or kinds it applies to; empty: all")

    @property
    def name(self) -> str:
        """``participation``, of what, and its instruments."""
        return f"participation{_WORDS[self.of]}" + (f" ({', '.join(self.only)})" if self.only else "")

    def box(self, e: Exposures) -> tuple[np.ndarray, np.ndarray]:
        """``|x| <= share * open interest``, or of what is on the side traded, of which accounts have equal parts."""
        parts = np.ones(e.n_candidates)
        if self.of in ("quoted", "depth"):
            times = Counter(_ids(e))
            parts = np.array([times[key] for key in _ids(e)], float)
        sold, bought = (most / parts for most in self._most(e))
        return -sold, bought

    def largest_trade(self, e: Exposures) -> np.ndarray:
        """The same over all accounts; of sizes the larger side, as :meth:`box` bounds each."""
        sold, bought = self._most(e)
        return np.maximum(sold, bought)

    def _most(self, e: Exposures) -> tuple[np.ndarray, np.ndarray]:
        """(N,) the most that may be sold, and bought, of each instrument."""
        unknown = 0.0 if self.missing == "exclude" else np.inf
        sides = [np.where(np.isnan(of), unknown, self.share * of) for of in self._sizes(e)]
        sold, bought = (np.where(selected(self.only, e), most, np.inf) for most in sides)
        return sold, bought

    def _sizes(self, e: Exposures) -> tuple[np.ndarray, np.ndarray]:
        """(N,) units that may be sold, and bought; NaN where the market does not say."""
        if self.of == "open_interest":
            return e.open_interest, e.open_interest
        ids = _ids(e)
        if self.of == "volume":
            volume = e.market.quoted("volume", ids)
            return volume, volume
        if self.of == "quoted":
            return e.market.quoted("bid_size", ids), e.market.quoted("ask_size", ids)
        none = (np.nan, np.nan)
        found = [(one.bids.total, one.asks.total) if (one := e.market.depth.get(key)) else none for key in ids]
        table = np.array(found, float).reshape(-1, 2)
        return table[:, 0], table[:, 1]


def _ids(e: Exposures) -> list[str]:
    """``venue:name`` of each candidate."""
    return [e.rows.instruments[row].id for row in e.candidate.tolist()]
