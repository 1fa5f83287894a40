"""Whole numbers near a point, in a few open groups: the nearest are fixed first, then moved by one or two as it pays.

The small program answers while integers are fixed. What a move of one integer changes, every other column of its group
follows (:attr:`hedgeopt.tail.gates.Gates.moves`); single moves and pairs of them are compared on a sample of the scenarios,
and the best evaluated on all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hedgeopt.tail.few import Few, FewColumns
from hedgeopt.tail.gates import Gates
from hedgeopt.tail.source import Index, Vector

# The share of the integers fixed at a time; an integer; the part of the objective that a move must gain.
_DIVE, _NEAR, _GAIN = 0.3, 1e-6, 1e-7
# Scenarios on which moves are compared first; entries at a time; integers moved at most; moves then evaluated on all.
_SAMPLE, _CHUNK, _MOST, _TRIED = 5_000, 2_000_000, 40, 60


def dive(few: FewColumns, live: Index, low: Vector, high: Vector, integer: Index) -> Few | None:
    """The point with every integer fixed, the nearest first; None where the rows forbid it."""
    low, high = low.copy(), high.copy()
    found = few.solve(live, low, high)
    integer = np.intersect1d(integer, live)
    while found is not None:
        loose = integer[low[integer] < high[integer]]
        if not len(loose):
            return found
        away = np.abs(found.z[loose] - np.round(found.z[loose]))
        count = max(int((away <= _NEAR).sum()), round(_DIVE * len(loose)), 1)
        some = loose[np.argsort(away, kind="stable")[:count]]
        kept = low[some].copy(), high[some].copy()
        low[some] = high[some] = np.round(found.z[some])
        then = few.solve(live, low, high)
        if then is None and len(some) > 1:
            low[some[1:]], high[some[1:]] = kept[0][1:], kept[1][1:]
            then = few.solve(live, low, high)
        if then is None:
            # The nearest the other way, once.
            j, value = some[0], found.z[some[0]]
            low[j] = high[j] = np.clip(np.floor(value) + np.ceil(value) - np.round(value), kept[0][0], kept[1][0])
            then = few.solve(live, low, high)
        found = then
    return None


@dataclass
class _Steps:
    """What one more of an integer changes in all columns, upward from zero and downward; and in the losses."""

    column: Index
    unit: list[Vector]
    """Two arrays (integers, columns): per unit above zero, and per unit below."""
    losses: list[list[Vector]]
    """Per tail and side (integers, scenarios)."""


class Neighbours:
    """Moves of the integers of open groups, evaluated exactly."""

    def __init__(self, few: FewColumns, gates: Gates, integer: Index, low: Vector, high: Vector) -> None:
        self.few, self.gates, self.low, self.high = few, gates, low, high
        self.c, self.models, self.levels = few.c, few.models, few.nodes.levels
        self.integer = np.setdiff1d(integer, gates.boolean)
        self._units = [self._unit(sign) for sign in (1.0, -1.0)]

    def improved(self, z: Vector, seconds: float) -> Vector:
        """A point no worse than ``z``, which has whole numbers; ``z`` itself where its groups do not follow the moves."""
        options = self.few.nodes.options
        threads, begun = options.threads, options.remaining()
        mine = self.integer[(self.gates.owner[self.integer] >= 0) & (self.low[self.integer] < self.high[self.integer])]
        open_ = z[self.gates.boolean[self.gates.owner[mine]]] > 0.5
        mine = mine[open_][:_MOST]
        steps = self._steps(mine, threads)
        if steps is None or not len(mine):
            return z
        z = z.copy()
        losses = [m.losses(self.c.E @ z + self.c.f, threads) for m in self.models]
        value = self._level(z, losses)
        while True:
            left = options.remaining()
            if options.late() or (left is not None and begun is not None and begun - left > seconds):
                return z
            found = self._best(steps, z, losses, value)
            if found is None:
                return z
            z = found
            losses = [m.losses(self.c.E @ z + self.c.f, threads) for m in self.models]
            value = self._level(z, losses)

    def _unit(self, sign: float) -> dict[int, tuple[Index, Vector]]:
        """Per integer column, its group's move by ``sign``."""
        moves = sp.csr_array(self.gates.moves)
        found: dict[int, tuple[Index, Vector]] = {}
        whole = np.zeros(moves.shape[1], dtype=bool)
        whole[self.integer] = True
        for i in range(moves.shape[0]):
            at = slice(moves.indptr[i], moves.indptr[i + 1])
            index, values = moves.indices[at], moves.data[at]
            mine = whole[index] & (values != 0)
            if mine.sum() == 1 and values[mine][0] * sign > 0:
                found.setdefault(int(index[mine][0]), (index, values / abs(values[mine][0])))
        return found

    def _steps(self, mine: Index, threads: int) -> _Steps | None:
        units = []
        for side, name in zip(self._units, (1.0, -1.0), strict=True):
            unit = np.zeros((len(mine), len(self.low)))
            for i, j in enumerate(mine.tolist()):
                if j not in side:
                    if (self.high[j] > 0) if name > 0 else (self.low[j] < 0):
                        return None
                    continue
                index, values = side[j]
                unit[i, index] = values
            unit[:, self.gates.boolean] = 0.0
            units.append(unit)
        losses = []
        for m in self.models:
            losses.append([
                np.array([m.losses(self.c.E @ u, threads) - m.offset for u in unit]).reshape(len(mine), m.size)
                for unit in units
            ])  # fmt: skip
        return _Steps(mine, units, losses)

    def _level(self, z: Vector, losses: list[Vector]) -> float:
        """Set the levels of ``z`` to its tails; the objective."""
        for k, m in enumerate(self.models):
            z[self.levels[k]] = m.scale * m.tail(losses[k])[0]
        return float(self.c.c @ z)

    def _best(self, steps: _Steps, z: Vector, losses: list[Vector], value: float) -> Vector | None:
        """The point after the best single move or pair; None where none gains."""
        n = z[steps.column]
        shift, ends = [], []
        for d in (1.0, -1.0, 2.0, -2.0):
            to = n + d
            allowed = (to <= self.high[steps.column]) & (to >= self.low[steps.column])
            for i in np.flatnonzero(allowed).tolist():
                above = max(to[i], 0.0) - max(n[i], 0.0)
                below = max(-to[i], 0.0) - max(-n[i], 0.0)
                shift.append((above, below))
                ends.append(i)
        if not ends:
            return None
        index, weight = np.array(ends), np.array(shift)
        dz = weight[:, :1] * steps.unit[0][index] + weight[:, 1:] * steps.unit[1][index]
        pairs = np.array([(a, b) for a in range(len(index)) for b in range(a) if index[a] != index[b]]).reshape(-1, 2)
        first = np.concatenate((np.arange(len(index)), pairs[:, 0])) if len(pairs) else np.arange(len(index))
        second = np.concatenate((np.full(len(index), -1), pairs[:, 1])) if len(pairs) else np.full(len(index), -1)
        cost = dz @ self.c.c
        total = cost[first] + np.where(second >= 0, cost[second], 0.0)
        for k, m in enumerate(self.models):
            some = slice(None, None, max(1, round(m.size / _SAMPLE)) if m.uniform else 1)
            now = losses[k][some]
            apart = weight[:, :1] * steps.losses[k][0][index][:, some] + weight[:, 1:] * steps.losses[k][1][index][:, some]
            caps = m.caps[some] * (m.caps.sum() / m.caps[some].sum())
            base = _tails(now, np.zeros((1, len(now))), np.zeros(1, dtype=int), np.full(1, -1), caps, m.uniform)
            total += self.c.c[self.levels[k]] * m.scale * (_tails(now, apart, first, second, caps, m.uniform) - base)
        order = np.argsort(total, kind="stable")
        for i in order[total[order] < -_GAIN * max(abs(value), 1e-300)][:_TRIED].tolist():
            both = [j for j in (first[i], second[i]) if j >= 0]
            after = z + dz[both].sum(axis=0)
            then = [
                L + sum(weight[j, side] * steps.losses[k][side][index[j]] for j in both for side in (0, 1))
                for k, L in enumerate(losses)
            ]
            true = self._level(after, then)
            if true >= value - _GAIN * max(abs(value), 1e-300):
                continue
            row = self.few.A @ after
            slack = 1e-9 * (1.0 + np.abs(row))
            nodes = self.few.nodes
            if np.all(row <= nodes.upper + slack) and np.all(row >= nodes.lower - slack):
                return after
        return None


def _tails(losses: Vector, moves: NDArray[np.float64], first: Index, second: Index, u: Vector, uniform: bool) -> Vector:
    """CVaR of ``losses`` moved by one or two moves each, with caps ``u``."""
    out, size = np.zeros(len(first)), len(losses)
    per = max(1, _CHUNK // size)
    for lo in range(0, len(first), per):
        a, b = first[lo : lo + per], second[lo : lo + per]
        L = losses + moves[a]
        two = b >= 0
        L[two] += moves[b[two]]
        if uniform:
            k = 1.0 / float(u[0])
            keep = min(size, int(np.ceil(k)))
            L.partition(size - keep, axis=1)
            worst = L[:, size - keep :]
            out[lo : lo + per] = (worst.sum(axis=1) - (keep - k) * worst.min(axis=1)) / k
        else:
            order = np.argsort(-L, axis=1)
            q = u[order]
            before = np.cumsum(q, axis=1) - q
            out[lo : lo + per] = (np.clip(1.0 - before, 0.0, q) * np.take_along_axis(L, order, axis=1)).sum(axis=1)
    return out
