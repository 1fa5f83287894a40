"""Charges on what hedges what: opposite amounts of several currencies, or of several expiries.

Such a charge grows with ``min(long, short)``, which is not convex. Every function here has convex bounds that are nowhere
below it, one of which is exact at any amounts: the side that remains is named, or what waits to be matched at each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

__all__ = ["cheapest", "hedged", "hedged_lines", "matched", "matched_charges", "unhedged_side"]


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


def cheapest(amounts: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(E - 1,) which bound of :func:`matched` is least between one time and the next, at amounts (E,): 0, 1 or -1.

    What waits at t, ``A(t)``, is the sum of the amounts up to t; it costs its size times the time until the next, but for
    what nothing later matches: ``A(t)`` less the shorts after t where longs remain in the end, at least 0. So
    ``matched = sum of min(|A|, |A| - A + shorts after)`` times the widths (with signs exchanged where shorts remain), and
    each of the three functions is convex and, whatever remains, nowhere below:

    * 0: ``|A|``; 1: ``2 max(-A, 0) + shorts after``; -1: ``2 max(A, 0) + longs after``.
    """
    waiting = np.cumsum(amounts)[:-1]
    shorts, longs = (np.cumsum(np.maximum(sign * amounts, 0.0)[::-1])[::-1][1:] for sign in (-1.0, 1.0))
    costs = [np.abs(waiting), 2.0 * np.maximum(-waiting, 0.0) + shorts, 2.0 * np.maximum(waiting, 0.0) + longs]
    return np.array([0, 1, -1])[np.argmin(costs, axis=0)]


def matched_charges(choice: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the bounds that :func:`cheapest` chose charge: per unit of waiting sums, and per unit of the amounts themselves.

    ``(2, E - 1)`` per unit long and short of each sum up to a time but the last, ``(2, E - 1)`` per unit long and short of
    each amount but the first.
    """
    width = np.diff(times)
    waiting = width * np.array([np.where(choice == 0, 1.0, np.where(choice == side, 0.0, 2.0)) for side in (1, -1)])
    later = np.array([np.cumsum(np.where(choice == side, width, 0.0)) for side in (-1, 1)])
    return waiting, later
