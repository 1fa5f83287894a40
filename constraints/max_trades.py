"""The largest number of trades in a list."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.constraints.constraint import BoxConstraint, PlainSide, Side
from hedgeopt.models.arrays import Exposures

__all__ = ["MaxTrades"]


class MaxTrades(BoxConstraint):
    """No more than ``most`` trades, each an instrument in an account; transfers do not count. Asks for whole lots."""

    unit: ClassVar[str] = "trades"
    source: ClassVar[str] = "the desk's own limit"

    kind: Literal["max_trades"] = "max_trades"
    most: int = Field(ge=1, description="trades at most")

    @property
    def name(self) -> str:
        """``number of trades``."""
        return "number of trades"

    @property
    def counts(self) -> bool:
        """It counts trades."""
        return True

    def box(self, e: Exposures) -> tuple[np.ndarray, np.ndarray]:
        """Silent about sizes."""
        return np.full(e.n_candidates, -np.inf), np.full(e.n_candidates, np.inf)

    def plain_sides(self, e: Exposures, x: np.ndarray, *, everywhere: bool = False) -> list[PlainSide]:
        """The trades that are not nothing, counted."""
        sent = set(e.links.candidate.tolist())
        count = sum(1 for i, amount in enumerate(x.tolist()) if amount != 0.0 and i not in sent)
        return [PlainSide(Side(self.name, "trades", float(count), float(self.most), 1), 1.0)]
