"""Acerbi and Székely's tests of expected shortfall: whether losses beyond the value at risk match the promised CVaR.

Source: Acerbi and Székely (2014), Backtesting expected shortfall, Risk (December); tests 1 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from hedgeopt.errors import InputError

__all__ = ["ShortfallTest", "TailShape", "acerbi_szekely", "losses_beyond", "null_statistics", "statistics"]

TailShape = Literal["pareto", "exponential"]
_CHUNK = 4_000_000  # uniform numbers held at once


@dataclass(frozen=True)
class ShortfallTest:
    """One test statistic and what it would have been had the promise been true.

    Attributes
    ----------
    name
        Which test.
    statistic
        0 is expected under a correct promise; negative: the tail was worse than promised; NaN: no hit, nothing to judge.
    critical_value
        Statistic below which the promise is refuted at ``level``.
    p_value
        One-sided: share of simulated statistics at or below this one.
    level
        Significance level of ``critical_value``.
    simulations
        How many histories the two were simulated from.
    """

    name: str
    statistic: float
    critical_value: float
    p_value: float
    level: float
    simulations: int

    def rejected(self) -> bool:
        """Whether the promise is refuted."""
        return bool(self.statistic < self.critical_value)


def acerbi_szekely(
    losses: np.ndarray,
    value_at_risk: np.ndarray,
    shortfall: np.ndarray,
    beta: np.ndarray | float,
    *,
    simulations: int = 10_000,
    seed: int = 0,
    level: float = 0.05,
    tail: TailShape = "pareto",
) -> tuple[ShortfallTest, ShortfallTest]:
    """Tests Z1 (size of the hits alone) and Z2 (size and number together).

    ``Z1 = 1 - sum_t L_t I_t / ES_t / N`` and ``Z2 = 1 - sum_t L_t I_t / (a_t ES_t) / T`` with hits ``I_t = [L_t > VaR_t]``,
    ``N = sum I_t`` and ``a_t = 1 - beta_t``.

    Critical values come from simulated histories in which every promise is true: a hit has probability ``a_t``, and beyond
    the value at risk the loss has mean ``ES_t``. Two numbers per step leave the shape of that tail open: ``pareto`` takes
    ``L = VaR u^(-1/k)``, ``k = ES / (ES - VaR)``, heavy enough for any market, and falls back on ``exponential``,
    ``L = VaR - (ES - VaR) ln u``, at steps whose value at risk is not positive. Z1 is simulated given at least one hit.

    Parameters
    ----------
    losses, value_at_risk, shortfall
        ``(T,)`` USD, in time order, losses positive; ``shortfall`` positive and not below ``value_at_risk``.
    beta
        Confidence level, one or ``(T,)``.

    Raises
    ------
    InputError
        Shapes differ, or a promise is no expected shortfall.
    """
    losses, var, es, alpha = _checked(losses, value_at_risk, shortfall, beta)
    z1, z2 = statistics(losses, losses > var, es, alpha)
    s1, s2 = null_statistics(var, es, alpha, simulations, seed, tail)
    return (
        _test("size of the hits (Acerbi–Székely Z1)", z1, s1, level),
        _test("expected shortfall (Acerbi–Székely Z2)", z2, s2, level),
    )


def _test(name: str, statistic: float, simulated: np.ndarray, level: float) -> ShortfallTest:
    if len(simulated) == 0 or np.isnan(statistic):
        return ShortfallTest(name, statistic, float("nan"), float("nan"), level, len(simulated))
    critical = float(np.quantile(simulated, level))
    return ShortfallTest(name, statistic, critical, float(np.mean(simulated <= statistic)), level, len(simulated))


def statistics(losses: np.ndarray, hits: np.ndarray, shortfall: np.ndarray, alpha: np.ndarray) -> tuple[float, float]:
    """Z1 (NaN without a hit) and Z2 of losses (T,), of which ``hits`` (T,) lie beyond the value at risk."""
    ratio = losses[hits] / shortfall[hits]
    count = len(ratio)
    z1 = 1.0 - float(ratio.sum()) / count if count else float("nan")
    return z1, 1.0 - float((ratio / alpha[hits]).sum()) / len(losses)


def losses_beyond(
    var: np.ndarray, shortfall: np.ndarray, u: np.ndarray, factor: float = 1.0, tail: TailShape = "pareto"
) -> np.ndarray:
    """Losses (T,) beyond the value at risk for uniform ``u`` (T,), by :func:`acerbi_szekely`; ``factor`` as in its power."""
    excess = shortfall - var
    loss = var - factor * excess * np.log(u)
    if tail == "pareto":
        heavy = (var > 0) & (excess > 0)
        v, e = var[heavy], excess[heavy]
        loss[heavy] = v * u[heavy] ** (-e / (v + e))
    return np.asarray(loss)


def null_statistics(
    var: np.ndarray, es: np.ndarray, alpha: np.ndarray, simulations: int, seed: int, tail: TailShape = "pareto"
) -> tuple[np.ndarray, np.ndarray]:
    """Z1 (only histories with a hit) and Z2 of ``simulations`` histories; hits alone are drawn, so it is quick."""
    rng = np.random.default_rng(seed)
    steps = len(var)
    z1, z2 = [], []
    rows = max(1, _CHUNK // steps)
    for start in range(0, simulations, rows):
        n = min(rows, simulations - start)
        history, step = np.nonzero(rng.random((n, steps)) < alpha)
        ratio = losses_beyond(var[step], es[step], 1.0 - rng.random(len(step)), tail=tail) / es[step]
        count = np.bincount(history, minlength=n)
        total = np.bincount(history, ratio, minlength=n)
        z1.append(1.0 - total[count > 0] / count[count > 0])
        z2.append(1.0 - np.bincount(history, ratio / alpha[step], minlength=n) / steps)
    return np.concatenate(z1), np.concatenate(z2)


def _checked(
    losses: np.ndarray, var: np.ndarray, es: np.ndarray, beta: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    losses, var, es = (np.asarray(a, dtype=float) for a in (losses, var, es))
    if losses.ndim != 1 or len(losses) == 0 or not (losses.shape == var.shape == es.shape):
        raise InputError("losses, value at risk and shortfall must be rows of one length")
    alpha = np.broadcast_to(1.0 - np.asarray(beta, dtype=float), losses.shape)
    if not (np.isfinite(losses).all() and np.isfinite(var).all() and np.isfinite(es).all()):
        raise InputError("losses, value at risk and shortfall must be finite", fix="leave steps without a promise out")
    if not ((alpha > 0) & (alpha < 1)).all():
        raise InputError("beta must lie between 0 and 1")
    if (es <= 0).any() or (es < var).any():
        raise InputError("expected shortfall must be positive and not below value at risk", fix="leave those steps out")
    return losses, var, es, alpha
