"""The reduced problem as HiGHS' arrays: laid out once per structure, afterwards only numbers are filled in.

Columns are the variables v, the level alpha of each tail and the excesses xi; rows are the equalities, the rows that
are no bounds, a box where the relaxation would be unbounded, and ``L_s - alpha - xi_s <= 0`` per boundary scenario.
"""

from __future__ import annotations

from typing import Any

import highspy
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hedgeopt.tail.masters.scaled import Restricted, Scaled
from hedgeopt.tail.source import Vector

_INFINITE = highspy.kHighsInf
_ROWWISE, _MINIMIZE = int(highspy.MatrixFormat.kRowwise), int(highspy.ObjSense.kMinimize)


class PartLP:
    """LP of ``part`` (columns ``work`` of ``parent``) with so many boundary scenarios per tail."""

    def __init__(
        self, parent: Scaled, part: Scaled | Restricted, work: NDArray[np.bool_], sizes: list[int], boxed: bool
    ) -> None:
        self.parent, self.part, self.work, self.sizes, self.boxed = parent, part, np.flatnonzero(work), sizes, boxed
        p, n, K = part, part.n, len(sizes)
        self.K, self.first = K, np.concatenate(([0], np.cumsum(sizes))).astype(int)
        self.wide = p.several
        self.wide_rows = p.rows[self.wide] if isinstance(p, Restricted) else self.wide
        count, each = int(self.first[-1]), len(p.used) + 2
        self.columns = n + K + count
        top = self._top()
        self.base, begin = top.shape[0], int(top.indptr[-1])
        self.rows = self.base + count
        starts = np.concatenate((top.indptr, begin + each * np.arange(1, count + 1)))
        index, self._data = np.empty(starts[-1], dtype=np.int32), np.empty(starts[-1])
        index[:begin], self._data[:begin] = top.indices, top.data
        where, entry = index[begin:].reshape(-1, each), self._data[begin:].reshape(-1, each)
        where[:, :-2], where[:, -1], entry[:, -2:] = p.used, n + K + np.arange(count), -1.0
        where[:, -2] = n + np.repeat(np.arange(K), sizes)
        self._gradients = entry[:, :-2]
        self._pattern = starts.astype(np.int32), index
        self._lower, self._upper = np.zeros(self.columns), np.full(self.columns, _INFINITE)
        self._lower[n : n + K] = -_INFINITE
        self._row_lower, self._row_upper = np.full(self.rows, -_INFINITE), np.empty(self.rows)
        self._continuous = np.zeros(self.columns, dtype=np.int32)
        self.lift = 1.0

    def serves(self, part: Scaled | Restricted, sizes: list[int], boxed: bool) -> bool:
        """Whether only numbers have changed since this program was laid out."""
        return self.part is part and self.sizes == sizes and self.boxed == boxed

    def _top(self) -> Any:
        """Rows above the scenarios; ``_hosts`` lists where those that hold a tail expect its numbers."""
        p, first, n = self.part, self.first, self.part.n
        self._hosts: list[tuple[int, int, Vector, list[tuple[int, int, int]]]] = []
        hosts = np.unique(p.host_row[p.host_row >= 0])
        if not len(hosts) and not self.boxed:
            return p.top
        # y in loss units is the box that replaces an unbounded relaxation.
        top = sp.csr_array(sp.vstack([p.top, p.E])) if self.boxed else p.top.copy()
        top.resize((top.shape[0], self.columns))
        blocks, done = [], 0
        for row in hosts.tolist():
            place = p.A_eq.shape[0] + int(np.searchsorted(self.wide, row))
            held, tails, size = [np.arange(n)], [], n
            for k in np.flatnonzero(p.host_row == row).tolist():
                held.append(np.concatenate(([n + k], n + self.K + np.arange(first[k], first[k + 1]))))
                tails.append((k, size, size + len(held[-1])))
                size = tails[-1][2]
            blocks += [top[done:place], sp.csr_array((np.ones(size), np.concatenate(held), [0, size]), (1, self.columns))]
            self._hosts.append((row, sum(b.nnz for b in blocks) - size, p.A_dense_row(row), tails))
            done = place + 1
        return sp.csr_array(sp.vstack([*blocks, top[done:]]))

    def arguments(self, box: float | None, near: tuple[Vector, float] | None = None) -> tuple[Any, ...]:
        """Arguments of ``Highs.passModel``, with the current numbers of the part; valid until the next call.

        ``near``: only points of the whole program whose columns are within a distance of a given one.
        """
        p, n, K, first = self.part, self.part.n, self.K, self.first
        self.lift = 1.0 / np.sqrt(max([_middle(u) for u in p.caps if len(u)], default=1.0))
        cost = np.zeros(self.columns)
        cost[:n] = p.c
        forces = [p.forces(G) for G in p.G]
        for k in range(K):
            cost[:n] += p.price[k] * forces[k]
            cost[n + k] = p.price[k] * (1.0 - p.mass[k])
            cost[n + K + first[k] : n + K + first[k + 1]] = p.price[k] * p.caps[k]
            self._scenarios(k, self._gradients[first[k] : first[k + 1]])
        b = p.b
        for row, at, dense, tails in self._hosts:
            b = b.copy() if b is p.b else b
            self._data[at : at + n] = dense
            for k, begin, end in tails:
                a = p.host_coef[k]
                b[row] -= a * p.C[k]
                self._data[at : at + n] += a * forces[k]
                self._data[at + begin] = a * (1.0 - p.mass[k])
                self._data[at + begin + 1 : at + end] = a * p.caps[k]
        equalities, boxes = p.A_eq.shape[0], slice(p.A_eq.shape[0] + len(self.wide), self.base)
        self._lower[:n], self._upper[:n] = p.lower, p.upper
        if near is not None:
            centre = near[0][self.work]
            self._lower[:n] = np.minimum(np.maximum(p.lower, centre - near[1]), p.upper)
            self._upper[:n] = np.maximum(np.minimum(p.upper, centre + near[1]), p.lower)
        self._row_lower[:equalities] = self._row_upper[:equalities] = p.b_eq
        self._row_upper[equalities : boxes.start] = b[self.wide]
        if box is not None:
            # In units of the losses an argument causes: its own may be anything.
            sizes = self.parent.sizes if isinstance(p, Scaled) else self.parent.sizes[p.arguments_kept]
            wide = box / np.where(sizes > 0, sizes, 1.0)
            self._row_lower[boxes], self._row_upper[boxes] = -wide, wide
        for k in range(K):
            self._row_upper[self.base + first[k] : self.base + first[k + 1]] = -p.offset[k]
        return (
            self.columns, self.rows, len(self._data), _ROWWISE, _MINIMIZE, 0.0, cost * self.lift, self._lower, self._upper,
            self._row_lower, self._row_upper, *self._pattern, self._data, self._continuous,
        )  # fmt: skip

    def _scenarios(self, k: int, out: Vector) -> None:
        """Loss gradients of the boundary in the variables that carry losses."""
        p = self.part
        if p.single_argument is not None:
            # Each variable belongs to one loss argument: scaled columns, no product.
            np.multiply(p.R[k][:, p.single_argument], p.argument_scale, out=out)
        else:
            out[:] = (p.ET[p.used] @ p.R[k].T).T


def _middle(u: Vector) -> float:
    """The upper median; numpy's takes thirty times as long."""
    return float(np.partition(u, len(u) // 2)[len(u) // 2])
