"""Points with whole numbers, before any branching: which groups to open, by dropping the least and swapping; then lots.

The continuous optimum opens too many groups. Those that move the losses least are closed, a share at a time; then groups
that would pay most at the prices found are added and as many dropped, as long as that improves. The lots of the groups that
are left are a small integer program. All this happens in few columns and, where scenarios are many, on a sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hedgeopt.tail.cuts import CutNodes
from hedgeopt.tail.few import Few, FewColumns
from hedgeopt.tail.gates import Gates, find_gates
from hedgeopt.tail.rounding import Neighbours, dive
from hedgeopt.tail.source import Index, Vector

# Share of the groups too many that are dropped at a time: at first, and after an addition; groups added at a time; groups
# whose closing is tried.
_SHARE, _AGAIN, _ADD, _TRIED = 0.15, 0.5, 10, 4
# Turns without improvement that end the exchange, turns in all, and the share of the seconds left that it may take;
# scenarios of the sample; losses that weigh a group.
_FAILS, _TURNS, _PART, _SAMPLE, _WEIGHED = 12, 200, 0.15, 12_000, 400
# Seconds for the lots of one set of groups.
_LOTS = 2.0


@dataclass
class Chosen:
    """Open groups and the point they allow."""

    value: float
    gates: NDArray[np.bool_]
    few: Few


class Incumbents:
    """Searches for points of the program that ``nodes`` holds."""

    def __init__(self, nodes: CutNodes, gates: Gates, gap: float) -> None:
        self.nodes, self.gates, self.gap = nodes, gates, gap
        first, last = nodes.relaxation.first, nodes.relaxation.last
        self.low, self.high = nodes.low.copy(), nodes.high.copy()
        self.low[nodes.columns] = np.maximum(self.low[nodes.columns], first)
        self.high[nodes.columns] = np.minimum(self.high[nodes.columns], last)
        self.rest = np.flatnonzero((gates.owner < 0) | (self.low > 0) | (self.high < 0))
        models = nodes.models
        step = max(1, round(max((m.size for m in models), default=1) / _SAMPLE)) | 1
        every = slice(step // 2, None, step)
        small = [m if step == 1 or not m.uniform else m.subset(every, {}) for m in models]
        self.few = FewColumns(nodes, small, gates)
        self.whole = self.few if step == 1 else FewColumns(nodes, models, gates)
        some = [np.linspace(0, m.size - 1, min(_WEIGHED, m.size)).astype(int) for m in models]
        self.seen = np.vstack([m.scale * m.rows(at) for m, at in zip(models, some, strict=True)])
        moved = np.asarray((gates.moves @ nodes.compiled.E.T) @ self.seen.T)
        self.sizes = np.sqrt((moved**2).mean(axis=1)) if len(models) else np.zeros(len(gates.mover))
        self._lots: dict[bytes, Vector | None] = {}
        self._neighbours: Neighbours | None = None

    @classmethod
    def of(cls, nodes: CutNodes, gap: float) -> Incumbents | None:
        """A search where the program has gates; None elsewhere."""
        if not nodes.models:
            return None
        found = find_gates(nodes.A, nodes.lower, nodes.upper, nodes.low, nodes.high, nodes.columns, nodes.compiled.E)
        return None if found is None or not len(found.mover) else cls(nodes, found, gap)

    def start(self, y: Vector) -> Iterator[Vector]:
        """Whole numbers near a relaxation with loss arguments ``y``: quickly found ones first."""
        self.few.begin(y)
        c = self.nodes.compiled
        moved = np.abs(self.seen).mean(axis=0) * np.abs(y - c.f)
        held = moved > 1e-9 * max(float(moved.max(initial=0.0)), 1e-300)
        touched = np.asarray(abs(c.E).T @ held).ravel() > 0
        chosen = np.zeros(len(self.gates.boolean), dtype=bool)
        chosen[self.gates.owner[touched & (self.gates.owner >= 0)]] = True
        first = self._fewer(self._at(chosen), _SHARE)
        first = None if first is None else self._at(first.gates, prices=True)
        if first is None:
            return
        yield np.round(first.few.z[self.nodes.columns])
        x = self.lots(first.gates, first.few.z)
        if x is not None:
            yield x
        better = self._exchange(first)
        x = self.lots(better.gates, better.few.z) if better is not first else None
        if x is not None:
            yield x

    def moved(self, z: Vector) -> Vector:
        """The integer entries of a point with whole numbers, one or two of which move at once as long as that pays."""
        if self._neighbours is None:
            self._neighbours = Neighbours(self.whole, self.gates, self.nodes.columns, self.low, self.high)
        return np.round(self._neighbours.improved(z, _LOTS)[self.nodes.columns])

    def value(self, z: Vector) -> float:
        """The objective at a point of the program with its integers relaxed, over all scenarios."""
        c, out = self.nodes.compiled, float(self.nodes.compiled.c @ z) + self.nodes.compiled.offset
        for k, model in enumerate(self.nodes.models):
            true = model.scale * model.tail(model.losses(c.E @ z + c.f, self.nodes.options.threads))[0]
            out += c.c[self.nodes.levels[k]] * max(true - z[self.nodes.levels[k]], 0.0)
        return out

    def near(self, z: Vector) -> Vector | None:
        """Whole numbers for a relaxation's point that opens no more groups than are allowed; None for others."""
        weights = self._weights(z)
        chosen = weights > 1e-7 * max(float(weights.max(initial=0.0)), 1e-300)
        return self.lots(chosen, z) if self.gates.allowed(chosen) else None

    def lots(self, chosen: NDArray[np.bool_], z: Vector) -> Vector | None:
        """The integer entries of the best point with these groups open."""
        name = np.packbits(chosen).tobytes()
        if name in self._lots:
            return self._lots[name]
        if self.whole is not self.few or not self.whole._begun:
            self.whole.begin(self.nodes.compiled.E @ z + self.nodes.compiled.f)
        low, high = self._ends(chosen)
        live = self._live(chosen)
        found = dive(self.whole, live, low, high, self.nodes.columns)
        point = None if found is None else found.z
        if found is None and not self.nodes.options.late() and self.whole.solve(live, low, high) is not None:
            point = self.whole.mixed(self.nodes.columns, _LOTS, self.gap)
        self._lots[name] = None
        if point is not None:
            point[self.nodes.columns] = np.round(point[self.nodes.columns])
            self._lots[name] = self.moved(point)
        return self._lots[name]

    def _weights(self, z: Vector) -> Vector:
        """How much each group moves the losses at a point."""
        at = np.flatnonzero((z != 0) & (self.gates.owner >= 0))
        open_, place = np.unique(self.gates.owner[at], return_inverse=True)
        apart = self.nodes.compiled.E @ sp.csc_array((z[at], (at, place)), (len(z), len(open_)))
        weights = np.zeros(len(self.gates.boolean))
        weights[open_] = np.abs(self.seen @ apart.toarray()).mean(axis=0)
        return weights

    def _live(self, chosen: NDArray[np.bool_]) -> Index:
        owned = self.gates.owner
        return np.union1d(self.rest, np.flatnonzero((owned >= 0) & chosen[owned]))

    def _ends(self, chosen: NDArray[np.bool_]) -> tuple[Vector, Vector]:
        low = self.low.copy()
        low[self.gates.boolean[chosen]] = 1.0
        return low, self.high

    def _at(self, chosen: NDArray[np.bool_], prices: bool = False, cutoff: float = np.inf) -> Chosen | None:
        """The optimum with these groups open; limits on their number do not count yet."""
        low, high = self._ends(chosen)
        found = self.few.solve(self._live(chosen), low, high, prices, cutoff)
        return None if found is None else Chosen(found.value, chosen, found)

    def _fewer(self, at: Chosen | None, share: float) -> Chosen | None:
        """Close the groups that move the losses least, the last ones where it costs least, until the limits hold."""
        while at is not None and not self.nodes.options.late():
            weights = self._weights(at.few.z)
            chosen = at.gates & (weights > 1e-9 * max(float(weights.max(initial=0.0)), 1e-300))
            over = self._surplus(chosen, weights)
            if not len(over):
                return at if chosen.sum() == at.gates.sum() else self._at(chosen)
            if len(over) > _TRIED:
                chosen[over[: max(1, min(round(share * len(over)), len(over) - _TRIED))]] = False
                at = self._at(chosen)
                continue
            best: Chosen | None = None
            for g in self._least(chosen, weights).tolist():
                trial = chosen.copy()
                trial[g] = False
                found = self._at(trial, cutoff=np.inf if best is None else best.value)
                if found is not None and (best is None or found.value < best.value):
                    best = found
            at = best
        return None

    def _least(self, chosen: NDArray[np.bool_], weights: Vector) -> Index:
        """Groups that may be closed next: those that move the losses least."""
        order = np.flatnonzero(chosen)[np.argsort(weights[chosen], kind="stable")]
        limits = self.gates.limits
        broken = limits @ chosen > self.gates.sides * (1 + 1e-12) + 1e-9
        helps = np.asarray((limits[broken] > 0).sum(axis=0)).ravel() > 0
        return order[helps[order]][:_TRIED]

    def _surplus(self, chosen: NDArray[np.bool_], weights: Vector) -> Index:
        """The groups, least first, without which the limits hold."""
        left, out = chosen.copy(), []
        limits = self.gates.limits
        for g in np.flatnonzero(chosen)[np.argsort(weights[chosen], kind="stable")].tolist():
            broken = limits @ left > self.gates.sides * (1 + 1e-12) + 1e-9
            if not broken.any():
                break
            if (limits[:, [g]].toarray().ravel()[broken] > 0).any():
                left[g] = False
                out.append(g)
        return np.array(out, dtype=np.intp)

    def _exchange(self, at: Chosen) -> Chosen:
        """Add the groups that pay most and drop as many, as long as that improves; some are left out at random."""
        fails, rng, begun = 0, np.random.default_rng(0), self.nodes.options.remaining()
        size = np.maximum(self.sizes, 1e-12 * max(float(self.sizes.max(initial=0.0)), 1e-300))
        for turn in range(_TURNS):
            left = self.nodes.options.remaining()
            if fails >= _FAILS or (left is not None and begun is not None and left < (1.0 - _PART) * begun):
                break
            base, out = at, np.zeros(0, dtype=np.intp)
            if turn >= 2:
                # What stands in the way of others is closed for a turn.
                out = rng.choice(np.flatnonzero(at.gates), size=min(1 + turn % 3, int(at.gates.sum())), replace=False)
                fewer = at.gates.copy()
                fewer[out] = False
                found = self._at(fewer, prices=True)
                if found is None:
                    fails += 1
                    continue
                base = found
            gain = np.full(len(at.gates), -np.inf)
            pays = -(self.gates.moves @ base.few.cost)
            # Per unit of losses moved, or by the root of it.
            score = pays / (size if turn % 2 == 0 else np.sqrt(size))
            score[pays <= 0] = -np.inf
            np.maximum.at(gain, self.gates.mover, score)
            if turn >= 2:
                gain = gain * rng.uniform(0.3, 1.0, len(gain))
            gain[base.gates] = -np.inf
            gain[out] = -np.inf
            new = np.argsort(-gain)[:_ADD]
            new = new[gain[new] > 0]
            more = base.gates.copy()
            more[new] = True
            other = self._fewer(self._at(more), _AGAIN) if len(new) else None
            if other is not None and other.value < at.value - 1e-6 * abs(at.value):
                at, fails = other, 0
                if not len(at.few.cost):
                    at = self._at(at.gates, prices=True) or at
            else:
                fails += 1
        return at
