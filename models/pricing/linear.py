"""Shared by perpetuals and dated futures: P&L linear in quantity, no premium, marked to a futures price.

With mark ``M``, index ``S`` and price factor ``f`` in a scenario (the ratio M/S kept, times any basis move):

* inverse, one USD of notional: coin P&L ``1/M0 - 1/M1``, in USD ``(S0/M0) (f - 1)`` times the index factor over the
  mark factor; delta ``1/M0`` coin;
* linear, one coin: P&L ``M0 (f - 1)`` in the settlement dollar; delta ``M0/S0`` coin times the price
  of the settlement dollar.

Source: Deribit inverse and linear perpetual specifications; vector: N = 10,000 USD, 50,000 to 40,000 gives -0.05 BTC.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hedgeopt.models.pricing.family import MarketView, UnitRisk, greek, require
from hedgeopt.models.pricing.instrument import Derivative
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["linear_pnl", "linear_risk"]

_FIX = "give its mark_price in the market file, or leave it out"


def linear_risk(
    instruments: Sequence[Derivative],
    market: MarketView,
    assets: tuple[str, ...],
    years: np.ndarray,
    share: np.ndarray | None = None,
) -> tuple[UnitRisk, np.ndarray, np.ndarray]:
    """Value (zero), notional, delta and rho of one unit; also the marks (n,) and index prices (n,).

    ``share`` (n,) is how much of an index move the mark still follows: 1, less inside a settlement window.
    """
    ids = [item.id for item in instruments]
    mark = require(market.quoted("mark_price", ids), ids, "mark_price", _FIX)
    index = np.array([market.price(item.underlying) for item in instruments])
    risk = UnitRisk.zeros(len(instruments), len(assets))
    for i, item in enumerate(instruments):
        at = assets.index(item.underlying)
        delta = 1.0 / mark[i] if item.inverse else mark[i] / index[i] * market.price(item.settlement)
        delta *= 1.0 if share is None else share[i]
        risk.notional[i] = 1.0 if item.inverse else index[i]
        risk.greeks[greek("delta"), i, at] = delta
        # dF/dr = years * F at fixed spot, per 1 %
        risk.greeks[greek("rho"), i, at] = 0.01 * years[i] * delta * index[i]
    return risk, mark, index


def linear_pnl(
    instruments: Sequence[Derivative],
    market: MarketView,
    scenarios: ScenarioSet,
    years: np.ndarray,
    out: np.ndarray,
    share: np.ndarray | None = None,
) -> None:
    """USD P&L of one unit in each scenario, formulas above; ``share`` as in :func:`linear_risk`."""
    ids = [item.id for item in instruments]
    mark = require(market.quoted("mark_price", ids), ids, "mark_price", _FIX)
    for i, item in enumerate(instruments):
        index_factor = scenarios.price_factor(item.underlying)
        mark_factor = index_factor
        at = scenarios.column(item.underlying)
        if scenarios.basis_shift is not None and at is not None:
            mark_factor = index_factor * np.exp(scenarios.basis_shift[:, at] * years[i])
        if share is not None:
            mark_factor = 1.0 + share[i] * (mark_factor - 1.0)
        if item.inverse:
            # coin P&L (1 - 1/mark_factor) / M0, valued at the scenario's index price
            coin = (1.0 - 1.0 / mark_factor) / mark[i]
            out[:, i] = coin * market.price(item.underlying) * index_factor
        else:
            peg = market.price(item.settlement) * scenarios.price_factor(item.settlement)
            out[:, i] = mark[i] * (mark_factor - 1.0) * peg
