"""How far an epigraph's variable may go from its bend in either direction, from rows of one variable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hedgeopt.tail.bends import Bends, Limits
from hedgeopt.tail.source import Index, Vector


@dataclass
class Reach:
    """Limits in one direction from the bend: per column of the new program its bound and the row it came from."""

    column: Index
    limit: Vector
    row: Index
    bend: Index
    """Position among the bends where the row limits t, -1 where it bounds x itself."""


def sides_of(
    limits: Limits, n: int, bends: Bends, split: NDArray[np.bool_], pairs: Any, place: Index
) -> tuple[tuple[Reach, Reach], Index]:
    """Limits above and below the bends from rows of t alone and of x alone, and the rows they replace."""
    row, column, entry, value = limits.row, limits.column, limits.entry, limits.value
    bend_of = np.full(n, -1)
    bend_of[bends.t] = np.arange(len(bends.t))
    k = bend_of[column]
    # A floor of t is one of its lines.
    of_t = (k >= 0) & (entry > 0)
    of_t[of_t] = value[of_t] >= bends.t0[k[of_t]]
    drop, found = [row[of_t]], []
    for at, slope in ((0, bends.s1), (1, -bends.s2)):
        use = of_t.copy()
        use[of_t] = slope[k[of_t]] > 0
        b = k[use]
        away = (value[use] - bends.t0[b]) / slope[b]
        where = np.where(split[b], pairs[at, b], place[bends.x[b]])
        from_x = (bends.x0[b] if at == 0 else -bends.x0[b]) + away
        found.append([(where, np.where(split[b], away, from_x), row[use], b)])
    # Bounds of x where it has been split and the bend is inside them.
    of, bend = np.full((2, n), -1), np.zeros(n)
    of[:, bends.x[split]] = pairs[:, split]
    bend[bends.x] = bends.x0
    for at in (0, 1):
        mine = (of[at, column] >= 0) & ((entry > 0) == (at == 0))
        mine[mine] = (value[mine] - bend[column[mine]]) * (1 if at == 0 else -1) >= 0
        away = np.abs(value[mine] - bend[column[mine]])
        drop.append(row[mine])
        found[at].append((of[at, column[mine]], away, row[mine], np.full(len(away), -1)))
    sides = []
    for parts in found:
        joined = [np.concatenate([p[i] for p in parts]) for i in range(4)]
        # The tightest of each column.
        order = np.lexsort((joined[1], joined[0]))
        joined = [j[order] for j in joined]
        tightest = np.append(True, joined[0][1:] != joined[0][:-1]) if len(order) else np.zeros(0, dtype=bool)
        sides.append(Reach(*(j[tightest] for j in joined)))
    return (sides[0], sides[1]), np.concatenate(drop)
