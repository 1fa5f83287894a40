"""Changing a scenario set into another: appending assets, multiplying prices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hedgeopt.models.scenarios.set import TABLES, ScenarioSet

__all__ = ["scaled_liquidity", "scaled_price", "with_asset"]


def with_asset(scenarios: ScenarioSet, asset: str, factor: np.ndarray, like: str | None = None) -> ScenarioSet:
    """The set with a further column: price factor (S,), and vol, skew and basis moves as those of ``like`` (none: zero)."""
    at = None if like is None else scenarios.assets.index(like)
    changed: dict[str, Any] = {}
    for name in TABLES:
        values = getattr(scenarios, name)
        if values is not None:
            column = factor if name == "spot_factor" else np.zeros(len(scenarios)) if at is None else values[:, at]
            changed[name] = np.column_stack([values, column])
    return replace(scenarios, assets=(*scenarios.assets, asset), **changed)


def scaled_price(
    scenarios: ScenarioSet, asset: str, factor: np.ndarray, *, vol_beta: float = 0.0, notes: tuple[str, ...] = ()
) -> ScenarioSet:
    """The set with the price of ``asset`` multiplied by ``factor`` (S,), its log vol moving by ``vol_beta * ln(factor)``.

    A dollar asset that no scenario moved so far gets a column.
    """
    at = scenarios.column(asset)
    if at is None:
        return replace(with_asset(scenarios, asset, factor), notes=scenarios.notes + notes)
    spot, vol = scenarios.spot_factor.copy(), scenarios.log_vol_shift.copy()
    spot[:, at] *= factor
    vol[:, at] += vol_beta * np.log(factor)
    return replace(scenarios, spot_factor=spot, log_vol_shift=vol, notes=scenarios.notes + notes)


def scaled_liquidity(scenarios: ScenarioSet, name: str, factor: np.ndarray) -> ScenarioSet:
    """The set with the liquidity multiplier ``name`` multiplied by ``factor`` (S,)."""
    return replace(scenarios, liquidity={**scenarios.liquidity, name: scenarios.liquidity.get(name, 1.0) * factor})
