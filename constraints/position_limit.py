"""The largest position in one instrument after trading."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hedgeopt.constraints.constraint import BoxConstraint
from hedgeopt.constraints.selection import Selection, selected
from hedgeopt.models.arrays import Exposures

__all__ = ["PositionLimit"]


class PositionLimit(BoxConstraint):
    """No position above ``notional`` USD or ``quantity`` units after trading, long or short.

    Per instrument: positions of all accounts in it are added up, without netting. A position already beyond the limit may
    only be reduced, and a sum beyond it not grow; ``long_only`` forbids short positions of each account in the same way.
    """

    unit: ClassVar[str] = "USD of notional, or quantity units"
    source: ClassVar[str] = "the desk's own limit"

    kind: Literal["position_limit"] = "position_limit"
    notional: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="USD of underlying held")
    quantity: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="quantity units held")
    long_only: bool = Field(default=False, description="no short positions")
    only: Selection = Field(default=(), description="instruments or kinds it applies to; empty: all")

    @model_validator(mode="after")
    def _limits_something(self) -> PositionLimit:
        if self.notional is None and self.quantity is None and not self.long_only:
            raise ValueError("a position limit needs notional, quantity or long_only")
        return self

    @property
    def name(self) -> str:
        """``position limit`` and its instruments."""
        return "position limit" + (f" ({', '.join(self.only)})" if self.only else "")

    def box(self, e: Exposures) -> tuple[np.ndarray, np.ndarray]:
        """``-cap - held <= x <= cap - held``, widened so that 0 is allowed (a breach may only shrink)."""
        cap = self._cap(e)
        held = e.rows.quantity[e.candidate]
        least = np.zeros_like(cap) if self.long_only else -cap
        applies = selected(self.only, e)
        lower = np.where(applies, np.minimum(least - held, 0.0), -np.inf)
        upper = np.where(applies, np.maximum(cap - held, 0.0), np.inf)
        return lower, upper

    def largest_position(self, e: Exposures) -> np.ndarray:
        """The same limit over all accounts, whether they may trade or not."""
        return np.where(selected(self.only, e), self._cap(e), np.inf)

    def _cap(self, e: Exposures) -> np.ndarray:
        """(N,) units held at most."""
        cap = np.full(e.n_candidates, np.inf)
        if self.notional is not None:
            cap = self.notional / e.rows.notional[e.candidate]
        return cap if self.quantity is None else np.minimum(cap, self.quantity)
