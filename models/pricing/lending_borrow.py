"""Debts to a lending pool: positions of negative value.

One unit of quantity is one unit of the asset owed when the variable borrow index stood at ``entry_index``; quantities are
positive. Interest compounds every second: ``index * exp(rate * years)`` up to the protocol's rounding.
Source: Aave v3 MathUtils.calculateCompoundedInterest, which expands (1 + rate / 31,536,000) ** seconds to third order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.models.pricing.family import Family, MarketView, UnitRisk
from hedgeopt.models.pricing.lending_supply import LendingReserve, reserve_pnl
from hedgeopt.models.pricing.nature import Nature
from hedgeopt.models.pricing.spot import add_delta
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["LENDING_BORROW", "LendingBorrow", "compounded_index"]


def compounded_index(index: float, rate: float, seconds: float) -> float:
    """Borrow index after ``seconds`` at an annual ``rate`` (decimal), compounded every second."""
    return index * math.exp(seconds * math.log1p(rate / 31_536_000.0))


class LendingBorrow(LendingReserve):
    """A loan."""

    nature: ClassVar[Nature] = Nature(
        kind="lending_borrow",
        paid="owed",
        short="never",
        payoff="linear",
        quote="none",
        accrues="loan interest",
        settles="nothing",
        margin_class="lending_borrow",
        fee=None,
        unit="asset unit at entry_index",
        loan="debt",
    )

    kind: Literal["lending_borrow"] = "lending_borrow"
    emode_category: int | None = Field(default=None, ge=1, le=255, description="category of the borrowed asset, if any")


class LendingBorrowFamily(Family):
    """Value ``-growth * price``; interest is negative carry, rewards positive."""

    kind = "lending_borrow"
    instrument = LendingBorrow

    def grown(self, item: LendingBorrow, seconds: float) -> LendingBorrow:
        """Loans compound every second."""
        return item.model_copy(update={"index": compounded_index(item.index, item.rate, seconds)})

    def unit_risk(self, instruments: Sequence[LendingBorrow], market: MarketView, assets: tuple[str, ...]) -> UnitRisk:
        """Premium is negative: borrowing pays the asset out; carry ``value (exp(rate / 365) - 1 - reward_rate / 365)``."""
        risk = UnitRisk.zeros(len(instruments), len(assets))
        for i, item in enumerate(instruments):
            debt = item.growth * market.price(item.asset)
            risk.value[i], risk.notional[i], risk.premium[i] = -debt, debt, -item.growth
            risk.carry[i] = debt * (item.reward_rate / 365.0 - (compounded_index(1.0, item.rate, 86_400.0) - 1.0))
            add_delta(risk, i, assets, item.asset, -item.growth, market)
        return risk

    def scenario_pnl(
        self, instruments: Sequence[LendingBorrow], market: MarketView, scenarios: ScenarioSet, out: np.ndarray
    ) -> None:
        """The debt moves with the price of the asset owed."""
        reserve_pnl(instruments, market, scenarios, out, -1.0)


LENDING_BORROW = LendingBorrowFamily()
