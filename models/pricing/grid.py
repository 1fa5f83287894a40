"""Structured products by a grid: value of one unit over spot, vol and time, as the issuer or a model gives it.

``values[t][v][s]`` is the value in settlement units after ``days[t]`` days, at ``vol_ratios[v]`` times today's vol and a
spot of ``spots[s]`` USD. Between the points it is the shape-preserving cubic of Fritsch & Carlson (SIAM J. Numer. Anal. 17,
1980) in spot, and linear in vol and time; beyond the outermost spots the end slope continues, beyond the others the end
value. Scenarios by name may have a P&L of their own, which replaces the grid's there.

Greeks are the grid's derivatives: delta and gamma in spot, vega and vanna where ``vol`` is the vol of ratio 1, theta over
the first day.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hedgeopt.models.pricing.family import Family, MarketView, UnitRisk, greek
from hedgeopt.models.pricing.instrument import Asset, Instrument, Positive
from hedgeopt.models.pricing.nature import Nature
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["GRID", "GridProduct"]

_Number = Annotated[float, Field(allow_inf_nan=False)]
_BUMP = 1e-6


class GridProduct(Instrument):
    """A structured product; one unit of quantity is one unit of the grid's values, negative for what is owed."""

    nature: ClassVar[Nature] = Nature(
        kind="grid",
        paid="owned",
        short="never",
        payoff="curved",
        quote="none",
        accrues="nothing",
        settles="nothing",
        margin_class="grid",
        fee=None,
        unit="unit",
        multiplier=1.0,
    )

    kind: Literal["grid"] = "grid"
    underlying: Asset = Field(description="asset whose index price is the spot axis")
    settlement: Asset = Field(default="USD", description="asset that the values are in")
    spots: tuple[Positive, ...] = Field(min_length=2, max_length=10_000, description="USD, ascending")
    vol_ratios: tuple[Positive, ...] = Field(default=(1.0,), description="vol over today's, ascending")
    days: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...] = Field(
        default=(0.0,), description="days after the snapshot, ascending from 0"
    )
    values: tuple[tuple[tuple[_Number, ...], ...], ...] = Field(
        description="settlement units of one unit, by day, vol ratio and spot"
    )
    vol: Positive | None = Field(default=None, description="annual vol at ratio 1, as a decimal; none: no vega in reports")
    scenarios: dict[str, _Number] = Field(
        default_factory=dict,
        description="P&L of one unit in settlement units by name of a stress scenario, instead of the grid's",
    )

    @model_validator(mode="after")
    def _whole(self) -> GridProduct:
        for name in ("spots", "vol_ratios", "days"):
            axis = getattr(self, name)
            if not axis or any(b <= a for a, b in pairwise(axis)):
                raise ValueError(f"{name} must rise (found {', '.join(f'{x:g}' for x in axis)})")
        if self.days[0] != 0.0:
            raise ValueError(f"days must begin at 0, the moment of the snapshot (found {self.days[0]:g})")
        wanted = (len(self.days), len(self.vol_ratios), len(self.spots))
        if len(self.values) != wanted[0] or any(
            len(plane) != wanted[1] or any(len(row) != wanted[2] for row in plane) for plane in self.values
        ):
            raise ValueError(f"values must be {wanted[0]} x {wanted[1]} x {wanted[2]}: days, vol_ratios, spots")
        if not self.vol_ratios[0] <= 1.0 <= self.vol_ratios[-1]:
            raise ValueError("vol_ratios must hold 1, today's vol, between the first and the last")
        return self

    @property
    def assets(self) -> tuple[str, ...]:
        """The underlying, and the settlement asset where it differs."""
        return (self.underlying,) if self.settlement == self.underlying else (self.underlying, self.settlement)

    def value_at(self, spot: np.ndarray, ratio: np.ndarray, days: float, derivative: int = 0) -> np.ndarray:
        """Settlement units at spots and vol ratios (S,) after ``days``; or its first or second derivative in spot."""
        from scipy.interpolate import PchipInterpolator

        knots = np.array(self.spots)
        inside = np.clip(spot, knots[0], knots[-1])
        table = np.array(self.values)
        weight_t = _weights(np.array(self.days), np.array([days]))[0]
        plane = np.tensordot(weight_t, table, axes=1)  # (V, spots)
        curve = PchipInterpolator(knots, plane, axis=1)
        found = curve(inside, derivative)  # (V, S)
        beyond = spot - inside
        if derivative == 0:
            found = found + curve(inside, 1) * beyond
        elif derivative == 2:
            found = np.where(beyond == 0.0, found, 0.0)
        return np.asarray((_weights(np.array(self.vol_ratios), ratio).T * found).sum(axis=0))


def _weights(axis: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(n, len(axis)) weights of linear interpolation; the end value beyond the ends."""
    found = np.zeros((len(at), len(axis)))
    place = np.interp(at, axis, np.arange(len(axis)))
    low = np.minimum(place.astype(int), max(len(axis) - 2, 0))
    rows = np.arange(len(at))
    found[rows, low] = 1.0 - (place - low)
    if len(axis) > 1:
        found[rows, low + 1] += place - low
    return found


class GridFamily(Family):
    """Value and its changes read off the product's grid."""

    kind = "grid"
    instrument = GridProduct

    def unit_risk(self, instruments: Sequence[GridProduct], market: MarketView, assets: tuple[str, ...]) -> UnitRisk:
        """Value at the index and today's vol, and the grid's derivatives there."""
        risk = UnitRisk.zeros(len(instruments), len(assets))
        for i, item in enumerate(instruments):
            index, unit = market.price(item.underlying), market.price(item.settlement)
            spot, one = np.array([index]), np.ones(1)
            coin = item.settlement == item.underlying
            value = float(item.value_at(spot, one, 0.0)[0])
            slope, curve = (float(item.value_at(spot, one, 0.0, order)[0]) for order in (1, 2))
            risk.value[i], risk.premium[i] = value * unit, value
            risk.notional[i] = max(abs(slope) * unit * index, abs(value * unit), 1e-9)
            at = assets.index(item.underlying)
            greeks = {
                "delta": slope * unit + (value if coin else 0.0),
                "gamma": curve * unit + (2.0 * slope if coin else 0.0),
            }
            if item.vol is not None and len(item.vol_ratios) > 1:
                up, down = one + _BUMP, one - _BUMP
                point = 0.01 / item.vol
                change = [item.value_at(spot, up, 0.0, k) - item.value_at(spot, down, 0.0, k) for k in (0, 1)]
                vega, cross = (float(part[0]) / (2.0 * _BUMP) * point for part in change)
                greeks |= {"vega": vega * unit, "vanna": cross * unit + (vega if coin else 0.0)}
            if len(item.days) > 1:
                step = min(1.0, item.days[1])
                greeks["theta"] = (float(item.value_at(spot, one, step)[0]) - value) / step * unit
            for name, number in greeks.items():
                risk.greeks[greek(name), i, at] = number
            if item.settlement in assets and not coin:
                risk.greeks[greek("delta"), i, assets.index(item.settlement)] = value
        return risk

    def scenario_pnl(
        self, instruments: Sequence[GridProduct], market: MarketView, scenarios: ScenarioSet, out: np.ndarray
    ) -> None:
        """Value in the scenario less the value now, USD; a scenario that the product names has the P&L given for it."""
        labels: Any = scenarios.labels or ()
        for i, item in enumerate(instruments):
            index, unit = market.price(item.underlying), market.price(item.settlement)
            column = scenarios.columns([item.underlying])[0]
            ratio = np.exp(scenarios.log_vol_shift[:, column])
            spot = index * scenarios.price_factor(item.underlying)
            now = float(item.value_at(np.array([index]), np.ones(1), 0.0)[0])
            after = item.value_at(spot, ratio, scenarios.years * 365.0)
            paid = unit * scenarios.price_factor(item.settlement)
            out[:, i] = after * paid - now * unit
            for k, label in enumerate(labels):
                if label in item.scenarios:
                    out[k, i] = item.scenarios[label] * paid[k]


GRID = GridFamily()
