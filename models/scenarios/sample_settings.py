"""Settings of scenario samples: those of each kind, and those that all kinds share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field, model_validator

from hedgeopt.files.counted import many
from hedgeopt.files.notebook import span_of_days
from hedgeopt.files.record import Record
from hedgeopt.models.scenarios.cascade import Cascade
from hedgeopt.models.scenarios.clearing import Clearing
from hedgeopt.models.scenarios.events import AnyEvent
from hedgeopt.models.scenarios.model_file import under
from hedgeopt.models.scenarios.pegs import Peg
from hedgeopt.models.scenarios.response_settings import Response
from hedgeopt.models.scenarios.views import AnyView

__all__ = [
    "AnyScenarios",
    "GivenEvent",
    "GivenScenarios",
    "HistoricalScenarios",
    "ParametricScenarios",
    "RegimeScenarios",
    "ScenarioSettings",
    "VolMarket",
]

_Vols = dict[str, Annotated[float, Field(gt=0, le=20)]]


class VolMarket(Protocol):
    """Market data that scenario generators use."""

    def atm_vol(self, asset: str, days: float) -> float | None:
        """At-the-money vol at a tenor, or None without options on the asset."""
        ...

    def price(self, asset: str) -> float:
        """USD price of an asset."""
        ...


class ScenarioSettings(Response):
    """Settings that every kind of scenario sample takes."""

    model: str | None = Field(
        default=None,
        description='a fitted model: a file of hedgeopt scenarios fit, from the policy\'s folder, or "measured" for the '
        "packaged one; what the policy says itself counts, and it then holds the numbers instead of the name",
    )
    count: int = Field(default=10_000, ge=1, le=50_000_000, description="number of scenarios S")
    seed: int = Field(default=0, ge=0, description="the same seed gives the same scenarios on every machine")
    horizon_days: float = Field(
        default=1.0, gt=0, le=365, allow_inf_nan=False, description="time over which risk is measured"
    )
    cascade: Cascade | None = Field(default=None, description="liquidations that sell into pools and deepen falls")
    pegs: tuple[Peg, ...] = Field(default=(), description="stablecoins, staked and wrapped tokens that may leave their peg")
    clearing: Clearing | None = Field(default=None, description="counterparties that owe each other and may fail")
    events: tuple[AnyEvent, ...] = Field(default=(), description="what venues, oracles and bridges may do")
    views: tuple[AnyView, ...] = Field(default=(), description="views that tilt the probabilities (entropy pooling)")
    min_effective: float = Field(
        default=100.0, ge=1, description="fewest effective scenarios that views may leave before they are refused"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_model(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("model"), str):
            return under({**data}, str(data["model"]))
        return data

    @model_validator(mode="after")
    def _events_are_uncertain(self) -> ScenarioSettings:
        for event in self.events:
            if event.probability == 1.0 and event.fall is None:
                raise ValueError(f"event {event.title!r} would happen in every scenario; give it a probability or a fall")
        return self


class ParametricScenarios(ScenarioSettings):
    """Heavy-tailed joint returns: multivariate Student-t with the market's own vols.

    Annual vols come from ``vol`` where given, otherwise from the chain at the horizon's tenor (30 days at least).
    """

    kind: Literal["parametric"] = "parametric"
    degrees: float = Field(default=3.5, gt=2, le=1000, description="degrees of freedom; lower is heavier-tailed")
    correlation: float = Field(default=0.85, gt=-1, lt=1, description="between the log returns of any two assets")
    vol: _Vols = Field(default_factory=dict, description="annual vol by asset, as decimals; overrides the chain")


class RegimeScenarios(ScenarioSettings):
    """Two regimes, calm and liquidation, each a Student-t copula; in liquidations vols and correlations jump together.

    The mixture keeps each asset's mean at zero and its vol at ``vol`` (or the chain's), so moving weight into the
    liquidation regime fattens and skews the tail and does not change the variance.
    """

    kind: Literal["regime"] = "regime"
    weight: float = Field(default=0.05, gt=0, lt=0.5, description="probability of the liquidation regime")
    correlation: float = Field(default=0.75, gt=-1, lt=1, description="between any two assets in calm markets")
    liquidation_correlation: float = Field(default=0.95, gt=-1, lt=1, description="the same in a liquidation")
    vol_multiplier: float = Field(
        default=3.0, ge=1, le=50, description="standard deviation of returns in a liquidation over that in calm markets"
    )
    drift: float = Field(
        default=-1.0, ge=-10, le=10, description="mean return in a liquidation, in calm standard deviations"
    )
    vol_jump: float = Field(default=0.25, ge=-2, le=3, description="extra change of the log 30-day vol in a liquidation")
    copula_degrees: float = Field(default=4.0, gt=2, le=1000, description="degrees of freedom of the copula")
    degrees: float = Field(default=4.0, gt=2, le=1000, description="degrees of freedom of each asset's margin")
    margin_degrees: dict[str, Annotated[float, Field(gt=2, le=1000)]] = Field(
        default_factory=dict, description="the same by asset, where it differs"
    )
    spread: float = Field(default=10.0, ge=1, description="half-spread multiplier in a liquidation")
    depth: float = Field(default=0.1, gt=0, le=1, description="depth multiplier in a liquidation")
    vol: _Vols = Field(default_factory=dict, description="annual vol by asset, as decimals; overrides the chain")


class HistoricalScenarios(ScenarioSettings):
    """Joint moves over overlapping windows of a price history, all assets of a window together.

    ``sampling``: *exhaustive* uses every window equally often before any is used once more (no window is drawn twice
    while another is unused); *random* draws with replacement; *block* builds a horizon from random blocks of
    ``block_days``, for horizons with few windows of their own.
    """

    kind: Literal["historical"] = "historical"
    prices: str = Field(description="CSV or Parquet of prices: a time column, and one column per asset or asset rows")
    scale_to_market: bool = Field(
        default=True, description="rescale each asset's moves to the vol that the chain implies now"
    )
    sampling: Literal["exhaustive", "random", "block"] = Field(default="exhaustive", description="how windows are drawn")
    block_days: float | None = Field(default=None, gt=0, le=365, description="length of a block; sampling = block only")
    gaps: Literal["refuse", "skip"] = Field(
        default="refuse", description="skip leaves out the windows that reach across a gap of the history"
    )
    filtered: bool = Field(
        default=False, description="divide each window by the vol before it and multiply by the vol of now"
    )
    filter_model: Literal["ewma", "garch"] = Field(
        default="ewma", description="vol of filtered windows: EWMA, or a GARCH(1, 1) fitted to each asset's own moves"
    )
    halflife_days: float = Field(default=11.0, gt=0, le=1000, description="of the EWMA of squared moves (11 is 0.94 a day)")
    vols: dict[str, str] = Field(
        default_factory=dict,
        description="by asset, a CSV of its vol index in time; its moves then come from the same windows",
    )
    funding: dict[str, str] = Field(
        default_factory=dict, description="by asset, a CSV of 8-hour funding rates (decimals); joint with the price windows"
    )

    @model_validator(mode="after")
    def _block_length(self) -> HistoricalScenarios:
        if (self.sampling == "block") != (self.block_days is not None):
            raise ValueError('block_days goes with sampling = "block", and only with it')
        if self.block_days is not None:
            blocks = self.horizon_days / self.block_days
            if round(blocks) < 1 or abs(blocks - round(blocks)) > 0.01 * blocks:
                raise ValueError("horizon_days must be a whole number of block_days")
        return self


_Numbers = tuple[float, ...]


class GivenEvent(Record):
    """An event and the scenarios in which it happens."""

    event: AnyEvent
    scenarios: tuple[Annotated[int, Field(ge=0)], ...] = Field(description="their numbers, from 0")


class GivenScenarios(ScenarioSettings):
    """Scenarios given one by one: a policy's ``scenarios`` takes a ScenarioSet or a DataFrame of returns and keeps it so.

    Where ``moves`` is empty, vol and everything else answers spot by the slopes and noises of every sample. Pegs, cascade,
    clearing, events and views are applied on top.
    """

    kind: Literal["given"] = "given"
    name: str = "given scenarios"
    count: int = Field(default=0, ge=0, le=50_000_000, description="how many of them are used, from the first; 0: all")
    spot: Annotated[dict[str, _Numbers], Field(min_length=1)] = Field(
        description="by asset, its price in each scenario over its price now"
    )
    probabilities: _Numbers | None = Field(default=None, description="of each scenario, summing to 1; none: equal")
    moves: dict[
        Literal["log_vol_shift", "basis_shift", "skew_shift", "term_shift", "perpetual_shift", "funding"],
        dict[str, _Numbers],
    ] = Field(default_factory=dict, description="by field of ScenarioSet and asset, the move in each scenario")
    liquidity: dict[str, _Numbers] = Field(default_factory=dict, description="spread and depth multipliers")
    recovery: dict[str, _Numbers] = Field(default_factory=dict, description="by venue, share of equity that it pays out")
    happened: tuple[GivenEvent, ...] = Field(default=(), description="events, and the scenarios in which they happen")
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    path_seed: int | None = None

    @model_validator(mode="after")
    def _of_one_length(self) -> GivenScenarios:
        sizes = {f"spot.{asset}": len(column) for asset, column in self.spot.items()}
        count = next(iter(sizes.values()))
        sizes |= {f"moves.{name}.{a}": len(c) for name, table in self.moves.items() for a, c in table.items()}
        sizes |= {f"{name}.{key}": len(c) for name in ("liquidity", "recovery") for key, c in getattr(self, name).items()}
        sizes |= {name: len(getattr(self, name)) for name in ("probabilities", "labels") if getattr(self, name)}
        for name, size in sizes.items():
            if size != count or not count:
                raise ValueError(f"{name} has {many(size, 'number')} for {many(count, 'scenario')}")
        for name, table in self.moves.items():
            if set(table) != set(self.spot):
                raise ValueError(f"moves.{name} must name the assets of spot: {', '.join(self.spot)}")
        for asset, column in self.spot.items():
            if min(column) <= 0.0:
                raise ValueError(f"spot.{asset} falls to 0 or below: give prices over the price now, such as 0.9")
        weights = self.probabilities
        if weights is not None and (min(weights) < 0.0 or abs(math.fsum(weights) - 1.0) > 1e-9):
            raise ValueError(f"probabilities must be 0 or more and sum to 1, not {math.fsum(weights):.9g}")
        if any(k >= count for item in self.happened for k in item.scenarios):
            raise ValueError(f"happened names a scenario beyond the {count} given")
        return self

    def __repr__(self) -> str:
        """One line: how many, of which assets, over which horizon."""
        count = len(next(iter(self.spot.values())))
        return f"GivenScenarios({self.name!r}, {count:,} of {', '.join(self.spot)} over {span_of_days(self.horizon_days)})"


AnyScenarios: Any = Annotated[
    ParametricScenarios | RegimeScenarios | HistoricalScenarios | GivenScenarios, Field(discriminator="kind")
]
