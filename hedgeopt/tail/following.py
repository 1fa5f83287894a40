"""Points for the search over clusters: near those of relaxations, and by exchange of the groups that are open."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hedgeopt.tail.areas import SlimAnswer
from hedgeopt.tail.clusters import Clusters
from hedgeopt.tail.incumbents import Incumbents
from hedgeopt.tail.nodes import NodeAnswer
from hedgeopt.tail.openings import Openings
from hedgeopt.tail.outcome import clock
from hedgeopt.tail.picking import Picking
from hedgeopt.tail.slim import Slim, slim_of
from hedgeopt.tail.source import Vector

# Seconds for points of relaxations that open too many groups, as a share of all.
_SHARE = 0.3
# Exchanges without gain that end the first run of them; what a choice of groups must gain before its lots are looked for.
_IDLE, _WORTH = 10, 1e-3


def openings_of(
    points: Incumbents, root: NodeAnswer, cutoff: Callable[[], float], fix: Callable[[Vector], None],
    late: Callable[[], bool],
) -> Openings | None:  # fmt: skip
    """The search where the program's groups have known shapes; ``fix`` gets whole numbers worth trying."""
    assert root.outcome is not None
    slim = slim_of(points.nodes, points.gates, [root.outcome.point.y])
    if slim is None:
        return None
    for k, weights in enumerate(root.outcome.weights):
        slim.add(k, weights)
    effects = np.asarray((slim.shapes.up @ points.nodes.compiled.E.T) @ points.seen.T)
    either, scale = bool((slim.shapes.bottom > 0).any()), np.sqrt((effects**2).mean(axis=1))
    picking = Picking(slim, scale, late)
    if root.x is not None:
        z = np.zeros(len(points.low))
        z[points.nodes.columns] = root.x
        picking.from_lots(z[slim.shapes.driver])
    follow = _Following(points, slim, picking, cutoff, fix)
    return Openings(slim, Clusters(effects, either), scale, root.lower, cutoff, follow, late)


class _Following:
    """Points near those of relaxations, and exchanges of the best of them, for a share of the time."""

    def __init__(
        self, points: Incumbents, slim: Slim, picking: Picking, cutoff: Callable[[], float], fix: Callable[[Vector], None]
    ) -> None:
        self.points, self.slim, self.picking, self.cutoff, self.fix = points, slim, picking, cutoff, fix
        self.spent, self.begun, self._tried = 0.0, clock(), np.inf
        self._known: set[bytes] = set()

    def __call__(self, answer: SlimAnswer) -> None:
        now = clock()
        first = not self._known
        few = int((np.abs(answer.n) > 1e-7).sum()) <= self.slim.shapes.most
        if answer.lower >= self.cutoff() or (not few and self.spent > _SHARE * (now - self.begun) and not first):
            return
        name = np.packbits(np.abs(answer.n) > 1e-7).tobytes()
        if name not in self._known:
            self._known.add(name)
            self.picking.reduced(answer.z)
        idle = 0
        while first and idle < _IDLE and not self.picking.late():
            idle = 0 if self.picking.exchanged() else idle + 1
        if not first and not few:
            self.picking.exchanged()
        if self.picking.value < self._tried - _WORTH * abs(self.picking.value) and self.picking.value < self.cutoff():
            self._tried = self.picking.value
            self._lots()
        self.spent += clock() - now

    def _lots(self) -> None:
        z = self.picking.whole()
        x = (
            self.points.moved(z)
            if z is not None
            else self.points.lots(self.picking.open(), self.slim.full(self.picking.point()))
        )
        if x is not None:
            self.fix(x)
