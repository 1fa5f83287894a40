"""Charges on what hedges what: opposite amounts of several currencies, or of several expiries.

Such a charge grows with ``min(long, short)``, which is not convex. Every function here has a convex bound that is nowhere
below it, exact where the side that remains (or the expiry whose amount remains) is the one that was named.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

__all__ = ["centre", "hedged", "hedged_lines", "matched", "unhedged_side"]


def hedged(amounts: np.ndarray) -> float:
    """USD of opposite amounts (C,) that hedge one another: ``min(sum of longs, sum of shorts)``."""
    return float(min(np.maximum(amounts, 0.0).sum(), np.maximum(-amounts, 0.0).sum()))


def unhedged_side(amounts: np.ndarray) -> float:
    """Sign of what no hedge covers, 1 or -1: where the lines of :func:`hedged_lines` are exact."""
    return 1.0 if amounts.sum() >= 0.0 else -1.0


def hedged_lines(exposure: np.ndarray, side: float) -> np.ndarray:
    """(L, n) lines whose largest is nowhere below :func:`hedged` of ``exposure (C, n) @ z``, and equal on its ``side``.

    ``hedged = (sum |x_c| - |sum x_c|) / 2`` and ``-|sum x_c| <= -side sum x_c``.
    """
    signs = np.array(list(product((1.0, -1.0), repeat=len(exposure))))
    return np.asarray((signs - side) @ exposure / 2.0)


def matched(amounts: Sequence[float], times: Sequence[float]) -> float:
    """Sum of ``amount x distance in time`` of opposite amounts, matched in the order of ``times``, nearest first."""
    order, total = np.argsort(times, kind="stable"), 0.0
    waiting: list[list[float]] = []  # [time, amount], all of one sign
    for k in order.tolist():
        left = float(amounts[k])
        while left and waiting and waiting[0][1] * left < 0.0:
            pair = min(abs(left), abs(waiting[0][1]))
            total += pair * (float(times[k]) - waiting[0][0])
            waiting[0][1] += np.sign(left) * pair
            left -= np.sign(left) * pair
            if waiting[0][1] == 0.0:
                waiting.pop(0)
        if left:
            waiting.append([float(times[k]), left])
    return total


def centre(amounts: Sequence[float], times: Sequence[float]) -> float:
    """The time c that makes ``sum |amount| |time - c|`` least: nowhere below :func:`matched`, whatever c is.

    A pair at t and u costs ``|t - u| <= |t - c| + |u - c|``, and what remains unmatched adds to the bound alone: exact for
    two times of opposite amounts.
    """
    order = np.argsort(times, kind="stable")
    weight = np.abs(np.asarray(amounts, float))[order]
    if not weight.sum():
        return float(np.asarray(times, float)[order][0]) if len(order) else 0.0
    return float(np.asarray(times, float)[order][int(np.searchsorted(np.cumsum(weight), weight.sum() / 2.0))])
