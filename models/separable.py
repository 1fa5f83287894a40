"""Separable convex piecewise-linear functions: what lower bounds are made of.

A certificate needs, for every convex function in the program, an affine or separable function that never lies above it.
Their sum is minimised over the box of trade limits in closed form, which gives a lower bound on the optimum that owes
nothing to the solver.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hedgeopt.files.calls import strict_class

__all__ = ["Separable"]


@strict_class
@dataclass(frozen=True)
class Separable:
    """``f(x) = constant + slope @ x + sum_k weight_k @ max(x - kink_k, 0)``, convex because every weight is >= 0.

    Attributes
    ----------
    slope : (N,)
    constant
    weights, kinks : (K, N)
        Change of slope and where it happens, per coordinate.
    both : (N,) or None
        What buying and selling a unit at once costs on top; nothing in f, where every trade is one or the other.
    """

    slope: np.ndarray
    constant: float = 0.0
    weights: np.ndarray | None = None
    kinks: np.ndarray | None = None
    both: np.ndarray | None = None

    def __add__(self, other: Separable) -> Separable:
        return Separable(
            self.slope + other.slope,
            self.constant + other.constant,
            _stack(self.weights, other.weights),
            _stack(self.kinks, other.kinks),
            self.both if other.both is None else other.both if self.both is None else self.both + other.both,
        )

    def scaled(self, factor: float) -> Separable:
        """``factor * f`` for a factor >= 0 (any factor when there are no kinks)."""
        if factor < 0 and self.weights is not None:
            raise ValueError("a function with kinks times a negative number is not convex")
        weights = None if self.weights is None else self.weights * factor
        both = None if self.both is None else self.both * factor
        return Separable(self.slope * factor, self.constant * factor, weights, self.kinks, both)

    def __call__(self, x: np.ndarray) -> float:
        """Value at x (N,)."""
        total = self.constant + float(self.slope @ x)
        if self.weights is not None and self.kinks is not None:
            total += float((self.weights * np.maximum(x - self.kinks, 0.0)).sum())
        return total

    def minimum(self, lower: np.ndarray, upper: np.ndarray) -> float:
        """Exact minimum over the finite box ``lower <= x <= upper``."""
        return self(self.minimiser(lower, upper))

    def minimiser(self, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """(N,) where the minimum over the box is: an end of it or a kink, whichever is least.

        Holds for weights of either sign, which differences of such functions have.
        """
        if self.weights is None or self.kinks is None:
            return np.where(self.slope > 0, lower, upper)
        order = np.argsort(self.kinks, axis=0)
        turns = np.take_along_axis(self.weights, order, axis=0)
        at = np.clip(np.take_along_axis(self.kinks, order, axis=0), lower, upper)
        points = np.vstack([lower[None, :], at, upper[None, :]])
        slopes = self.slope + np.vstack([np.zeros_like(lower)[None, :], np.cumsum(turns, axis=0)])
        rise = np.vstack([np.zeros_like(lower)[None, :], np.cumsum(slopes * np.diff(points, axis=0), axis=0)])
        return np.asarray(np.take_along_axis(points, rise.argmin(axis=0)[None, :], axis=0)[0])


def _stack(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    if first is None or second is None:
        return second if first is None else first
    return np.vstack([first, second])
