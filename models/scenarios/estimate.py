"""Estimating how vol answers spot from data: vol index histories and option chains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.files.counted import many
from hedgeopt.models.scenarios.history import FEWEST

__all__ = ["SurfaceResponse", "VolResponse", "estimate_surface_response", "estimate_vol_response", "smile_points"]

_CHAIN = "timestamp strike expiry mark_iv underlying_price"
_MORE = "give a longer history, its steps of one length"


@dataclass(frozen=True)
class VolResponse:
    """Fitted answer of log vol to spot, with its measures of fit.

    Attributes
    ----------
    vol_beta, vol_beta_up, vol_of_vol
        As in the scenario settings; vol_of_vol is the annualised standard deviation of the residual.
    error_down, error_up
        Standard errors of the slopes, robust to heteroscedasticity (White 1980).
    r_squared
        Share of the variance of log vol changes that spot explains.
    residual_kurtosis
        3 for a normal; far above, single vol jumps carry the fit.
    observations
    """

    vol_beta: float
    vol_beta_up: float
    vol_of_vol: float
    error_down: float
    error_up: float
    r_squared: float
    residual_kurtosis: float
    observations: int

    def settings(self) -> dict[str, float]:
        """The part that scenario settings take: ``ParametricScenarios(**fit.settings())``."""
        return {"vol_beta": self.vol_beta, "vol_beta_up": self.vol_beta_up, "vol_of_vol": self.vol_of_vol}


@strict_call
def estimate_vol_response(prices: pd.Series, vols: pd.Series, *, step_days: float | None = None) -> VolResponse:
    """Fit ``d ln vol = c + beta_down min(r, 0) + beta_up max(r, 0) + e`` on moves between common times.

    Parameters
    ----------
    prices, vols
        Spot and vol in time (index in UTC); the vol's unit cancels. Only times that both have are used, and only moves over
        the usual step between them (gaps are left out).
    step_days
        Length of a move; default: the median step of the common times.

    Raises
    ------
    InputError
        For values that are not positive, or fewer than 30 moves.
    """
    both = pd.concat([prices.rename("price"), vols.rename("vol")], axis=1, join="inner").dropna().sort_index()
    if both.index.has_duplicates:
        raise InputError("price and vol histories hold the same time twice", value=both.index[both.index.duplicated()][0])
    if (both <= 0).any(axis=None):
        raise InputError("price and vol must be positive")
    days = np.diff(pd.DatetimeIndex(both.index).as_unit("ns").asi8) / 86_400e9
    if len(days) < FEWEST:
        raise InputError(
            f"only {many(len(days), 'common move')} of price and vol, {FEWEST} are needed", field="vols", fix=_MORE
        )
    step = float(np.median(days)) if step_days is None else step_days
    whole = np.abs(days - step) <= 0.25 * step
    if whole.sum() < FEWEST:
        told = f"only {many(int(whole.sum()), 'common move')} of {step:g} days, {FEWEST} are needed"
        raise InputError(told, field="vols", fix=_MORE)
    r, v = (np.diff(np.log(both[name].to_numpy(float)))[whole] for name in ("price", "vol"))
    design = np.column_stack([np.ones_like(r), np.minimum(r, 0.0), np.maximum(r, 0.0)])
    slopes, residual, errors = _least_squares(design, v)
    centred = v - v.mean()
    return VolResponse(
        vol_beta=float(slopes[1]),
        vol_beta_up=float(slopes[2]),
        vol_of_vol=float(np.sqrt(residual @ residual / (len(r) - 3) * 365.0 / step)),
        error_down=float(errors[1]),
        error_up=float(errors[2]),
        r_squared=float(1.0 - residual @ residual / (centred @ centred)),
        residual_kurtosis=float((residual**4).mean() / (residual**2).mean() ** 2),
        observations=len(r),
    )


@dataclass(frozen=True)
class SurfaceResponse:
    """Fitted answer of the smile to spot: skew and term slopes, the exponents of the term structure, and their fits.

    ``short_exponent`` and ``long_exponent`` are p in ``(30 / days)^p`` below and above 30 days: the size of a vol move at a
    tenor over that at 30 days, over all moves. Scenario sets take 0.35 and 0.6, measured in falls
    (:func:`~hedgeopt.models.scenarios.set.vol_term_weight`), so these say whether the data agree.
    """

    skew_beta: float
    skew_noise: float
    term_beta: float
    term_noise: float
    short_exponent: float
    long_exponent: float
    skew_r_squared: float
    term_r_squared: float
    observations: int

    def settings(self) -> dict[str, float]:
        """The part that scenario settings take."""
        return {
            "skew_beta": self.skew_beta,
            "skew_noise": self.skew_noise,
            "term_beta": self.term_beta,
            "term_noise": self.term_noise,
        }


@strict_call
def smile_points(chain: pd.DataFrame, tenors: tuple[float, ...] = (7.0, 30.0, 90.0)) -> pd.DataFrame:
    """Per snapshot: forward nearest 30 days, at-the-money vol at each tenor, and the 30-day skew.

    ``chain`` holds one underlying: ``timestamp strike expiry mark_iv underlying_price``. Each expiry's smile is fitted by
    least squares as ``a + b k + c k^2`` over ``|k| <= 1`` with ``k = ln(strike / forward) / sqrt(years)``, the unit of
    ``skew_shift``; tenors are interpolated in total variance, the skew in days. Snapshots without expiries on both sides of
    a tenor are left out.

    Raises
    ------
    InputError
        For a column that is missing, and too few snapshots.
    """
    for column in _CHAIN.split():
        if column not in chain.columns:
            fix = "give the rows of a chain"
            raise InputError(f"column {column!r} is missing", field="smile_points: chain", fix=fix)
    rows = []
    for moment, snapshot in chain.groupby("timestamp", sort=True):
        fits = []
        for expiry, smile in snapshot.groupby("expiry", observed=True):
            years = (expiry - moment).total_seconds() / (365.0 * 86_400.0)
            if years * 365.0 < 2.0:
                continue
            k = np.log(smile["strike"].to_numpy(float) / smile["underlying_price"].to_numpy(float)) / np.sqrt(years)
            iv = smile["mark_iv"].to_numpy(float)
            near = (np.abs(k) <= 1.0) & np.isfinite(iv) & (iv > 0)
            if near.sum() >= 5:
                curve = np.polyfit(k[near], iv[near], 2)
                fits.append((years, float(smile["underlying_price"].median()), curve[2], curve[1]))
        if len(fits) < 2:
            continue
        years_, forward, level, skew = (np.array(column) for column in zip(*fits, strict=True))
        if years_[0] * 365.0 > min(tenors) or years_[-1] * 365.0 < max(tenors):
            continue
        at = np.array(tenors) / 365.0
        atm = np.sqrt(np.interp(at, years_, level**2 * years_) / at)
        point = {f"atm_{tenor:g}": float(vol) for tenor, vol in zip(tenors, atm, strict=True)}
        point["skew"] = float(np.interp(30.0 / 365.0, years_, skew))
        point["forward"] = float(forward[np.argmin(np.abs(years_ - 30.0 / 365.0))])
        rows.append({"timestamp": moment, **point})
    if len(rows) < FEWEST + 1:
        raise InputError(
            f"gives {many(len(rows), 'usable snapshot')}, {FEWEST + 1} are needed",
            field="smile_points: chain",
            fix=f"give more snapshots: each with two expiries of five vols near the money, and tenors {min(tenors):g} to "
            f"{max(tenors):g} days between them",
        )
    return pd.DataFrame(rows).set_index("timestamp")


@strict_call
def estimate_surface_response(points: pd.DataFrame, tenors: tuple[float, ...] = (7.0, 30.0, 90.0)) -> SurfaceResponse:
    """Fit skew and term structure moves on spot moves between consecutive snapshots of :func:`smile_points`.

    The term slope is that of log vol on ``ln(30 / days)`` left over after
    :func:`~hedgeopt.models.scenarios.set.vol_term_weight` times the 30-day move, by least squares over the tenors other
    than 30 days. There must be tenors below and above 30 days.
    """
    from hedgeopt.models.scenarios.set import vol_term_weight

    for column in ("forward", "skew", *(f"atm_{t:g}" for t in tenors)):
        if column not in points.columns:
            raise InputError(f"column {column!r} is missing", field="points", fix="give what smile_points returns")
    days = np.diff(pd.DatetimeIndex(points.index).as_unit("ns").asi8) / 86_400e9
    if not len(days):
        raise InputError(f"only 0 moves between snapshots, {FEWEST} are needed", field="points", fix=_MORE)
    step = float(np.median(days))
    whole = np.abs(days - step) <= 0.5 * step
    if whole.sum() < FEWEST:
        told = f"only {many(int(whole.sum()), 'move')} between snapshots, {FEWEST} are needed"
        raise InputError(told, field="points", fix=_MORE)
    r = np.diff(np.log(points["forward"].to_numpy(float)))[whole]
    skew = np.diff(points["skew"].to_numpy(float))[whole]
    moves = {t: np.diff(np.log(points[f"atm_{t:g}"].to_numpy(float)))[whole] for t in tenors}
    others = [t for t in tenors if t != 30.0]
    x = np.array([np.log(30.0 / t) for t in others])
    left = np.column_stack([moves[t] - vol_term_weight(np.array(t / 365.0)) * moves[30.0] for t in others])
    term = left @ x / (x @ x)
    sizes = np.log(np.array([moves[t] @ moves[30.0] / (moves[30.0] @ moves[30.0]) for t in others]).clip(1e-6))
    design = np.column_stack([np.ones_like(r), r])
    fits = {}
    for name, values in (("skew", skew), ("term", term)):
        slopes, residual, _ = _least_squares(design, values)
        centred = values - values.mean()
        noise = np.sqrt(residual @ residual / (len(r) - 2) * 365.0 / step)
        fits[name] = (float(slopes[1]), float(noise), float(1.0 - residual @ residual / (centred @ centred)))
    return SurfaceResponse(
        skew_beta=fits["skew"][0],
        skew_noise=fits["skew"][1],
        term_beta=fits["term"][0],
        term_noise=fits["term"][1],
        short_exponent=_exponent(sizes[x > 0], x[x > 0]),
        long_exponent=_exponent(sizes[x < 0], x[x < 0]),
        skew_r_squared=fits["skew"][2],
        term_r_squared=fits["term"][2],
        observations=len(r),
    )


def _exponent(sizes: np.ndarray, x: np.ndarray) -> float:
    """Slope through the origin of log sizes on ``ln(30 / days)``."""
    return float(sizes @ x / (x @ x))


def _least_squares(design: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coefficients, residuals, and White standard errors."""
    inverse = np.linalg.pinv(design.T @ design)
    slopes = inverse @ (design.T @ values)
    residual = values - design @ slopes
    weighted = design * residual[:, None]
    return slopes, residual, np.sqrt(np.diag(inverse @ (weighted.T @ weighted) @ inverse))
