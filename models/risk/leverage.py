"""Gross leverage: exposure held, over equity."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import TradeVariables
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.scope import Of, called, scope_of, scoped_equity
from hedgeopt.models.sizes_held import SizesHeld
from hedgeopt.models.term import Term

__all__ = ["GrossLeverage", "row_exposure"]


def row_exposure(e: Exposures, basis: str, underlying: str | None = None) -> np.ndarray:
    """(M,) non-negative USD exposure of one unit: ``|delta| * price`` summed over assets, or full notional.

    With ``underlying`` only that asset's delta, or the notional of what is written on it.
    """
    if underlying is not None and underlying not in e.assets:
        raise InputError(
            "names an asset that the book does not hold", file="policy", field="underlying", value=underlying,
            fix=advice(underlying, e.assets),
        )  # fmt: skip
    if basis == "notional":
        out = [
            item.nature.transfer or underlying not in (None, getattr(item, "underlying", item.assets[0]))
            for item in e.rows.instruments
        ]
        return np.where(np.array(out, bool), 0.0, e.rows.notional)
    # a peg moves what its underlying moves already
    outright = np.array([not is_peg(asset) and underlying in (None, asset) for asset in e.assets])
    return np.abs(e.rows.greeks[greek("delta")]) @ np.where(outright, e.prices, 0.0)


class _BoundGrossLeverage(SizesHeld):
    def __init__(
        self, trades: TradeVariables, e: Exposures, basis: str, underlying: str | None, of: tuple[str, ...]
    ) -> None:
        self._basis, self._underlying, self._of = basis, underlying, of
        row_exposure(e, basis, underlying)  # refuses an unknown one at once
        super().__init__(trades, e)

    def per_unit(self, e: Exposures) -> np.ndarray:
        scope = scope_of(e, self._of)
        unit = row_exposure(e, self._basis, self._underlying) / scoped_equity(e, scope)
        return unit if scope is None else np.asarray(unit * scope.rows)


class GrossLeverage(Term):
    """Sum over positions of absolute exposure in USD, over total equity: ``sum_i |z_i| e_i / equity``.

    ``basis`` "delta" counts ``|delta| * price`` of each position (options at their delta), "notional" the full underlying.
    Collateral is not counted; equity is that before trading. ``of`` accounts: their positions over their equity.
    """

    unit: ClassVar[str] = "times equity"
    source: ClassVar[str] = "commitment method, AIFMD Regulation (EU) 231/2013 art. 8"

    kind: Literal["gross_leverage"] = "gross_leverage"
    basis: Literal["delta", "notional"] = Field(default="delta", description="exposure of one unit")
    underlying: str | None = Field(default=None, description="one asset; none: all of them")
    of: Of = ()

    @property
    def name(self) -> str:
        """``gross leverage``, with the basis unless it is delta, and of what."""
        what = "gross leverage" if self.basis == "delta" else "gross notional leverage"
        return called(what + (f" {self.underlying}" if self.underlying else ""), self.of)

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundGrossLeverage:
        """Weighted absolute values."""
        return _BoundGrossLeverage(trades, e, self.basis, self.underlying, self.of)
