"""Recursive loops: supply, borrow against it, supply the proceeds, again. Booked as the loans they are.

Per unit deposited, ``loops`` rounds at loan-to-value ``l`` supply ``(1 - l**(loops + 1)) / (1 - l)`` units and owe one unit
less, valued at the entry price; without end, ``1 / (1 - l)``. A position in a loop becomes two rows, a
:class:`~hedgeopt.models.pricing.lending_supply.LendingSupply` and a
:class:`~hedgeopt.models.pricing.lending_borrow.LendingBorrow`, so that delta, health factor and leverage are the loan's own:
ten-fold stETH against ETH is one coin of ETH and ten of the peg. Vectors: l = .75: 1.75, 2.3125, 2.734375; five rounds
3.2880859; no end 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hedgeopt.models.pricing.family import Family, MarketView, UnitRisk
from hedgeopt.models.pricing.instrument import Instrument, Positive
from hedgeopt.models.pricing.lending_borrow import LENDING_BORROW, LendingBorrow
from hedgeopt.models.pricing.lending_supply import LENDING_SUPPLY, LendingSupply
from hedgeopt.models.pricing.nature import Nature
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["LOOP", "Loop", "loop_leverage"]


def loop_leverage(ltv: float, loops: int | None) -> float:
    """Units supplied per unit of own capital: the geometric sum of ``loops`` rounds, or its limit for None."""
    return (1.0 - (0.0 if loops is None else ltv ** (loops + 1))) / (1.0 - ltv)


class Loop(Instrument):
    """A loop described by its rounds; one unit of quantity is one unit of the supplied asset put in at the start.

    ``supply`` and ``borrow`` carry the reserves' own parameters (index, rates, thresholds), without the quantities.
    """

    nature: ClassVar[Nature] = Nature(
        kind="loop",
        paid="owned",
        short="never",
        payoff="linear",
        quote="none",
        accrues="carry",
        settles="nothing",
        margin_class="loop",
        fee=None,
        unit="asset unit deposited",
    )

    kind: Literal["loop"] = "loop"
    supply: LendingSupply
    borrow: LendingBorrow
    ltv: float = Field(ge=0, lt=1, description="loan-to-value used in every round")
    loops: int | None = Field(default=None, ge=0, le=1000, description="rounds of borrowing; none: without end")
    entry_price: Positive = Field(description="price of the supplied asset in units of the borrowed one when looped")

    @model_validator(mode="after")
    def _within_threshold(self) -> Loop:
        limit = max(self.supply.liquidation_threshold, self.supply.emode.liquidation_threshold if self.supply.emode else 0.0)
        if self.ltv > limit:
            raise ValueError(f"ltv {self.ltv:g} lies above the supply's liquidation_threshold {limit:g}")
        if {self.supply.venue, self.borrow.venue} != {self.venue}:
            raise ValueError(f"supply and borrow must be at the loop's own venue {self.venue!r}")
        return self

    @model_validator(mode="before")
    @classmethod
    def _named_legs(cls, data: object) -> object:
        """Legs given without a name or venue take the loop's."""
        if not isinstance(data, dict):
            return data
        legs = {
            leg: {"name": f"{data.get('name')} {leg}", "venue": data.get("venue"), **data[leg]}
            for leg in ("supply", "borrow")
            if isinstance(data.get(leg), dict)
        }
        return {**data, **legs}

    @property
    def assets(self) -> tuple[str, ...]:
        """Of both legs."""
        return tuple(dict.fromkeys((*self.supply.assets, *self.borrow.assets)))

    @property
    def settlement(self) -> str:
        """The asset put in."""
        return self.supply.asset

    def legs(self) -> tuple[tuple[Instrument, float], ...]:
        """Supply and debt per unit put in."""
        supplied = loop_leverage(self.ltv, self.loops)
        return ((self.supply, supplied), (self.borrow, (supplied - 1.0) * self.entry_price))


class LoopFamily(Family):
    """The sum of its legs; books hold the legs themselves, see :meth:`Loop.legs`."""

    kind = "loop"
    instrument = Loop

    def unit_risk(self, instruments: Sequence[Loop], market: MarketView, assets: tuple[str, ...]) -> UnitRisk:
        """Value, Greeks and carry add up; notional is the collateral's; premium the net value in the supplied asset."""
        supplied = LENDING_SUPPLY.unit_risk([item.supply for item in instruments], market, assets)
        owed = LENDING_BORROW.unit_risk([item.borrow for item in instruments], market, assets)
        a, b = self._amounts(instruments)
        value = a * supplied.value + b * owed.value
        return UnitRisk(
            value=value,
            notional=a * supplied.notional,
            premium=value / np.array([market.price(item.settlement) for item in instruments]),
            greeks=a[:, None] * supplied.greeks + b[:, None] * owed.greeks,
            carry=a * supplied.carry + b * owed.carry,
        )

    def scenario_pnl(self, instruments: Sequence[Loop], market: MarketView, scenarios: ScenarioSet, out: np.ndarray) -> None:
        """P&L of supply and debt."""
        debt = np.empty_like(out)
        LENDING_SUPPLY.scenario_pnl([item.supply for item in instruments], market, scenarios, out)
        LENDING_BORROW.scenario_pnl([item.borrow for item in instruments], market, scenarios, debt)
        a, b = self._amounts(instruments)
        out *= a
        out += b * debt

    @staticmethod
    def _amounts(instruments: Sequence[Loop]) -> np.ndarray:
        return np.array([[amount for _, amount in item.legs()] for item in instruments]).T


LOOP = LoopFamily()
