"""The largest share of a market's open interest that one trade may take."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.constraints.constraint import BoxConstraint
from hedgeopt.constraints.selection import Selection, selected
from hedgeopt.models.arrays import Exposures

__all__ = ["Participation"]


class Participation(BoxConstraint):
    """No trade above ``share`` of the instrument's open interest, over all accounts that trade it, without netting.

    Where the market gives no open interest the instrument is not traded, unless ``missing`` is "skip": then this limit is
    silent there and the other limits must bound the trade.
    """

    unit: ClassVar[str] = "share of open interest"
    source: ClassVar[str] = "the desk's own limit; open interest from the venue"

    kind: Literal["participation"] = "participation"
    share: float = Field(gt=0, le=1, description="0.05 is five per cent of open interest")
    missing: Literal["exclude", "skip"] = Field(default="exclude", description="instruments without open interest")
    only: Selection = Field(default=(), description="instruments or kinds it applies to; empty: all")

    @property
    def name(self) -> str:
        """``participation`` and its instruments."""
        return "participation" + (f" ({', '.join(self.only)})" if self.only else "")

    def box(self, e: Exposures) -> tuple[np.ndarray, np.ndarray]:
        """``|x| <= share * open interest``."""
        unknown = 0.0 if self.missing == "exclude" else np.inf
        largest = np.where(np.isnan(e.open_interest), unknown, self.share * e.open_interest)
        largest = np.where(selected(self.only, e), largest, np.inf)
        return -largest, largest

    def largest_trade(self, e: Exposures) -> np.ndarray:
        """The same over all accounts."""
        return self.box(e)[1]
