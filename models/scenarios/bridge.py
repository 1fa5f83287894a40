"""Scenario parts of one expiry: the price on the path at which it settles, and what its vols do alone."""

from __future__ import annotations

import numpy as np

from hedgeopt.models.scenarios.noise import strike_size
from hedgeopt.models.scenarios.set import ScenarioSet
from hedgeopt.models.scenarios.variates import as_student, normals

__all__ = ["alone", "skew_alone", "spot_on_the_way", "strike_alone"]


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
    """(S, n) ``expiry_size z`` with z one normal per asset and expiry: what no other expiry's log vol does.

    Chains show it: beyond a level and a slope in ln(30 / days), each expiry of Deribit's BTC and ETH chains moved by
    .5 a year on its own in January 2026 (at 30 days). Without it two expiries hedge each other too well.
    """
    moved = np.zeros((len(scenarios), len(asset)), order="F")
    for n, (a, t) in enumerate(zip(asset.tolist(), years.tolist(), strict=True)):
        size = scenarios.expiry_size(scenarios.assets[a], t * 365.0)
        if size > 0.0:
            moved[:, n] = size * _own(scenarios, "expiry", a, t)
    return moved


def skew_alone(scenarios: ScenarioSet, asset: np.ndarray, years: np.ndarray) -> np.ndarray | None:
    """(S, n) what the skew of each expiry does alone, in vol per ln(strike/forward)/sqrt(years); None: nothing.

    One normal per asset and expiry, of the size that :class:`~hedgeopt.models.scenarios.noise.ExpiryNoise` gives.
    """
    moved = None
    for n, (a, t) in enumerate(zip(asset.tolist(), years.tolist(), strict=True)):
        name = scenarios.assets[a]
        noise = scenarios.noise[name].skew if name in scenarios.noise else None
        if noise is not None:
            moved = np.zeros((len(scenarios), len(asset)), order="F") if moved is None else moved
            moved[:, n] = noise.over(t * 365.0, scenarios.horizon_days) * _own(scenarios, "expiry skew", a, t)
    return moved


def strike_alone(
    scenarios: ScenarioSet, asset: np.ndarray, years: np.ndarray, strike: np.ndarray, delta: np.ndarray
) -> np.ndarray | None:
    """(S, n) what the log vol of each strike does alone: Student-t of unit variance times its size; None: nothing.

    The t is the normal of the stream carried to its quantile, so that a heavier tail keeps the order of the scenarios.
    """
    moved = None
    for a in np.unique(asset).tolist():
        name = scenarios.assets[a]
        noise = scenarios.noise[name].strike if name in scenarios.noise else None
        if noise is None:
            continue
        moved = np.zeros((len(scenarios), len(asset)), order="F") if moved is None else moved
        mine = np.flatnonzero((asset == a) & (years > scenarios.years))
        size = strike_size(noise, years[mine] * 365.0, delta[mine], scenarios.horizon_days)
        for n, one in zip(mine.tolist(), size.tolist(), strict=True):
            moved[:, n] = one * as_student(_own(scenarios, f"strike {strike[n]:.12g}", a, years[n]), noise.degrees)
    return moved


def _own(scenarios: ScenarioSet, use: str, asset: int, years: float) -> np.ndarray:
    """(S,) normals of an expiry or of one of its strikes, named by its seconds from now."""
    assert scenarios.path_seed is not None
    stream = f"{use} {scenarios.assets[asset]} {round(years * 365.0 * 86_400.0)}"
    return normals(scenarios.path_seed, stream, len(scenarios))[:, 0]
