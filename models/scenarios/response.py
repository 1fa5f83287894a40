"""Response of vol, skew, term structure, basis, funding and liquidity to a spot move."""

from __future__ import annotations

from typing import Any

import numpy as np

from hedgeopt.models.scenarios.sample_settings import ScenarioSettings
from hedgeopt.models.scenarios.variates import normals

__all__ = ["follow", "responses", "vol_response"]

_SHARED = 0.7


def vol_response(
    log_return: np.ndarray,
    noise: np.ndarray,
    *,
    beta_down: float,
    beta_up: float,
    vol_of_vol: float,
    years: float,
) -> np.ndarray:
    """Change of the log 30-day vol, (S, A): ``beta * log_return + vol_of_vol * sqrt(years) * noise``.

    Parameters
    ----------
    log_return : (S, A)
        Log spot return; its sign picks ``beta_down`` (usually negative: vol rises when spot falls) or ``beta_up``.
    noise : (S,) or (S, A)
        Standard normal draws, the part of vol that spot does not explain.
    """
    beta = np.where(log_return < 0, beta_down, beta_up)
    noise = noise[:, None] if noise.ndim == 1 else noise
    return np.asarray(beta * log_return + vol_of_vol * np.sqrt(years) * noise)


def follow(settings: ScenarioSettings, log_return: np.ndarray, stream: str, beta: float, noise: float) -> np.ndarray | None:
    """``beta * log_return + noise * sqrt(years) * z`` (S, A); None when both are zero. Most of z is common to all assets."""
    if beta == 0.0 and noise == 0.0:
        return None
    moved = beta * log_return
    if noise > 0.0:
        moved = moved + noise * np.sqrt(settings.horizon_days / 365.0) * shared_noise(
            settings.seed, stream, log_return.shape
        )
    return np.asarray(moved)


def shared_noise(seed: int, stream: str, shape: tuple[int, ...]) -> np.ndarray:
    """(S, A) standard normals, any two columns correlated by 0.7: vol moves of coins are mostly one move."""
    own = normals(seed, stream, shape[0], shape[1] + 1)
    return np.asarray(np.sqrt(_SHARED) * own[:, :1] + np.sqrt(1.0 - _SHARED) * own[:, 1:])


def responses(settings: ScenarioSettings, log_return: np.ndarray) -> dict[str, Any]:
    """Every field of a scenario set but spot, for log returns (S, A), from the settings' slopes and noises."""
    fall = np.maximum(-log_return.min(axis=1, initial=0.0), 0.0)
    liquidity = {}
    if settings.spread_beta:
        liquidity["spread"] = np.exp(settings.spread_beta * fall)
    if settings.depth_beta:
        liquidity["depth"] = np.exp(-settings.depth_beta * fall)
    return {
        "log_vol_shift": vol_response(
            log_return,
            shared_noise(settings.seed, "vol", log_return.shape),
            beta_down=settings.vol_beta,
            beta_up=settings.vol_beta_up,
            vol_of_vol=settings.vol_of_vol,
            years=settings.horizon_days / 365.0,
        ),
        "skew_shift": follow(settings, log_return, "skew", settings.skew_beta, settings.skew_noise),
        "term_shift": follow(settings, log_return, "term", settings.term_beta, settings.term_noise),
        "basis_shift": follow(settings, log_return, "basis", settings.basis_beta, settings.basis_noise),
        "perpetual_shift": follow(settings, log_return, "perpetual", settings.perpetual_beta, 0.0),
        "funding": follow(settings, log_return, "funding", settings.funding_beta, settings.funding_noise),
        "liquidity": liquidity,
        "path_seed": settings.seed,
        "expiry_noise": settings.expiry_noise,
    }
