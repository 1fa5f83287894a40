"""The interface of an instrument family, and the arrays it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_class
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


@strict_class
@dataclass(frozen=True)
class UnitRisk:
    """Value and Greeks of n instruments, for one unit of quantity each, by A assets.

    Attributes
    ----------
    value : (n,)
        USD that one unit held is worth; 0 for perpetuals and futures (their P&L is settled into collateral).
    notional : (n,)
        USD of underlying in one unit, non-negative.
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


class Family:
    """One kind of instrument: its type, its value and Greeks, its revaluation in scenarios, and how its P&L is counted.

    A new family is a file with a subclass and its instrument, which declares its
    :class:`~hedgeopt.models.pricing.nature.Nature`, a line in :mod:`hedgeopt.models.pricing.families`, and a test file.
    Every hook that anything calls is here. The defaults are those of the nature: a linear contract settled in its coin is
    one of one USD, and any other contract is quoted in dollars (a coin-settled one in USD, paid in coins at the index). A
    hook that a nature does not determine, such as the mark of a curved contract without a quote, refuses until the family
    defines it.
    """

    kind: str
    instrument: type[Any]

    def unit_risk(self, instruments: Sequence[Any], market: MarketView, assets: tuple[str, ...]) -> UnitRisk:
        """Value and Greeks now."""
        raise NotImplementedError(f"{type(self).__name__} defines no unit_risk")

    def scenario_pnl(self, instruments: Sequence[Any], market: MarketView, scenarios: ScenarioSet, out: np.ndarray) -> None:
        """Write into ``out`` (S, n) the USD change of value of one unit held, by full revaluation."""
        raise NotImplementedError(f"{type(self).__name__} defines no scenario_pnl")

    def quote_value(self, item: Any, market: MarketView, mark: float) -> float:
        """USD per unit of quantity and of quoted price, near ``mark``."""
        if item.nature.quote == "dollars":
            return 1.0
        if item.nature.quote == "none":
            raise self.refused(item, "is not traded at quotes", "kind")
        if item.nature.quote == "premium" or not item.inverse:
            return market.price(item.settlement)
        if item.nature.payoff == "linear":
            return market.price(item.underlying) / mark**2  # one USD of notional: d(N/P) = N dP / P^2 coins
        return 1.0

    def variation(self, item: Any, before: float, now: float, settlement_price: float) -> float:
        """Settlement units that one unit of a margined contract gains when its mark moves from ``before`` to ``now``.

        ``1/before - 1/now`` coins of an inverse linear contract of one USD, ``now - before`` of one settled in dollars, and
        ``(now - before) / settlement_price`` coins of any other settled in its coin.
        """
        if not item.nature.margined:
            raise self.refused(item, "is not margined: its P&L is not settled from mark to mark", "kind")
        if not item.inverse:
            return now - before
        return 1.0 / before - 1.0 / now if item.nature.payoff == "linear" else (now - before) / settlement_price

    def size(self, item: Any, price: float, settlement_price: float) -> float:
        """Settlement units of notional in one unit at a contract's price: of delivery fees and funding."""
        if not item.inverse:
            return price
        return 1.0 / price if item.nature.payoff == "linear" else price / settlement_price

    def funded(self, item: Any, market: MarketView) -> float:
        """Settlement units on which one unit pays funding: at the index of a linear contract, at the mark of any other."""
        if item.nature.payoff == "linear":
            return self.size(item, market.price(item.underlying), market.price(item.settlement))
        return self.size(item, float(market.quoted("mark_price", [item.id])[0]), market.price(item.settlement))

    def mark_at(self, item: Any, index: float) -> float:
        """Mark of a contract at an index price, without premium or basis: the index, if it is linear."""
        if item.nature.payoff != "linear":
            fix = "replay a file that quotes it at every step, or let its family say mark_at"
            raise self.refused(item, "does not define its mark at an index price", "mark_price", fix)
        return index

    def payoff(self, item: Any, index: float) -> float:
        """Settlement units that one unit pays at expiry, where that is what it settles."""
        raise self.refused(item, "defines no payoff at expiry", "settles")

    def grown(self, item: Any, seconds: float) -> Any:
        """The instrument after interest of so many seconds, where it accrues interest."""
        raise self.refused(item, "defines no interest", "accrues")

    @staticmethod
    def refused(
        item: Any, problem: str, field: str, fix: str = "say it in its family (models/pricing/family.py)"
    ) -> InputError:
        """The one line about what a family does not say."""
        return InputError(f"{item.name} ({item.kind}) {problem}", field=field, value=item.kind, fix=fix)


def require(values: np.ndarray, ids: Sequence[str], field: str, fix: str, *, positive: bool = True) -> np.ndarray:
    """``values`` if all are finite (and positive); otherwise an InputError that names the first bad instrument."""
    bad = ~np.isfinite(values) | ((values <= 0) if positive else False)
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        raise InputError(f"{ids[at]} has no usable {field}", field=field, value=float(values[at]), fix=fix)
    return values
