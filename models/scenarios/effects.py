"""Effects of a scenario's events on one venue: tradability, the prices it sees, its margin, the cost of leaving."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hedgeopt.models.scenarios.edit import with_asset
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["as_seen_by", "frozen", "margin_multiplier", "misled_venues", "threshold_multiplier", "unwind_multiplier"]


def frozen(scenarios: ScenarioSet, venue: str) -> np.ndarray:
    """(S,) whether trading and withdrawals at the venue are halted."""
    halted = np.zeros(len(scenarios), bool)
    for item in scenarios.events:
        if item.event.kind == "venue_pause" and item.event.venue == venue:
            halted |= item.happens
    return halted


def margin_multiplier(scenarios: ScenarioSet, venue: str) -> np.ndarray:
    """(S,) by what the venue multiplies its requirements."""
    return _parameter(scenarios, venue, "margin")


def threshold_multiplier(scenarios: ScenarioSet, venue: str) -> np.ndarray:
    """(S,) by what the protocol multiplies LTV and liquidation thresholds."""
    return _parameter(scenarios, venue, "threshold")


def unwind_multiplier(scenarios: ScenarioSet, venue: str) -> np.ndarray:
    """(S,) by what half-spreads at the venue are multiplied; 0 where it is halted and nothing can be unwound."""
    total = np.ones(len(scenarios)) * scenarios.liquidity.get("spread", 1.0)
    for item in scenarios.events:
        if item.event.kind == "liquidity_drain" and item.event.venue == venue:
            total = total * np.where(item.happens, item.event.spread, 1.0)
    return np.where(frozen(scenarios, venue), 0.0, total)


def misled_venues(scenarios: ScenarioSet) -> frozenset[str]:
    """Venues with an oracle fault in some scenario."""
    return frozenset(
        item.event.venue for item in scenarios.events if item.event.kind == "oracle_fault" and item.happens.any()
    )


def as_seen_by(scenarios: ScenarioSet, venue: str) -> ScenarioSet:
    """The set with prices as the venue's oracles report them; the same object where they are right.

    A stale oracle reports today's price; one that deviates multiplies the true price. A dollar asset that no scenario moves
    gets a column when its oracle errs.
    """
    for item in scenarios.events:
        event = item.event
        if event.kind != "oracle_fault" or event.venue != venue or not item.happens.any():
            continue
        at = scenarios.column(event.asset)
        if at is None:
            scenarios, at = with_asset(scenarios, event.asset, np.ones(len(scenarios))), len(scenarios.assets)
        wrong = 1.0 if event.stale else scenarios.spot_factor[:, at] * (1.0 + event.deviation)
        spot = scenarios.spot_factor.copy()
        spot[:, at] = np.where(item.happens, wrong, spot[:, at])
        scenarios = replace(scenarios, spot_factor=spot)
    return scenarios


def _parameter(scenarios: ScenarioSet, venue: str, name: str) -> np.ndarray:
    total = np.ones(len(scenarios))
    for item in scenarios.events:
        if item.event.kind == "parameter_change" and item.event.venue == venue:
            total = total * np.where(item.happens, getattr(item.event, name), 1.0)
    return total
