"""Collateral on the move: an asset sent from one account to another.

A transfer is a candidate action beside trades. It changes no risk of the book as a whole, only where its collateral
stands, so
its value, Greeks and P&L are zero; it has a cost, a capacity and a delay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.models.pricing.family import Family, MarketView, UnitRisk
from hedgeopt.models.pricing.instrument import Asset, Instrument
from hedgeopt.models.pricing.nature import Nature
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["TRANSFER", "Transfer"]


class Transfer(Instrument):
    """One link of the collateral network; one unit of quantity is one unit of the asset sent.

    Into an account that owes the asset it repays debt, out of one it withdraws collateral.
    """

    nature: ClassVar[Nature] = Nature(
        kind="transfer",
        paid="moved",
        short="never",
        payoff="linear",
        quote="none",
        accrues="nothing",
        settles="nothing",
        margin_class="transfer",
        fee=None,
        unit="asset unit",
    )

    kind: Literal["transfer"] = "transfer"
    asset: Asset
    source: str = Field(min_length=1, description="account the asset leaves")
    target: str = Field(min_length=1, description="account it arrives at")
    cost_rate: float = Field(default=0.0, ge=0, lt=1, description="share of the amount: bridge or conversion fee")
    fixed_cost: float = Field(default=0.0, ge=0, description="USD per transfer (gas); counts where the policy has a ticket")
    delay_hours: float = Field(default=0.0, ge=0, description="until it counts at the target")
    capacity: float | None = Field(
        default=None, ge=0, description="largest amount, asset units; none: what the source holds"
    )
    bridge: str | None = Field(default=None, description="bridge or route, for limits on it")

    @property
    def assets(self) -> tuple[str, ...]:
        """The asset moved."""
        return (self.asset,)

    @property
    def settlement(self) -> str:
        """Nothing is bought."""
        return self.asset


class TransferFamily(Family):
    """Zero value, Greeks and P&L; notional is the asset's price."""

    kind = "transfer"
    instrument = Transfer

    def unit_risk(self, instruments: Sequence[Transfer], market: MarketView, assets: tuple[str, ...]) -> UnitRisk:
        """Only the notional is not zero."""
        risk = UnitRisk.zeros(len(instruments), len(assets))
        risk.notional[:] = [market.price(item.asset) for item in instruments]
        return risk

    def scenario_pnl(
        self, instruments: Sequence[Transfer], market: MarketView, scenarios: ScenarioSet, out: np.ndarray
    ) -> None:
        """Zero."""
        out[:] = 0.0


TRANSFER = TransferFamily()
