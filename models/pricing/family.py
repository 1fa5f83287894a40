"""What a family of instruments must offer, and the arrays it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["GREEKS", "GREEK_UNITS", "Family", "MarketView", "UnitRisk", "greek"]

GREEK_UNITS = {
    "delta": "coin",
    "gamma": "coin per USD",
    "vega": "USD per vol point",
    "theta": "USD per day",
    "rho": "USD per 1 % rate",
    "vanna": "coin per vol point",
    "volga": "USD per vol point squared",
}
"""Unit of each Greek, for one unit of quantity: a vol point is 0.01 of annual vol."""

GREEKS = tuple(GREEK_UNITS)


def greek(name: str) -> int:
    """Row of a Greek in the arrays that hold them all."""
    return GREEKS.index(name)


class MarketView(Protocol):
    """The part of a market snapshot that pricing reads."""

    @property
    def timestamp(self) -> datetime:
        """Moment of the snapshot."""
        ...

    def price(self, asset: str) -> float:
        """USD price of an asset; raises InputError when the market has none."""
        ...

    def quoted(self, field: str, ids: Sequence[str]) -> np.ndarray:
        """Column ``field`` of the quotes for the instruments with these ids; NaN where there is none."""
        ...


@dataclass(frozen=True)
class UnitRisk:
    """Value and Greeks of n instruments, for one unit of quantity each, by A assets.

    Attributes
    ----------
    value : (n,)
        USD that one unit held is worth; 0 for perpetuals and futures (their P&L is settled into collateral).
    notional : (n,)
        USD of underlying that one unit stands for, non-negative.
    premium : (n,)
        Units of the settlement asset paid when one unit is bought at its mark; 0 for perpetuals and futures.
    greeks : (7, n, A)
        In the order of :data:`GREEKS`, units of :data:`GREEK_UNITS`, holding the premium already paid.
    carry : (n,)
        USD per day that a holder of one unit *receives* if prices do not move (funding, interest, futures roll);
        option decay is theta, not carry. NaN where the market gives no rate.
    """

    value: np.ndarray
    notional: np.ndarray
    premium: np.ndarray
    greeks: np.ndarray
    carry: np.ndarray

    @classmethod
    def zeros(cls, n: int, assets: int) -> UnitRisk:
        """All zero, to be filled by a family."""
        return cls(np.zeros(n), np.zeros(n), np.zeros(n), np.zeros((len(GREEKS), n, assets)), np.zeros(n))

    def take(self, rows: np.ndarray) -> UnitRisk:
        """Those of some instruments, copied."""
        return UnitRisk(self.value[rows], self.notional[rows], self.premium[rows], self.greeks[:, rows], self.carry[rows])


class Family(Protocol):
    """One kind of instrument: its type, its value and Greeks, and its revaluation in scenarios.

    A new family is a file with such an object and its instrument, which declares its
    :class:`~hedgeopt.models.pricing.nature.Nature`, a line in :mod:`hedgeopt.models.pricing.families`, and a test file.
    """

    kind: str
    instrument: type[Any]

    def unit_risk(self, instruments: Sequence[Any], market: MarketView, assets: tuple[str, ...]) -> UnitRisk:
        """Value and Greeks now."""
        ...

    def scenario_pnl(self, instruments: Sequence[Any], market: MarketView, scenarios: ScenarioSet, out: np.ndarray) -> None:
        """Write into ``out`` (S, n) the USD change of value of one unit held, by full revaluation."""
        ...


def require(values: np.ndarray, ids: Sequence[str], field: str, fix: str, *, positive: bool = True) -> np.ndarray:
    """``values`` if all are finite (and positive); otherwise an InputError that names the first bad instrument."""
    bad = ~np.isfinite(values) | ((values <= 0) if positive else False)
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        raise InputError(f"{ids[at]} has no usable {field}", field=field, value=float(values[at]), fix=fix)
    return values
