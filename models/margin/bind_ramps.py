"""Ramps inside a program: a charge that grows with the square of a net amount, as chords of its curve.

The net amount is a variable of its own, scaled by the kink, so that a ramp costs one row of candidates and not one per
chord. The lower bound takes the slope that the chords' duals say and the conjugate of the exact curve:
``s u - f*(s) <= f(u)`` for every u, whatever the duals are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hedgeopt.models.bound import TradeVariables, put
from hedgeopt.models.margin.encoding import Ramp
from hedgeopt.models.separable import Separable

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["CHORDS", "BoundRamps", "crowded"]

CHORDS = 24
_CROWD = 0.3 ** np.arange(1, 12)[None, :]
_NEAR = 1e-7
_NOTHING = 1e-14


def crowded(centre: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """(rows, chords + 1) sizes crowded geometrically around ``centre``, with 0 and, last, ``largest``."""
    reach, middle = largest[:, None] * _CROWD, centre[:, None]
    return np.hstack([np.maximum(middle - reach, 0.0), middle, middle + reach, 0.0 * middle, largest[:, None]])


class BoundRamps:
    """All ramps of one account.

    Attributes
    ----------
    expression
        Their sum in USD, affine in variables of its own.
    constraints
        What defines those variables.
    """

    def __init__(self, trades: TradeVariables, candidates: np.ndarray, in_rows: np.ndarray, ramps: Sequence[Ramp]) -> None:
        import cvxpy as cp

        self._candidates, self._in_rows = candidates, in_rows
        count, lines = len(ramps), 2 * (CHORDS + 1) + 1
        self._rows, self._starts = cp.Parameter((count, len(candidates))), cp.Parameter(count)
        self._slopes, self._offsets = cp.Parameter(count * lines), cp.Parameter(count * lines)
        amount, level = cp.Variable(count), cp.Variable(count)
        self._owner = np.repeat(np.arange(count), lines)
        self._define = self._rows @ trades.net[candidates] + self._starts == amount
        self._chords = cp.multiply(self._slopes, amount[self._owner]) + self._offsets <= level[self._owner]
        self.constraints: list[cp.Constraint] = [self._define, self._chords]
        self.expression: cp.Expression = cp.sum(level)
        self._centre: np.ndarray | None = None

    def _lines(self, ramps: Sequence[Ramp]) -> tuple[np.ndarray, np.ndarray]:
        """(count * lines,) slopes in USD per USD, offsets in USD: zero, chords on either side, the tangent at the kink."""
        slopes, offsets = [], []
        for k, ramp in enumerate(ramps):
            width = ramp.kink - ramp.threshold
            if self._centre is None:
                nodes = width * np.linspace(0.0, 1.0, CHORDS + 1)
            else:
                middle = np.clip(self._centre[[k]] - ramp.threshold, 0.0, width)
                nodes = np.sort(np.clip(crowded(middle, np.array([width])), 0.0, width)[0])
            nodes = ramp.threshold + np.append(nodes, width)
            if ramp.flat:
                slope, offset = np.full(CHORDS + 1, ramp.flat_rate), np.zeros(CHORDS + 1)
            else:
                slope = ramp.rate * (nodes[1:] + nodes[:-1] - ramp.threshold)
                offset = -ramp.rate * nodes[1:] * nodes[:-1]
            slopes.append(np.concatenate([[0.0], slope, -slope]))
            offsets.append(np.concatenate([[0.0], offset, offset]))
        return np.concatenate(slopes), np.concatenate(offsets)

    def _amounts(self, ramps: Sequence[Ramp], positions: np.ndarray) -> np.ndarray:
        return np.array([ramp.row[: len(positions)] @ positions for ramp in ramps])

    def update(self, ramps: Sequence[Ramp], held: np.ndarray, scale: np.ndarray) -> None:
        """Load new data: ``held`` (R,) positions of the account, ``scale`` (N,) of the trades."""
        kinks = np.array([ramp.kink for ramp in ramps])
        rows = np.array([ramp.row[self._in_rows] for ramp in ramps]) * scale[self._candidates]
        put(self._rows, rows / kinks[:, None])
        put(self._starts, self._amounts(ramps, held) / kinks)
        slopes, offsets = self._lines(ramps)
        put(self._slopes, slopes * kinks[self._owner])
        put(self._offsets, offsets)

    def refine(self, ramps: Sequence[Ramp], positions: np.ndarray) -> bool:
        """Move the nodes to the amounts at positions (R,); returns whether they moved."""
        at = np.abs(self._amounts(ramps, positions))
        idle = all(ramp.flat or u <= ramp.threshold for ramp, u in zip(ramps, at, strict=True))
        near = self._centre is not None and bool(np.all(np.abs(at - self._centre) <= _NEAR * (1.0 + at)))
        self._centre = at
        return not near and not idle

    def minorant(self, n: int, x: np.ndarray, ramps: Sequence[Ramp], held: np.ndarray) -> Separable:
        """Affine in trades (N,) and nowhere above the ramps."""
        duals = np.zeros(len(self._owner))
        if self._chords.dual_value is not None:
            duals = np.maximum(np.nan_to_num(np.atleast_1d(self._chords.dual_value)), 0.0)
        slopes, _ = self._lines(ramps)
        starts = self._amounts(ramps, held)
        slope, constant = np.zeros(n), 0.0
        for k, ramp in enumerate(ramps):
            per_trade = ramp.row[self._in_rows]
            amount = float(starts[k] + per_trade @ x[self._candidates])
            weights, mine = duals[self._owner == k], slopes[self._owner == k]
            total = float(weights.sum())
            chosen = float(weights @ mine) / total if total > _NOTHING else _derivative(ramp, amount)
            slope[self._candidates] += chosen * per_trade
            constant += chosen * float(starts[k]) - _conjugate(ramp, chosen)
        return Separable(slope, constant)


def _derivative(ramp: Ramp, amount: float) -> float:
    """A slope of the curve at an amount."""
    u = min(abs(amount), ramp.kink)
    if ramp.flat:
        return ramp.flat_rate * float(np.sign(amount))
    return float(np.sign(amount)) * ramp.rate * (2.0 * u - ramp.threshold) if u > ramp.threshold else 0.0


def _conjugate(ramp: Ramp, slope: float) -> float:
    """``max over u of slope u - f(u)``, for slopes that the curve reaches."""
    s = abs(slope)
    if ramp.flat:
        return 0.0
    if s <= ramp.rate * ramp.threshold:
        return s * ramp.threshold
    u = min(0.5 * (s / ramp.rate + ramp.threshold), ramp.kink)
    return s * u - ramp.value(u)
