"""Dated futures, linear and inverse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from hedgeopt.models.pricing.family import Family, MarketView, UnitRisk, require
from hedgeopt.models.pricing.instrument import Expiring
from hedgeopt.models.pricing.linear import linear_pnl, linear_risk
from hedgeopt.models.pricing.nature import Nature
from hedgeopt.models.pricing.settlement_window import settlement_window
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["FUTURE", "Future"]


class Future(Expiring):
    """A dated future; one unit of quantity is 1 USD of notional when inverse, 1 coin when linear (Deribit's size)."""

    nature: ClassVar[Nature] = Nature(
        kind="future",
        paid="margined",
        short="margin",
        payoff="linear",
        quote="contract",
        accrues="nothing",
        settles="last mark",
        margin_class="future",
        fee="future",
        unit="USD when inverse, coin when linear",
        multiplier=1.0,
        hedge=True,
        inverse=True,
        expires=True,
    )

    kind: Literal["future"] = "future"


class FutureFamily(Family):
    """P&L as in :mod:`hedgeopt.models.pricing.linear`; carry is the roll of the basis towards zero.

    While the venue averages its index before expiry the mark follows only the part still to be averaged, and so does delta.
    """

    kind = "future"
    instrument = Future

    def unit_risk(self, instruments: Sequence[Future], market: MarketView, assets: tuple[str, ...]) -> UnitRisk:
        """Delta, rho, and carry ``-ln(M/S) / days * notional``: a long in contango loses the basis as expiry nears."""
        years = self._years(instruments, market)
        share = settlement_window(instruments, market, years).share
        risk, mark, index = linear_risk(instruments, market, assets, years, share)
        days = np.maximum(365.0 * years, 1.0)
        notional = np.array([1.0 if item.inverse else m for item, m in zip(instruments, mark, strict=True)])
        risk.carry[:] = -np.log(mark / index) / days * notional
        return risk

    def scenario_pnl(
        self, instruments: Sequence[Future], market: MarketView, scenarios: ScenarioSet, out: np.ndarray
    ) -> None:
        """Futures price moves with the index, and with the basis where the scenario moves it."""
        years = self._years(instruments, market)
        share = settlement_window(instruments, market, years).share
        linear_pnl(instruments, market, scenarios, np.maximum(years - scenarios.years, 0.0), out, share)

    @staticmethod
    def _years(instruments: Sequence[Future], market: MarketView) -> np.ndarray:
        years = np.array([item.years_from(market.timestamp) for item in instruments])
        return require(
            years, [i.id for i in instruments], "time to expiry", "remove the expired future from book and market"
        )


FUTURE = FutureFamily()
