"""GARCH(1, 1) by quasi maximum likelihood, for filtered historical simulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.models.scenarios.history import FEWEST, Windows

__all__ = ["Garch", "fit_garch", "garch_vol"]

_STARTS = ((0.05, 0.9), (0.1, 0.8), (0.15, 0.5))
_MOST = 0.9999


@dataclass(frozen=True)
class Garch:
    """``v_t = omega + alpha r_{t-1}^2 + beta v_{t-1}``, the variance of one step.

    ``variance`` (T + 1,) is that before each of T moves and after the last.
    """

    omega: float
    alpha: float
    beta: float
    variance: np.ndarray

    def ahead(self, variance: np.ndarray, steps: int) -> np.ndarray:
        """Expected sum of the variances of the next ``steps`` from the first of them: ``n m + (v - m) (1 - c^n) / (1 - c)``.

        m is the long-run variance ``omega / (1 - c)``, ``c = alpha + beta``.
        """
        persistence = self.alpha + self.beta
        level = self.omega / (1.0 - persistence)
        return np.asarray(steps * level + (variance - level) * (1.0 - persistence**steps) / (1.0 - persistence))


def fit_garch(moves: np.ndarray) -> Garch:
    """Fit to moves (T,) by Gaussian quasi maximum likelihood (Bollerslev 1986), started at their own variance.

    The long-run variance is the sample's (Engle and Mezrich 1996), which leaves two numbers to be found.

    Raises
    ------
    InputError
        For fewer than 30 moves, or moves that are all nought.
    """
    from scipy.optimize import minimize
    from scipy.signal import lfilter

    r = np.asarray(moves, float)
    if len(r) < FEWEST:
        raise InputError(
            f"{many(len(r), 'move')} are too few for a GARCH model", field="moves", fix=f"give {FEWEST} or more"
        )
    level = float(np.mean(r**2))
    if not np.isfinite(level) or level <= 0.0:
        raise InputError("do not move, or hold what is no number", field="moves", fix="give a price history that moves")

    def path(alpha: float, beta: float) -> np.ndarray:
        driven = level * (1.0 - alpha - beta) + alpha * r**2
        later = lfilter([1.0], [1.0, -beta], driven, zi=[beta * level])[0]
        return np.concatenate([[level], later])

    def loss(at: np.ndarray) -> float:
        alpha, beta = at
        if alpha + beta >= _MOST:
            return 1e12 * (1.0 + alpha + beta)
        v = path(alpha, beta)[:-1] / level
        return float(np.mean(np.log(v) + r**2 / level / v))

    found = min(
        (minimize(loss, start, method="Nelder-Mead", bounds=[(0.0, 0.5), (0.0, 0.999)]) for start in _STARTS),
        key=lambda one: float(one.fun),
    )
    alpha, beta = (float(x) for x in found.x)
    return Garch(level * (1.0 - alpha - beta), alpha, beta, path(alpha, beta))


def garch_vol(prices: pd.DataFrame, windows: Windows, blocks: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Vol before each window (W, A), and of now (A,), both over one window, from a GARCH model of each asset's own steps.

    Of now is the expected variance over ``blocks`` windows, shared out evenly, so that long horizons revert to the mean.
    NaN for windows that begin inside the first 30 steps. The two numbers of the model are fitted to the whole history: a
    backtest gives the history up to each moment.
    """
    steps = np.diff(np.log(prices.to_numpy(float)), axis=0)
    if len(steps) <= FEWEST:
        raise InputError(f"price history of {many(len(prices), 'row')} is too short to filter", fix="give more history")
    before, now = np.full((len(prices), steps.shape[1]), np.nan), np.empty(steps.shape[1])
    for a in range(steps.shape[1]):
        model = fit_garch(steps[:, a])
        before[FEWEST:, a] = np.sqrt(model.ahead(model.variance[FEWEST:], windows.lag))
        now[a] = np.sqrt(model.ahead(model.variance[-1:], windows.lag * blocks)[0] / blocks)
    return before[windows.start], now
