"""Calibrating the regime model to a return history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call

__all__ = ["BOUNDS", "RegimeFit", "fit_regimes", "mixture_log_density"]

_DEGREES = (3.0, 4.0, 6.0, 10.0, 30.0)
_FEWEST = 200

BOUNDS = {
    "weight": (0.005, 0.15),
    "correlation": (0.0, 0.99),
    "correlation_gain": (0.0, 1.0),
    "vol_multiplier": (1.5, 10.0),
    "drift": (-5.0, 0.0),
}
"""The liquidation regime is defined, not found: it is rare, at least half again as volatile, does not
rise on average, and correlates at least as much as calm markets (gain g gives ``0.999 (rho + g (1 - rho))``).
"""


@dataclass(frozen=True)
class RegimeFit:
    """Two-regime Student-t mixture fitted to joint returns.

    Attributes
    ----------
    weight, correlation, liquidation_correlation, vol_multiplier, drift, degrees
        As in :class:`~hedgeopt.models.scenarios.sample_settings.RegimeScenarios`.
    log_likelihood, single_log_likelihood
        Of the mixture, and of one multivariate t with its own best degrees, both on standardised returns.
    bic_gain
        BIC of the single t minus that of the mixture: above 10 the second regime is well supported; below 0 it is the
        modeller's view rather than the data's.
    at_bounds
        Parameters that ended at a bound of :data:`BOUNDS`, and so were not found by the data.
    liquidation_probability : (T,)
        That each move was a liquidation, given the data.
    margin_distance
        Largest Kolmogorov–Smirnov distance between an asset's standardised history and the fitted margin.
    tail_dependence, model_tail_dependence
        Chance that the second asset is in its worst 5 % when the first is: in the data, and in the fit (simulated).
    observations
    """

    weight: float
    correlation: float
    liquidation_correlation: float
    vol_multiplier: float
    drift: float
    degrees: float
    log_likelihood: float
    single_log_likelihood: float
    bic_gain: float
    at_bounds: tuple[str, ...]
    liquidation_probability: np.ndarray
    margin_distance: float
    tail_dependence: float
    model_tail_dependence: float
    observations: int

    def settings(self) -> dict[str, float]:
        """The part that ``RegimeScenarios`` takes."""
        names = ("weight", "correlation", "liquidation_correlation", "vol_multiplier", "drift", "degrees")
        return {**{name: getattr(self, name) for name in names}, "copula_degrees": self.degrees}


def mixture_log_density(
    z: np.ndarray, weight: float, calm: float, liquidation: float, multiplier: float, drift: float, degrees: float
) -> tuple[np.ndarray, np.ndarray]:
    """Log densities (T,) of standardised returns z (T, A): of calm and of liquidation, each with its weight inside.

    The model is that of :func:`~hedgeopt.models.scenarios.regime.regime` with margins of the copula's degrees: multivariate
    t with equal correlations, mean 0 and variance 1 over both regimes.
    """
    w = weight
    s = 1.0 / np.sqrt(1.0 - w + w * multiplier**2 + w * drift**2 / (1.0 - w))
    first = np.log1p(-w) + _log_t(z + s * drift * w / (1.0 - w), calm, s, degrees)
    second = np.log(w) + _log_t(z - s * drift, liquidation, s * multiplier, degrees)
    return first, second


def _log_t(z: np.ndarray, correlation: float, deviation: float, degrees: float) -> np.ndarray:
    """Log density of a multivariate t with equal correlations and standard deviations, in closed form."""
    from scipy.special import gammaln

    a = z.shape[1]
    scale = deviation**2 * (degrees - 2.0) / degrees
    common = 1.0 + (a - 1) * correlation
    square, total = (z**2).sum(axis=1), z.sum(axis=1)
    distance = (square - correlation / common * total**2) / ((1.0 - correlation) * scale)
    log_det = a * np.log(scale) + (a - 1) * np.log1p(-correlation) + np.log(common)
    constant = gammaln(0.5 * (degrees + a)) - gammaln(0.5 * degrees) - 0.5 * a * np.log(degrees * np.pi)
    return np.asarray(constant - 0.5 * log_det - 0.5 * (degrees + a) * np.log1p(distance / degrees))


@strict_call
def fit_regimes(log_return: np.ndarray) -> RegimeFit:
    """Maximum likelihood of the regime model on joint returns (T, A), each asset standardised first.

    Parameters are kept inside :data:`BOUNDS`; the degrees, common to both regimes, are chosen on a grid.

    Raises
    ------
    InputError
        For fewer than 200 moves, one asset only, or returns that are not finite.
    """
    from scipy.optimize import minimize, minimize_scalar

    x = np.asarray(log_return, float)
    if x.ndim != 2 or x.shape[1] < 2 or len(x) < _FEWEST:
        raise InputError(f"needs at least {_FEWEST} joint moves of two assets or more", field="log_return", value=x.shape)
    if not np.isfinite(x).all() or (x.std(axis=0) == 0).any():
        raise InputError("holds a value that is not finite, or an asset that never moves", field="log_return")
    z = (x - x.mean(axis=0)) / x.std(axis=0)

    def split(p: np.ndarray) -> tuple[float, float, float, float, float]:
        return p[0], p[1], 0.999 * (p[1] + p[2] * (1.0 - p[1])), p[3], p[4]

    def loss(p: np.ndarray, degrees: float) -> float:
        return -float(np.logaddexp(*mixture_log_density(z, *split(p), degrees)).mean())

    bounds = list(BOUNDS.values())
    rho = float(np.clip(np.corrcoef(z.T)[np.triu_indices(z.shape[1], 1)].mean(), 0.05, 0.95))
    best, found = np.inf, None
    start = np.array([0.05, rho, 0.5, 3.0, -0.5])
    for degrees in (*_DEGREES, None):
        if degrees is None:  # once more at the best degrees, from elsewhere
            assert found is not None
            start, degrees = np.array([0.1, rho, 0.2, 2.0, -0.2]), found[1]
        answer = minimize(loss, start, args=(degrees,), method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-9})
        start = answer.x
        if answer.fun < best - 1e-12:
            best, found = float(answer.fun), (answer.x, degrees)
    assert found is not None
    p, degrees = found
    single = min(
        float(minimize_scalar(lambda r, nu=nu: -_log_t(z, r, 1.0, nu).mean(), bounds=(0.0, 0.999), method="bounded").fun)
        for nu in _DEGREES
    )
    calm, wild = mixture_log_density(z, *split(p), degrees)
    parameters = dict(
        zip(
            ("weight", "correlation", "liquidation_correlation", "vol_multiplier", "drift"),
            map(float, split(p)),
            strict=True,
        )
    )
    data, model, distance = _diagnose(z, {**parameters, "degrees": degrees, "copula_degrees": degrees})
    edges = [name for name, at, (low, high) in zip(BOUNDS, p, bounds, strict=True) if min(at - low, high - at) < 1e-6]
    return RegimeFit(
        **parameters,
        degrees=degrees,
        log_likelihood=-best * len(z),
        single_log_likelihood=-single * len(z),
        bic_gain=float(2.0 * (single - best) * len(z) - 4 * np.log(len(z))),
        at_bounds=tuple(edges),
        liquidation_probability=np.exp(wild - np.logaddexp(calm, wild)),
        margin_distance=distance,
        tail_dependence=data,
        model_tail_dependence=model,
        observations=len(z),
    )


def _diagnose(z: np.ndarray, parameters: dict[str, Any]) -> tuple[float, float, float]:
    """Joint tail frequency in data and model, and the worst Kolmogorov–Smirnov distance of a margin."""
    from scipy.stats import ks_2samp

    from hedgeopt.models.scenarios.regime import unit_returns
    from hedgeopt.models.scenarios.sample_settings import RegimeScenarios

    settings = RegimeScenarios(count=20_000, **parameters)
    model = unit_returns(settings, [settings.degrees] * z.shape[1])[0]
    distance = max(float(ks_2samp(z[:, a], model[:, a]).statistic) for a in range(z.shape[1]))
    return _joint_tail(z), _joint_tail(model), distance


def _joint_tail(z: np.ndarray, share: float = 0.05) -> float:
    first, second = (z[:, a] <= np.quantile(z[:, a], share) for a in (0, 1))
    return float((first & second).sum() / first.sum())
