"""Compiled root search for implied volatility; `hedgeopt.models.pricing.implied_vol` documents the method."""

from __future__ import annotations

import math

import numpy as np

from hedgeopt.models.pricing._arithmetic import INV_SQRT_2PI, MILLS_SHIFT, exp, fma, inline, log_ratio, mills
from hedgeopt.models.pricing._black76_kernels import SMALL, kernel, otm_share, small_share

MOST_STEPS = 60


@inline
def normal_quantile(p: float) -> float:
    """N^-1(p) to 5e-4, for a first guess: Abramowitz & Stegun 26.2.23."""
    tail = min(p, 1.0 - p)
    t = math.sqrt(-2.0 * math.log(max(tail, 1e-307)))
    above = 2.515517 + t * (0.802853 + t * 0.010328)
    below = 1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308))
    z = t - above / below
    return z if p > 0.5 else -z


@inline
def complement(h: float, s: float) -> float:
    """1 - otm_share without the cancellation: N(-h1) + (hi/lo) N(h2)."""
    h1 = fma(0.5, s, -h)
    y1, y2 = abs(h1), fma(0.5, s, h)
    density = INV_SQRT_2PI * exp(-0.5 * h1 * h1)
    m1, m2 = mills(y1, 1.0 / (y1 + MILLS_SHIFT)), mills(y2, 1.0 / (y2 + MILLS_SHIFT))
    return density * (m1 + m2) if h1 > 0.0 else 1.0 - density * (m1 - m2)


@kernel
def total_vol(share: float, rest: float, x: float) -> float:
    """s = vol sqrt(T) with otm_share(x/s, s) = share, where rest = 1 - share; NaN if the steps run out."""
    # share = N(h1) - (hi/lo) N(h2) <= N(h1): inverting the bound puts s on the low side, exactly so at x = 0
    z = normal_quantile(0.5 * (1.0 + share) if x < 0.1 * share else share)
    root = math.sqrt(z * z + 2.0 * x)
    s = z + root if z > 0.0 else 2.0 * x / (root - z)
    s = max(s, 1e-12)
    low, high = 0.0, np.inf
    upper = share > 0.5
    target = math.log(rest if upper else share)
    for _ in range(MOST_STEPS):
        h = x / s
        value = complement(h, s) if upper else small_share(h, s) if s < SMALL else otm_share(h, s)
        if value <= 1e-300:  # underflow: far on one side
            low, high = (low, s) if upper else (s, high)
            s = 2.0 * s if high == np.inf else 0.5 * (low + high)
            continue
        gap = math.log(value) - target
        too_low = gap > 0.0 if upper else gap < 0.0
        low, high = (s, high) if too_low else (low, s)
        h1 = fma(0.5, s, -h)
        slope = INV_SQRT_2PI * exp(-0.5 * h1 * h1)  # d share / ds
        g = -slope / value if upper else slope / value  # d ln(value) / ds
        bend = -h1 * fma(0.5, s, h) / s  # share''/share'
        second = bend - g
        third = bend * bend - 3.0 * h * h / (s * s) - 0.25 - 3.0 * bend * g + 2.0 * g * g
        newton = -gap / g
        step = newton * (1.0 + 0.5 * second * newton) / (1.0 + newton * (second + third * newton / 6.0))
        if not (step * newton > 0.0 and abs(step) <= 4.0 * abs(newton)):
            step = newton
        following = s + step
        if abs(step) <= 2e-16 * s:
            return s
        if not low < following < high:
            following = 0.5 * (low + high) if high < np.inf else 2.0 * s
            if following in (low, high):
                return s
        if abs(step) <= 1e-8 * s:  # fourth-order convergence: the next step would be below rounding
            return following
        s = following
    return np.nan


@kernel
def implied_loop(price, forward, strike, years, sign, out):  # type: ignore[no-untyped-def]
    """Fill out (n,) with vols; NaN where the price allows none."""
    for i in range(out.size):
        F, K = forward[i], strike[i]
        low, intrinsic = min(F, K), max(sign[i] * (F - K), 0.0)
        time_value = price[i] - intrinsic
        share, rest = time_value / low, (low - time_value) / low
        out[i] = np.nan
        if share > 0.0 and rest > 0.0:
            out[i] = total_vol(share, rest, abs(log_ratio(F, K))) / math.sqrt(years[i])
