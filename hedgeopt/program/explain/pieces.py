"""The optimum as a convex function of one number: the linear piece around a point, found by lines that touch the function.

Two lines that touch a convex function meet below it. Where the function touches their meeting point, too, it is a kink and
nothing else lies between (Eisner and Severance 1976). Of a linear program the piece is exact; of others, where slopes change
everywhere, pieces have no length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["StraightPart", "piece_beside"]

_STEPS = 40

Value = Callable[[float], tuple[float, float] | None]
"""Value and a slope of the function at a point; None where it has none (no trades meet every limit)."""


@dataclass(frozen=True)
class StraightPart:
    """``V(b) = V(at) + slope (b - at)`` from ``at`` to ``end``; ``open``: at least as far, nothing was asked beyond.

    ``wall``: beyond ``end`` no trades meet every limit. ``slope`` is NaN where the function has none on this side.
    """

    at: float
    slope: float
    end: float
    open: bool = False
    wall: bool = False


def piece_beside(value: Value, at: float, here: tuple[float, float], far: float, tolerance: float) -> StraightPart:
    """The linear piece that begins at ``at`` towards ``far``; ``here`` are value and slope at ``at``.

    ``tolerance`` is how far values may lie from a line and count as on it.
    """
    start, touch = here
    slope, end, wall = float("nan"), at, False
    line: tuple[float, float, float] | None = None  # point, value, slope of a line beyond the piece
    b, beyond = far, far
    for _ in range(_STEPS):
        got = value(b)
        if got is None:
            wall, beyond, b = True, b, at + 0.5 * (b - at)
            if abs(b - at) <= 1e-7 * max(abs(far - at), 1e-300):
                break
            continue
        worth, g = got
        if slope != slope and abs(start + touch * (b - at) - worth) <= tolerance:
            slope, end = touch, b
            if line is None:
                return (
                    _to_the_wall(value, at, start, slope, end, beyond, tolerance)
                    if wall
                    else StraightPart(at, slope, end, open=True)
                )
            return StraightPart(at, slope, end)
        if slope != slope and abs(worth + g * (at - b) - start) <= tolerance:
            slope, end = g, b
            if line is None:
                return (
                    _to_the_wall(value, at, start, slope, end, beyond, tolerance)
                    if wall
                    else StraightPart(at, slope, end, open=True)
                )
        elif slope == slope and abs(start + slope * (b - at) - worth) <= tolerance:
            return StraightPart(at, slope, b)
        else:
            line = b, worth, g
        base = touch if slope != slope else slope
        assert line is not None
        if abs(line[2] - base) <= 1e-300:
            break
        meet = (start - base * at - line[1] + line[2] * line[0]) / (line[2] - base)
        inside = min(end, line[0]) < meet < max(end, line[0]) and abs(meet - line[0]) > 1e-12 * abs(line[0] - at)
        b = meet if inside and abs(meet - end) > 1e-9 * abs(far - at) else end + 0.125 * (line[0] - end)
        if abs(b - end) <= 1e-9 * abs(far - at):
            break
    if slope != slope and line is not None:
        slope = (line[1] - start) / (line[0] - at)
    return StraightPart(at, slope, end, wall=wall)


def _to_the_wall(
    value: Value, at: float, start: float, slope: float, end: float, beyond: float, tolerance: float
) -> StraightPart:
    """The part as far as the line goes, where nothing has a value at ``beyond``: halved to a thousandth of its length."""
    for _ in range(_STEPS):
        if abs(beyond - end) <= 1e-3 * abs(end - at):
            break
        middle = 0.5 * (end + beyond)
        got = value(middle)
        if got is None:
            beyond = middle
        elif abs(start + slope * (middle - at) - got[0]) <= tolerance:
            end = middle
        else:  # it bends before the wall
            line = got[0] - got[1] * middle
            meet = (start - slope * at - line) / (got[1] - slope) if got[1] != slope else middle
            return StraightPart(at, slope, meet if min(end, middle) < meet < max(end, middle) else end)
    return StraightPart(at, slope, end, wall=True)
