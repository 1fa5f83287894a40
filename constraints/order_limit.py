"""The largest order in one instrument."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hedgeopt.constraints.constraint import BoxConstraint
from hedgeopt.constraints.selection import Selection, selected
from hedgeopt.models.arrays import Exposures

__all__ = ["OrderLimit"]


class OrderLimit(BoxConstraint):
    """No trade in one instrument above ``notional`` USD of underlying, or above ``quantity`` units (the tighter of both).

    Per instrument: what several accounts buy and sell of it is added up, without netting.
    """

    unit: ClassVar[str] = "USD of notional, or quantity units"
    source: ClassVar[str] = "the desk's own limit"

    kind: Literal["order_limit"] = "order_limit"
    notional: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="USD of underlying per trade")
    quantity: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="quantity units per trade")
    only: Selection = Field(default=(), description="instruments or kinds it applies to; empty: all")

    @model_validator(mode="after")
    def _limits_something(self) -> OrderLimit:
        if self.notional is None and self.quantity is None:
            raise ValueError("an order limit needs notional or quantity")
        return self

    @property
    def name(self) -> str:
        """``order limit`` and its instruments."""
        return "order limit" + (f" ({', '.join(self.only)})" if self.only else "")

    def box(self, e: Exposures) -> tuple[np.ndarray, np.ndarray]:
        """``|x| <= min(notional / unit notional, quantity)``."""
        largest = np.full(e.n_candidates, np.inf)
        if self.notional is not None:
            largest = self.notional / e.rows.notional[e.candidate]
        if self.quantity is not None:
            largest = np.minimum(largest, self.quantity)
        largest = np.where(selected(self.only, e), largest, np.inf)
        return -largest, largest

    def largest_trade(self, e: Exposures) -> np.ndarray:
        """The same over all accounts."""
        return self.box(e)[1]
