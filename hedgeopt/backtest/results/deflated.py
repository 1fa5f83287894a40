"""Performance after the search that found it: probabilistic and deflated Sharpe ratios.

Sharpe ratios here are per step, not annualised; kurtosis is 3 for a normal distribution.

Sources: Bailey and López de Prado (2012), The Sharpe ratio efficient frontier, J. of Risk 15(2); (2014), The deflated Sharpe
ratio: correcting for selection bias, backtest overfitting and non-normality, J. of Portfolio Management 40(5).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hedgeopt.errors import InputError

__all__ = [
    "Deflated",
    "Similarity",
    "deflate",
    "deflated_sharpe",
    "effective_trials",
    "expected_maximum",
    "holm",
    "probabilistic_sharpe",
    "sharpe",
    "skew_and_kurtosis",
]


@dataclass(frozen=True)
class Deflated:
    """What is left of a winner's Sharpe ratio.

    Attributes
    ----------
    sharpe
        Per step, of the winner.
    threshold
        Expected best of as many unskilled trials, per step.
    probability
        Deflated Sharpe ratio: probability that the true ratio exceeds ``threshold``.
    trials, effective
        Trials run, and how many independent ones they are worth.
    steps, skewness, kurtosis
        Of the winner's P&L.
    """

    sharpe: float
    threshold: float
    probability: float
    trials: int
    effective: float
    steps: int
    skewness: float
    kurtosis: float


def sharpe(pnl: np.ndarray) -> float:
    """Mean over standard deviation (``T - 1`` in the denominator) per step; 0 when nothing ever moved."""
    pnl = np.asarray(pnl, dtype=float)
    if len(pnl) < 2:
        raise InputError("a Sharpe ratio needs at least two steps", value=len(pnl))
    spread = float(pnl.std(ddof=1))
    if spread <= 1e-15 * float(np.abs(pnl).max(initial=0.0)):
        mean = float(pnl.mean())
        return 0.0 if mean == 0.0 else math.copysign(math.inf, mean)
    return float(pnl.mean()) / spread


def skew_and_kurtosis(pnl: np.ndarray) -> tuple[float, float]:
    """Skewness and kurtosis (normal: 0 and 3) of a row."""
    x = np.asarray(pnl, dtype=float) - np.mean(pnl)
    variance = float(np.mean(x**2))
    if variance == 0.0:
        return 0.0, 3.0
    return float(np.mean(x**3)) / variance**1.5, float(np.mean(x**4)) / variance**2


def probabilistic_sharpe(ratio: float, threshold: float, steps: int, skewness: float = 0.0, kurtosis: float = 3.0) -> float:
    """Probability that the true ratio exceeds ``threshold``.

    ``Phi((SR - SR*) sqrt(T - 1) / sqrt(1 - g3 SR + (g4 - 1) / 4 SR^2))``, eq. 2 of the 2014 paper.
    """
    from scipy.special import ndtr

    if steps < 2:
        raise InputError("a Sharpe ratio needs at least two steps", value=steps)
    variance = 1.0 - skewness * ratio + (kurtosis - 1.0) / 4.0 * ratio**2
    if not variance > 0.0:
        raise InputError("skewness and kurtosis belong to no distribution", value=(skewness, kurtosis))
    return float(ndtr((ratio - threshold) * math.sqrt((steps - 1) / variance)))


def expected_maximum(variance: float, trials: float) -> float:
    """Expected best Sharpe ratio of ``trials`` independent ones without skill.

    ``sqrt(V) ((1 - e) Phi^-1(1 - 1/N) + e Phi^-1(1 - 1/(N exp 1)))`` with ``e`` Euler's constant, eq. 1 of the 2014 paper.
    Below two trials nothing was selected and the threshold is 0 or, in between, interpolated.
    """
    from scipy.special import ndtri

    if not (variance >= 0.0 and trials >= 1.0):
        raise InputError("variance must not be negative, and trials at least 1", value=(variance, trials))
    if trials < 2.0:
        return (trials - 1.0) * expected_maximum(variance, 2.0)
    quantiles = ndtri(1.0 - 1.0 / trials), ndtri(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * float((1.0 - np.euler_gamma) * quantiles[0] + np.euler_gamma * quantiles[1])


def effective_trials(pnl: np.ndarray) -> float:
    """Independent trials that ``(N, T)`` correlated P&L rows are worth: ``rho + (1 - rho) N``, ``rho`` the mean correlation.

    Appendix 3 of the 2014 paper. A negative mean correlation counts as none; rows that never move are left out.
    """
    similar = Similarity()
    for row in np.atleast_2d(np.asarray(pnl, dtype=float)):
        similar.add(row)
    return similar.effective


class Similarity:
    """Mean correlation of rows met one at a time: only the sum of the standardised rows is kept.

    With ``z_i`` centred and of length one, ``|sum_i z_i|^2 = N + N (N - 1) rho``.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sum: np.ndarray | None = None

    def add(self, row: np.ndarray) -> None:
        """Count one trial's P&L; one that never moved is left out."""
        centred = np.asarray(row, dtype=float) - np.mean(row)
        size = float(np.linalg.norm(centred))
        if size == 0.0:
            return
        if self._sum is not None and len(self._sum) != len(centred):
            raise InputError("trials of different length have no correlation", value=(len(self._sum), len(centred)))
        self._sum = centred / size + (0.0 if self._sum is None else self._sum)
        self.count += 1

    @property
    def effective(self) -> float:
        """``rho + (1 - rho) N``."""
        n = self.count
        if n < 2 or self._sum is None:
            return 1.0
        rho = min(max((float(self._sum @ self._sum) - n) / (n * (n - 1)), 0.0), 1.0)
        return rho + (1.0 - rho) * n


def deflated_sharpe(pnl: np.ndarray, winner: int) -> Deflated:
    """The deflated Sharpe ratio of row ``winner`` of ``(N, T)`` per-step P&L, one row per trial, all on the same steps."""
    pnl = np.asarray(pnl, dtype=float)
    if pnl.ndim != 2 or not 0 <= winner < len(pnl) or not np.isfinite(pnl).all():
        raise InputError("P&L must be one finite row per trial, and the winner one of them", value=pnl.shape)
    return deflate(pnl[winner], [sharpe(row) for row in pnl], effective_trials(pnl))


def deflate(pnl: np.ndarray, ratios: Sequence[float], effective: float) -> Deflated:
    """The same from the winner's P&L, every trial's Sharpe ratio and the number of independent trials."""
    best = sharpe(pnl)
    finite = [ratio for ratio in ratios if math.isfinite(ratio)]
    variance = float(np.var(finite, ddof=1)) if len(finite) > 1 else 0.0
    threshold = expected_maximum(variance, effective)
    skewness, kurtosis = skew_and_kurtosis(pnl)
    steps = len(pnl)
    probability = (
        probabilistic_sharpe(best, threshold, steps, skewness, kurtosis) if math.isfinite(best) else float(best > 0.0)
    )
    return Deflated(best, threshold, probability, len(ratios), effective, steps, skewness, kurtosis)


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down adjustment: the family-wise error stays below the level whatever the dependence."""
    order = np.argsort(p_values, kind="stable")
    n = len(p_values)
    adjusted = np.minimum(np.maximum.accumulate(np.asarray(p_values)[order] * (n - np.arange(n))), 1.0)
    result = np.empty(n)
    result[order] = adjusted
    return [float(p) for p in result]
