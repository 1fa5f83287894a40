"""Concentrated liquidity (Uniswap v3): a constant-product curve between two prices, one asset alone beyond them.

Formulas in :mod:`hedgeopt.models.pricing.liquidity`. Prices may be given as ticks: ``raw price = 1.0001 ** tick`` in raw
units of token1 per token0. Vector: 10,000 USD at 2,000 in [1,500, 2,500] is L = 933.4553114807629, holding 2.2035890747 base
and 5,592.821850646 quote, gamma -.00521817383.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from hedgeopt.files.record import Record
from hedgeopt.models.pricing.instrument import Positive
from hedgeopt.models.pricing.liquidity import LiquidityFamily, LiquidityPosition
from hedgeopt.models.pricing.nature import Nature

__all__ = ["AMM_CONCENTRATED", "Concentrated", "Ticks"]

_LAST_TICK = 887_272


class Ticks(Record):
    """A position as the chain states it: ticks and raw liquidity, converted to prices of base in quote."""

    lower: int = Field(ge=-_LAST_TICK, le=_LAST_TICK)
    upper: int = Field(ge=-_LAST_TICK, le=_LAST_TICK)
    liquidity: int = Field(gt=0, lt=2**128, description="raw, as stored on chain")
    decimals0: int = Field(ge=0, le=36, description="decimals of token0")
    decimals1: int = Field(ge=0, le=36, description="decimals of token1")
    base_is_token0: bool

    @model_validator(mode="after")
    def _in_order(self) -> Ticks:
        if self.lower >= self.upper:
            raise ValueError(f"crossed ticks: lower {self.lower} is not below upper {self.upper}; swap them")
        return self

    def position(self) -> dict[str, float]:
        """``liquidity``, ``lower_price`` and ``upper_price`` of :class:`Concentrated`."""
        unit = 10.0 ** (self.decimals0 - self.decimals1)
        low, high = (1.0001**tick * unit for tick in (self.lower, self.upper))
        if not self.base_is_token0:
            low, high = 1.0 / high, 1.0 / low
        return {
            "liquidity": self.liquidity / 10.0 ** (0.5 * (self.decimals0 + self.decimals1)),
            "lower_price": low,
            "upper_price": high,
        }


class Concentrated(LiquidityPosition):
    """One unit of quantity is the position of ``liquidity`` between two prices; leave liquidity at 1 to hold L units.

    In a file, ``ticks`` may stand for ``liquidity``, ``lower_price`` and ``upper_price``.
    """

    nature: ClassVar[Nature] = Nature(
        kind="amm_concentrated",
        paid="owned",
        short="never",
        payoff="curved",
        quote="none",
        accrues="carry",
        settles="nothing",
        margin_class="amm_concentrated",
        fee=None,
        unit="position",
    )

    kind: Literal["amm_concentrated"] = "amm_concentrated"
    liquidity: Positive = Field(default=1.0, description="L in units of sqrt(base * quote)")
    lower_price: Positive = Field(description="quote per base at which it is all base")
    upper_price: float = Field(
        gt=0, le=1e60, description="quote per base at which it is all quote; a full range ends at 3e50"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_ticks(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "ticks" not in data:
            return data
        rest = {key: value for key, value in data.items() if key != "ticks"}
        given = sorted({"liquidity", "lower_price", "upper_price"} & set(rest))
        if given:
            raise ValueError(f"ticks already give {given[0]}; leave one out")
        return {**rest, **Ticks.model_validate(data["ticks"]).position()}

    @model_validator(mode="after")
    def _in_order(self) -> Concentrated:
        if self.lower_price >= self.upper_price:
            raise ValueError(
                f"crossed range: lower_price {self.lower_price:g} is not below upper_price {self.upper_price:g}; swap them"
            )
        return self

    @property
    def range(self) -> tuple[float, float, float]:
        """Between its two prices."""
        return self.liquidity, self.lower_price, self.upper_price


class ConcentratedFamily(LiquidityFamily):
    """Liquidity between two prices."""

    kind = "amm_concentrated"
    instrument = Concentrated


AMM_CONCENTRATED = ConcentratedFamily()
