"""Assets held outright: coins, stablecoins, cash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.models.pricing.family import MarketView, UnitRisk, greek
from hedgeopt.models.pricing.instrument import Asset, Instrument
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["SPOT", "Spot"]


class Spot(Instrument):
    """One unit of an asset, worth its index price in USD; bought with dollars."""

    quantity_unit: ClassVar[str] = "asset unit"

    kind: Literal["spot"] = "spot"
    asset: Asset = Field(description="the asset held")

    @property
    def assets(self) -> tuple[str, ...]:
        """The asset itself."""
        return (self.asset,)

    @property
    def settlement(self) -> str:
        """Spot is paid for in dollars."""
        return "USD"


class SpotFamily:
    """Value ``S``, delta 1, P&L ``S0 (factor - 1)``."""

    kind = "spot"
    instrument = Spot

    def unit_risk(self, instruments: Sequence[Spot], market: MarketView, assets: tuple[str, ...]) -> UnitRisk:
        """Value and notional are the price; the premium is the price in dollars."""
        risk = UnitRisk.zeros(len(instruments), len(assets))
        for i, item in enumerate(instruments):
            price = market.price(item.asset)
            risk.value[i] = risk.notional[i] = risk.premium[i] = price
            risk.greeks[greek("delta"), i, assets.index(item.asset)] = 1.0
        return risk

    def scenario_pnl(self, instruments: Sequence[Spot], market: MarketView, scenarios: ScenarioSet, out: np.ndarray) -> None:
        """``S0 (factor - 1)`` per unit."""
        for i, item in enumerate(instruments):
            out[:, i] = market.price(item.asset) * (scenarios.price_factor(item.asset) - 1.0)


SPOT = SpotFamily()
