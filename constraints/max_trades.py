"""The largest number of trades in a list."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.constraints.constraint import PlainSide, Side
from hedgeopt.constraints.whole_lists import ListConstraint
from hedgeopt.models.arrays import Exposures

__all__ = ["MaxTrades"]


class MaxTrades(ListConstraint):
    """No more than ``most`` trades, each an instrument in an account; transfers do not count. Asks for whole lots."""

    unit: ClassVar[str] = "trades"

    kind: Literal["max_trades"] = "max_trades"
    most: int = Field(ge=0, description="trades at most; 0: nothing is traded, and limits must hold as the book is")

    @property
    def name(self) -> str:
        """``number of trades``."""
        return "number of trades"

    def plain_sides(self, e: Exposures, x: np.ndarray, *, everywhere: bool = False) -> list[PlainSide]:
        """The trades that are not nothing, counted."""
        count = len(self.traded(e, x))
        return [PlainSide(Side(self.name, "trades", float(count), float(self.most), 1), 1.0)]
