"""Assets held outright: coins, stablecoins, cash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.models.pegs import moved_by, peg_factor
from hedgeopt.models.pricing.family import Family, MarketView, UnitRisk, greek
from hedgeopt.models.pricing.instrument import Asset, Instrument
from hedgeopt.models.pricing.nature import Nature
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["SPOT", "Spot", "add_delta", "price_slopes"]


def price_slopes(
    asset: str, market: MarketView, underlying: str | None = None, price: float | None = None
) -> dict[str, float]:
    """USD change of one unit of ``asset`` per USD move of each column of :func:`~hedgeopt.models.pegs.moved_by`.

    ``{asset: 1}`` for an asset that is no claim on another; else ``{underlying: price ratio, factor: price}``.
    ``underlying`` and ``price`` are for a token outside the table, or one that the market does not price.
    """
    moved = (underlying, peg_factor(asset, underlying)) if underlying else moved_by(asset)
    if moved == (asset,):
        return {asset: 1.0}
    price = market.price(asset) if price is None else price
    return dict(zip(moved, (price / market.price(moved[0]), price), strict=False))


def add_delta(risk: UnitRisk, row: int, assets: tuple[str, ...], asset: str, units: float, market: MarketView) -> None:
    """Add the delta of ``units`` of an asset to one row, by underlying and peg factor where the asset is pegged."""
    if moved_by(asset) == (asset,):
        risk.greeks[greek("delta"), row, assets.index(asset)] += units
        return
    for column, slope in price_slopes(asset, market).items():
        risk.greeks[greek("delta"), row, assets.index(column)] += units * slope


class Spot(Instrument):
    """One unit of an asset, worth its index price in USD; bought with dollars."""

    nature: ClassVar[Nature] = Nature(
        kind="spot",
        paid="owned",
        short="lender",
        payoff="linear",
        quote="dollars",
        accrues="nothing",
        settles="nothing",
        margin_class="spot",
        fee="spot",
        unit="asset unit",
        multiplier=1.0,
    )

    kind: Literal["spot"] = "spot"
    asset: Asset = Field(description="the asset held")

    @property
    def assets(self) -> tuple[str, ...]:
        """The asset itself; underlying and peg factor where it is pegged."""
        return moved_by(self.asset)

    @property
    def settlement(self) -> str:
        """Spot is paid for in dollars."""
        return "USD"


class SpotFamily(Family):
    """Value ``S``, delta 1, P&L ``S0 (factor - 1)``; stablecoins are dollar assets with a price of their own."""

    kind = "spot"
    instrument = Spot

    def unit_risk(self, instruments: Sequence[Spot], market: MarketView, assets: tuple[str, ...]) -> UnitRisk:
        """Value and notional are the price; the premium is the price in dollars."""
        risk = UnitRisk.zeros(len(instruments), len(assets))
        for i, item in enumerate(instruments):
            price = market.price(item.asset)
            risk.value[i] = risk.notional[i] = risk.premium[i] = price
            add_delta(risk, i, assets, item.asset, 1.0, market)
        return risk

    def scenario_pnl(self, instruments: Sequence[Spot], market: MarketView, scenarios: ScenarioSet, out: np.ndarray) -> None:
        """``S0 (factor - 1)`` per unit."""
        for i, item in enumerate(instruments):
            out[:, i] = market.price(item.asset) * (scenarios.price_factor(item.asset) - 1.0)


SPOT = SpotFamily()
