"""The power of a verdict: the chance that a promise which is wrong by a factor would have been refuted."""

from __future__ import annotations

import numpy as np

from hedgeopt.backtest.results.coverage import christoffersen, conditional_coverage, kupiec
from hedgeopt.backtest.results.shortfall import losses_beyond, null_statistics, statistics

__all__ = ["LEVEL", "power"]

LEVEL = 0.05
"""A promise is refuted below it, all tests together (Holm)."""


def power(
    var: np.ndarray,
    shortfall: np.ndarray,
    beta: float,
    louder: np.ndarray,
    factor: float,
    *,
    histories: int = 400,
    simulations: int = 4_000,
    seed: int = 0,
) -> float:
    """Share of simulated histories, with losses ``factor`` times those promised, whose promise the tests refute.

    A step is a hit with the probability ``louder`` that its own model gives to ``factor L > VaR``; where that is NaN, with
    ``(1 - beta) factor^k``, ``k = ES / (ES - VaR)``, that of a Pareto tail through both numbers, or that of a normal where
    it is less (a Pareto says too much of what lies inside a light tail). Beyond the value at risk losses are drawn as for
    the critical values of the shortfall tests, with the excess ``factor`` times as large where the tail is exponential (a
    Pareto tail beyond a level is the same at every scale). Steps are independent.

    Parameters
    ----------
    var, shortfall, louder
        ``(T,)``; promises as :func:`~hedgeopt.backtest.results.shortfall.acerbi_szekely` takes them.
    """
    from scipy.special import ndtr, ndtri

    rng = np.random.default_rng(seed)
    steps = len(var)
    alpha = np.full(steps, 1.0 - beta)
    with np.errstate(divide="ignore", over="ignore"):
        pareto = alpha * factor ** (shortfall / (shortfall - var))
    assumed = np.minimum(np.where(var > 0, pareto, alpha), ndtr(ndtri(1.0 - beta) / factor))
    chance = np.where(np.isfinite(louder), louder, assumed)
    null = null_statistics(var, shortfall, alpha, simulations, seed + 1)
    ordered = [np.sort(part) for part in null]
    refuted = 0
    known: dict[tuple[int, ...], float] = {}
    for _ in range(histories):
        hits = rng.random(steps) < chance
        losses = np.where(hits, losses_beyond(var, shortfall, 1.0 - rng.random(steps), factor), -np.inf)
        found = statistics(losses, hits, shortfall, alpha)
        tails = [
            float(np.searchsorted(part, z, side="right") / len(part)) if len(part) and not np.isnan(z) else np.nan
            for part, z in zip(ordered, found, strict=True)
        ]
        key = (int(hits.sum()), int((hits[:-1] & hits[1:]).sum()), int(hits[0]), int(hits[-1]))  # all that these tests see
        if key not in known:
            tests = kupiec(hits, 1.0 - beta), christoffersen(hits), conditional_coverage(hits, 1.0 - beta)
            known[key] = min(test.p for test in tests)
        p_values = [p for p in tails if not np.isnan(p)]
        refuted += (len(p_values) + 3) * min([*p_values, known[key]]) < LEVEL
    return refuted / histories
