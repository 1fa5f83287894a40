"""Joint heavy-tailed returns from a multivariate Student-t."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.config import ParametricScenarios, VolMarket
from hedgeopt.models.scenarios.set import ScenarioSet
from hedgeopt.models.scenarios.vol_response import vol_response

__all__ = ["parametric"]


def parametric(settings: ParametricScenarios, assets: Sequence[str], market: VolMarket) -> ScenarioSet:
    """Draw ``r = sigma sqrt(h) sqrt((nu - 2) / chi2_nu) L z`` per scenario, so that the covariance is ``sigma^2 h`` exactly.

    ``L`` is the Cholesky factor of the equicorrelation matrix; one chi-square per scenario gives the tail dependence of a
    multivariate t. Prices are martingales up to sampling: returns are centred. Vol follows
    :func:`~hedgeopt.models.scenarios.vol_response.vol_response`, and 0.7 of its own part is shared by all assets.

    Raises
    ------
    InputError
        When neither the settings nor the chain give a vol for an asset.
    """
    n_assets, years = len(assets), settings.horizon_days / 365.0
    sigma = np.array([annual_vol(settings, asset, market) for asset in assets])
    rng = np.random.Generator(np.random.PCG64(settings.seed))
    normal = rng.standard_normal((settings.count, n_assets))
    mixing = np.sqrt((settings.degrees - 2.0) / rng.chisquare(settings.degrees, settings.count))
    correlation = np.full((n_assets, n_assets), settings.correlation)
    np.fill_diagonal(correlation, 1.0)
    try:
        factor = np.linalg.cholesky(correlation)
    except np.linalg.LinAlgError:
        raise InputError(
            f"is impossible for {n_assets} assets",
            file="policy",
            field="scenarios.correlation",
            value=settings.correlation,
        ) from None
    log_return = (normal @ factor.T) * mixing[:, None] * sigma * np.sqrt(years)
    own = rng.standard_normal((settings.count, n_assets + 1))
    noise = np.sqrt(0.7) * own[:, :1] + np.sqrt(0.3) * own[:, 1:]
    return ScenarioSet(
        name=f"Student-t({settings.degrees:g}), {settings.count} draws, seed {settings.seed}",
        assets=tuple(assets),
        spot_factor=np.exp(log_return - log_return.mean(axis=0)),
        log_vol_shift=vol_response(
            log_return,
            noise,
            beta_down=settings.vol_beta,
            beta_up=settings.vol_beta_up,
            vol_of_vol=settings.vol_of_vol,
            years=years,
        ),
        horizon_days=settings.horizon_days,
    )


def annual_vol(settings: ParametricScenarios, asset: str, market: VolMarket) -> float:
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
