"""The protocol as an adversary: what venues, oracles, bridges and liquidity may do, as scenario events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from hedgeopt.errors import InputError
from hedgeopt.files.record import Record
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.scenarios.edit import scaled_liquidity, scaled_price
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = [
    "EVENTS",
    "AnyEvent",
    "BridgeFailure",
    "LiquidityDrain",
    "Occurrence",
    "OracleFault",
    "ParameterChange",
    "VenuePause",
    "with_events",
]

_Probability = Annotated[float, Field(gt=0, le=1)]


class _Event(Record):
    """Happens with ``probability``, in scenarios where ``asset_fall`` has fallen by ``fall`` or more (if given)."""

    probability: _Probability = Field(default=1.0, description="that it happens within the horizon, given its trigger")
    asset_fall: str | None = Field(default=None, description="asset whose fall triggers the event")
    fall: float | None = Field(default=None, gt=0, lt=1, description="least simple fall of that asset")

    @model_validator(mode="after")
    def _whole_trigger(self) -> _Event:
        if (self.asset_fall is None) != (self.fall is None):
            raise ValueError("asset_fall and fall go together")
        return self

    @property
    def title(self) -> str:
        """Short name for reports."""
        raise NotImplementedError


class VenuePause(_Event):
    """A venue halts: no trading and no withdrawals; ``recovery`` of the equity there survives (1: it only waits)."""

    kind: Literal["venue_pause"] = "venue_pause"
    venue: str = Field(min_length=1)
    recovery: float = Field(default=1.0, ge=0, le=1, description="share of equity that is paid out in the end")

    @property
    def title(self) -> str:
        """Such as ``pause of deribit``."""
        return f"pause of {self.venue}"


class OracleFault(_Event):
    """A venue sees a wrong price of an asset: today's (``stale``), or the true one times ``1 + deviation``.

    Its derivatives settle at the price it sees; coins held there keep their true worth.
    """

    kind: Literal["oracle_fault"] = "oracle_fault"
    venue: str = Field(min_length=1)
    asset: str = Field(min_length=1)
    stale: bool = Field(default=False, description="the venue keeps today's price")
    deviation: float = Field(default=0.0, gt=-1, le=10, description="relative error of the price seen")

    @model_validator(mode="after")
    def _one_fault(self) -> OracleFault:
        if self.stale == (self.deviation != 0.0):
            raise ValueError("an oracle fault is either stale or deviates")
        return self

    @property
    def title(self) -> str:
        """Such as ``stale oracle of ETH at aave``."""
        return f"{'stale' if self.stale else f'{self.deviation:+.0%}'} oracle of {self.asset} at {self.venue}"


class ParameterChange(_Event):
    """A venue or protocol changes its rules: margin requirements and liquidation thresholds are multiplied."""

    kind: Literal["parameter_change"] = "parameter_change"
    venue: str = Field(min_length=1)
    margin: float = Field(default=1.0, ge=1, le=20, description="multiplier of initial and maintenance requirements")
    threshold: float = Field(default=1.0, gt=0, le=1, description="multiplier of LTV and liquidation thresholds")

    @property
    def title(self) -> str:
        """Such as ``new parameters at aave``."""
        return f"new parameters at {self.venue}"


class BridgeFailure(_Event):
    """A bridge or wrapper fails: the token is worth ``recovery`` of what it would be."""

    kind: Literal["bridge_failure"] = "bridge_failure"
    asset: str = Field(min_length=1)
    recovery: float = Field(default=0.1, gt=0, lt=1, description="share of value left")

    @property
    def title(self) -> str:
        """Such as ``failure of WBTC``."""
        return f"failure of {self.asset}"


class LiquidityDrain(_Event):
    """Liquidity evaporates: half-spreads multiply and depth shrinks, at one venue or everywhere."""

    kind: Literal["liquidity_drain"] = "liquidity_drain"
    venue: str | None = Field(default=None, description="none: everywhere")
    spread: float = Field(
        default=10.0, ge=1, le=10_000, description="half-spread multiplier: unwinding costs that much more"
    )
    depth: float = Field(default=0.1, gt=0, le=1, description="depth multiplier")

    @property
    def title(self) -> str:
        """Such as ``liquidity drain everywhere``."""
        return f"liquidity drain {'everywhere' if self.venue is None else f'at {self.venue}'}"


EVENTS: dict[str, type[_Event]] = {
    event.model_fields["kind"].default: event
    for event in (VenuePause, OracleFault, ParameterChange, BridgeFailure, LiquidityDrain)
}

AnyEvent: Any = Annotated[reduce(or_, EVENTS.values()), Field(discriminator="kind")]
"""Any event, told apart by its ``kind``."""


@dataclass(frozen=True)
class Occurrence:
    """An event and the scenarios (S,) in which it happens."""

    event: Any
    happens: np.ndarray


def with_events(scenarios: ScenarioSet, events: Sequence[Any], seed: int = 0, needed: Sequence[str] = ()) -> ScenarioSet:
    """The set with each event drawn and recorded; what changes prices, liquidity or recovery everywhere is applied.

    What depends on who looks (paused trading, wrong oracles, new parameters) is answered by
    :mod:`hedgeopt.models.scenarios.effects` from :attr:`ScenarioSet.events`.
    """
    from hedgeopt.models.scenarios.variates import uniforms

    for number, event in enumerate(events):
        happens = np.ones(len(scenarios), bool)
        if event.probability < 1.0:
            happens &= uniforms(seed, f"event {number} {event.title}", len(scenarios))[:, 0] < event.probability
        if event.fall is not None:
            happens &= scenarios.price_factor(event.asset_fall) <= 1.0 - event.fall
        if event.kind == "bridge_failure":
            if event.asset not in scenarios.assets and event.asset not in dollar_assets():
                if event.asset in needed:
                    raise InputError("fails, and no scenario moves it", file="policy", field="events", value=event.asset)
                continue
            scenarios = scaled_price(scenarios, event.asset, np.where(happens, event.recovery, 1.0))
        elif event.kind == "oracle_fault" and not {event.asset} & {*scenarios.assets, *dollar_assets(), *needed}:
            continue  # nobody holds what the venue misprices
        elif event.kind == "venue_pause" and event.recovery < 1.0:
            before = scenarios.recovery.get(event.venue, 1.0)
            kept = before * np.where(happens, event.recovery, 1.0)
            scenarios = replace(scenarios, recovery={**scenarios.recovery, event.venue: kept})
        elif event.kind == "liquidity_drain" and event.venue is None:
            scenarios = scaled_liquidity(scenarios, "spread", np.where(happens, event.spread, 1.0))
            scenarios = scaled_liquidity(scenarios, "depth", np.where(happens, event.depth, 1.0))
        scenarios = replace(scenarios, events=(*scenarios.events, Occurrence(event, happens)))
    return scenarios
