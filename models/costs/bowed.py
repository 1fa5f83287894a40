"""Powers of trade sizes as straight pieces: tangents below, for proofs, and chords above, for linear programs.

``c |x|^p`` with 1 < p <= 2. Between points a and b a chord lies above it by at most ``c p (p - 1) a^(p - 2) (b - a)^2 / 8``:
chords whose points are drawn in around the last solution give the exact optimum in the limit, and a program that any linear
or integer solver takes. Tangents at x, near it and in steps of two everywhere else lie below it, and touch it at x: a dual
that is off by e leaves a gap of the order of e squared.
"""

from __future__ import annotations

import numpy as np

from hedgeopt.models.separable import Separable

__all__ = ["Chords", "power_below"]

_NEAR = np.array([1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.3])
_STEPS = 40
_FAR = np.array([1e-3, 1e-2, 0.1, 0.4, 1.8, 5.0])
_RINGS = np.array([1.0, 0.25, 0.0625])
_LAST = np.array([0.1, 0.4])
_FIRST_RING, _LEAST_RING, _FINE, _GRAIN = 0.3, 1e-3, 1e-2, 1e-7


def power_below(factor: np.ndarray, power: float, reach: np.ndarray, x: np.ndarray) -> Separable:
    """A function nowhere above ``sum factor_i |x_i|^power``, equal to it at x (N,): the greatest of many tangents."""
    size = np.abs(x)
    steps = reach * 0.5 ** np.arange(_STEPS)[:, None]
    near = np.concatenate([1.0 - _NEAR, [1.0], 1.0 + _NEAR])[:, None] * size
    side = np.sort(np.concatenate([steps, near]), axis=0)
    at = np.concatenate([-side[::-1], np.zeros((1, len(x))), side])
    rise = factor * power * np.sign(at) * np.abs(at) ** (power - 1.0)
    foot = -(power - 1.0) * factor * np.abs(at) ** power  # where the tangent meets the axis
    turns = np.diff(rise, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        meet = (foot[:-1] - foot[1:]) / turns
    kinks = np.clip(np.where(turns > 0.0, meet, at[:-1]), at[:-1], at[1:])
    turns = np.maximum(turns, 0.0)
    return Separable(rise[0], -float(np.sum(turns * np.maximum(-kinks, 0.0))), turns, kinks)


class Chords:
    """Points between which sizes are counted at chords, for J candidates; drawn in around a solution by :meth:`near`.

    Attributes
    ----------
    count
        Chords of each candidate.
    """

    count = 16

    def __init__(self, n: int) -> None:
        self._at, self._ring = np.zeros(n), np.full(n, _FIRST_RING)

    @property
    def coarse(self) -> bool:
        """Whether some chord near a solution still adds more than some 1e-8 of its cost."""
        drawn = self._at > 0.0
        return not drawn.any() or float(self._ring[drawn].max()) > _FINE

    def forget(self) -> None:
        """Back to even steps."""
        self._at[:], self._ring[:] = 0.0, _FIRST_RING

    def near(self, size: np.ndarray) -> None:
        """Draw points in around sizes (J,): closer where they stay, anew where they have moved."""
        both = (self._at > 0.0) & (size > 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            moved = np.abs(size / self._at - 1.0)
        inside = np.clip(2.0 * moved, self._ring / 8.0, self._ring / 2.0)
        closer = both & (moved <= self._ring)
        self._ring = np.where(closer, np.maximum(inside, _LEAST_RING), _FIRST_RING)
        self._at = size.copy()

    def points(self, most: np.ndarray) -> np.ndarray:
        """(J, count + 1) from 0 to ``most`` (J,), in order."""
        even = most[:, None] * np.concatenate([[0.0], np.geomspace(1e-6, 1.0, self.count)])
        ring = np.concatenate([-_RINGS, _RINGS])
        inner = self._at[:, None] * np.hstack([np.tile(_FAR, (len(most), 1)), 1.0 + self._ring[:, None] * ring])
        drawn = np.hstack([np.zeros((len(most), 1)), inner, self._at[:, None], most[:, None] * _LAST, most[:, None]])
        step = _GRAIN * most[:, None]  # narrower levels cost solvers digits, and are worth none
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = np.where(step > 0.0, np.round(drawn / step) * step, 0.0)
        drawn = np.sort(np.minimum(drawn, most[:, None]), axis=1)
        return np.where((self._at > 0.0)[:, None], drawn, even)
