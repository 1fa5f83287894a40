"""Epigraph variables of the compiled problem replaced by what they stand for: ``|x|`` by a purchase and a sale.

cvxpy writes ``cp.abs(x)``, ``norm1``, ``pos``, ``neg`` and ``maximum`` as a variable ``t`` above two lines,
``t >= s1 x + k1`` and ``t >= s2 x + k2`` with ``s1 > s2``. Where nothing gains from a larger t (its cost and its
coefficients in rows ``<=`` are not negative), the lines meet at ``x = x0``, ``t = t0`` and

    x = x0 + u - w,   t = t0 + s1 u - s2 w,   u, w >= 0

is the same problem without the two rows: any common part of u and w only raises t. Limits on t and bounds of x become
bounds of u and w. Several t of one x that bend at the same point share u and w; one without cost that no row adds up only
bounds x, and needs no u and w. What is left is as if purchases and sales had been the variables: half the rows, and bounds
for every variable. :meth:`Lifted.solution` leads back, with multipliers of the rows that went.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from cvxpy.reductions.solution import Solution
from numpy.typing import NDArray

from hedgeopt.tail.bends import Bends, find, single_limits
from hedgeopt.tail.compiled import Compiled, Host
from hedgeopt.tail.reach import Reach, sides_of
from hedgeopt.tail.source import Index, Vector

# Two bends this close, relative to their size, are one.
_SAME = 1e-13


@dataclass
class Lifted(Compiled):
    """The program in u and w; ``old = T new + z0`` but for what :meth:`original` computes."""

    old: Any = None
    T: Any = None
    z0: Any = None
    kept_rows: Any = None
    A_kept: Any = None
    bends: Any = None
    pairs: Any = None
    """Columns of u and w in the new program per bend, -1 where only bounds are left."""
    sides: Any = None
    owner: Any = None
    """Column of x in the old program, per column of the new one that stands for one."""
    key: Any = None
    """What the matrices depend on besides the old ones."""

    def original(self, z: Vector) -> Vector:
        """Variables of the compiled problem, every t as low as it can be."""
        out = np.asarray(self.T @ z + self.z0)
        b = self.bends
        away = out[b.x] - b.x0
        out[b.t] = b.t0 + np.maximum(b.s1 * away, b.s2 * away)
        return out

    def multipliers(self, dual_in: Vector) -> Vector:
        """Of the compiled problem's rows, from those of the new rows (both signs of :class:`Compiled`)."""
        old, b, kept = self.old, self.bends, self.kept_rows
        out = np.zeros(old.A_in.shape[0])
        out[kept] = dual_in[: len(kept)]
        extra, split = dual_in[len(kept) :], self.pairs[0] >= 0
        lowest = np.unique(self.pairs[:, split])
        # Of -u <= 0 and -w <= 0, less those of u <= up and w <= down: what u and w cost without their limits.
        cost, floor = np.zeros(len(self.c)), np.zeros(len(self.c))
        cost[lowest] = floor[lowest] = extra[: len(lowest)]
        begin, limits = len(lowest), []
        for side in self.sides:
            values = extra[begin : begin + len(side.row)]
            begin += len(side.row)
            np.subtract.at(cost, side.column, values)
            limits.append(np.maximum(values - floor[side.column], 0.0))
        # With u and w at zero both lines share what t costs; elsewhere the one that t lies on has it all.
        up, down = np.where(split, cost[self.pairs], 0.0)
        whole = up + down
        share = np.where(whole > 0, np.clip(down / np.where(whole > 0, whole, 1.0), 0.0, 1.0), 0.5)
        d = old.c[b.t] + (self.A_kept.T @ dual_in[: len(kept)])[b.t]
        lines = [share * d, (1 - share) * d]
        for at, side in enumerate(self.sides):
            mine = side.bend < 0
            x = self.owner[side.column[mine]]
            np.add.at(out, side.row[mine], limits[at][mine] / np.abs(_entries(old.A_in, side.row[mine], x)))
            k = side.bend[~mine]
            pull = limits[at][~mine] / np.abs((b.s1, b.s2)[at][k])
            np.add.at(out, side.row[~mine], pull / np.abs(_entries(old.A_in, side.row[~mine], b.t[k])))
            np.add.at(lines[at], k, pull)
        for row, values in ((b.row1, lines[0]), (b.row2, lines[1])):
            out[row] = np.maximum(values, 0.0) / np.abs(_entries(old.A_in, row, b.t))
        return out

    def solution(self, status: str, z: Vector, y: Vector, dual_eq: Vector, dual_in: Vector, value: float) -> Solution:
        """The point as a cvxpy Solution of the original problem."""
        found: Solution = self.old.solution(status, self.original(z), y, dual_eq, self.multipliers(dual_in), value)
        return found

    def failure(self, status: str) -> Solution:
        """An infeasible or unbounded answer."""
        return self.old.failure(status)  # type: ignore[no-any-return]


def lifted(c: Compiled, known: Compiled | None = None) -> Compiled:
    """``c`` without its epigraph variables, in the matrices of ``known`` where only numbers have changed; else ``c``."""
    bends, wide = find(c)
    if not len(bends.t):
        return c
    n = len(c.c)
    needed = wide | (c.c > 0)
    # The bend of an x is that of the dearest t; what bends elsewhere stays as it is.
    order = np.lexsort((bends.t, c.c[bends.t], needed[bends.t], bends.x))
    last = np.append(bends.x[order][1:] != bends.x[order][:-1], True)
    main = np.full(n, np.nan)
    main[bends.x[order][last]] = bends.x0[order][last]
    bends = bends.some(np.abs(bends.x0 - main[bends.x]) <= _SAME * np.abs(bends.x0))
    limits = single_limits(c)
    # A limit below the bend is a row of u and w.
    top = np.full(n, np.inf)
    above = limits.entry > 0
    np.minimum.at(top, limits.column[above], limits.value[above])
    needed[bends.t] |= top[bends.t] < bends.t0
    priced = np.zeros(n, dtype=bool)
    priced[bends.x[needed[bends.t]]] = True
    # u takes the column of x, w that of the first t.
    first = np.full(n, -1)
    first[bends.x[::-1]] = bends.t[::-1]
    split = priced[bends.x]
    gone = np.ones(len(bends.t), dtype=bool)
    gone[split & (first[bends.x] == bends.t)] = False
    columns = np.setdiff1d(np.arange(n), bends.t[gone])
    place = np.full(n, -1)
    place[columns] = np.arange(len(columns))
    pairs = np.where(split, np.stack((place[bends.x], place[first[bends.x]])), -1)
    sides, drop = sides_of(limits, n, bends, split, pairs, place)
    kept = np.setdiff1d(np.arange(c.A_in.shape[0]), np.concatenate((bends.row1, bends.row2, drop)))
    z0 = np.zeros(n)
    z0[bends.x[split]], z0[bends.t[split]] = bends.x0[split], bends.t0[split]
    lowest = np.unique(pairs[:, split])
    owner = np.full(len(columns), -1)
    owner[place[bends.x]] = bends.x
    owner[pairs[1, split]] = bends.x[split]
    key = (bends.t, bends.x, pairs, kept, sides[0].column, sides[0].row, sides[1].column, sides[1].row)
    same = isinstance(known, Lifted) and known.old.A_in is c.A_in and known.old.E is c.E and known.old.P is c.P
    if same and all(np.array_equal(a, b) for a, b in zip(key, known.key, strict=True)):  # type: ignore[union-attr]
        assert isinstance(known, Lifted)
        T, A, A_eq, E, P = known.T, known.A_in, known.A_eq, known.E, known.P
        A_old = known.A_kept
    else:
        T = _transform(n, columns, place, bends, split, pairs)
        A_old = sp.csr_array(c.A_in)[kept]
        A, A_eq, E = _rows(A_old @ T, lowest, sides, len(columns)), sp.csr_array(c.A_eq @ T), sp.csr_array(c.E @ T)
        E.sort_indices()
        E.eliminate_zeros()
        P = None if c.P is None else sp.csr_array(T.T @ c.P @ T)
    cost, offset = c.c, c.offset + float(c.c @ z0)
    if c.P is not None:
        Pz = c.P @ z0
        cost, offset = cost + Pz, offset + 0.5 * float(z0 @ Pz)
    b = np.concatenate((c.b_in[kept] - A_old @ z0, np.zeros(len(lowest)), sides[0].limit, sides[1].limit))
    row_place = np.full(c.A_in.shape[0], -1)
    row_place[kept] = np.arange(len(kept))
    hosts = [Host(int(place[h.column]), h.weight, row_place[h.rows], h.coefficients) for h in c.hosts]
    return Lifted(
        P, np.asarray(T.T @ cost), offset, A_eq, c.b_eq - c.A_eq @ z0, A, b, E, c.f + c.E @ z0, hosts, c.kept, c.eq_kept,
        c.columns, c.equalities, c.y_columns, c.definition, c.sign, c.chain, c.inverse_data,
        old=c, T=T, z0=z0, kept_rows=kept, A_kept=A_old, bends=bends, pairs=pairs, sides=sides, owner=owner, key=key,
    )  # fmt: skip


def _transform(n: int, columns: Index, place: Index, bends: Bends, split: NDArray[np.bool_], pairs: Any) -> Any:
    b = bends.some(split)
    changed = np.zeros(n, dtype=bool)
    changed[bends.t] = changed[b.x] = True
    rest = np.flatnonzero(~changed)
    x, unique = np.unique(b.x, return_index=True)
    u, w = pairs[:, split]
    rows = np.concatenate((rest, x, x, b.t, b.t))
    where = np.concatenate((place[rest], u[unique], w[unique], u, w))
    values = np.concatenate((np.ones(len(rest) + len(x)), -np.ones(len(x)), b.s1, -b.s2))
    T = sp.csr_array(sp.coo_array((values, (rows, where)), shape=(n, len(columns))))
    T.eliminate_zeros()
    return T


def _rows(top: Any, lowest: Index, sides: tuple[Reach, Reach], n: int) -> Any:
    """Rows that stay, then ``-u <= 0`` and ``-w <= 0``, then limits above and below."""
    split = np.zeros(n, dtype=bool)
    split[lowest] = True
    # Without u and w the lower side bounds x from below.
    below = np.where(split[sides[1].column], 1.0, -1.0)
    column = np.concatenate((lowest, sides[0].column, sides[1].column))
    values = np.concatenate((-np.ones(len(lowest)), np.ones(len(sides[0].column)), below))
    extra = sp.csr_array((values, (np.arange(len(column)), column)), shape=(len(column), n))
    out = sp.csr_array(sp.vstack([top, extra]))
    out.eliminate_zeros()
    out.sort_indices()
    return out


def _entries(A: Any, rows: Index, columns: Index) -> Vector:
    """``A[rows, columns]`` one by one."""
    return np.asarray(A[rows, columns]).ravel() if len(rows) else np.zeros(0)


def keep(memory: dict[str, Any], c: Compiled) -> Compiled:
    """:func:`lifted` of ``c``, remembered from solve to solve."""
    before = memory.get("lifted")
    if before is not None and before[0] is c:
        return before[1]  # type: ignore[no-any-return]
    made = lifted(c, None if before is None else before[1])
    memory["lifted"] = (c, made)
    return made
