"""Student-t copula with a liquidation regime in which correlations and vols jump together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hedgeopt.models.scenarios.parametric import annual_vol, correlated
from hedgeopt.models.scenarios.response import responses, with_jumps, without_jumps
from hedgeopt.models.scenarios.sample_settings import RegimeScenarios, VolMarket
from hedgeopt.models.scenarios.set import ScenarioSet
from hedgeopt.models.scenarios.variates import chi_square, normals, uniforms

__all__ = ["calm_scale", "regime", "student_margins", "unit_returns"]


def regime(settings: RegimeScenarios, assets: Sequence[str], market: VolMarket) -> ScenarioSet:
    """Draw the regime first, then returns from its copula.

    With weight ``w``, multiplier ``m``, drift ``d`` and calm standard deviation ``s`` (:func:`calm_scale`), a return is

        calm:         -s d w / (1 - w) + s t,      copula correlation ``correlation``
        liquidation:   s d + m s t,                copula correlation ``liquidation_correlation``

    where ``t`` is Student with unit variance; so the mean is 0, the variance ``sigma^2 h``, and the third central moment
    ``s^3 w d (3 (m^2 - 1) + d^2 (1 - 2 w) / (1 - w)^2)``: negative for a negative drift. In a liquidation the log vol rises
    by ``vol_jump`` beyond its answer to spot, half-spreads multiply by ``spread`` and depth by ``depth``.

    Raises
    ------
    InputError
        For an impossible correlation, or an asset without vol.
    """
    sigma = without_jumps(settings, [annual_vol(settings, asset, market) for asset in assets])
    unit, falling = unit_returns(settings, [settings.margin_degrees.get(asset, settings.degrees) for asset in assets])
    moves = with_jumps(settings, sigma * np.sqrt(settings.horizon_days / 365.0) * unit)
    fields = responses(settings, moves, assets)
    fields["log_vol_shift"] = fields["log_vol_shift"] + settings.vol_jump * falling[:, None]
    for name, multiplier in (("spread", settings.spread), ("depth", settings.depth)):
        fields["liquidity"][name] = fields["liquidity"].get(name, 1.0) * np.where(falling, multiplier, 1.0)
    return ScenarioSet(
        name=(
            f"t copula({settings.copula_degrees:g}), liquidations {settings.weight:g}, {settings.count} draws, "
            f"seed {settings.seed}"
        ),
        assets=tuple(assets),
        spot_factor=np.exp(moves - moves.mean(axis=0)),
        horizon_days=settings.horizon_days,
        **fields,
    )


def unit_returns(settings: RegimeScenarios, margin_degrees: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Returns (S, A) with mean 0 and variance 1, and whether each scenario is a liquidation (S,)."""
    w, d, s = settings.weight, settings.drift, calm_scale(settings)
    normal = normals(settings.seed, "spot", settings.count, len(margin_degrees))
    falling = uniforms(settings.seed, "regime", settings.count)[:, 0] < w
    gaussian = np.where(
        falling[:, None],
        correlated(normal, settings.liquidation_correlation, "liquidation_correlation"),
        correlated(normal, settings.correlation, "correlation"),
    )
    chi = chi_square(settings.seed, "mixing", settings.count, settings.copula_degrees)
    student = gaussian * np.sqrt(settings.copula_degrees / chi)[:, None]
    t = student_margins(student, settings.copula_degrees, margin_degrees)
    return np.where(falling[:, None], s * (d + settings.vol_multiplier * t), s * (t - d * w / (1.0 - w))), falling


def calm_scale(settings: RegimeScenarios) -> float:
    """Calm standard deviation over the total one: ``1 / sqrt(1 - w + w m^2 + w d^2 / (1 - w))``."""
    w, m, d = settings.weight, settings.vol_multiplier, settings.drift
    return float(1.0 / np.sqrt(1.0 - w + w * m**2 + w * d**2 / (1.0 - w)))


def student_margins(student: np.ndarray, copula_degrees: float, margin_degrees: Sequence[float]) -> np.ndarray:
    """Columns of a multivariate t (S, A) carried to Student margins of their own degrees, scaled to unit variance.

    The probability is taken in the lower tail of minus the absolute value, where it keeps its digits.
    """
    from scipy.special import stdtr, stdtrit

    result = np.empty_like(student)
    for a, degrees in enumerate(margin_degrees):
        column = student[:, a]
        if degrees != copula_degrees:
            column = -np.sign(column) * stdtrit(degrees, stdtr(copula_degrees, -np.abs(column)))
        result[:, a] = column * np.sqrt((degrees - 2.0) / degrees)
    return result
