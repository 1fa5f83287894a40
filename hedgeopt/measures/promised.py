"""What a proposal promises of the tail, from several sides: sample and error, fresh draws, stresses, the past."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.risk.cvar import tail_loss, value_at_risk
from hedgeopt.models.scenarios.variates import chi_square, uniforms

__all__ = [
    "PromisedTail",
    "RecordCoverage",
    "bootstrap_interval",
    "cvar_error",
    "promised_tail",
    "unknown_error",
    "with_fresh",
]

LEVEL = 0.99
FEWEST = 10
"""Scenarios in the tail below which its standard error is no figure to show."""
_RESAMPLES, _DRAWS = 1000, 1e6
_INTERVAL = 0.95


@dataclass(frozen=True)
class RecordCoverage:
    """How often the same model's value at risk was exceeded over a record, by books like one.

    Attributes
    ----------
    record
        What was replayed, in words.
    first, last
        Moments of the first promise and of the end of the last, ISO.
    level, horizon_days
        Confidence of the value at risk, and the shortest time over which losses were taken: a window is judged over its own
        length, between 0.85 and 2 horizons. Windows do not overlap.
    windows, hits, expected
        Promises that were judged, how many were exceeded, and how many are of a correct model: ``(1 - level) windows``.
    p_value
        Exact, two-sided, of the hits under a correct model whose windows are independent.
    worst
        The largest loss over its promised CVaR; NaN without windows.
    left_out
        Windows without a market at their end, or in which no book like it could be built.
    likeness
        How the books are like the one judged, and what of it they leave out.
    radius
        Vol points of a :class:`~hedgeopt.models.risk.robust_cvar.RobustCVaR` with which promises would have been kept
        (:func:`~hedgeopt.models.risk.promise.radius_for`); NaN where the record is too short or nothing has a vega.
    """

    record: str
    first: str
    last: str
    level: float
    horizon_days: float
    windows: int
    hits: int
    expected: float
    p_value: float
    worst: float
    left_out: int
    likeness: str
    radius: float = nan


@dataclass(frozen=True)
class PromisedTail:
    """The CVaR that a list of trades promises over the horizon, before costs, in the report's unit.

    Attributes
    ----------
    level, horizon_days
        Confidence, and over what.
    in_sample
        CVaR of the sample that the optimizer saw.
    error
        Its standard error as an estimate from independent draws; NaN where the draws are not that, which ``unknown`` says.
    low, high
        Bootstrap interval of 95 % for it (percentiles of 1,000 resamples, from 100,000 scenarios on fewer); NaN as error.
    unknown
        Why error, interval or fresh draws are not known; empty where they are.
    fresh, fresh_error, fresh_count, fresh_seed
        CVaR of the same trades on draws that the optimizer did not see, its standard error, how many and of which seed;
        NaN and 0 where the sample is not drawn.
    stress, stress_name
        The largest loss of the named stress scenarios (0 where none loses), and its name.
    coverage
        Over the recorded past; None where no record was given.
    """

    level: float
    horizon_days: float
    in_sample: float
    error: float
    low: float
    high: float
    unknown: str
    fresh: float
    fresh_error: float
    fresh_count: int
    fresh_seed: int | None
    stress: float
    stress_name: str
    coverage: RecordCoverage | None = None

    @property
    def value(self) -> float:
        """The largest of sample, fresh draws and stress: no promise is below what a named stress would cost."""
        return float(np.nanmax([self.in_sample, self.fresh, self.stress]))


def unknown_error(kind: str, views: bool, count: int, level: float = LEVEL) -> str:
    """Why the sample error of a tail is not known; empty where it is."""
    if views:
        return "the scenarios are weighted by views"
    if kind == "historical":
        return "the scenarios are of history, not independent draws"
    if kind == "given":
        return "the scenarios are as given"
    if count * (1.0 - level) < FEWEST:
        return f"fewer than {FEWEST} scenarios lie beyond the {100 * level:g} % quantile"
    return ""


def cvar_error(losses: np.ndarray, level: float = LEVEL) -> float:
    """Standard error of the CVaR of independent, equally likely losses (S,): ``sqrt(Var((L - q)+) / S) / (1 - level)``.

    q is the value at risk (Trindade, Uryasev, Shapiro, Zrazhevsky 2007, Journal of Banking and Finance 31).
    """
    beyond = np.maximum(losses - value_at_risk(losses, level), 0.0)
    return float(np.sqrt(beyond.var() / len(losses)) / (1.0 - level))


def bootstrap_interval(losses: np.ndarray, level: float = LEVEL, seed: int = 0) -> tuple[float, float]:
    """Percentile interval of 95 % for the CVaR of independent, equally likely losses (S,).

    A resample's largest losses are those at the largest of S uniform ranks, which exponential spacings give without sorting
    all of them (Devroye 1986, chapter V): ``1 - (E_1 + ... + E_i) / (E_1 + ... + E_{S+1})``. So a resample costs what the
    tail holds, whatever S.
    """
    count = len(losses)
    tail = int(np.floor(count * (1.0 - level) + 1e-9))
    falling = np.sort(losses)[::-1]
    taken = min(tail + 1, count)
    resamples = int(np.clip(_DRAWS / taken, 0.2 * _RESAMPLES, _RESAMPLES))
    spacing = np.cumsum(-np.log(uniforms(seed, "bootstrap", taken, resamples).T), axis=1)
    rest = 0.5 * chi_square(seed, "bootstrap rest", resamples, 2.0 * (count + 1 - taken))
    rank = np.minimum((spacing / (spacing[:, -1] + rest)[:, None] * count).astype(np.int64), count - 1)
    weight = np.full(taken, 1.0 / (count * (1.0 - level)))
    weight[tail:] = 1.0 - tail / (count * (1.0 - level))  # the part of a scenario that the quantile cuts
    found = falling[rank] @ weight
    low, high = np.quantile(found, [0.5 - 0.5 * _INTERVAL, 0.5 + 0.5 * _INTERVAL])
    return float(low), float(high)


def promised_tail(
    e: Exposures, losses: np.ndarray, stress: dict[str, float], *, kind: str, views: bool, seed: int
) -> PromisedTail:
    """The promise of losses (S,), dollars, without fresh draws; ``stress`` are P&Ls in the report's unit."""
    unit = 1.0 if e.numeraire is None else e.numeraire.price
    why = unknown_error(kind, views, len(losses))
    error, low, high = nan, nan, nan
    if not why:
        error = cvar_error(losses) / unit
        low, high = (value / unit for value in bootstrap_interval(losses, seed=seed))
    name = min(stress, key=lambda key: stress[key]) if stress else ""
    worst = max(-stress[name], 0.0) if stress else 0.0
    cvar = tail_loss(losses, LEVEL, e.probabilities) / unit
    return PromisedTail(
        LEVEL, e.horizon_days, cvar, error, low, high, why, nan, nan, 0, None, worst, name if worst > 0.0 else ""
    )


def with_fresh(promise: PromisedTail, e: Exposures, losses: np.ndarray, seed: int) -> PromisedTail:
    """The promise with the CVaR of other draws' losses (S,), dollars, of ``seed``."""
    unit = 1.0 if e.numeraire is None else e.numeraire.price
    return replace(
        promise,
        fresh=tail_loss(losses, LEVEL, e.probabilities) / unit,
        fresh_error=nan if promise.unknown else cvar_error(losses) / unit,
        fresh_count=len(losses),
        fresh_seed=seed,
    )
