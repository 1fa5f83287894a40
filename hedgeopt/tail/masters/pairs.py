"""Complementary pairs of the interior-point master in two flat vectors, so that one operation serves all of them.

``x = (s | xi_1 .. xi_K | w_1 .. w_K)`` holds the slacks of the rows, the excesses and the slacks of the scenarios of
each tail; ``z = (lam | r_1 .. r_K | q_1 .. q_K)`` their duals.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hedgeopt.tail.source import Vector


class Places:
    """Slices of the flat vectors for ``rows`` rows and tails of ``sizes`` boundary scenarios."""

    def __init__(self, rows: int, sizes: list[int]) -> None:
        ends = rows + np.concatenate(([0], np.cumsum(sizes + sizes))).astype(int)
        parts = [slice(int(a), int(b)) for a, b in pairwise(ends)]
        self.rows = slice(0, rows)
        self.excess, self.slack = parts[: len(sizes)], parts[len(sizes) :]
        self.size = int(ends[-1])

    def empty(self) -> Vector:
        """A flat vector to be filled."""
        return np.empty(self.size)


def longest(x: Vector, dx: Vector, shrink: float) -> float:
    """The longest step that keeps ``x + step * dx`` positive, times ``shrink``, at most one."""
    if not len(x):
        return 1.0
    worst = float((dx / x).min())
    return min(1.0, -shrink / worst) if worst < 0 else 1.0


def outliers(
    kappa: Vector, x: Vector, dx: Vector, z: Vector, dz: Vector, steps: tuple[float, float], target: float
) -> NDArray[np.float64]:
    """Gondzio's corrector: complementarity residuals that pull outlying products back into ``[0.1, 10] * target``."""
    product = (x + steps[0] * dx) * (z + steps[1] * dz)
    return kappa - np.maximum(np.clip(product, 0.1 * target, 10 * target) - product, -10 * target)
