"""What the loop does where a relaxation has no optimum although the whole problem may have one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from hedgeopt.tail.active import BOUNDARY, ActiveSet
from hedgeopt.tail.judge import Judge
from hedgeopt.tail.masters.base import Master, Point, no_point
from hedgeopt.tail.model import LossModel
from hedgeopt.tail.outcome import Options, Outcome
from hedgeopt.tail.rays import falling, is_open, runs_off
from hedgeopt.tail.source import Index, Vector

# The accuracy of a look around, and the box that replaces an unbounded relaxation.
ROUGH, BOX = 2e-2, 1e6
# Where a relaxation has no optimum although a coarser level has a plan: scenarios around its level to begin with, how far to
# look around it in units of its largest position, and how often.
NARROW, RADIUS, RETREATS = 1_500, 0.5, 3
# The box grows by this factor until it is this large.
STEP, LARGEST = 1e3, 1e15


class Strays:
    """Rays, boxes and looks around a coarser plan; :class:`hedgeopt.tail.loop.CutLoop` is the only kind."""

    models: list[LossModel]
    options: Options
    out: Outcome
    seeks: bool
    """Whether a relaxation without an optimum is a reason to look for a ray over all scenarios: once is enough."""
    needed: list[Index]
    """Scenarios that leave no ray, where one was looked for."""
    ray: Vector | None
    master: Callable[[int], Master]
    _makers: list[Callable[[], Master]]
    _retreats: int

    def _seek(self, master: Any, judge: Judge) -> Point | None:
        """The ray of a problem that falls for ever, looked for once."""
        if not self.seeks or not is_open(master):
            return None
        self.seeks = False
        known = judge.best if judge.final and np.isfinite(judge.upper) else None
        found = falling(type(self), master, self.models, self.options, known, self.out)
        self.needed = found.scenarios
        if found.point is not None:
            self.ray = found.point.details["ray"]
        elif self.needed and not judge.final:
            # A sample that lets a plan run off misleads: on to all scenarios, with those that hold it.
            return replace(no_point("failed", len(judge.active), 0, "a sample without an optimum"), master=master)
        elif self.needed:
            for a, index in zip(judge.active, self.needed, strict=True):
                a.grow(index[a.state[index] != BOUNDARY])
        return found.point

    def _retreat(self, active: list[ActiveSet], judge: Judge) -> Point | None:
        """Where a relaxation has no optimum, its best point near that of a coarser level: it shows who is missing.

        None without such a point, or a simplex to look for it, or when that has been tried often enough.
        """
        makers = (self.master(i) for i in range(len(self._makers)))
        patient: Any = next((m for m in makers if m.name == "SIMPLEX" and not getattr(m, "limited", True)), None)
        if judge.best is None or patient is None or self._retreats >= RETREATS or patient.box is not None:
            return None
        self._retreats += 1
        before = [vars(a) | {"state": a.state.copy()} for a in active]
        if self._retreats == 1:
            for a, losses in zip(active, judge.losses, strict=True):
                a.rebuild(losses, NARROW)
        patient.near = judge.best, RADIUS
        point = patient.solve([a.piece() for a in active], ROUGH, None)
        patient.near, point.master = None, patient
        if point.status == "optimal":
            return point
        self._retreats = RETREATS
        for a, was in zip(active, before, strict=True):
            vars(a).update(was)
        return None

    @staticmethod
    def _bound(point: Point, active: list[ActiveSet]) -> bool:
        """A relaxation may be unbounded where the whole is not: look at scenarios inside a large box first."""
        covered = all((a.state[a.model.caps > 0] == BOUNDARY).all() or a.mass == 1.0 for a in active)
        if covered or point.details.get("still") or getattr(point.master, "box", BOX) is not None:
            return False
        point.master.box = BOX
        return True

    def _boxed(self, point: Point, judge: Judge, active: list[ActiveSet]) -> bool:
        """Whether a box stood for an unbounded relaxation, and there is more to be done: a ray proven, or another round."""
        master: Any = point.master
        box = getattr(master, "box", None)
        if box is None:
            return False
        if not master.beyond(point.y, 0.99):
            if getattr(master, "boundless", True):
                return False
            # The scenarios that were missing are there now: once more without the box, for a bound.
            master.box = None
            return True
        self.ray = runs_off(active, master, self.options) if np.isfinite(judge.upper) else None
        if self.ray is not None:
            judge.store(self.out)
            self.out.status = "unbounded"
            self.out.point = replace(self.out.point, details=self.out.point.details | {"ray": self.ray})
            return True
        master.box = box * STEP
        return bool(master.box <= LARGEST)
