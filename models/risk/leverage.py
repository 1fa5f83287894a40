"""Gross leverage: exposure held, over equity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.scope import Of, called, scope_of, scoped_equity
from hedgeopt.models.separable import Separable
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


class _BoundGrossLeverage(BoundTerm):
    def __init__(
        self, trades: TradeVariables, e: Exposures, basis: str, underlying: str | None, of: tuple[str, ...]
    ) -> None:
        import cvxpy as cp

        n = e.n_candidates
        self._basis, self._underlying, self._of = basis, underlying, of
        row_exposure(e, basis, underlying)  # refuses an unknown one at once
        self._rest = cp.Parameter(nonneg=True)
        self._exposure = cp.Parameter(n, nonneg=True)
        # without a position |x| is buy + sell; only held candidates need an absolute value and its extra variables
        self._held_at = np.flatnonzero(e.held)
        self.expression = self._exposure @ (trades.buy + trades.sell) + self._rest
        if len(self._held_at):
            k = len(self._held_at)
            self._weight, self._held = cp.Parameter(k, nonneg=True), cp.Parameter(k)
            # the weight is inside the absolute value: a parameter times another would not be DPP
            self.expression += cp.norm1(cp.multiply(self._weight, trades.net[self._held_at]) + self._held)

    def _parts(self, e: Exposures) -> tuple[np.ndarray, np.ndarray, float]:
        """Exposure per unit over equity and quantity held of the candidates, and leverage of all other rows."""
        scope = scope_of(e, self._of)
        unit = row_exposure(e, self._basis, self._underlying) / scoped_equity(e, scope)
        if scope is not None:
            unit = unit * scope.rows
        gross = unit * np.abs(e.rows.quantity)
        rest = float(gross.sum() - gross[e.candidate].sum())
        return unit[e.candidate], e.rows.quantity[e.candidate], max(rest, 0.0)

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        unit, held, rest = self._parts(e)
        self._rest.value = rest
        self._exposure.value = np.where(e.held, 0.0, unit * scale)
        if len(self._held_at):
            self._weight.value = (unit * scale)[self._held_at]
            self._held.value = (unit * held)[self._held_at]

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        unit, held, rest = self._parts(e)
        return float(unit @ np.abs(held + x) + rest)

    def size(self, e: Exposures, x: np.ndarray) -> float:
        unit, held, rest = self._parts(e)
        return float(unit @ (np.abs(held) + np.abs(x)) + rest)

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        unit, held, rest = self._parts(e)  # |h + x| = 2 max(x + h, 0) - (x + h): separable, so exact
        return Separable(-unit, rest - float(unit @ held), 2.0 * unit[None, :], -held[None, :])


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
