"""Impact where no ladder is known: what a trade costs beyond the half-spread, as a power of its size.

Of candidate i a trade of x units costs ``c_i |x|^p`` USD more than half-spread and fee: p = 1.5 is the square-root law (the
price moves with the root of the size), p = 2 linear impact. ``c_i`` follows the first of these that the law and the market
give, with V the price of a unit in USD (notional of futures and spot, premium of options):

- a fit of recorded books: ``k V``, ``k`` a share of the price per unit to p - 1 (``hedgeopt costs fit``);
- traded volume: ``factor * daily_vol * D / volume^(p - 1)``, D the USD that a unit moves by when the index doubles
  (notional, times delta for options);
- the chain's spread: ``factor * h / Q^(p - 1)``, h the half-spread in USD and Q the mean of the sizes at the best quotes: an
  order of the quoted size pays ``factor`` half-spreads on top.

Several accounts that may trade an instrument pay as if each traded as much as all do: ``c_i n^(p - 1)``. Costs are never
understated, as they are convex, and equal trades cost what they do.

Sources: Almgren, Thum, Hauptmann and Li, Direct estimation of equity market impact (2005); Tóth et al., Anomalous price
impact and the critical nature of liquidity in financial markets (2011), for the square root.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from hedgeopt.errors import InputError
from hedgeopt.files.record import Record
from hedgeopt.models.costs.quotes import UnitCost
from hedgeopt.models.pricing.family import MarketView

__all__ = ["FittedImpact", "ImpactLaw", "Worth", "impact_of"]


class FittedImpact(Record):
    """Impact of one instrument, as ``hedgeopt costs fit`` writes it."""

    k: float = Field(ge=0, description="share of the price that an order of one unit pays beyond the best level")
    books: int | None = Field(default=None, ge=1, description="books that it was fitted to")
    levels: int | None = Field(default=None, ge=0, description="their levels")
    half_spread: float | None = Field(default=None, ge=0, description="share of the middle price")
    exponent: float | None = Field(default=None, description="exponent of the total cost where it is fitted too")
    r2: float | None = Field(default=None, description="share of the variance of log cost that the law explains")
    error_inside: float | None = Field(default=None, ge=0, description="median relative error on the fitted side")
    error_outside: float | None = Field(default=None, ge=0, description="median relative error on the other side")
    error_later: float | None = Field(default=None, ge=0, description="the same of the first books' k on the later ones")


class _Volume(Record):
    factor: float = Field(default=1.0, ge=0, description="Y of the square-root law")
    daily_vol: dict[str, float] = Field(description="standard deviation of a day's return, by underlying: BTC = 0.025")


class _Spread(Record):
    factor: float = Field(default=1.0, ge=0, description="half-spreads that an order of the quoted size pays on top")


class ImpactLaw(Record):
    """Impact of every instrument without a ladder; see the module's text."""

    power: float = Field(default=1.5, description="1.5: square-root law; 2: linear impact")
    instruments: dict[str, FittedImpact] = Field(default_factory=dict, description="by venue:name")
    volume: _Volume | None = Field(default=None, description="from 24-hour volumes of the market")
    spread: _Spread | None = Field(default=None, description="from half-spreads and sizes at the best quotes")

    @field_validator("power")
    @classmethod
    def _law(cls, power: float) -> float:
        if power not in (1.5, 2.0):
            raise ValueError("is no law of impact: give 1.5 or 2")
        return power


@dataclass(frozen=True)
class Worth:
    """USD of a unit (n,), and by how much it moves when the index doubles (n,)."""

    price: np.ndarray
    moves: np.ndarray


def impact_of(
    law: ImpactLaw,
    items: Sequence[Any],
    market: MarketView,
    cost: UnitCost,
    worth: Worth,
    among: np.ndarray,
    laddered: Mapping[str, Any],
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) USD per unit to the power, 0 where nothing is known or a ladder is; and which (n,) rule gave it, -1 none.

    Rules: 0 fitted, 1 volume, 2 spread. ``among`` is how many candidates share the instrument.
    """
    n, more = len(items), law.power - 1.0
    found, rule = np.zeros(n), np.full(n, -1)
    ids = [item.id for item in items]
    volume, bid, ask = (market.quoted(name, ids) for name in ("volume", "bid_size", "ask_size"))
    quoted = np.where(np.isnan(bid), ask, np.where(np.isnan(ask), bid, 0.5 * (bid + ask)))
    both = cost.buyable & cost.sellable
    half = np.where(both, 0.5 * (cost.buy + cost.sell), np.maximum(cost.buy, cost.sell)) - cost.fee
    for i, item in enumerate(items):
        if item.id in laddered:
            continue
        if item.id in law.instruments:
            found[i], rule[i] = law.instruments[item.id].k * worth.price[i], 0
        elif law.volume is not None and volume[i] > 0.0:
            asset = item.assets[0]
            if asset not in law.volume.daily_vol:
                raise InputError(
                    "has no daily vol, which impact from volume needs", file="impact", field="volume.daily_vol", value=asset,
                    fix=f"add {asset} = 0.03 there, from a day's returns, or leave [volume] out",
                )  # fmt: skip
            found[i] = law.volume.factor * law.volume.daily_vol[asset] * worth.moves[i] / volume[i] ** more
            rule[i] = 1
        elif law.spread is not None and quoted[i] > 0.0 and (cost.buyable[i] or cost.sellable[i]):
            found[i], rule[i] = law.spread.factor * max(half[i], 0.0) / quoted[i] ** more, 2
    return found * np.asarray(among, float) ** more, rule
