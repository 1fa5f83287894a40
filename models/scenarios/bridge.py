"""Where the price stood on its way: what expires inside the horizon settles there, and not at the horizon's end."""

from __future__ import annotations

import numpy as np

from hedgeopt.models.scenarios.draws import normals
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["spot_on_the_way"]


def spot_on_the_way(scenarios: ScenarioSet, asset: np.ndarray, years: np.ndarray) -> np.ndarray:
    """(S, n) spot factor of asset column ``asset`` (n,) at ``years`` (n,) from now, where these lie inside the horizon.

    With ``w = years / horizon`` a Brownian bridge to the scenario's own move: ``ln S_w = w ln S_1 + s sqrt(w (1 - w)) z``,
    s the sample's standard deviation of ``ln S_1`` and z one normal per asset and expiry. Times beyond the horizon, and sets
    without ``path_seed``, keep the move at the end. What the price does between expiry and horizon no hedge of today takes away.
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
            stream = f"path {scenarios.assets[a]} {round(t * 365.0 * 86_400.0)}"
            z = normals(scenarios.path_seed, stream, len(scenarios))[:, 0]
            moves[:, n] = w * moves[:, n] + spread[a] * np.sqrt(w * (1.0 - w)) * z
    return np.exp(moves)
