"""Assets supplied to a lending pool.

A quantity counted when the reserve's liquidity index stood at ``entry_index`` has grown to ``quantity * index /
entry_index`` (leave ``entry_index`` at 1 for Aave's scaled balance). Interest between updates of the index is linear:
``index * (1 + rate * years)``. Source: Aave v3 MathUtils.calculateLinearInterest, ReserveLogic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hedgeopt.files.record import Record
from hedgeopt.models.pegs import moved_by
from hedgeopt.models.pricing.family import Family, MarketView, UnitRisk
from hedgeopt.models.pricing.instrument import Asset, Instrument, Positive
from hedgeopt.models.pricing.nature import Nature
from hedgeopt.models.pricing.spot import add_delta
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["LENDING_SUPPLY", "EMode", "LendingReserve", "LendingSupply", "linear_index"]


def linear_index(index: float, rate: float, seconds: float) -> float:
    """Liquidity index after ``seconds`` at an annual ``rate`` (decimal), without compounding."""
    return index * (1.0 + rate * seconds / 31_536_000.0)


class EMode(Record):
    """Parameters that replace a reserve's own while the account's debts all belong to this category."""

    category: int = Field(ge=1, le=255)
    ltv: float = Field(ge=0, le=1)
    liquidation_threshold: float = Field(gt=0, le=1)
    liquidation_bonus: float = Field(default=0.0, ge=0, lt=1, description="what a liquidator gains: 0.05 is 5 %")


class LendingReserve(Instrument):
    """Shared by supplying and borrowing: an asset, its index, and what it pays or costs."""

    asset: Asset
    index: Positive = Field(default=1.0, description="the reserve's index now (1 at its start)")
    entry_index: Positive = Field(default=1.0, description="the index when the quantity was counted; 1: scaled balance")
    rate: float = Field(default=0.0, ge=0, lt=100, description="interest a year, as a decimal")
    reward_rate: float = Field(default=0.0, ge=0, lt=100, description="incentives received a year, as a share of value")

    @model_validator(mode="after")
    def _index_grew(self) -> LendingReserve:
        if self.index < self.entry_index:
            raise ValueError(
                f"index {self.index:g} lies below entry_index {self.entry_index:g}: an index never falls; are they swapped?"
            )
        return self

    @property
    def growth(self) -> float:
        """Units now per unit of quantity."""
        return self.index / self.entry_index

    @property
    def assets(self) -> tuple[str, ...]:
        """The asset; underlying and peg factor where it is pegged."""
        return moved_by(self.asset)

    @property
    def settlement(self) -> str:
        """Deposits and loans are made in the asset itself, so that they do not change delta."""
        return self.asset


class LendingSupply(LendingReserve):
    """A deposit: collateral of the account's loan unless ``collateral`` is false."""

    nature: ClassVar[Nature] = Nature(
        kind="lending_supply",
        paid="owned",
        short="never",
        payoff="linear",
        quote="none",
        accrues="deposit interest",
        settles="nothing",
        margin_class="lending_supply",
        fee=None,
        unit="asset unit at entry_index",
        loan="deposit",
    )

    kind: Literal["lending_supply"] = "lending_supply"
    collateral: bool = Field(default=True, description="whether it backs the account's debts")
    ltv: float = Field(default=0.0, ge=0, le=1, description="debt that one USD of it may open")
    liquidation_threshold: float = Field(default=0.0, ge=0, le=1, description="debt at which it may be liquidated")
    liquidation_bonus: float = Field(default=0.0, ge=0, lt=1, description="what a liquidator gains: 0.05 is 5 %")
    emode: EMode | None = Field(default=None, description="the category the account has chosen, if it lists the asset")

    @model_validator(mode="after")
    def _threshold_above_ltv(self) -> LendingSupply:
        for rule in (self, self.emode):
            if rule is not None and rule.liquidation_threshold < rule.ltv:
                raise ValueError(f"liquidation_threshold {rule.liquidation_threshold:g} lies below ltv {rule.ltv:g}")
        return self


def reserve_pnl(
    instruments: Sequence[LendingReserve], market: MarketView, scenarios: ScenarioSet, out: np.ndarray, sign: float
) -> None:
    """``sign * growth * price * (factor - 1)`` per unit; interest over the horizon is carry, not scenario P&L."""
    for i, item in enumerate(instruments):
        out[:, i] = sign * item.growth * market.price(item.asset) * (scenarios.price_factor(item.asset) - 1.0)


class LendingSupplyFamily(Family):
    """Value ``growth * price``; interest and rewards are carry."""

    kind = "lending_supply"
    instrument = LendingSupply

    def grown(self, item: LendingSupply, seconds: float) -> LendingSupply:
        """Deposits grow linearly."""
        return item.model_copy(update={"index": linear_index(item.index, item.rate, seconds)})

    def unit_risk(self, instruments: Sequence[LendingSupply], market: MarketView, assets: tuple[str, ...]) -> UnitRisk:
        """Premium is the asset deposited; carry ``value (rate + reward_rate) / 365``."""
        risk = UnitRisk.zeros(len(instruments), len(assets))
        for i, item in enumerate(instruments):
            value = item.growth * market.price(item.asset)
            risk.value[i] = risk.notional[i] = value
            risk.premium[i] = item.growth
            risk.carry[i] = value * (item.rate + item.reward_rate) / 365.0
            add_delta(risk, i, assets, item.asset, item.growth, market)
        return risk

    def scenario_pnl(
        self, instruments: Sequence[LendingSupply], market: MarketView, scenarios: ScenarioSet, out: np.ndarray
    ) -> None:
        """The amount supplied moves with the asset's price."""
        reserve_pnl(instruments, market, scenarios, out, 1.0)


LENDING_SUPPLY = LendingSupplyFamily()
