"""The smallest trade worth sending."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.constraints.constraint import PlainSide, Side
from hedgeopt.constraints.whole_lists import ListConstraint
from hedgeopt.models.arrays import Exposures

__all__ = ["MinTrade"]


class MinTrade(ListConstraint):
    """Every trade is at least ``usd`` of underlying, or nothing; transfers do not count. Asks for whole lots."""

    unit: ClassVar[str] = "USD of notional"

    kind: Literal["min_trade"] = "min_trade"
    usd: float = Field(gt=0, allow_inf_nan=False, description="USD of underlying per trade at least")

    @property
    def name(self) -> str:
        """``smallest trade``."""
        return "smallest trade"

    def plain_sides(self, e: Exposures, x: np.ndarray, *, everywhere: bool = False) -> list[PlainSide]:
        """The smallest of the trades that are not nothing."""
        sizes = [abs(x[i]) * float(e.rows.notional[e.candidate[i]]) for i in self.traded(e, x)]
        return [PlainSide(Side(self.name, "USD", float(min(sizes)), self.usd, -1), self.usd)] if sizes else []
