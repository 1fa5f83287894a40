"""The largest number of instruments that the book does not hold yet."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.constraints.constraint import BoxConstraint, PlainSide, Side
from hedgeopt.models.arrays import Exposures

__all__ = ["MaxNewInstruments"]


class MaxNewInstruments(BoxConstraint):
    """No more than ``most`` instruments are traded that no account holds. Asks for whole lots."""

    unit: ClassVar[str] = "instruments"
    source: ClassVar[str] = "the desk's own limit"

    kind: Literal["max_new_instruments"] = "max_new_instruments"
    most: int = Field(ge=0, description="new instruments at most; 0: only what is held is traded")

    @property
    def name(self) -> str:
        """``number of new instruments``."""
        return "number of new instruments"

    @property
    def counts(self) -> bool:
        """It counts instruments."""
        return True

    def box(self, e: Exposures) -> tuple[np.ndarray, np.ndarray]:
        """Silent about sizes."""
        return np.full(e.n_candidates, -np.inf), np.full(e.n_candidates, np.inf)

    def plain_sides(self, e: Exposures, x: np.ndarray, *, everywhere: bool = False) -> list[PlainSide]:
        """The instruments traded and held by nobody, counted once each."""
        held = {e.rows.instruments[row].id for row in np.flatnonzero(e.rows.quantity).tolist()}
        sent = set(e.links.candidate.tolist())
        new = {e.rows.instruments[e.candidate[i]].id for i in np.flatnonzero(x).tolist() if i not in sent} - held
        return [PlainSide(Side(self.name, "instruments", float(len(new)), float(self.most), 1), 1.0)]
