"""Scenario settings of a policy, and the sample they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["AnyScenarios", "HistoricalScenarios", "ParametricScenarios", "VolMarket", "draw"]


class VolMarket(Protocol):
    """What scenario generators read from the market."""

    def atm_vol(self, asset: str, days: float) -> float | None:
        """At-the-money vol at a tenor, or None without options on the asset."""
        ...


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(default=10_000, ge=1, le=50_000_000, description="number of scenarios S")
    seed: int = Field(default=0, ge=0, description="the same seed gives the same scenarios on every machine")
    horizon_days: float = Field(
        default=1.0, gt=0, le=365, allow_inf_nan=False, description="time over which risk is measured"
    )
    vol_beta: float = Field(
        default=-0.8,
        ge=-10,
        le=10,
        description="slope of the log 30-day vol on the log spot return, for falling prices",
    )
    vol_beta_up: float = Field(default=0.2, ge=-10, le=10, description="the same for rising prices")
    vol_of_vol: float = Field(default=1.0, ge=0, le=10, description="annual standard deviation of the log vol's own part")


class ParametricScenarios(_Settings):
    """Heavy-tailed joint returns: multivariate Student-t with the market's own vols.

    Annual vols come from ``vol`` where given, otherwise from the chain at the horizon's tenor (30 days at least).
    """

    kind: Literal["parametric"] = "parametric"
    degrees: float = Field(default=3.5, gt=2, le=1000, description="degrees of freedom; lower is heavier-tailed")
    correlation: float = Field(default=0.85, gt=-1, lt=1, description="between the log returns of any two assets")
    vol: dict[str, Annotated[float, Field(gt=0, le=20)]] = Field(
        default_factory=dict, description="annual vol by asset, as decimals; overrides the chain"
    )


class HistoricalScenarios(_Settings):
    """Joint moves drawn with replacement from overlapping windows of a price history."""

    kind: Literal["historical"] = "historical"
    prices: str = Field(description="CSV or Parquet of prices: a time column, and one column per asset or asset rows")
    scale_to_market: bool = Field(
        default=True, description="rescale each asset's moves to the vol that the chain implies now"
    )


AnyScenarios: Any = Annotated[ParametricScenarios | HistoricalScenarios, Field(discriminator="kind")]


def draw(settings: Any, assets: Sequence[str], market: VolMarket) -> ScenarioSet:
    """The sample that ``settings`` describe, for the given assets (dollar assets excluded)."""
    if settings.kind == "historical":
        from hedgeopt.models.scenarios.historical import historical

        return historical(settings, assets, market)
    from hedgeopt.models.scenarios.parametric import parametric

    return parametric(settings, assets, market)
