"""Estimating funding's answer to spot, and how a peg moves and breaks, from histories; each number with its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.counted import many
from hedgeopt.models.scenarios.fit_joint import block_draws
from hedgeopt.models.scenarios.history import FEWEST

__all__ = ["FundingResponse", "PegMoves", "estimate_funding_response", "estimate_peg"]

_A_DAY = 3.0
_RESAMPLES = 400
_ROBUST = 1.4826


@strict_class
@dataclass(frozen=True)
class FundingResponse:
    """Fitted answer of funding to spot.

    ``funding_beta`` and ``funding_noise`` are as in the scenario settings, errors of a block bootstrap (two days, or one
    step). Funding is sticky: ``autocorrelation`` of what spot leaves, from step to step, says how far the root of time falls
    short over longer horizons.
    """

    MAY_BE_INFINITE: ClassVar[bool] = True

    funding_beta: float
    funding_noise: float
    error_beta: float
    error_noise: float
    autocorrelation: float
    observations: int

    def settings(self) -> dict[str, float]:
        """The part that scenario settings take."""
        return {"funding_beta": self.funding_beta, "funding_noise": self.funding_noise}


@strict_class
@dataclass(frozen=True)
class PegMoves:
    """Moves of a price around its peg, and breaks.

    Attributes
    ----------
    noise, error_noise
        Annual vol of the log price around the peg, breaks apart (robust: 1.4826 times the median absolute move), and its
        error.
    breaks_a_year, low, high
        Falls of more than ``least`` within a step, a year, and the exact 95 % interval of a Poisson count (Garwood 1936):
        ``high`` is what a record without a break leaves open.
    depth, error_depth
        Average share of value lost in a break; NaN without breaks, its error without two.
    breaks, observations
    """

    MAY_BE_INFINITE: ClassVar[bool] = True

    noise: float
    error_noise: float
    breaks_a_year: float
    low: float
    high: float
    depth: float
    error_depth: float
    breaks: int
    observations: int

    def break_probability(self, horizon_days: float, *, cautious: bool = False) -> float:
        """That it breaks within the horizon: of ``breaks_a_year``, or with ``cautious`` of ``high``."""
        rate = self.high if cautious else self.breaks_a_year
        return float(-np.expm1(-rate * horizon_days / 365.0))


@strict_call
def estimate_funding_response(prices: pd.Series, rates: pd.Series, *, seed: int = 0) -> FundingResponse:
    """Fit ``sum of (rate - mean) = c + beta r + e`` over steps between common times.

    Parameters
    ----------
    prices, rates
        Spot, and funding rate per 8 hours as a decimal, in time (index in UTC); the rate at the end of a step counts for it.

    Raises
    ------
    InputError
        For prices that are not positive, rates beyond 10 % per 8 hours, repeated times, and fewer than 30 steps.
    """
    both = _joined(prices.rename("price"), rates.rename("rate"), "estimate_funding_response: rates")
    if (both["price"] <= 0).any():
        raise InputError("must be positive", field="prices", value=float(both["price"].min()), fix="give prices")
    if (both["rate"].abs() > 0.1).any():
        largest = float(both["rate"].abs().max())
        raise InputError("is no rate per 8 hours", field="rates", value=largest, fix="give decimals: 0.0001 for 1 bp")
    days, whole = _steps(both, "rates")
    r = np.diff(np.log(both["price"].to_numpy(float)))[whole]
    paid = (both["rate"].to_numpy(float)[1:][whole] - float(both["rate"].mean())) * _A_DAY * days

    def told(rows: np.ndarray) -> tuple[float, float]:
        design = np.column_stack([np.ones(len(rows)), r[rows]])
        slopes = np.linalg.lstsq(design, paid[rows], rcond=None)[0]
        left = paid[rows] - design @ slopes
        return float(slopes[1]), float(np.sqrt(left @ left / (len(rows) - 2) * 365.0 / days))

    beta, noise = told(np.arange(len(r)))
    again = np.array([told(rows) for rows in block_draws(len(r), days, seed, _RESAMPLES)])
    left = paid - paid.mean() - beta * (r - r.mean())
    sticky = float(left[1:] @ left[:-1] / (left @ left)) if left.any() else 0.0
    return FundingResponse(beta, noise, float(again[:, 0].std()), float(again[:, 1].std()), sticky, len(r))


@strict_call
def estimate_peg(ratio: pd.Series, *, least: float = 0.01, seed: int = 0) -> PegMoves:
    """Noise and breaks of a token's price over what it follows (index in UTC); a break is a fall of more than ``least``.

    Raises
    ------
    InputError
        For ratios that are not positive, repeated times, ``least`` outside 0 to 1, and fewer than 30 steps.
    """
    from scipy.special import chdtri

    if not 0.0 < least < 1.0:
        raise InputError("must lie between 0 and 1", field="least", value=least, fix="give a share, such as 0.01")
    frame = _joined(ratio.rename("ratio"), ratio.rename("again"), "estimate_peg: ratio")
    if (frame["ratio"] <= 0).any():
        raise InputError("must be positive", field="ratio", value=float(frame["ratio"].min()), fix="give price ratios")
    days, whole = _steps(frame, "ratio")
    moves = np.diff(np.log(frame["ratio"].to_numpy(float)))[whole]
    broken = moves < np.log1p(-least)
    calm = moves[~broken]

    def noise(rows: np.ndarray) -> float:
        return float(_ROBUST * np.median(np.abs(rows)) * np.sqrt(365.0 / days))

    again = [noise(calm[rows]) for rows in block_draws(len(calm), days, seed, _RESAMPLES)]
    count, years = int(broken.sum()), len(moves) * days / 365.0
    low = 0.5 * float(chdtri(2 * count, 0.975)) / years if count else 0.0
    high = 0.5 * float(chdtri(2 * count + 2, 0.025)) / years
    lost = -np.expm1(moves[broken])
    depth = float(lost.mean()) if count else np.nan
    error = float(lost.std(ddof=1) / np.sqrt(count)) if count > 1 else np.nan
    return PegMoves(noise(calm), float(np.std(again)), count / years, low, high, depth, error, count, len(moves))


def _joined(first: pd.Series, second: pd.Series, field: str) -> pd.DataFrame:
    for series in (first, second):
        if series.index.has_duplicates:
            raise InputError(
                "holds the same time twice",
                field=field,
                value=str(series.index[series.index.duplicated()][0]),
                fix="keep one",
            )
    return pd.concat([first, second], axis=1, join="inner").dropna().sort_index()


def _steps(frame: pd.DataFrame, field: str) -> tuple[float, np.ndarray]:
    """Days of the usual step, and which steps are of it to a quarter."""
    days = np.diff(pd.DatetimeIndex(frame.index).as_unit("ns").asi8) / 86_400e9
    step = float(np.median(days)) if len(days) else 0.0
    whole = np.abs(days - step) <= 0.25 * step
    if whole.sum() < FEWEST:
        told = f"only {many(int(whole.sum()), 'common step')}, {FEWEST} are needed"
        raise InputError(told, field=field, fix="give a longer history, its steps of one length")
    return step, whole
