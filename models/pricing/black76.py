"""European options on a forward (Black 1976), undiscounted: prices, Greeks and whole scenario tables.

    call = F N(d1) - K N(d2),   put = K N(-d2) - F N(-d1),   d1, d2 = ln(F/K)/s +- s/2,   s = vol sqrt(T)

in the unit of the forward F. Black, "The pricing of commodity contracts", J. Financial Economics 3 (1976) 167-179.
An inverse (coin-settled) option is worth the same in USD and price / F in coin; multiply by index / forward where the
venue settles on an index.

Accuracy, asserted against 50-digit arithmetic: within 1e-14 max(F, K), and within 1e-9 of the price itself wherever
that exceeds 1e-12 F. How the loops reach that, and their speed: ``docs/valuation.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hedgeopt.files.calls import strict_call
from hedgeopt.models.pricing._black76_scenarios import ScenarioBlock, scenario_blocks, scenario_values
from hedgeopt.models.pricing._inputs import FloatArray, broadcast, flat, non_negative, positive, signs

__all__ = ["Black76Greeks", "ScenarioBlock", "black76_price", "greeks", "scenario_blocks", "scenario_values"]


@dataclass(frozen=True, slots=True)
class Black76Greeks:
    """Price and derivatives of one unit of each option, all of one shape; F is in USD in the units below.

    At expiry or at zero vol the step is reported as it is: delta and dual_delta are 0, +-1, or +-1/2 exactly at the
    strike, and every second derivative and time derivative is 0 (at the strike gamma has no finite value).
    """

    price: FloatArray
    """Undiscounted value, USD."""
    delta: FloatArray
    """dV/dF: N(d1) for a call, -N(-d1) for a put."""
    gamma: FloatArray
    """d2V/dF2 = phi(d1)/(F s), 1/USD."""
    vega: FloatArray
    """dV/dvol = F phi(d1) sqrt(T), USD per 1.00 of vol."""
    theta: FloatArray
    """-dV/dT at constant forward = -F phi(d1) vol/(2 sqrt(T)), USD per year."""
    vanna: FloatArray
    """d delta/d vol = -phi(d1) d2/vol."""
    volga: FloatArray
    """d vega/d vol = vega d1 d2/vol, USD per 1.00 of vol squared."""
    dual_delta: FloatArray
    """dV/dK: -N(d2) for a call, N(-d2) for a put."""


@strict_call
def black76_price(forward: ArrayLike, strike: ArrayLike, years: ArrayLike, vol: ArrayLike, is_call: ArrayLike) -> FloatArray:
    """Undiscounted Black-76 value in the unit of the forward, at the common shape of the arguments.

    forward, strike > 0; years >= 0 to expiry; vol >= 0 a year (0.6 is 60 %); is_call booleans. ``years == 0`` or
    ``vol == 0`` gives the intrinsic value. Raises InputError naming the entry otherwise.
    """
    from hedgeopt.models.pricing._black76_kernels import price_loop

    columns = _columns(forward, strike, years, vol, is_call)
    out = np.empty(columns[0].shape)
    price_loop(*(flat(column) for column in columns), out.reshape(-1))
    return out


def greeks(forward: ArrayLike, strike: ArrayLike, years: ArrayLike, vol: ArrayLike, is_call: ArrayLike) -> Black76Greeks:
    """Price and Greeks; arguments as in :func:`price`."""
    from hedgeopt.models.pricing._black76_kernels import greeks_loop

    columns = _columns(forward, strike, years, vol, is_call)
    out = np.empty((8, *columns[0].shape))
    greeks_loop(*(flat(column) for column in columns), out.reshape(8, -1))
    return Black76Greeks(*(out[row, ...] for row in range(8)))


def _columns(
    forward: ArrayLike, strike: ArrayLike, years: ArrayLike, vol: ArrayLike, is_call: ArrayLike
) -> list[FloatArray]:
    return broadcast(
        forward=positive("forward", forward),
        strike=positive("strike", strike),
        years=non_negative("years", years, fix="drop expired options or pass 0 for the intrinsic value"),
        vol=non_negative("vol", vol, fix="pass a vol of at least 0, as a decimal"),
        is_call=signs("is_call", is_call),
    )
