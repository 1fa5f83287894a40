"""European options: coin-settled (inverse) and dollar-settled (linear).

With forward ``F``, index ``S`` (ratio S/F kept when the index moves) and undiscounted Black-76 price ``C(F)``:

* inverse: worth ``C / F`` coins at expiry scale, that is ``C * S / F`` USD now; premium ``C / F`` coins;
* linear: worth ``C`` settlement dollars.

The Greeks hold the premium already paid. Buying an inverse option also pays ``C / F`` coins away, so a *trade* changes the
book's delta by the *net transaction delta* ``N(d1) - C/F``; :mod:`hedgeopt.exposures` subtracts the premium leg.

rho is Deribit's (Black-Scholes): holding S and moving F = S exp(rT), ``T * K * N(d2) * S/F`` for a call.
Vector (Deribit conventions): F = 65,000, K = 70,000, 30 days, 60 %: call 2547.959586, delta .365116, NTD .325917.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.models.pricing.family import MarketView, UnitRisk, greek, require
from hedgeopt.models.pricing.instrument import Expiring, Positive
from hedgeopt.models.scenarios.option_moves import option_moves
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["OPTION", "Option"]

_DAYS = 365.0
_POINT = 0.01


class Option(Expiring):
    """A European option on one coin; one unit of quantity is one contract of one coin."""

    quantity_unit: ClassVar[str] = "contract of 1 coin"

    kind: Literal["option"] = "option"
    strike: Positive = Field(description="US dollars")
    right: Literal["call", "put"]


@dataclass(frozen=True)
class _Columns:
    """Option terms and marks as arrays (n,); ``scale`` turns C(F) into USD: S/F inverse, settlement price linear."""

    forward: np.ndarray
    strike: np.ndarray
    years: np.ndarray
    vol: np.ndarray
    is_call: np.ndarray
    inverse: np.ndarray
    scale: np.ndarray


def _columns(instruments: Sequence[Option], market: MarketView) -> _Columns:
    ids = [item.id for item in instruments]
    years = np.array([item.years_from(market.timestamp) for item in instruments])
    require(years, ids, "time to expiry", "remove the expired option from book and market")
    fix = "give it in the market file, or leave the option out"
    forward = require(market.quoted("underlying_price", ids), ids, "underlying_price", fix)
    vol = require(market.quoted("mark_iv", ids), ids, "mark_iv", fix)
    inverse = np.array([item.inverse for item in instruments])
    dollars = np.array([market.price(item.underlying if item.inverse else item.settlement) for item in instruments])
    return _Columns(
        forward=forward,
        strike=np.array([item.strike for item in instruments]),
        years=years,
        vol=vol,
        is_call=np.array([item.right == "call" for item in instruments]),
        inverse=inverse,
        scale=np.where(inverse, dollars / forward, dollars),
    )


class OptionFamily:
    """Black-76 on the expiry's forward and the instrument's own mark vol (sticky strike)."""

    kind = "option"
    instrument = Option

    def unit_risk(self, instruments: Sequence[Option], market: MarketView, assets: tuple[str, ...]) -> UnitRisk:
        """Value and Greeks now, by the formulas above."""
        from hedgeopt.models.pricing.black76 import greeks

        c = _columns(instruments, market)
        g = greeks(c.forward, c.strike, c.years, c.vol, c.is_call)
        risk = UnitRisk.zeros(len(instruments), len(assets))
        index = np.array([market.price(item.underlying) for item in instruments])
        risk.value[:] = g.price * c.scale
        risk.notional[:] = index
        risk.premium[:] = np.where(c.inverse, g.price / c.forward, g.price)
        # d/dS at constant F/S: scale * C'(F) * F/S, which is N(d1) for an inverse option
        slope = c.scale * c.forward / index
        columns = {
            "delta": slope * g.delta,
            "gamma": slope * g.gamma * c.forward / index,
            "vega": _POINT * c.scale * g.vega,
            "theta": c.scale * g.theta / _DAYS,
            "rho": _POINT * c.years * c.scale * (c.forward * g.delta - np.where(c.inverse, g.price, 0.0)),
            "vanna": _POINT * slope * g.vanna,
            "volga": _POINT**2 * c.scale * g.volga,
        }
        at = np.array([assets.index(item.underlying) for item in instruments])
        for name, values in columns.items():
            risk.greeks[greek(name), np.arange(len(at)), at] = values
        for i in np.flatnonzero(~c.inverse).tolist():
            peg = instruments[i].settlement
            if peg in assets:  # a linear option is also a claim on the dollar it settles in
                risk.greeks[greek("delta"), i, assets.index(peg)] = g.price[i]
        return risk

    def scenario_pnl(
        self, instruments: Sequence[Option], market: MarketView, scenarios: ScenarioSet, out: np.ndarray
    ) -> None:
        """Full revaluation at the horizon: intrinsic value when expiry falls before it."""
        from hedgeopt.models.pricing.black76 import price, scenario_values

        c = _columns(instruments, market)
        aged = np.maximum(c.years - scenarios.years, 0.0)
        moves = option_moves(scenarios, scenarios.columns([item.underlying for item in instruments]), c.years)
        scenario_values(
            c.forward,
            c.strike,
            aged,
            c.vol,
            c.is_call,
            moves.column,
            moves.spot_factor,
            moves.log_vol_shift,
            moves.weight,
            basis=moves.basis_shift,
            skew=moves.skew_shift,
            out=out,
        )
        now = price(c.forward, c.strike, c.years, c.vol, c.is_call)
        for i in np.flatnonzero(~c.inverse).tolist():
            out[:, i] *= scenarios.price_factor(instruments[i].settlement)
        if scenarios.basis_shift is not None:  # C(F)/F coins at the index: the ratio S/F moves against the basis
            at = scenarios.columns([item.underlying for item in instruments])
            for i in np.flatnonzero(c.inverse):
                out[:, i] *= np.exp(-scenarios.basis_shift[:, at[i]] * aged[i])
        out -= now
        out *= c.scale


OPTION = OptionFamily()
