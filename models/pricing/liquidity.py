"""Shared by liquidity positions: value, delta and gamma of liquidity L between two prices, in closed form.

With P the price of base in units of quote, held in [a, b] (p = P clipped to it):

    base x = L (1/sqrt(p) - 1/sqrt(b)),   quote y = L (sqrt(p) - sqrt(a)),   V = x P + y

so dV/dP = x, and d2V/dP2 = -L / (2 P^1.5) inside the range, 0 outside. In USD the position is ``Pq V(Pb / Pq)``: its delta
to base is x and to quote y, whatever either is worth. Constant product is the range (0, inf): V = 2 L sqrt(P).
Source: Adams et al., "Uniswap v3 Core" (2021), 6.29-6.30; Lambert, "Understanding the value of Uniswap v3 liquidity
positions". Positions are valued at market prices, not at the pool's own: arbitrage takes the pool there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field, model_validator

from hedgeopt.models.pegs import moved_by
from hedgeopt.models.pricing.family import Family, MarketView, UnitRisk, greek
from hedgeopt.models.pricing.instrument import Asset, Instrument, Positive
from hedgeopt.models.pricing.spot import add_delta, price_slopes
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["ImpermanentLoss", "LiquidityFamily", "LiquidityPosition", "amounts", "fees_between"]

NonNegative = Field(default=0.0, ge=0, allow_inf_nan=False)


def amounts(
    liquidity: np.ndarray | float, price: np.ndarray | float, lower: float, upper: float
) -> tuple[np.ndarray, np.ndarray]:
    """Base and quote that ``liquidity`` holds at ``price`` (arrays or floats, broadcast); formulas above."""
    root = np.sqrt(np.clip(price, lower, upper))
    # the maximum takes off a rounding error below zero where the price is at an end of the range
    return liquidity * np.maximum(1.0 / root - upper**-0.5, 0.0), liquidity * np.maximum(root - lower**0.5, 0.0)


def fees_between(liquidity: int, growth_before: int, growth_after: int) -> int:
    """Raw token units earned by raw ``liquidity`` while the fee growth per liquidity (X128, modulo 2**256) moved."""
    return ((growth_after - growth_before) % 2**256) * liquidity >> 128


@dataclass(frozen=True)
class ImpermanentLoss:
    """One unit against holding the amounts it was opened with, fees apart, USD; ``loss`` <= 0, ``share`` of ``hold``."""

    value: float
    hold: float

    @property
    def loss(self) -> float:
        """Value less hold."""
        return self.value - self.hold

    @property
    def share(self) -> float:
        """Loss as a share of hold."""
        return self.loss / self.hold


class LiquidityPosition(Instrument):
    """Liquidity in a pool of two assets; fees earned and not yet collected belong to it."""

    base: Asset = Field(description="asset that is priced, such as ETH")
    quote: Asset = Field(description="asset it is priced in, such as USDC")
    fees_base: float = NonNegative
    fees_quote: float = NonNegative
    fee_rate: float = Field(
        default=0.0, ge=0, lt=1000, description="fees a year as a share of value, as a decimal; earned in range only"
    )
    entry_price: Positive | None = Field(default=None, description="quote per base when opened; for impermanent loss")

    @model_validator(mode="after")
    def _two_assets(self) -> LiquidityPosition:
        if self.base == self.quote:
            raise ValueError(f"base and quote are both {self.base!r}")
        return self

    @property
    def range(self) -> tuple[float, float, float]:
        """Liquidity per unit of quantity, lower and upper price."""
        raise NotImplementedError

    @property
    def assets(self) -> tuple[str, ...]:
        """Base and quote, and what moves them where they are pegged."""
        return tuple(dict.fromkeys((*moved_by(self.base), *moved_by(self.quote), self.base, self.quote)))

    @property
    def settlement(self) -> str:
        """Premiums are counted in quote."""
        return self.quote

    def impermanent_loss(self, price: Callable[[str], float]) -> ImpermanentLoss | None:
        """At USD prices by asset; None when the entry price is not given."""
        if self.entry_price is None:
            return None
        base, quote = price(self.base), price(self.quote)
        x, y = amounts(self.range[0], base / quote, *self.range[1:])
        x0, y0 = amounts(self.range[0], self.entry_price, *self.range[1:])
        return ImpermanentLoss(value=float(x * base + y * quote), hold=float(x0 * base + y0 * quote))


class LiquidityFamily(Family):
    """Revaluation shared by the pools; each subclass names its kind and instrument."""

    kind: str
    instrument: type[LiquidityPosition]

    def unit_risk(self, instruments: Sequence[LiquidityPosition], market: MarketView, assets: tuple[str, ...]) -> UnitRisk:
        """Value with uncollected fees; delta is what the position holds; carry ``fee_rate * value / 365`` in range."""
        risk = UnitRisk.zeros(len(instruments), len(assets))
        for i, item in enumerate(instruments):
            base, quote = market.price(item.base), market.price(item.quote)
            liquidity, lower, upper = item.range
            price = base / quote
            x, y = amounts(liquidity, price, lower, upper)
            pool = float(x * base + y * quote)
            value = pool + item.fees_base * base + item.fees_quote * quote
            risk.value[i] = risk.notional[i] = value
            risk.premium[i] = value / quote
            add_delta(risk, i, assets, item.base, float(x) + item.fees_base, market)
            add_delta(risk, i, assets, item.quote, float(y) + item.fees_quote, market)
            if lower < price < upper:
                risk.carry[i] = item.fee_rate * pool / 365.0
                curve = -liquidity / (2.0 * price**1.5) / quote
                by_base, by_quote = price_slopes(item.base, market), price_slopes(item.quote, market)
                for column in {**by_base, **by_quote}:  # (d2V) along one column, which may move both prices
                    move = by_base.get(column, 0.0) - price * by_quote.get(column, 0.0)
                    risk.greeks[greek("gamma"), i, assets.index(column)] = curve * move**2
        return risk

    def scenario_pnl(
        self, instruments: Sequence[LiquidityPosition], market: MarketView, scenarios: ScenarioSet, out: np.ndarray
    ) -> None:
        """Amounts at the scenario's price, valued there, less value now."""
        for i, item in enumerate(instruments):
            base, quote = market.price(item.base), market.price(item.quote)
            base_then, quote_then = (p * scenarios.price_factor(a) for p, a in ((base, item.base), (quote, item.quote)))
            x, y = amounts(item.range[0], base / quote, *item.range[1:])
            x_then, y_then = amounts(item.range[0], base_then / quote_then, *item.range[1:])
            out[:, i] = (x_then + item.fees_base) * base_then - (x + item.fees_base) * base
            out[:, i] += (y_then + item.fees_quote) * quote_then - (y + item.fees_quote) * quote
