"""Perpetual swaps, linear and inverse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from hedgeopt.models.pricing.family import Family, MarketView, UnitRisk
from hedgeopt.models.pricing.instrument import Derivative
from hedgeopt.models.pricing.linear import linear_pnl, linear_risk
from hedgeopt.models.pricing.nature import Nature
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["PERPETUAL", "Perpetual"]

_FUNDING_PERIODS_PER_DAY = 3.0


class Perpetual(Derivative):
    """A perpetual swap; one unit of quantity is 1 USD of notional when inverse, 1 coin when linear (Deribit's size)."""

    nature: ClassVar[Nature] = Nature(
        kind="perpetual",
        paid="margined",
        short="margin",
        payoff="linear",
        quote="contract",
        accrues="funding",
        settles="nothing",
        margin_class="perpetual",
        fee="perpetual",
        unit="USD when inverse, coin when linear",
        multiplier=1.0,
        hedge=True,
        inverse=True,
    )

    kind: Literal["perpetual"] = "perpetual"


class PerpetualFamily(Family):
    """P&L as in :mod:`hedgeopt.models.pricing.linear`; carry is funding, which longs pay when the rate is positive."""

    kind = "perpetual"
    instrument = Perpetual

    def unit_risk(self, instruments: Sequence[Perpetual], market: MarketView, assets: tuple[str, ...]) -> UnitRisk:
        """Delta and funding carry ``-rate_8h * 3 * notional`` per day; NaN carry where no rate is quoted."""
        risk, _, index = linear_risk(instruments, market, assets, np.zeros(len(instruments)))
        rate = market.quoted("funding_8h", [item.id for item in instruments])
        notional = np.array([1.0 if item.inverse else price for item, price in zip(instruments, index, strict=True)])
        risk.carry[:] = -rate * _FUNDING_PERIODS_PER_DAY * notional
        return risk

    def scenario_pnl(
        self, instruments: Sequence[Perpetual], market: MarketView, scenarios: ScenarioSet, out: np.ndarray
    ) -> None:
        """Mark and index move together but for ``perpetual_shift``; ``funding`` of the scenario is paid on the notional."""
        premium = replace(scenarios, basis_shift=scenarios.perpetual_shift)
        linear_pnl(instruments, market, premium, np.ones(len(instruments)), out)
        if scenarios.funding is None:
            return
        for i, item in enumerate(instruments):
            paid = scenarios.funding[:, scenarios.columns([item.underlying])[0]]
            notional = 1.0 if item.inverse else market.price(item.underlying) * scenarios.price_factor(item.underlying)
            out[:, i] -= paid * notional


PERPETUAL = PerpetualFamily()
