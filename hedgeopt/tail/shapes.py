"""Groups of columns whose least value for given costs is known in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hedgeopt.tail.cuts import CutNodes
from hedgeopt.tail.gates import Gates
from hedgeopt.tail.source import Index, Vector


@dataclass
class Shapes:
    """Per gate an integer n with ``-N h <= n <= N h`` that the other columns of its group follow.

    Two shapes: ``t >= lot |n|`` and ``t <= M h`` (t is :attr:`follower`), or ``f = step n`` and ``least h <= n <= most h``.
    """

    up: Any
    """(gates, columns) what one lot up changes, without the boolean; :attr:`down` for one lot down."""
    down: Any
    boolean: Index
    driver: Index
    """Column of n."""
    follower: Index
    """Column of t, -1 where the others follow exactly."""
    far: Vector
    """M of the shape with t."""
    top: Vector
    """Most lots up and, :attr:`bottom`, down."""
    bottom: Vector
    least_lots: Vector
    most: int
    """Gates that may be open, of those that :attr:`counts` names."""
    counts: NDArray[np.bool_]

    def least(self, d: Vector, up: Vector, down: Vector) -> tuple[Vector, tuple[Vector, Vector], Vector]:
        """Per gate the least of ``d'z`` over its open group, the cost of one lot each way, and what it may gain besides."""
        slack = np.where(self.follower >= 0, np.minimum(d[self.follower], 0.0), 0.0)
        if slack.any():
            d = d.copy()
            at = self.follower[self.follower >= 0]
            d[at] = np.maximum(d[at], 0.0)
        rise, fall = np.asarray(self.up @ d), np.asarray(self.down @ d)
        ticket = d[self.boolean] + slack * self.far
        few = np.minimum(self.least_lots, up)
        best = np.minimum(np.minimum(rise * up, rise * few), fall * down)
        return np.where((up > 0) | (down > 0), ticket + best, np.inf), (rise, fall), np.maximum(-ticket, 0.0)


def shapes_of(nodes: CutNodes, gates: Gates) -> Shapes | None:
    """The shapes of all gates, with the row that limits how many are open; None where one is unknown."""
    A, G = nodes.A, len(gates.boolean)
    limit = _limit(gates)
    if limit is None or not np.isin(gates.boolean, nodes.columns).all():
        return None
    most, counts = limit
    whole = np.zeros(A.shape[1], dtype=bool)
    whole[nodes.columns] = True
    booleans = np.zeros(A.shape[1], dtype=bool)
    booleans[gates.boolean] = True
    inside: list[list[tuple[dict[int, float], bool]]] = [[] for _ in range(G)]
    for r in np.flatnonzero((np.diff(A.indptr) == 2) & (nodes.upper == 0) & ~gates.linking & ~gates.counting).tolist():
        at = slice(A.indptr[r], A.indptr[r + 1])
        owner = gates.owner[A.indices[at]]
        if owner[0] >= 0 and owner[0] == owner[1]:
            entries = dict(zip(A.indices[at].tolist(), A.data[at].tolist(), strict=True))
            inside[int(owner[0])].append((entries, bool(nodes.lower[r] == 0)))
    columns: list[list[int]] = [[] for _ in range(G)]
    for j in np.flatnonzero(gates.owner >= 0).tolist():
        columns[int(gates.owner[j])].append(j)
    parts: tuple[list[int], list[int], list[float]] = ([], [], [])
    lower: tuple[list[int], list[int], list[float]] = ([], [], [])
    driver, follower, far = np.zeros(G, dtype=np.intp), np.full(G, -1, dtype=np.intp), np.zeros(G)
    top, bottom, least = np.zeros(G), np.zeros(G), np.zeros(G)
    for g in range(G):
        drivers = [j for j in columns[g] if whole[j] and not booleans[j]]
        found = _shape(drivers[0], int(gates.boolean[g]), columns[g], inside[g], nodes) if len(drivers) == 1 else None
        if found is None:
            return None
        driver[g] = drivers[0]
        rise, fall, follower[g], far[g], top[g], bottom[g], least[g] = found
        for (row, column, value), moved in ((parts, rise), (lower, fall)):
            row += [g] * len(moved)
            column += list(moved)
            value += list(moved.values())
    shape = G, A.shape[1]
    up, down = (sp.csr_array((np.array(v, dtype=float), (r, c)), shape) for r, c, v in (parts, lower))
    return Shapes(up, down, gates.boolean, driver, follower, far, top, bottom, least, most, counts)


def _limit(gates: Gates) -> tuple[int, NDArray[np.bool_]] | None:
    """The tightest ``sum h <= most`` over most of the gates."""
    best: tuple[float, int, NDArray[np.bool_]] | None = None
    limits = sp.csr_array(gates.limits)
    for i in range(limits.shape[0]):
        row = limits[[i]].toarray().ravel()
        if row.max(initial=0.0) <= 0 or np.any(row < 0):
            continue
        ones = row > 0
        share = row[ones] / row[ones].min()
        if np.any(share != 1.0):
            continue
        most = int(np.floor(gates.sides[i] / row[ones].min() + 1e-9))
        if best is None or ones.sum() - most > best[0]:
            best = float(ones.sum() - most), most, ones
    return None if best is None or best[1] < 1 else best[1:]


def _shape(
    n: int, h: int, columns: list[int], rows: list[tuple[dict[int, float], bool]], nodes: CutNodes
) -> tuple[dict[int, float], dict[int, float], int, float, float, float, float] | None:
    """What one lot up and down changes, t, M, most lots up and down, least lots; None for other groups."""
    others = [j for j in columns if j not in (n, h)]
    most_up, most_down, least, closed = nodes.high[n], -nodes.low[n], 0.0, [nodes.high[n] <= 0, nodes.low[n] >= 0]
    exact: dict[int, float] = {}
    above: dict[tuple[int, int], float] = {}
    caps: dict[int, float] = {}
    for row, equal in rows:
        names = set(row)
        if names == {n, h}:
            a, b = row[n], row[h]
            if not equal and a > 0 and b < 0:  # n <= N h
                most_up, closed[0] = min(most_up, -b / a), True
            elif not equal and a < 0 and b > 0:  # n >= least h
                least, closed[1] = max(least, -b / a), True
            elif not equal and a < 0 and b < 0:  # n >= -N h
                most_down, closed[1] = min(most_down, b / a), True
        elif n in names and h not in names:
            (f,) = names - {n}
            a, b = row[n], row[f]
            if equal:
                exact[f] = -a / b
            elif b < 0:  # f >= a / -b n
                side = 0 if a > 0 else 1
                above[f, side] = max(above.get((f, side), 0.0), abs(a) / -b)
        elif h in names and n not in names:
            (f,) = names - {h}
            if not equal and row[f] > 0 and row[h] < 0:
                caps[f] = min(caps.get(f, np.inf), -row[h] / row[f])
    loose = [f for f in others if f not in exact]
    rise, fall = {n: 1.0, **exact}, {n: -1.0, **{f: -v for f, v in exact.items()}}
    follower, far = -1, 0.0
    if len(loose) > 1:
        return None
    if loose:
        (f,) = loose
        if f not in caps or (f, 0) not in above or (f, 1) not in above or nodes.low[f] > 0:
            return None
        follower, far = f, min(caps[f], float(nodes.high[f]))
        rise[f], fall[f] = above[f, 0], above[f, 1]
        most_up, most_down, closed = min(most_up, far / above[f, 0]), min(most_down, far / above[f, 1]), [True, True]
    if not all(closed) or (least > 0 and most_down > 0):
        return None
    for f, step in exact.items():
        for sign, limit in ((step > 0, nodes.high[f]), (step < 0, nodes.low[f])):
            if sign and np.isfinite(limit):
                most_up = min(most_up, limit / step)
        for sign, limit in ((step > 0, nodes.low[f]), (step < 0, nodes.high[f])):
            if sign and np.isfinite(limit):
                most_down = min(most_down, limit / -step)
    most_up, most_down = (max(np.floor(v + 1e-6), 0.0) if np.isfinite(v) else v for v in (most_up, most_down))
    if not (np.isfinite(most_up) and np.isfinite(most_down)):
        return None
    return rise, fall, follower, far, float(most_up), float(most_down), float(np.ceil(least - 1e-6))
