"""Booleans that let a group of columns differ from zero, and the limits on how many of them may be one.

``|x| <= u y`` and its like are rows of two columns with a side of zero: columns that such rows connect form a group. A
group with one boolean is *gated* by it. What is found here only guides the search for points; no bound rests on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from hedgeopt.tail.source import Index, Vector

# Rounds in which the other columns of a group follow one that moves.
_FOLLOW = 3


@dataclass
class Gates:
    """Groups of columns with one boolean each."""

    boolean: Index
    """Per gate, the column of its boolean."""
    owner: Index
    """Per column, its gate; -1 for columns that no gate holds."""
    limits: Any
    """Rows over the gates' booleans alone, shape (rows, gates), with :attr:`sides` as upper ends."""
    sides: Vector
    counting: NDArray[np.bool_]
    """The rows over booleans alone."""
    linking: NDArray[np.bool_]
    """Rows that are neither inside a group nor over booleans alone."""
    moves: Any
    """One row per way a group can leave zero by one unit, shape (moves, columns)."""
    mover: Index = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    """The gate of each move."""

    def allowed(self, chosen: NDArray[np.bool_]) -> bool:
        """Whether these gates may all be open."""
        return bool(np.all(self.limits @ chosen <= self.sides * (1 + 1e-12) + 1e-9))


def find_gates(A: Any, lower: Vector, upper: Vector, low: Vector, high: Vector, integer: Index, E: Any) -> Gates | None:
    """The gates of rows ``lower <= A z <= upper``; ``low`` and ``high`` bound the columns, ``E z`` moves the losses."""
    n, count = A.shape[1], np.diff(A.indptr)
    boolean = np.zeros(n, dtype=bool)
    boolean[integer[(low[integer] == 0) & (high[integer] == 1)]] = True
    pair = np.flatnonzero((count == 2) & (upper == 0))
    ends = np.array([A.indices[A.indptr[pair]], A.indices[A.indptr[pair] + 1]])
    slopes = np.array([A.data[A.indptr[pair]], A.data[A.indptr[pair] + 1]])
    both = boolean[ends].all(axis=0) if len(pair) else np.zeros(0, dtype=bool)
    pair, ends, slopes = pair[~both], ends[:, ~both], slopes[:, ~both]
    graph = sp.csr_array((np.ones(len(pair)), (ends[0], ends[1])), (n, n))
    _, group = connected_components(graph, directed=False)
    held = np.bincount(group, weights=boolean)
    alone = (held == 1) & (np.bincount(group) > 1)
    gated = alone[group]
    where = np.flatnonzero(boolean & gated)
    if len(where) < 2:
        return None
    number = np.full(int(group.max()) + 1, -1, dtype=np.intp)
    number[group[where]] = np.arange(len(where))
    owner = np.where(gated, number[group], -1)
    only = np.asarray(sp.csr_array(A != 0) @ ~boolean) == 0
    limit = np.flatnonzero(only & (count >= 2))
    rows = sp.vstack([A[limit][:, where], -A[limit][:, where]]) if len(limit) else sp.csr_array((0, len(where)))
    sides = np.concatenate((upper[limit], -lower[limit]))
    finite = np.isfinite(sides)
    linking = ~only & (count > 1)
    linking[pair] = False
    gates = Gates(
        where, owner, sp.csr_array(rows)[finite], sides[finite], only & (count >= 2), linking, sp.csr_array((0, n))
    )
    _add_moves(gates, A, low, high, pair, ends, slopes, lower[pair] == 0, boolean, E)
    return gates


def _add_moves(
    gates: Gates, A: Any, low: Vector, high: Vector, pair: Index, ends: Any, slopes: Any, equal: Any, boolean: Any, E: Any
) -> None:
    """Each column that losses or linking rows see, one unit up and down, and what its group does with it."""
    seen = np.asarray(abs(E).sum(axis=0)).ravel() > 0
    seen |= np.asarray(abs(A[gates.linking]).sum(axis=0)).ravel() > 0
    inside: dict[int, list[int]] = {}
    for i, g in enumerate(gates.owner[ends[0]].tolist()):
        inside.setdefault(g, []).append(i)
    columns, values, starts, mover = [], [], [0], []
    for j in np.flatnonzero(seen & (gates.owner >= 0) & ~boolean).tolist():
        g = int(gates.owner[j])
        rows = [(ends[:, i].tolist(), slopes[:, i].tolist(), bool(equal[i])) for i in inside.get(g, [])]
        for sign in (1.0, -1.0):
            if (sign > 0 and high[j] <= 0) or (sign < 0 and low[j] >= 0):
                continue
            z = _followed(j, sign, rows)
            if z is not None:
                columns += list(z)
                values += list(z.values())
                starts.append(len(columns))
                mover.append(g)
    gates.moves = sp.csr_array(
        (np.array(values), np.array(columns, dtype=np.int32), np.array(starts)), (len(mover), len(low))
    )
    gates.mover = np.array(mover, dtype=np.intp)


def _followed(j: int, sign: float, rows: list[tuple[list[int], list[float], bool]]) -> dict[int, float] | None:
    """The least move of a group in which column ``j`` moves by ``sign``; None where the rows forbid it."""
    z = {j: sign}
    for turn in range(_FOLLOW + 1):
        calm = True
        for (p, q), (a, b), equal in rows:
            value = a * z.get(p, 0.0) + b * z.get(q, 0.0)
            if value <= 1e-12 and not (equal and value < -1e-12):
                continue
            calm = False
            fixed, (free, slope) = (p, (q, b)) if p == j or (q != j and b < 0) else (q, (p, a))
            if free == j:
                return None
            z[free] = -(a if fixed == p else b) * z.get(fixed, 0.0) / slope
        if calm:
            return z
        if turn == _FOLLOW:
            return None
    return None
