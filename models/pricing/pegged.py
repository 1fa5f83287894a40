"""Staked and wrapped tokens: stETH, wstETH, WBTC.

One token is worth ``price(underlying) * exchange_rate * peg`` USD: the exchange rate is what the protocol redeems a token
for, the peg what the market pays for that claim (1 at par). Delta is ``exchange_rate * peg`` coins of the underlying,
and the whole value on the peg factor ``token/underlying``, per 100 % move of the peg. Vector: stETH/ETH stood at 0.92 in
June 2022, so 100 tokens at ETH = 1,100 were worth 101,200 USD, 8,800 below par.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hedgeopt.errors import InputError
from hedgeopt.models.data import pegged_assets
from hedgeopt.models.pegs import claim, peg_factor
from hedgeopt.models.pricing.family import Family, MarketView, UnitRisk, greek
from hedgeopt.models.pricing.instrument import Asset, Instrument, Positive
from hedgeopt.models.pricing.nature import Nature
from hedgeopt.models.pricing.spot import price_slopes
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["PEGGED", "Pegged"]


class Pegged(Instrument):
    """A token that represents an amount of another asset; one unit of quantity is one token."""

    nature: ClassVar[Nature] = Nature(
        kind="pegged",
        paid="owned",
        short="lender",
        payoff="linear",
        quote="none",
        accrues="carry",
        settles="nothing",
        margin_class="pegged",
        fee=None,
        unit="token",
        multiplier=1.0,
    )

    kind: Literal["pegged"] = "pegged"
    asset: Asset = Field(description="the token, such as stETH")
    underlying: Asset = Field(description="the asset it represents, such as ETH")
    exchange_rate: Positive = Field(default=1.0, description="units of the underlying per token, by the protocol")
    peg: Positive | None = Field(
        default=None, description="market price over exchange_rate * underlying; none: from the market's price of the token"
    )
    yield_rate: float = Field(default=0.0, gt=-1, lt=10, description="staking yield a year, as a decimal")

    @model_validator(mode="after")
    def _known_underlying(self) -> Pegged:
        if claim(self.asset) == self.underlying:
            raise ValueError(f"{self.asset} is {self.underlying} one to one: hold it as spot")
        known = pegged_assets().get(self.asset, self.underlying)
        if known != self.underlying:
            raise ValueError(f"underlying {self.underlying!r} of {self.asset!r}: it represents {known!r}")
        return self

    @property
    def assets(self) -> tuple[str, ...]:
        """The underlying and the peg factor."""
        return (self.underlying, peg_factor(self.asset, self.underlying))

    @property
    def settlement(self) -> str:
        """Tokens are paid for in dollars."""
        return "USD"

    def price(self, market: MarketView) -> float:
        """USD per token.

        Raises
        ------
        InputError
            When neither the instrument gives a peg nor the market a price.
        """
        if self.peg is not None:
            return market.price(self.underlying) * self.exchange_rate * self.peg
        try:
            return market.price(self.asset)
        except InputError as error:
            raise InputError(
                f"no peg and no market price of {self.asset}",
                file=error.file,
                field=f"{self.id} peg",
                fix=f"give peg (1 is par), or a price such as read_market(..., prices={{'{self.asset}': ...}})",
            ) from None


class PeggedFamily(Family):
    """Linear in underlying and peg; staking yield is carry."""

    kind = "pegged"
    instrument = Pegged

    def unit_risk(self, instruments: Sequence[Pegged], market: MarketView, assets: tuple[str, ...]) -> UnitRisk:
        """Value, notional and premium are the price; carry ``price * yield_rate / 365``."""
        risk = UnitRisk.zeros(len(instruments), len(assets))
        for i, item in enumerate(instruments):
            price = item.price(market)
            risk.value[i] = risk.notional[i] = risk.premium[i] = price
            risk.carry[i] = price * item.yield_rate / 365.0
            for column, slope in price_slopes(item.asset, market, item.underlying, price).items():
                risk.greeks[greek("delta"), i, assets.index(column)] = slope
        return risk

    def scenario_pnl(
        self, instruments: Sequence[Pegged], market: MarketView, scenarios: ScenarioSet, out: np.ndarray
    ) -> None:
        """``price (underlying factor * peg factor - 1)`` per token."""
        for i, item in enumerate(instruments):
            out[:, i] = item.price(market) * (scenarios.pegged_factor(item.asset, item.underlying) - 1.0)


PEGGED = PeggedFamily()
