"""Dated futures, linear and inverse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from hedgeopt.models.pricing.family import MarketView, UnitRisk
from hedgeopt.models.pricing.instrument import Expiring
from hedgeopt.models.pricing.linear import linear_pnl, linear_risk
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["FUTURE", "Future"]


class Future(Expiring):
    """A dated future; one unit of quantity is 1 USD of notional when inverse, 1 coin when linear (Deribit's size)."""

    quantity_unit: ClassVar[str] = "USD when inverse, coin when linear"

    kind: Literal["future"] = "future"


class FutureFamily:
    """P&L as in :mod:`hedgeopt.models.pricing.linear`; carry is the roll of the basis towards zero."""

    kind = "future"
    instrument = Future

    def unit_risk(self, instruments: Sequence[Future], market: MarketView, assets: tuple[str, ...]) -> UnitRisk:
        """Delta, rho, and carry ``-ln(M/S) / days * notional``: a long in contango loses the basis as expiry nears."""
        years = self._years(instruments, market)
        risk, mark, index = linear_risk(instruments, market, assets, years)
        days = np.maximum(365.0 * years, 1.0)
        notional = np.array([1.0 if item.inverse else m for item, m in zip(instruments, mark, strict=True)])
        risk.carry[:] = -np.log(mark / index) / days * notional
        return risk

    def scenario_pnl(
        self, instruments: Sequence[Future], market: MarketView, scenarios: ScenarioSet, out: np.ndarray
    ) -> None:
        """Futures price moves with the index, and with the basis where the scenario moves it."""
        years = np.maximum(self._years(instruments, market) - scenarios.years, 0.0)
        linear_pnl(instruments, market, scenarios, years, out)

    @staticmethod
    def _years(instruments: Sequence[Future], market: MarketView) -> np.ndarray:
        return np.array([item.years_from(market.timestamp) for item in instruments])


FUTURE = FutureFamily()
