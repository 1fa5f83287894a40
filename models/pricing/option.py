"""European options: coin-settled (inverse) and dollar-settled (linear).

With forward ``F``, index ``S`` (ratio S/F kept when the index moves) and undiscounted Black-76 price ``C(F)``:

* inverse: worth ``C / F`` coins at expiry scale, that is ``C * S / F`` USD now; premium ``C / F`` coins;
* linear: worth ``C`` settlement dollars.

**One mark.** What an option is worth now is the venue's mark: ``mark_price`` coins at the index, or settlement dollars. The
formulas above give its Greeks and how it moves (and its worth where a market carries no mark); mark and formula agree but
for the mark's rounding (:mod:`hedgeopt.inputs.chain.checks`). P&L in scenarios is the formula's change, so it starts at 0
when nothing moves; a long loses at most its mark, and what expires pays its payoff less the mark.

The Greeks hold the premium already paid. Buying an inverse option also pays ``C / F`` coins away, so a *trade* changes the
book's delta by the *net transaction delta* ``N(d1) - C/F``; :mod:`hedgeopt.exposures.build` subtracts the premium leg.

In the last minutes, while the venue averages its index, F and K become those of the part still to come and value and delta
move towards the settled amount: :mod:`hedgeopt.models.pricing.settlement_window`. Theta is then the time value left.

rho is Deribit's (Black-Scholes): holding S and moving F = S exp(rT), ``T * K * N(d2) * S/F`` for a call.
Vector (Deribit conventions): F = 65,000, K = 70,000, 30 days, 60 %: call 2547.959586, delta .365116, NTD .325917.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.models.pricing.family import Family, MarketView, UnitRisk, greek, require
from hedgeopt.models.pricing.instrument import Expiring, Positive
from hedgeopt.models.pricing.nature import Nature
from hedgeopt.models.pricing.settlement_window import settlement_window
from hedgeopt.models.scenarios.option_moves import option_moves
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["OPTION", "Option"]

_DAYS = 365.0
_POINT = 0.01
_PASSED = 1e-12
"""Strike, as a share of the forward, that replaces one that the average so far has passed: any path exercises."""


class Option(Expiring):
    """A European option on one coin; one unit of quantity is one contract of one coin."""

    nature: ClassVar[Nature] = Nature(
        kind="option",
        paid="premium",
        short="margin",
        payoff="option",
        quote="premium",
        accrues="nothing",
        settles="payoff",
        margin_class="option",
        fee="option",
        unit="coin",
        multiplier=1.0,
        hedge=True,
        inverse=True,
        expires=True,
    )

    kind: Literal["option"] = "option"
    strike: Positive = Field(description="US dollars")
    right: Literal["call", "put"]
    vol: Positive | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="annual vol as a decimal, of an option that no market quotes; none: from the surface",
    )
    forward: Positive | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="forward in USD at its expiry, of an option that no market quotes; none: from the quoted expiries",
    )


@dataclass(frozen=True)
class _Columns:
    """Option terms and marks as arrays (n,); ``scale`` turns C(F) into USD: S/E inverse, settlement price linear.

    ``mark`` is what one unit is worth now in its settlement asset, and ``unit`` USD of one such.

    In the settlement window forward, strike and variance_years are those of the part still to be averaged, ``share`` of the
    whole; a call whose strike is passed already is worth the ``sure`` amount above its forward. ``delivery`` is E.
    """

    forward: np.ndarray
    strike: np.ndarray
    years: np.ndarray
    variance_years: np.ndarray
    vol: np.ndarray
    is_call: np.ndarray
    inverse: np.ndarray
    scale: np.ndarray
    share: np.ndarray
    delivery: np.ndarray
    sure: np.ndarray
    mark: np.ndarray
    unit: np.ndarray

    @property
    def marked(self) -> np.ndarray:
        """(n,) the mark in units of the forward, those of C(F)."""
        return self.mark * np.where(self.inverse, self.delivery, 1.0)


def _columns(instruments: Sequence[Option], market: MarketView) -> _Columns:
    ids = [item.id for item in instruments]
    years = np.array([item.years_from(market.timestamp) for item in instruments])
    require(years, ids, "time to expiry", "remove the expired option from book and market")
    fix = "give it in the market file, or leave the option out"
    forward = require(market.quoted("underlying_price", ids), ids, "underlying_price", fix)
    vol = require(market.quoted("mark_iv", ids), ids, "mark_iv", fix)
    inverse = np.array([item.inverse for item in instruments])
    dollars = np.array([market.price(item.underlying if item.inverse else item.settlement) for item in instruments])
    is_call = np.array([item.right == "call" for item in instruments])
    window = settlement_window(instruments, market, years)
    delivery = window.fixed + window.share * forward
    left = np.array([item.strike for item in instruments]) - window.fixed
    passed = left <= 0.0
    return _Columns(
        forward=window.share * forward,
        strike=np.where(passed, _PASSED * forward, left),
        years=years,
        variance_years=window.years(years),
        vol=vol,
        is_call=is_call,
        inverse=inverse,
        scale=np.where(inverse, dollars / delivery, dollars),
        share=window.share,
        delivery=delivery,
        sure=np.where(passed & is_call, -left, 0.0),
        mark=market.quoted("mark_price", ids),
        unit=dollars,
    )


def _with_marks(c: _Columns, price: np.ndarray) -> _Columns:
    """The formula's price where the market carries no mark."""
    return replace(c, mark=np.where(np.isnan(c.mark), price / np.where(c.inverse, c.delivery, 1.0), c.mark))


def _time_value(price: np.ndarray, c: _Columns) -> np.ndarray:
    """Value lost by expiry at a constant index: in the settlement window all of it goes in less than a day."""
    side = np.where(c.is_call, 1.0, -1.0)
    return price - (np.maximum(side * (c.forward - c.strike), 0.0) + c.sure)


class OptionFamily(Family):
    """Black-76 on the expiry's forward and the instrument's own mark vol (sticky strike)."""

    kind = "option"
    instrument = Option

    def payoff(self, item: Option, index: float) -> float:
        """``max(+-(S - K), 0)`` dollars, over S coins of an inverse option."""
        side = 1.0 if item.right == "call" else -1.0
        return max(side * (index - item.strike), 0.0) / (index if item.inverse else 1.0)

    def unit_risk(self, instruments: Sequence[Option], market: MarketView, assets: tuple[str, ...]) -> UnitRisk:
        """Value and Greeks now, by the formulas above."""
        from hedgeopt.models.pricing.black76 import greeks

        c = _columns(instruments, market)
        g = greeks(c.forward, c.strike, c.variance_years, c.vol, c.is_call)
        price = g.price + c.sure
        c = _with_marks(c, price)
        risk = UnitRisk.zeros(len(instruments), len(assets))
        index = np.array([market.price(item.underlying) for item in instruments])
        risk.value[:] = c.mark * c.unit
        risk.notional[:] = index
        risk.premium[:] = c.mark
        # d/dS at constant F/S: scale * C'(kF) * kF/S, which is N(d1) for an inverse option before the settlement window.
        # In the window an inverse option is worth S C / E and E moves by kF/S only: coins gain (1 - kF/E) of C / E as well.
        slope = c.scale * c.forward / index
        fixed = np.where(c.inverse, 1.0 - c.forward / c.delivery, 0.0)
        coin, coin_vega = price / c.delivery, g.vega / c.delivery
        columns = {
            "delta": slope * g.delta + fixed * coin,
            "gamma": slope * (g.gamma * c.forward + 2.0 * fixed * (g.delta - coin)) / index,
            "vega": _POINT * c.scale * g.vega,
            "theta": np.where(c.share < 1.0, -c.scale * _time_value(price, c), c.scale * g.theta / _DAYS),
            "rho": _POINT * c.years * c.scale * (c.forward * g.delta - np.where(c.inverse, price, 0.0)),
            "vanna": _POINT * (slope * g.vanna + fixed * coin_vega),
            "volga": _POINT**2 * c.scale * g.volga,
        }
        at = np.array([assets.index(item.underlying) for item in instruments])
        for name, values in columns.items():
            risk.greeks[greek(name), np.arange(len(at)), at] = values
        for i in np.flatnonzero(~c.inverse).tolist():
            peg = instruments[i].settlement
            if peg in assets:  # a linear option is also a claim on the dollar it settles in
                risk.greeks[greek("delta"), i, assets.index(peg)] = c.mark[i]
        return risk

    def scenario_pnl(
        self, instruments: Sequence[Option], market: MarketView, scenarios: ScenarioSet, out: np.ndarray
    ) -> None:
        """Full revaluation at the horizon. What expires before it pays its intrinsic value at the price on the way there;
        coins paid out then are worth what coins are worth at the horizon."""

        c = _columns(instruments, market)
        columns = scenarios.columns([item.underlying for item in instruments])
        for part in _blocks(len(instruments), len(scenarios), scenarios.noisy):
            _revalue(instruments[part], _part(c, part), columns[part], scenarios, out[:, part])


_NUMBERS = 4_000_000
"""Moves of strikes in memory at once, where every strike has its own."""


def _blocks(options: int, scenarios: int, noisy: bool) -> Iterator[slice]:
    """Options in the order given, as many at a time as their own moves leave memory for."""
    step = max(_NUMBERS // scenarios, 1) if noisy else max(options, 1)
    for start in range(0, options, step):
        yield slice(start, min(start + step, options))


def _part(c: _Columns, part: slice) -> _Columns:
    return _Columns(**{field.name: getattr(c, field.name)[part] for field in fields(c)})


def _revalue(instruments: Sequence[Option], c: _Columns, at: np.ndarray, scenarios: ScenarioSet, out: np.ndarray) -> None:
    """P&L (S, n) of options with columns ``at`` (n,) in the scenario set."""
    from hedgeopt.models.pricing.black76 import black76_price as price
    from hedgeopt.models.pricing.black76 import greeks, scenario_values

    aged = np.maximum(c.years - scenarios.years, 0.0) * (c.variance_years / c.years)
    delta = greeks(c.forward, c.strike, c.variance_years, c.vol, c.is_call).delta if scenarios.noisy else None
    moves = option_moves(scenarios, at, c.years, c.strike, delta)
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
    now = price(c.forward, c.strike, c.variance_years, c.vol, c.is_call) + c.sure
    if c.sure.any():
        out += c.sure
    for i in np.flatnonzero(~c.inverse).tolist():
        out[:, i] *= scenarios.price_factor(instruments[i].settlement)
    if scenarios.basis_shift is not None:  # C(F)/F coins at the index: the ratio S/F moves against the basis
        for i in np.flatnonzero(c.inverse).tolist():
            out[:, i] *= np.exp(-scenarios.basis_shift[:, at[i]] * aged[i])
    if scenarios.path_seed is not None:
        for i in np.flatnonzero(c.inverse & (c.years < scenarios.years)).tolist():
            end = scenarios.price_factor(instruments[i].underlying)
            out[:, i] *= end / moves.spot_factor[:, moves.column[i]]
    for i in np.flatnonzero(c.inverse & (c.share < 1.0)).tolist():  # coins at E, which moves less than the index
        factor = scenarios.price_factor(instruments[i].underlying)
        out[:, i] *= factor * c.delivery[i] / (c.delivery[i] + c.forward[i] * (factor - 1.0))
    marked, ends = _with_marks(c, now).marked, c.years <= scenarios.years
    out -= np.where(ends, marked, now)
    for i in np.flatnonzero((now > marked) & ~ends).tolist():
        np.maximum(out[:, i], -marked[i], out=out[:, i])
    out *= c.scale


OPTION = OptionFamily()
