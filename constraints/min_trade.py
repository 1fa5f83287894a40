"""The smallest trade worth sending."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.constraints.constraint import BoxConstraint, PlainSide, Side
from hedgeopt.models.arrays import Exposures

__all__ = ["MinTrade"]


class MinTrade(BoxConstraint):
    """Every trade is at least ``usd`` of underlying, or nothing; transfers do not count. Asks for whole lots."""

    unit: ClassVar[str] = "USD of notional"
    source: ClassVar[str] = "the desk's own limit"

    kind: Literal["min_trade"] = "min_trade"
    usd: float = Field(gt=0, allow_inf_nan=False, description="USD of underlying per trade at least")

    @property
    def name(self) -> str:
        """``smallest trade``."""
        return "smallest trade"

    @property
    def counts(self) -> bool:
        """Nothing, or enough: no range of sizes."""
        return True

    def box(self, e: Exposures) -> tuple[np.ndarray, np.ndarray]:
        """Silent about the largest sizes."""
        return np.full(e.n_candidates, -np.inf), np.full(e.n_candidates, np.inf)

    def plain_sides(self, e: Exposures, x: np.ndarray, *, everywhere: bool = False) -> list[PlainSide]:
        """The smallest of the trades that are not nothing."""
        sent = set(e.links.candidate.tolist())
        sizes = [abs(x[i]) * float(e.rows.notional[e.candidate[i]]) for i in np.flatnonzero(x).tolist() if i not in sent]
        return [PlainSide(Side(self.name, "USD", float(min(sizes)), self.usd, -1), self.usd)] if sizes else []
