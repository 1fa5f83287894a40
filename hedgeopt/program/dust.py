"""Drop trades that are only a solver's rounding, judged by dollars alone.

A share of a trade's limit would not do: with a limit of 1e12 USD a needed trade of 700 USD is 7e-10 of it.
"""

from __future__ import annotations

import numpy as np

from hedgeopt.models.arrays import Exposures

__all__ = ["DUST_USD", "sweepings", "swept"]

DUST_USD = 1.0
"""Trades and transfers of less notional are dropped where the proof survives it."""

_FINER = (1.0, 1e-2, 1e-4, 1e-6)


def swept(e: Exposures, x: np.ndarray, usd: float = DUST_USD) -> np.ndarray:
    """(N,) trades x without those of less than ``usd`` of notional."""
    return np.where(np.abs(x) * e.rows.notional[e.candidate] < usd, 0.0, x)


def sweepings(e: Exposures, x: np.ndarray) -> list[np.ndarray]:
    """What is left of x by ever smaller brooms, as far as each takes something away: where a limit needs a trade of half a
    dollar, the rounding of a thousandth may still go."""
    tries: list[np.ndarray] = []
    for share in _FINER:
        left = swept(e, x, share * DUST_USD)
        if (left != x).any() and not (tries and (left == tries[-1]).all()):
            tries.append(left)
    return tries
