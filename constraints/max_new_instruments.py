"""The largest number of instruments that the book does not hold yet."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.constraints.constraint import PlainSide, Side
from hedgeopt.constraints.whole_lists import ListConstraint
from hedgeopt.models.arrays import Exposures

__all__ = ["MaxNewInstruments"]


class MaxNewInstruments(ListConstraint):
    """No more than ``most`` instruments are traded that no account holds. Asks for whole lots."""

    unit: ClassVar[str] = "instruments"

    kind: Literal["max_new_instruments"] = "max_new_instruments"
    most: int = Field(ge=0, description="new instruments at most; 0: only what is held is traded")

    @property
    def name(self) -> str:
        """``number of new instruments``."""
        return "number of new instruments"

    def plain_sides(self, e: Exposures, x: np.ndarray, *, everywhere: bool = False) -> list[PlainSide]:
        """The instruments traded and held by nobody, counted once each."""
        held = {e.rows.instruments[row].id for row in np.flatnonzero(e.rows.quantity).tolist()}
        new = {e.rows.instruments[e.candidate[i]].id for i in self.traded(e, x)} - held
        return [PlainSide(Side(self.name, "instruments", float(len(new)), float(self.most), 1), 1.0)]
