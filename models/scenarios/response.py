"""Response of vol, skew, term structure, basis, funding and liquidity to a spot move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hedgeopt.models.scenarios.noise import noise_by_asset
from hedgeopt.models.scenarios.sample_settings import ScenarioSettings
from hedgeopt.models.scenarios.variates import normals, uniforms

__all__ = ["follow", "responses", "shared_noise", "vol_response", "with_jumps", "without_jumps"]

_SHARED = 0.7


def vol_response(
    log_return: np.ndarray,
    noise: np.ndarray,
    *,
    beta_down: float | np.ndarray,
    beta_up: float | np.ndarray,
    vol_of_vol: float | np.ndarray,
    years: float,
) -> np.ndarray:
    """Change of the log 30-day vol, (S, A): ``beta * log_return + vol_of_vol * sqrt(years) * noise``.

    Parameters
    ----------
    log_return : (S, A)
        Log spot return; its sign picks ``beta_down`` (usually negative: vol rises when spot falls) or ``beta_up``.
    noise : (S,) or (S, A)
        Standard normal draws, the part of vol that spot does not explain.
    beta_down, beta_up, vol_of_vol
        Numbers, (A,), or the slopes of every scenario (S, A).
    """
    beta = np.where(log_return < 0, beta_down, beta_up)
    noise = noise[:, None] if noise.ndim == 1 else noise
    return np.asarray(beta * log_return + vol_of_vol * np.sqrt(years) * noise)


def follow(
    settings: ScenarioSettings, log_return: np.ndarray, stream: str, beta: np.ndarray, noise: np.ndarray
) -> np.ndarray | None:
    """``beta * log_return + noise * sqrt(years) * z`` (S, A); None when both are zero. Most of z is common to all assets.

    ``beta`` and ``noise`` are (A,).
    """
    if not beta.any() and not noise.any():
        return None
    moved = beta * log_return
    if noise.any():
        moved = moved + noise * np.sqrt(settings.horizon_days / 365.0) * shared_noise(
            settings.seed, stream, log_return.shape
        )
    return np.asarray(moved)


_LEAST = 0.5


def without_jumps(settings: ScenarioSettings, vols: Sequence[float]) -> np.ndarray:
    """(A,) annual vol beside jumps, ``sqrt(vol^2 - rate (mean^2 + noise^2))``, at least half of the vol (A,) with them."""
    vol = np.array(vols, float)
    jumps = settings.jump_rate * (settings.jump_mean**2 + settings.jump_noise**2)
    return np.asarray(np.sqrt(np.maximum(vol**2 - jumps, (_LEAST * vol) ** 2)))


def with_jumps(settings: ScenarioSettings, log_return: np.ndarray) -> np.ndarray:
    """Log returns (S, A) and jumps of all assets together (Merton 1976), less what these are expected to add.

    A Poisson number n of jumps with mean ``jump_rate * years``, each of normal log size: ``n mean + sqrt(n) noise z``.
    """
    expected = settings.jump_rate * settings.horizon_days / 365.0
    if expected == 0.0:
        return log_return
    from scipy.special import pdtrik

    count = len(log_return)
    number = np.maximum(np.ceil(pdtrik(uniforms(settings.seed, "jumps", count)[:, 0], expected)), 0.0)
    number = np.nan_to_num(number)  # the quantile of what is below the chance of no jump
    size = number * settings.jump_mean + np.sqrt(number) * settings.jump_noise * normals(settings.seed, "jump", count)[:, 0]
    return np.asarray(log_return + (size - expected * settings.jump_mean)[:, None])


def shared_noise(seed: int, stream: str, shape: tuple[int, ...]) -> np.ndarray:
    """(S, A) standard normals, any two columns correlated by 0.7: vol moves of coins are mostly one move."""
    own = normals(seed, stream, shape[0], shape[1] + 1)
    return np.asarray(np.sqrt(_SHARED) * own[:, :1] + np.sqrt(1.0 - _SHARED) * own[:, 1:])


def responses(settings: ScenarioSettings, log_return: np.ndarray, assets: Sequence[str]) -> dict[str, Any]:
    """Every field of a scenario set but spot, for log returns (S, A) of ``assets``, from the settings' slopes and noises."""
    fall = np.maximum(-log_return.min(axis=1, initial=0.0), 0.0)
    liquidity = {}
    if settings.spread_beta:
        liquidity["spread"] = np.exp(settings.spread_beta * fall)
    if settings.depth_beta:
        liquidity["depth"] = np.exp(-settings.depth_beta * fall)

    def of(name: str) -> np.ndarray:
        return settings.of_each(name, assets)

    down, up = of("vol_beta"), of("vol_beta_up")
    spread_down, spread_up = of("vol_beta_noise"), of("vol_beta_up_noise")
    if spread_down.any() or spread_up.any():
        regime = shared_noise(settings.seed, "vol regime", log_return.shape)
        down, up = down + spread_down * regime, up + spread_up * regime

    def answer(name: str, noise: bool = True) -> np.ndarray | None:
        size = of(f"{name}_noise") if noise else np.zeros(len(assets))
        return follow(settings, log_return, name, of(f"{name}_beta"), size)

    return {
        "log_vol_shift": vol_response(
            log_return,
            shared_noise(settings.seed, "vol", log_return.shape),
            beta_down=down,
            beta_up=up,
            vol_of_vol=of("vol_of_vol"),
            years=settings.horizon_days / 365.0,
        ),
        "skew_shift": answer("skew"),
        "term_shift": answer("term"),
        "basis_shift": answer("basis"),
        "perpetual_shift": answer("perpetual", noise=False),
        "funding": answer("funding"),
        "liquidity": liquidity,
        "path_seed": settings.seed,
        "expiry_noise": settings.expiry_noise,
        "skew_tenor": settings.skew_tenor,
        "noise": noise_by_asset(settings.noise, tuple(assets)),
    }
