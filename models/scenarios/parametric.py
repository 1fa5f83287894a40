"""Joint heavy-tailed returns from a multivariate Student-t."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.response import responses, with_jumps, without_jumps
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios, RegimeScenarios, VolMarket
from hedgeopt.models.scenarios.set import ScenarioSet
from hedgeopt.models.scenarios.variates import chi_square, kept, normals

__all__ = ["annual_vol", "correlated", "parametric"]


def parametric(settings: ParametricScenarios, assets: Sequence[str], market: VolMarket) -> ScenarioSet:
    """Draw ``r = sigma sqrt(h) sqrt((nu - 2) / chi2_nu) L z`` per scenario, so that the covariance is ``sigma^2 h`` exactly.

    ``L`` is the Cholesky factor of the equicorrelation matrix; one chi-square per scenario gives the tail dependence of a
    multivariate t. The log returns are centred in the sample. Everything else follows
    :func:`~hedgeopt.models.scenarios.response.responses`.

    Raises
    ------
    InputError
        When neither the settings nor the chain give a vol for an asset.
    """
    years = settings.horizon_days / 365.0
    sigma = without_jumps(settings, [annual_vol(settings, asset, market) for asset in assets])
    size = settings.count * len(assets)
    unit = kept(_unit, size, settings.seed, settings.count, len(assets), settings.correlation, settings.degrees)
    moves = with_jumps(settings, unit * sigma * np.sqrt(years))
    return ScenarioSet(
        name=f"Student-t({settings.degrees:g}), {settings.count} draws, seed {settings.seed}",
        assets=tuple(assets),
        spot_factor=np.exp(moves - moves.mean(axis=0)),
        horizon_days=settings.horizon_days,
        **responses(settings, moves, assets),
    )


def _unit(seed: int, count: int, n: int, correlation: float, degrees: float) -> np.ndarray:
    """(count, n) multivariate t draws of unit variance."""
    normal = normals(seed, "spot", count, n)
    mixing = np.sqrt((degrees - 2.0) / chi_square(seed, "mixing", count, degrees))
    return np.asarray(correlated(normal, correlation, "correlation") * mixing[:, None])


def correlated(normal: np.ndarray, correlation: float, field: str) -> np.ndarray:
    """(S, A) standard normals of which any two columns have ``correlation``, from independent ones.

    The Cholesky factor of an equicorrelation matrix is applied column by column: a matrix product would round differently on
    machines with different BLAS.
    """
    n = normal.shape[1]
    matrix = np.full((n, n), correlation)
    np.fill_diagonal(matrix, 1.0)
    try:
        factor = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        raise InputError(
            f"is impossible for {n} assets", file="policy", field=f"scenarios.{field}", value=correlation
        ) from None
    result = np.zeros_like(normal)
    for row in range(n):
        for column in range(row + 1):
            result[:, row] += factor[row, column] * normal[:, column]
    return result


def annual_vol(settings: ParametricScenarios | RegimeScenarios, asset: str, market: VolMarket) -> float:
    """The asset's annual vol: from the settings, else at the money in the chain."""
    given = settings.vol.get(asset)
    if given is not None:
        return given
    implied = market.atm_vol(asset, max(settings.horizon_days, 30.0))
    if implied is None:
        raise InputError(
            f"no vol for {asset}: the chain has no options on it",
            file="policy",
            field=f"scenarios.vol.{asset}",
            fix=f"set it, such as vol = {{ {asset} = 0.8 }}",
        )
    return implied
