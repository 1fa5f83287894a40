"""Lists in whole lots that fit into bands no single lot fits in: a few lots more or less, found by meeting in the middle.

A list that meets every other limit is near such bands. Moves of a few lots of single trades are paired, the pairs sorted by
what they move the narrowest band by, and for each pair those found that take the value into the band together with it:
billions of combinations of four trades in a second, where integers over cuts know bands to a millionth of a lot's effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import Box
from hedgeopt.program.cuts import each
from hedgeopt.program.lots.choice import LotChoice, rise
from hedgeopt.program.lots.gates import gates_of
from hedgeopt.program.lots.steps import in_whole_lots, times
from hedgeopt.program.program import Program

__all__ = ["into_bands"]

# Lots more or less of one trade; moves, pairs and combinations looked at; lists given.
_LOTS, _MOVES, _PAIRS, _LOOKED, _GIVEN = 12, 900, 400_000, 20_000_000, 2_000


def into_bands(
    program: Program,
    e: Exposures,
    box: Box,
    choice: LotChoice,
    x: np.ndarray,
    narrow: Sequence[tuple[int, int]],
    lagrangian: Any,
) -> Iterator[np.ndarray]:
    """Lists (N,) near ``x`` inside the bands ``narrow`` (number of the limit, place of each side), the cheapest first.

    ``lagrangian`` is the ideal's: what a move costs by its shadow prices. Other limits are not looked at.
    """
    moves = _moves(program, e, box, choice, x)
    if len(moves[0]) < 4:
        return
    place, lots, by = moves
    cost = np.zeros(len(place))
    for k in range(len(place)):
        step = np.zeros(e.n_candidates)
        step[place[k]] = by[k]
        cost[k] = float(rise(lagrangian, x, step)[place[k]])
    kept = np.argsort(cost, kind="stable")[:_MOVES]
    place, lots, by, cost = place[kept], lots[kept], by[kept], cost[kept]
    effects, low, high = _bands(program, e, x, sorted(narrow), place, by)
    for combination in _combined(effects, low, high, place, cost):
        y = x.copy()
        for k in combination:
            i = place[k]
            lot = abs(by[k] / lots[k])
            y[i] = times(lot, round(y[i] / lot) + int(lots[k]))
        if in_whole_lots(e, y).all():
            yield y


def _moves(
    program: Program, e: Exposures, box: Box, choice: LotChoice, x: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Candidate, lots and size of every move of one trade; where trades are counted, none is opened or closed."""
    gates = gates_of(choice, e, program)
    counted = gates.trades is not None or gates.fresh is not None or gates.ticket is not None
    found = []
    for i, step in dict(zip(choice.at[choice.whole].tolist(), choice.step[choice.whole].tolist(), strict=True)).items():
        for lots in (*range(-_LOTS, 0), *range(1, _LOTS + 1)):
            to = x[i] + lots * step
            to = 0.0 if abs(to) < 0.5 * step else to
            if box.lower[i] <= to <= box.upper[i] and not (counted and (x[i] == 0.0 or to == 0.0)):
                found.append((i, lots, lots * step))
    if not found:
        return np.zeros(0, int), np.zeros(0), np.zeros(0)
    place, lots, by = (np.array(part) for part in zip(*found, strict=True))
    return place.astype(int), lots, by


def _bands(
    program: Program, e: Exposures, x: np.ndarray, narrow: Sequence[tuple[int, int]], place: np.ndarray, by: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(D, M) what each move moves the bands by, and (D,) from where to where they may be moved; the narrowest first."""
    rows, low, high = [], [], []
    for number, k in narrow:
        sides = program.limits[number].sides(e, x)
        if sides[k].sign > 0:
            continue
        slope = next(iter(each(program.limits[number], [k + 1], e, x, {}))).slope
        size = float(np.abs(slope[place] * by).max()) or 1.0
        room = 0.9e-9 * abs(sides[k].limit)  # nearly what the certificate allows
        rows.append(slope[place] * by / size)
        low.append((sides[k].limit - room - sides[k].value) / size)
        high.append((sides[k + 1].limit + room - sides[k + 1].value) / size)
    order = np.argsort(np.array(high) - np.array(low))
    return np.array(rows)[order], np.array(low)[order], np.array(high)[order]


def _combined(
    effects: np.ndarray, low: np.ndarray, high: np.ndarray, place: np.ndarray, cost: np.ndarray
) -> Iterator[tuple[int, ...]]:
    """Moves of up to four trades that lead into every band, the cheapest first."""
    n = len(place)
    first, second = np.triu_indices(n, 1)
    good = place[first] != place[second]
    first, second = first[good], second[good]
    # nothing, single moves, and pairs
    first, second = np.concatenate([[-1], np.arange(n), first]), np.concatenate([[-1], np.full(n, -1), second])
    wide, dear = np.hstack([effects, np.zeros((len(effects), 1))]), np.append(cost, 0.0)
    price = dear[first] + dear[second]
    kept = np.argsort(price, kind="stable")[:_PAIRS]
    first, second, price = first[kept], second[kept], price[kept]
    total = wide[:, first] + wide[:, second]
    order = np.argsort(total[0], kind="stable")
    sorted_ = total[0, order]
    begin, end = np.searchsorted(sorted_, low[0] - total[0]), np.searchsorted(sorted_, high[0] - total[0], side="right")
    counts = end - begin
    reach = int(np.searchsorted(np.cumsum(counts), _LOOKED, side="right"))
    chosen = np.flatnonzero(counts[:reach] > 0)
    if not len(chosen):
        return
    mine = np.repeat(chosen, counts[chosen])
    offset = np.arange(len(mine)) - np.repeat(np.cumsum(counts[chosen]) - counts[chosen], counts[chosen])
    other = order[np.repeat(begin[chosen], counts[chosen]) + offset]
    fits = np.ones(len(mine), bool)
    for d in range(1, len(effects)):
        value = total[d, mine] + total[d, other]
        fits &= (value >= low[d]) & (value <= high[d])
    mine, other = mine[fits], other[fits]
    where = np.append(place, -1)
    for a, b in ((first, first), (first, second), (second, first), (second, second)):
        apart = (where[a[mine]] != where[b[other]]) | (where[a[mine]] < 0)
        mine, other = mine[apart], other[apart]
    best = np.argsort(price[mine] + price[other], kind="stable")[:_GIVEN]
    seen = set()
    for i, j in zip(mine[best].tolist(), other[best].tolist(), strict=True):
        combination = tuple(sorted(int(k) for k in (first[i], second[i], first[j], second[j]) if k >= 0))
        if combination not in seen:
            seen.add(combination)
            yield combination
