"""Static arbitrage among the marks of a surface, reported with its strikes and expiries."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
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
    """All violations among the marks worth more than ``tolerance``: expiry by expiry, then every pair of expiries.

    Butterfly: undiscounted calls must be convex in strike. Vertical: their slope must lie in [-1, 0]. Calendar: total
    variance at equal log-moneyness must not fall with expiry (Gatheral & Jacquier 2014, lemma 2.1), checked at the
    listed moneyness of either expiry where the other one is listed around it, never on extrapolated wings. Neighbours
    are not enough: where the one between is listed over fewer strikes, two further apart may still contradict each other.
    """
    bar = float(non_negative("tolerance", tolerance))
    found: list[ArbitrageViolation] = []
    for smile in surface.smiles:
        found += _within(smile, bar)
    for early, late in combinations(surface.smiles, 2):
        found += _between(surface, early, late, bar)
    return found


def between_marks(surface: VolSurface, tolerance: float, points: int = 4) -> list[ArbitrageViolation]:
    """Butterflies of the interpolated smile that no listed strikes show: negative density between marks.

    Each interval between neighbouring strikes is cut into ``points`` equal parts in log-strike; calls priced off the surface
    must be convex over the finer strikes. A butterfly of three listed strikes belongs to :func:`find_violations`.
    """
    bar = float(non_negative("tolerance", tolerance))
    found: list[ArbitrageViolation] = []
    for smile in surface.smiles:
        if smile.strike.size < 2:
            continue
        log = np.log(smile.strike)
        fine = np.append((log[:-1, None] + np.diff(log)[:, None] * np.arange(points) / points).ravel(), log[-1])
        strike = np.exp(fine)
        strike[::points] = smile.strike
        vol = surface.vol(strike, smile.years, smile.forward)
        found += _butterflies(smile, strike, black76.black76_price(smile.forward, strike, smile.years, vol, True), bar)
    return found


def notes(surface: VolSurface, tolerance: float = 1e-3) -> list[str]:
    """One line per kind of arbitrage worth more than ``tolerance`` of the forward, with how many and the largest."""
    said = []
    found: list[tuple[str, ArbitrageViolation]] = [(v.kind, v) for v in find_violations(surface, tolerance)]
    found += [("butterfly between marks", v) for v in between_marks(surface, tolerance)]
    for kind in ("butterfly", "vertical", "calendar", "butterfly between marks"):
        mine = [violation for name, violation in found if name == kind]
        if mine:
            said.append(f"{len(mine)} {kind} arbitrages; the largest: {max(mine, key=lambda v: v.amount)}")
    return said


def _within(smile: Smile, bar: float) -> list[ArbitrageViolation]:
    K, F, T = smile.strike, smile.forward, (smile.years,)
    call = black76.black76_price(F, K, smile.years, smile.vol, True)
    found = []
    fall = -np.diff(call)
    for i in np.flatnonzero((fall < -bar * F) | (fall - np.diff(K) > bar * F)):
        amount = max(-fall[i], fall[i] - (K[i + 1] - K[i])) / F
        found.append(ArbitrageViolation("vertical", T, (float(K[i]), float(K[i + 1])), float(amount)))
    return found + _butterflies(smile, K, call, bar)


def _butterflies(smile: Smile, strike: FloatArray, call: FloatArray, bar: float) -> list[ArbitrageViolation]:
    """Triples of neighbouring strikes over which ``call`` is not convex."""
    if strike.size < 3:
        return []
    right = (strike[1:-1] - strike[:-2]) / (strike[2:] - strike[:-2])
    cost = ((1.0 - right) * call[:-2] + right * call[2:] - call[1:-1]) / smile.forward
    return [
        ArbitrageViolation("butterfly", (smile.years,), tuple(float(k) for k in strike[i : i + 3]), float(-cost[i]))
        for i in np.flatnonzero(cost < -bar)
    ]


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
    return black76.black76_price(1.0, np.exp(k), smile.years, vol, k >= 0.0)
