"""How implied vol answers a spot move."""

from __future__ import annotations

import numpy as np

__all__ = ["vol_response"]


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
