"""Scenario parts of one expiry: the price on the path at which it settles, and the move of its vol alone."""

from __future__ import annotations

import numpy as np

from hedgeopt.models.scenarios.set import ScenarioSet
from hedgeopt.models.scenarios.variates import normals

__all__ = ["alone", "spot_on_the_way"]


def spot_on_the_way(scenarios: ScenarioSet, asset: np.ndarray, years: np.ndarray) -> np.ndarray:
    """(S, n) spot factor of asset column ``asset`` (n,) at ``years`` (n,) from now, where these lie inside the horizon.

    With ``w = years / horizon`` a Brownian bridge to the scenario's own move: ``ln S_w = w ln S_1 + s sqrt(w (1 - w)) z``,
    s the sample's standard deviation of ``ln S_1`` and z one normal per asset and expiry. Times beyond the horizon, and sets
    without ``path_seed``, keep the move at the end. No hedge of today covers the way from expiry to the horizon's end.
    """
    end = np.log(scenarios.spot_factor)
    moves = end[:, asset]
    if scenarios.path_seed is None or scenarios.years <= 0.0:
        return np.exp(moves)
    p = scenarios.weights
    spread = np.sqrt(np.maximum(p @ end**2 - (p @ end) ** 2, 0.0))
    for n, (a, t) in enumerate(zip(asset.tolist(), years.tolist(), strict=True)):
        w = t / scenarios.years
        if w < 1.0:
            moves[:, n] = w * moves[:, n] + spread[a] * np.sqrt(w * (1.0 - w)) * _own(scenarios, "path", a, t)
    return np.exp(moves)


def alone(scenarios: ScenarioSet, asset: np.ndarray, years: np.ndarray) -> np.ndarray:
    """(S, n) ``expiry_noise sqrt(horizon) z`` with z one normal per asset and expiry: what no other expiry's vol does.

    Chains show it: beyond a level and a slope in ln(30 / days), each expiry of Deribit's BTC and ETH chains moved by
    .5 a year on its own in January 2026 (at 30 days). Without it two expiries hedge each other too well.
    """
    size = scenarios.expiry_noise * np.sqrt(scenarios.years)
    columns = [_own(scenarios, "expiry", a, t) for a, t in zip(asset.tolist(), years.tolist(), strict=True)]
    return np.asarray(size * np.column_stack(columns))


def _own(scenarios: ScenarioSet, use: str, asset: int, years: float) -> np.ndarray:
    """(S,) normals of an expiry, named by its seconds from now."""
    assert scenarios.path_seed is not None
    stream = f"{use} {scenarios.assets[asset]} {round(years * 365.0 * 86_400.0)}"
    return normals(scenarios.path_seed, stream, len(scenarios))[:, 0]
