"""Separable convex piecewise-linear functions: what lower bounds are made of.

A certificate needs, for every convex function in the program, an affine or separable function that never lies above it.
Their sum is minimised over the box of trade limits in closed form, which gives a lower bound on the optimum that owes
nothing to the solver.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Separable"]


@dataclass(frozen=True)
class Separable:
    """``f(x) = constant + slope @ x + sum_k weight_k @ max(x - kink_k, 0)``, convex because every weight is >= 0.

    Attributes
    ----------
    slope : (N,)
    constant
    weights, kinks : (K, N)
        Change of slope and where it happens, per coordinate.
    """

    slope: np.ndarray
    constant: float = 0.0
    weights: np.ndarray | None = None
    kinks: np.ndarray | None = None

    def __add__(self, other: Separable) -> Separable:
        return Separable(
            self.slope + other.slope,
            self.constant + other.constant,
            _stack(self.weights, other.weights),
            _stack(self.kinks, other.kinks),
        )

    def scaled(self, factor: float) -> Separable:
        """``factor * f`` for a factor >= 0 (any factor when there are no kinks)."""
        if factor < 0 and self.weights is not None:
            raise ValueError("a function with kinks times a negative number is not convex")
        weights = None if self.weights is None else self.weights * factor
        return Separable(self.slope * factor, self.constant * factor, weights, self.kinks)

    def __call__(self, x: np.ndarray) -> float:
        """Value at x (N,)."""
        total = self.constant + float(self.slope @ x)
        if self.weights is not None and self.kinks is not None:
            total += float((self.weights * np.maximum(x - self.kinks, 0.0)).sum())
        return total

    def minimum(self, lower: np.ndarray, upper: np.ndarray) -> float:
        """Exact minimum over the finite box ``lower <= x <= upper``: each coordinate at a bound or a kink."""
        points = np.vstack([lower, upper])
        if self.kinks is not None:
            points = np.vstack([points, np.clip(self.kinks, lower, upper)])
        values = points * self.slope
        if self.weights is not None and self.kinks is not None:
            for weight, kink in zip(self.weights, self.kinks, strict=True):
                values += weight * np.maximum(points - kink, 0.0)
        return self.constant + float(values.min(axis=0).sum())


def _stack(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    if first is None or second is None:
        return second if first is None else first
    return np.vstack([first, second])
