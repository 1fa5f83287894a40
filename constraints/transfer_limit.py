"""Largest total of transfers, through a bridge, of an asset, or in all."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.constraints.constraint import PlainSide, Side
from hedgeopt.constraints.plain_rules import transferred
from hedgeopt.constraints.rows import LinearConstraint, Row
from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures

__all__ = ["TransferLimit"]


class TransferLimit(LinearConstraint):
    """``sum of transfers in USD <= usd`` over the links that match: the loss if a bridge fails."""

    source: ClassVar[str] = "the desk's own limit"

    kind: Literal["transfer_limit"] = "transfer_limit"
    usd: float = Field(ge=0, allow_inf_nan=False, description="USD in transit at most")
    bridge: str | None = Field(default=None, description="links through this bridge; none: all")
    asset: str | None = Field(default=None, description="links that move this asset; none: all")

    @property
    def name(self) -> str:
        """Such as ``transfers via across``."""
        return "transfers" + (f" of {self.asset}" if self.asset else "") + (f" via {self.bridge}" if self.bridge else "")

    def weights(self, e: Exposures) -> np.ndarray:
        """(N,) USD per unit of the matching transfers."""
        found, hit = np.zeros(e.n_candidates), False
        for i in e.links.candidate.tolist():
            row = e.candidate[i]
            item = e.rows.instruments[row]
            if self.bridge in (None, item.bridge) and self.asset in (None, item.asset):
                found[i], hit = e.rows.notional[row], True
        if not hit and len(e.links):
            raise InputError("matches no link of the book", file="policy", field="transfer_limit", value=self.name)
        return found

    def rows(self, e: Exposures) -> list[Row]:
        """One: transfers only go forward."""
        return [Row(self.name, "USD", self.weights(e), self.usd, scale=max(self.usd, 1.0), eased=None, innermost=0.0)]

    def plain_sides(self, e: Exposures, x: np.ndarray, *, everywhere: bool = False) -> list[PlainSide]:
        """Transfer by transfer, at the assets' prices."""
        moved = transferred(e, x, self.bridge, self.asset)
        return [PlainSide(Side(self.name, "USD", moved, self.usd, 1), moved)]
