"""Which groups to open: a search over clusters of groups that move the losses alike, in the slim relaxation.

To shut one of many near-equal groups moves no bound, as its neighbours take its place; to shut all of them does. So an area
of the search says "none of this cluster" or "one of it at least", and the second uses up one of the few that may be: where
as many clusters are open as there may be groups, everything outside is shut. Where no better point is without a cluster, it
is open and nothing has to be divided. What a better point can have of a group becomes its most lots, and the relaxation the
tighter.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hedgeopt.tail.areas import Area, SlimAnswer
from hedgeopt.tail.clusters import Clusters
from hedgeopt.tail.slim import Slim
from hedgeopt.tail.source import Index, Vector

# Clusters tried before an area is divided, and first of all; rounds of cuts first and later.
_TRIED, _ROOT_TRIED, _ROOT, _ROUNDS = 6, 40, 30, 3


class Openings:
    """Best-first over areas. ``cutoff()`` is what a bound must reach; ``seen(z, lower)`` gets relaxations' points."""

    def __init__(
        self, slim: Slim, clusters: Clusters, scale: Vector, root: float, cutoff: Callable[[], float],
        seen: Callable[[SlimAnswer], None], late: Callable[[], bool],
    ) -> None:  # fmt: skip
        self.slim, self.clusters, self.cutoff, self.seen, self.late = slim, clusters, cutoff, seen, late
        self.scale, self.root = scale, root
        self.floor = np.inf
        """The least bound of what was given up, finished or not."""
        self.left = np.inf
        """The least bound of what was finished here although it is below the cutoff: lots are to be decided yet."""
        self.areas = 0
        self.shut = 0
        self._open: list[tuple[float, int, Area]] = []
        self._ticket = itertools.count()

    @property
    def bound(self) -> float:
        """The least of what all areas prove."""
        return min([self.floor, self.left, *(b for b, *_ in self._open[:1])])

    def run(self) -> None:
        """Divide until nothing promises enough, or it is late."""
        shapes = self.slim.shapes
        area: Area | None = Area(shapes.top.copy(), shapes.bottom.copy(), (), self.root)
        rounds = _ROOT
        while area is not None:
            if self.late():
                self._push(area)
                return
            parts = self._divided(area, rounds)
            rounds = _ROUNDS
            area = self._next(parts)

    def _push(self, area: Area) -> None:
        heapq.heappush(self._open, (area.lower, next(self._ticket), area))

    def _drop(self, bound: float) -> None:
        self.floor = min(self.floor, bound)

    def _next(self, parts: list[Area]) -> Area | None:
        follow: Area | None = None
        for area in sorted(parts, key=lambda a: a.lower):
            if area.lower >= self.cutoff():
                self._drop(area.lower)
            else:
                self._push(area)
        while self._open:
            _, _, follow = heapq.heappop(self._open)
            if follow.lower < self.cutoff():
                return follow
            self._drop(follow.lower)
        return None

    def _divided(self, area: Area, rounds: int) -> list[Area]:
        """The parts of an area; none where it is done."""
        self.areas += 1
        cutoff = self.cutoff()
        first = rounds == _ROOT
        answer = self.slim.solve(area, cutoff, rounds, 1e-3 if first else 0.05)
        area.lower = max(area.lower, answer.lower)
        if not len(answer.z):
            if area.lower < np.inf:
                self._finish(area)
            return []
        self.seen(answer)
        cutoff = self.cutoff()
        if area.lower >= cutoff:
            self._drop(area.lower)
            return []
        if self.slim.tightened(area, answer, cutoff):
            self._drop(cutoff)
            answer = self.slim.solve(area, cutoff, 2)
            area.lower = max(area.lower, answer.lower)
            if area.lower >= cutoff or not len(answer.z):
                self._drop(area.lower)
                return []
        else:
            self._drop(cutoff)
        self.shut = max(self.shut, int((~area.alive()).sum())) if first else self.shut
        return self._parts(area, answer, cutoff, _ROOT_TRIED if first else _TRIED)

    def _finish(self, area: Area) -> None:
        area.lower = max(area.lower, self.slim.solve(area, self.cutoff(), _ROOT, 0.0).lower)
        self.left = min(self.left, area.lower)

    def _parts(self, area: Area, answer: SlimAnswer, cutoff: float, tried: int) -> list[Area]:
        options = self._options(area, answer)
        if not options:
            self._finish(area)
            return []
        best: tuple[float, Index, Area] | None = None
        for _, members in options[:tried]:
            if self.late():
                break
            closed = area.without(members)
            found = self.slim.solve(closed, cutoff, 1)
            closed.lower = max(area.lower, found.lower)
            if closed.lower >= cutoff:
                # One of these is open in whatever is better.
                self._drop(closed.lower)
                opened = self._opened(area, members)
                if opened is None:
                    self._drop(area.lower if area.lower >= cutoff else cutoff)
                    return []
                area = opened
                return [area]
            gain = closed.lower
            if best is None or gain > best[0]:
                best = gain, members, closed
        if best is None:
            return [area]
        opened = self._opened(area, best[1])
        return [part for part in (opened, best[2]) if part is not None]

    def _opened(self, area: Area, members: Index) -> Area | None:
        """The area in which one of ``members`` is open; None where that is one too many."""
        keep = [c for c in area.open if not np.isin(members, c).any()]
        clusters = (*keep, members)
        if len(clusters) > self.slim.shapes.most:
            return None
        up, down = area.up.copy(), area.down.copy()
        if len(clusters) == self.slim.shapes.most:
            out = np.setdiff1d(np.flatnonzero(self.slim.shapes.counts), np.concatenate(clusters))
            up[out] = down[out] = 0.0
        return Area(up, down, clusters, area.lower)

    def _options(self, area: Area, answer: SlimAnswer) -> list[tuple[float, Index]]:
        """Clusters to divide by, the most promising first: those of groups that the relaxation opens."""
        alive, n = area.alive(), np.abs(answer.n)
        active = np.flatnonzero((n > 1e-7) & alive & self.slim.shapes.counts)
        inside = np.full(len(n), -1)
        for k, cluster in enumerate(area.open):
            inside[cluster] = k
        weight = self.weights(answer)
        found: dict[int, tuple[float, Index]] = {}
        for g in active.tolist():
            for name in self.clusters.above(g):
                if name in found:
                    continue
                members = self.clusters.members[name]
                members = members[alive[members]]
                where = np.unique(inside[members])
                if len(where) > 1 or len(members) == alive.sum():
                    break
                if where[0] >= 0:
                    whole = area.open[int(where[0])]
                    if alive[whole].sum() == len(members):
                        break
                    if len(members) == 0:
                        continue
                found[name] = float(weight[members].sum()) / (1.0 + np.log2(len(members))), members
        return sorted(found.values(), key=lambda pair: -pair[0])

    def weights(self, answer: SlimAnswer) -> NDArray[np.float64]:
        """How much each group moves the losses."""
        return np.asarray(np.abs(answer.n) * self.scale)
