"""Convex functions below margin rules that add up positions one at a time, from the rule's values at a few sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, Literal

import numpy as np

from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.tiered import Leveraged
from hedgeopt.verify.account_candidates import AccountCandidates
from hedgeopt.verify.convex import Convex

__all__ = ["KnownLines", "MarginKind", "below_one_at_a_time"]

_SHARES = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0)

MarginKind = Literal["initial", "maintenance"]
KnownLines = dict[int, tuple[list[tuple[float, float]], bool]]
"""Lines of each candidate's margin, and whether it bends so much that more of them help."""


def below_one_at_a_time(
    model: Any,
    state: State,
    kind: MarginKind,
    x: np.ndarray,
    box: tuple[np.ndarray, np.ndarray],
    place: AccountCandidates,
    near: Sequence[np.ndarray],
    known: KnownLines,
) -> Convex:
    """For rules that add up positions one by one: lines through the rule's value at a few sizes of each position.

    A convex function is nowhere below the line through its value at z with the slope of a step to the left (or right),
    but within that step, where it falls short by at most a quarter of the step times the turn of slope around it.
    """
    nothing = np.zeros(len(state.assets))

    def rule(market: State, position: np.ndarray) -> float:
        return float(model.requirement(market, position, nothing).of(kind))

    slope, constant = np.zeros(place.n), rule(state, place.rest())
    found: list[tuple[int, list[tuple[float, float]]]] = []
    bends: list[tuple[int, float, float]] = []
    for i, k in zip(place.candidate.tolist(), place.row.tolist(), strict=True):
        held, now = float(place.held[k]), float(x[i])
        lower, upper = min(float(box[0][i]), now), max(float(box[1][i]), now)

        if i in known and not (known[i][1] and near):
            found.append((i, known[i][0]))
            continue
        if isinstance(model, Leveraged) and kind == "initial" and state.linear[k]:
            known[i] = _brackets(model, state, k, held, lower, upper), False
            found.append((i, known[i][0]))
            continue
        own = _only(state, k)
        empty = rule(own, np.zeros(1))

        def alone(trade: float, own: State = own, held: float = held, empty: float = empty) -> float:
            return rule(own, np.array([held + trade])) - empty

        step = 1e-8 * max(upper - lower, abs(held + now), 1e-9)
        if i not in known:
            lines = _lines(alone, now, step, upper - lower)
            ends = [(alone(end), max(a * end + c for a, c in lines)) for end in (lower, upper)]
            size = max(1.0, *(abs(value) for value, _ in ends))
            curved = any(value > reached + 1e-7 * size for value, reached in ends)
            if curved:
                for share in _SHARES:  # it bends elsewhere as well: more lines, crowded around the trade
                    for at in (now + share * (upper - now), now - share * (now - lower), share * -held):
                        if lower <= at <= upper:
                            lines += _lines(alone, at, step, upper - lower)
            known[i] = (lines, curved)
        lines, curved = known[i]
        if curved and near:  # where the last bound was lowest
            lines += _lines(alone, float(near[-1][i]), step, upper - lower)
        found.append((i, lines))
    for i, lines in found:
        first, turns = _envelope(lines)
        slope[i] += first[0]
        constant += first[1]
        bends += [(i, at, turn) for at, turn in turns]
    corners: list[tuple[np.ndarray, np.ndarray]] = []
    while bends:  # one array per bend of a position: most have one
        places, weight, later = np.zeros(place.n), np.zeros(place.n), []
        used: set[int] = set()
        for i, where, turn in bends:
            if i in used:
                later.append((i, where, turn))
                continue
            used.add(i)
            places[i], weight[i] = where, 0.5 * turn
            slope[i] += 0.5 * turn  # turn max(x - where, 0) = turn / 2 (x - where) + turn / 2 |x - where|
            constant -= 0.5 * turn * where
        corners.append((places, weight))
        bends = later
    return Convex(slope, constant, tuple(corners))


def _brackets(
    model: Leveraged, state: State, row: int, held: float, lower: float, upper: float
) -> list[tuple[float, float]]:
    """Lines below ``notional / leverage of that notional`` in the trade, for trades in ``[lower, upper]``.

    The leverage falls in steps, so that the rule jumps and is not convex. The lines are the convex hull of its ends: of
    nothing, of the largest notional of each leverage, and of the largest position within reach.
    """
    unit, coin = abs(float(state.notional[row])), state.underlying[row]
    most = unit * max(abs(held + lower), abs(held + upper))
    inside = (1.0 - 1e-12) * most  # what lies beyond a bracket by rounding alone is not beyond it
    ends, last = [0.0, *(end for end in model.allowed(coin).up_to if end < inside), most], model.chosen(coin, inside)
    points = [(end, end / max(model.chosen(coin, end), last)) for end in ends]
    lines, at = [(0.0, 0.0)], 0
    while at < len(points) - 1:  # the flattest step leads along the hull
        (n0, v0), rest = points[at], points[at + 1 :]
        slopes = [(v - v0) / (n - n0) if n > n0 else np.inf for n, v in rest]
        best = int(np.argmin(slopes))
        if not np.isfinite(slopes[best]):
            break
        slope, constant = slopes[best] * (1.0 - 1e-12), v0 - slopes[best] * n0
        for sign in (1.0, -1.0):
            lines.append((sign * slope * unit, constant + sign * slope * unit * held - 1e-12 * abs(v0)))
        at += 1 + best
    return lines


def _only(state: State, row: int) -> State:
    """The same market with one instrument."""
    own = {}
    for item in fields(state):
        value = getattr(state, item.name)
        if item.name not in ("assets", "prices") and hasattr(value, "__len__") and not isinstance(value, str):
            own[item.name] = value[row : row + 1] if len(value) else value
    return replace(state, **own)


def _lines(f: Callable[[float], float], at: float, step: float, width: float) -> list[tuple[float, float]]:
    """(slope, constant) of the lines to the left and right of a point, lowered until they are nowhere above convex ``f``."""
    values = [f(at + j * step) for j in (-2, -1, 0, 1, 2)]
    s = np.diff(values) / step
    over = 0.25 * step * max(float(s[2] - s[0]), float(s[3] - s[1]), 0.0)
    over += 1e-15 * float(np.abs(values).max()) * width / step  # rounding of the slopes
    return [(float(a), values[2] - over - float(a) * at) for a in (min(s[1], s[2]), s[2])]


def _envelope(lines: list[tuple[float, float]]) -> tuple[tuple[float, float], list[tuple[float, float]]]:
    """The largest of some lines: the first one, and where and by how much the slope turns."""
    kept: list[tuple[float, float]] = []
    where: list[float] = []
    for a, c in sorted(lines):
        while kept:
            if a - kept[-1][0] <= 1e-14 * max(abs(a), 1e-300):  # as steep: the higher one
                if c <= kept[-1][1]:
                    break
                at = -np.inf
            else:
                at = (kept[-1][1] - c) / (a - kept[-1][0])
            if where and at <= where[-1]:
                kept.pop()
                where.pop()
            elif at == -np.inf:
                kept.pop()
            else:
                kept.append((a, c))
                where.append(at)
                break
        else:
            kept.append((a, c))
    return kept[0], [(at, kept[k + 1][0] - kept[k][0]) for k, at in enumerate(where)]
