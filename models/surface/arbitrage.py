"""Static arbitrage among the marks of a surface, reported with its strikes and expiries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from hedgeopt.models.pricing import black76
from hedgeopt.models.pricing._inputs import FloatArray, non_negative

if TYPE_CHECKING:
    from hedgeopt.models.surface.surface import Smile, VolSurface


@dataclass(frozen=True, slots=True)
class ArbitrageViolation:
    """A combination of listed options that pays at least nothing and costs less than nothing.

    ``amount`` is what it pays up front as a fraction of the forward (of one unit of the underlying).
    """

    kind: Literal["butterfly", "vertical", "calendar"]
    years: tuple[float, ...]
    """The expiry, or the earlier and the later one."""
    strikes: tuple[float, ...]
    """Low, middle and high strike; the two strikes of the spread; or the strikes of equal moneyness at each expiry."""
    amount: float

    def __str__(self) -> str:
        days = " and ".join(f"{365 * t:.1f} d" for t in self.years)
        strikes = "/".join(f"{k:g}" for k in self.strikes)
        return f"{self.kind} arbitrage at {strikes}, {days}: worth {self.amount:.2e} of the forward"


def find_violations(surface: VolSurface, tolerance: float) -> list[ArbitrageViolation]:
    """All violations worth more than ``tolerance``, expiry by expiry, then calendar pairs of neighbouring expiries.

    Butterfly: undiscounted calls must be convex in strike. Vertical: their slope must lie in [-1, 0]. Calendar: total
    variance at equal log-moneyness must not fall with expiry (Gatheral & Jacquier 2014, lemma 2.1), checked at the
    listed moneyness of either expiry where the other one is listed around it, never on extrapolated wings.
    """
    bar = float(non_negative("tolerance", tolerance))
    found: list[ArbitrageViolation] = []
    for smile in surface.smiles:
        found += _within(smile, bar)
    for early, late in zip(surface.smiles[:-1], surface.smiles[1:], strict=True):
        found += _between(surface, early, late, bar)
    return found


def _within(smile: Smile, bar: float) -> list[ArbitrageViolation]:
    K, F, T = smile.strike, smile.forward, (smile.years,)
    call = black76.price(F, K, smile.years, smile.vol, True)
    found = []
    fall = -np.diff(call)
    for i in np.flatnonzero((fall < -bar * F) | (fall - np.diff(K) > bar * F)):
        amount = max(-fall[i], fall[i] - (K[i + 1] - K[i])) / F
        found.append(ArbitrageViolation("vertical", T, (float(K[i]), float(K[i + 1])), float(amount)))
    if K.size >= 3:
        right = (K[1:-1] - K[:-2]) / (K[2:] - K[:-2])
        cost = (1.0 - right) * call[:-2] + right * call[2:] - call[1:-1]
        for i in np.flatnonzero(cost < -bar * F):
            strikes = (float(K[i]), float(K[i + 1]), float(K[i + 2]))
            found.append(ArbitrageViolation("butterfly", T, strikes, float(-cost[i] / F)))
    return found


def _between(surface: VolSurface, early: Smile, late: Smile, bar: float) -> list[ArbitrageViolation]:
    k = np.union1d(early.log_moneyness, late.log_moneyness)
    low = max(early.log_moneyness[0], late.log_moneyness[0])
    high = min(early.log_moneyness[-1], late.log_moneyness[-1])
    k = k[(k >= low) & (k <= high)]
    if not k.size:
        return []
    first, second = (_unit_price(surface, smile, k) for smile in (early, late))
    found = []
    for i in np.flatnonzero(first - second > bar):
        strikes = (float(early.forward * np.exp(k[i])), float(late.forward * np.exp(k[i])))
        amount = float(first[i] - second[i])
        found.append(ArbitrageViolation("calendar", (early.years, late.years), strikes, amount))
    return found


def _unit_price(surface: VolSurface, smile: Smile, k: FloatArray) -> FloatArray:
    """Out-of-the-money option at log-moneyness k per unit of forward: it rises with total variance."""
    vol = surface.vol(smile.forward * np.exp(k), smile.years, smile.forward)
    return black76.price(1.0, np.exp(k), smile.years, vol, k >= 0.0)
