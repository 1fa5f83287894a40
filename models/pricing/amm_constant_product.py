"""Shares of a constant-product pool (Uniswap v2): value ``2 L sqrt(P)``, delta ``L / sqrt(P)``, gamma ``-L / (2 P^1.5)``.

L = sqrt(reserve_base * reserve_quote) / total_supply per share, which swaps leave unchanged; fees stay in the pool and show
as growth of L. Impermanent loss at price ratio k against the entry: ``2 sqrt(k) / (1 + k) - 1``.
Source: Adams, Zinsmeister, Robinson, "Uniswap v2 Core" (2020). Vectors: k = .25 or 4: -20 %; 2: -5.7191 %.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from hedgeopt.models.pricing.instrument import Positive
from hedgeopt.models.pricing.liquidity import LiquidityFamily, LiquidityPosition
from hedgeopt.models.pricing.nature import Nature

__all__ = ["AMM_CONSTANT_PRODUCT", "ConstantProduct"]


class ConstantProduct(LiquidityPosition):
    """One unit of quantity is one share of the pool (LP token)."""

    nature: ClassVar[Nature] = Nature(
        kind="amm_constant_product",
        paid="owned",
        short="never",
        payoff="curved",
        quote="none",
        accrues="carry",
        settles="nothing",
        margin_class="amm_constant_product",
        fee=None,
        unit="pool share",
    )

    kind: Literal["amm_constant_product"] = "amm_constant_product"
    reserve_base: Positive = Field(description="units of base in the pool")
    reserve_quote: Positive = Field(description="units of quote in the pool")
    total_supply: Positive = Field(description="pool shares outstanding")

    @property
    def range(self) -> tuple[float, float, float]:
        """All prices."""
        return (self.reserve_base * self.reserve_quote) ** 0.5 / self.total_supply, 0.0, float("inf")


class ConstantProductFamily(LiquidityFamily):
    """Liquidity over all prices."""

    kind = "amm_constant_product"
    instrument = ConstantProduct


AMM_CONSTANT_PRODUCT = ConstantProductFamily()
