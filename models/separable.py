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
        """Exact minimum over the finite box ``lower <= x <= upper``: where each coordinate's slope turns, clipped to it."""
        if self.weights is None or self.kinks is None:
            return self(np.where(self.slope > 0, lower, upper))
        order = np.argsort(self.kinks, axis=0)
        kinks = np.take_along_axis(self.kinks, order, axis=0)
        slopes = self.slope + np.cumsum(np.take_along_axis(self.weights, order, axis=0), axis=0)
        turned = slopes >= 0.0
        turn = np.take_along_axis(kinks, turned.argmax(axis=0)[None, :], axis=0)[0]
        turn = np.where(turned.any(axis=0), turn, upper)
        return self(np.clip(np.where(self.slope >= 0, lower, turn), lower, upper))


def _stack(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    if first is None or second is None:
        return second if first is None else first
    return np.vstack([first, second])
