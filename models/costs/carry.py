"""Carry: the cost of holding the book if nothing moves (funding, interest, futures roll)."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import LinearTerm, TradeVariables
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.term import Term

__all__ = ["Carry"]


class _BoundCarry(LinearTerm):
    def __init__(self, trades: TradeVariables, e: Exposures, spec: Carry) -> None:
        super().__init__(trades, e)
        self._spec = spec

    def _per_unit(self, e: Exposures) -> np.ndarray:
        received = e.rows.carry
        if self._spec.include_theta:
            received = received + e.rows.greeks[greek("theta")].sum(axis=1)
        return -received * e.horizon_days

    def coefficients(self, e: Exposures) -> np.ndarray:
        return self._per_unit(e)[e.candidate]

    def constant(self, e: Exposures) -> float:
        return float(self._per_unit(e) @ e.rows.quantity)

    def constant_size(self, e: Exposures) -> float:
        return float(np.abs(self._per_unit(e)) @ np.abs(e.rows.quantity))


class Carry(Term):
    """Cost in USD of holding the book after trading over the horizon with prices unchanged; negative is income.

    Funding of perpetuals, interest, and the roll of futures towards the index. Option decay is in the scenario P&L
    already and counts here only with ``include_theta``.
    """

    unit: ClassVar[str] = "USD"
    affine: ClassVar[bool] = True
    by_candidate: ClassVar[bool] = True
    source: ClassVar[str] = "Deribit funding specification; futures roll -ln(M/S) / days"

    kind: Literal["carry"] = "carry"
    include_theta: bool = Field(default=False, description="count option decay as carry")

    @property
    def name(self) -> str:
        """``carry``."""
        return "carry"

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundCarry:
        """Linear in positions."""
        return _BoundCarry(trades, e, self)
