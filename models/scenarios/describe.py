"""A scenario set in numbers: moments, correlations, tails, effective number."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["AssetMoments", "Description", "describe"]


@dataclass(frozen=True)
class AssetMoments:
    """Of one asset's log return over the horizon, weighted by the scenarios' probabilities.

    ``annual_vol`` is the standard deviation over sqrt(horizon) (0 for instantaneous sets); ``quantiles`` are simple returns
    at 1 %, 5 %, 50 %, 95 % and 99 %; ``vol_slope`` is the regression slope of the log vol on the return.
    """

    mean: float
    deviation: float
    annual_vol: float
    skewness: float
    kurtosis: float
    worst: float
    best: float
    quantiles: dict[str, float]
    mean_vol_shift: float
    vol_slope: float


@dataclass(frozen=True)
class Description:
    """Result of :func:`describe`.

    ``correlations`` is (A, A), of log returns; ``joint_falls`` maps pairs to the chance that the second asset is in its
    worst 5 % when the first is; ``events`` to the chance of each; ``liquidity`` and ``recovery`` hold mean and worst.
    """

    name: str
    scenarios: int
    effective_number: float
    horizon_days: float
    assets: dict[str, AssetMoments]
    correlations: np.ndarray
    joint_falls: dict[str, float]
    liquidity: dict[str, tuple[float, float]]
    recovery: dict[str, tuple[float, float]]
    events: dict[str, float]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "correlations": self.correlations.tolist()}


def describe(scenarios: ScenarioSet) -> Description:
    """Moments of every asset, correlations, joint tails, and the rest of :class:`Description`."""
    p, moves = scenarios.weights, np.log(scenarios.spot_factor)
    assets = {
        asset: _moments(moves[:, a], scenarios.log_vol_shift[:, a], p, scenarios) for a, asset in enumerate(scenarios.assets)
    }
    centred = moves - p @ moves
    covariance = (centred * p[:, None]).T @ centred
    deviation = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = np.where(np.outer(deviation, deviation) > 0, covariance / np.outer(deviation, deviation), np.nan)
    below = [moves[:, a] <= _quantile(moves[:, a], p, 0.05) for a in range(len(scenarios.assets))]
    joint = {
        f"{first} {second}": float(p @ (below[a] & below[b]) / (p @ below[a]))
        for a, first in enumerate(scenarios.assets)
        for b, second in enumerate(scenarios.assets)
        if a < b
    }
    return Description(
        name=scenarios.name,
        scenarios=len(scenarios),
        effective_number=scenarios.effective_number,
        horizon_days=scenarios.horizon_days,
        assets=assets,
        correlations=correlations,
        joint_falls=joint,
        liquidity={k: (float(p @ v), float(v.max() if k == "spread" else v.min())) for k, v in scenarios.liquidity.items()},
        recovery={k: (float(p @ v), float(v.min())) for k, v in scenarios.recovery.items()},
        events={o.event.title: float(p @ o.happens) for o in scenarios.events},
        notes=scenarios.notes,
    )


def _moments(move: np.ndarray, vol: np.ndarray, p: np.ndarray, scenarios: ScenarioSet) -> AssetMoments:
    mean = float(p @ move)
    centred = move - mean
    variance = float(p @ centred**2)
    still = variance <= 1e-300
    return AssetMoments(
        mean=mean,
        deviation=float(np.sqrt(variance)),
        annual_vol=float(np.sqrt(variance / scenarios.years)) if scenarios.years > 0 else 0.0,
        skewness=0.0 if still else float(p @ centred**3 / variance**1.5),
        kurtosis=0.0 if still else float(p @ centred**4 / variance**2),
        worst=float(np.expm1(move.min())),
        best=float(np.expm1(move.max())),
        quantiles={f"{q:g}": float(np.expm1(_quantile(move, p, q))) for q in (0.01, 0.05, 0.5, 0.95, 0.99)},
        mean_vol_shift=float(p @ vol),
        vol_slope=0.0 if still else float(p @ (centred * vol) / variance),
    )


def _quantile(values: np.ndarray, p: np.ndarray, level: float) -> float:
    """Smallest value whose cumulative probability reaches ``level``."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(p[order])
    return float(values[order[min(int(np.searchsorted(reached, level - 1e-12)), len(values) - 1)]])
