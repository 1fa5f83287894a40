"""The active-set loop: solve a small relaxation, look at all scenarios once, repeat until nothing is misplaced."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from hedgeopt.tail.active import BOUNDARY, ActiveSet
from hedgeopt.tail.judge import Judge
from hedgeopt.tail.masters.base import Master, Piece, Point
from hedgeopt.tail.model import LossModel
from hedgeopt.tail.outcome import Options, Outcome
from hedgeopt.tail.source import Index, ScenarioSource, Vector

# First boundary of a level in units of the number of instruments, gap at which a coarse level hands over, and the box
# that replaces an unbounded relaxation.
BAND, COARSE, BOX = 10, 1e-2, 1e6
# Most times the scenarios of one level to the next; and scenarios beyond which a level's boundary starts larger, in
# units of its size over the root of its sample's.
RATIO, SPREAD = 24.0, 632.0


class Loop:
    """Run the levels of a coarse-to-fine schedule; ``masters`` are tried in order when one fails."""

    def __init__(self, models: list[LossModel], masters: list[Callable[[], Master]], options: Options) -> None:
        self.models, self.options = models, options
        self.chosen, self.fallbacks = 0, len(masters)
        self._makers, self._made = masters, {}  # type: ignore[var-annotated]
        self.started = time.perf_counter()
        self.out = Outcome(
            "failed", self.master(0), Point("failed", np.zeros(0), np.zeros(0), np.nan, -np.inf, [], np.zeros(0))
        )

    def master(self, i: int) -> Master:
        """The i-th master, built on first use."""
        if i not in self._made:
            self._made[i] = self._makers[i]()
        return self._made[i]

    def run(self, start: Vector | None = None, kept: list[Any] | None = None) -> Outcome:
        """Solve; ``start`` is an earlier y to begin from, ``kept`` an earlier partition per tail."""
        self.kept = kept
        out, point = self.out, None
        sizes = self._schedule() if start is None else [1.0]
        # Seeding takes a tenth of a millisecond: of no use to a re-solve.
        rng = np.random.default_rng(20000) if len(sizes) > 1 else None
        before = 1.0
        for share in sizes:
            # A sample of m scenarios misplaces the plan by 1/sqrt(m): so many more stand between the two.
            size = max((m.size for m in self.models), default=1)
            self.growth = max(1.0, share * size / (before * size) ** 0.5 / SPREAD) if before < 1.0 else 1.0
            before = share
            final = share == sizes[-1]
            # A coarse level is not worth the last resort; the whole set is.
            self.fallbacks = len(self._makers) if final else max(1, len(self._makers) - 1)
            models = self.models if rng is None or final else self._samples(share, rng)
            point = self._level(models, point, start, final, share)
            if not final and (point is None or point.status != "optimal"):
                # A coarse sample can be infeasible or unbounded where the whole is not: go on without it.
                point = None
        return out

    def _schedule(self) -> list[float]:
        """Shares of the scenarios per level, coarse to fine, in equal ratios."""
        if not self.models:
            return [1.0]
        size = max(m.size for m in self.models)
        width = self.models[0].width
        first = max(1500.0, max(min(1.0 * width * float(m.size * m.caps.max()), 8 * width) for m in self.models))
        if size <= 3 * first:
            return [1.0]
        levels = max(1, math.ceil(math.log(size / first) / math.log(RATIO)))
        return [float((first / size) ** (i / levels)) for i in range(levels, -1, -1)]

    def _samples(self, share: float, rng: np.random.Generator) -> list[LossModel]:
        chosen: dict[int, np.ndarray] = {}
        for model in self.models:
            if model.size not in chosen:
                count = max(1, round(share * model.size))
                chosen[model.size] = np.sort(rng.choice(model.size, count, replace=False))
        t = time.perf_counter()
        rows: dict[int, dict[int, ScenarioSource]] = {m.size: {} for m in self.models}
        samples = [m.subset(chosen[m.size], rows[m.size]) for m in self.models]
        self.out.pass_seconds += time.perf_counter() - t
        self.out.passes += share
        return samples

    def _pass(self, models: list[LossModel], y: Vector, share: float) -> list[Vector]:
        t = time.perf_counter()
        losses = [m.losses(y, self.options.threads) for m in models]
        self.out.pass_seconds += time.perf_counter() - t
        self.out.passes += share
        return losses

    def _level(
        self, models: list[LossModel], entry: Point | None, y: Vector | None, final: bool, share: float
    ) -> Point | None:
        """One level of the schedule: rounds of master, pass, line search, growth."""
        out, options = self.out, self.options
        active = [ActiveSet(m) for m in models]
        width = models[0].width if models else 0
        begin = entry.y if entry is not None else y
        whole = begin is None and all(m.size <= max(1500, m.band(8 * width)) for m in models)
        kept = self.kept if final else None
        losses: list[Vector] = []
        if kept is None:
            losses = self._pass(models, begin if begin is not None else np.zeros(width), share)
        t = time.perf_counter()
        for k, a in enumerate(active):
            if kept is not None and a.restore(*kept[k]):
                continue
            if not losses:
                losses = self._pass(models, begin if begin is not None else np.zeros(width), share)
            a.rebuild(losses[k], a.model.size if whole else a.model.band(int(self.growth * (BAND * width + 200))))
        out.pass_seconds += time.perf_counter() - t
        goal = options.tolerance if final else max(options.tolerance, COARSE)
        accuracy = 0.1 * goal if (whole and final) or not models else max(0.1 * goal, 1e-2)
        judge = Judge(options, active, final)
        judge.growth = self.growth
        if entry is not None and kept is None:
            judge.enter(entry, losses, entry.master)
        point = entry
        for _ in range(options.max_rounds):
            if options.late():
                break
            t = time.perf_counter()
            point = self._solve([a.piece() for a in active], accuracy, point)
            out.master_seconds += time.perf_counter() - t
            out.rounds += 1
            out.iterations += point.iterations
            if point.status == "unbounded" and self._bound(active):
                continue
            if point.status == "late":
                break
            if point.status != "optimal":
                if final:
                    out.status, out.point, out.master = point.status, point, self.master(self.chosen)
                return point
            losses = self._pass(models, point.y, share)
            t = time.perf_counter()
            gap, wrong = judge.look(point, losses, self.master(self.chosen))
            if judge.contradicted() and self.chosen + 1 < len(self._makers):
                # A bound above a feasible value disproves the master, whatever it says.
                self.chosen += 1
                judge, point = Judge(options, active, final), None
                continue
            out.pass_seconds += time.perf_counter() - t
            if options.verbose:
                self._report(active, wrong, judge.lower, gap, point)
            nothing = not any(len(x) for x in wrong)
            stop = gap <= goal or (nothing and accuracy <= 0.1 * goal)
            late = options.late()
            if stop or late:
                if final:
                    judge.store(out)
                    box = getattr(self.master(self.chosen), "box", None)
                    if box is not None and np.abs(point.y).max(initial=0.0) > 0.99 * box:
                        out.status = "unbounded"
                    out.status = "user_limit" if late and not stop else out.status
                return judge.best or point
            t = time.perf_counter()
            for a, new in zip(active, wrong, strict=True):
                a.grow(new)
            out.pass_seconds += time.perf_counter() - t
            few = sum(len(x) for x in wrong) <= width
            accuracy = 0.1 * goal if nothing or few else max(0.1 * goal, min(1e-2, 0.1 * gap))
        if final and judge.best is not None:
            judge.store(out)
        if final:
            out.status = "user_limit" if judge.best is not None else "late"
        return judge.best

    def _solve(self, pieces: list[Piece], accuracy: float, start: Point | None) -> Point:
        master = self.master(self.chosen)
        point = master.solve(pieces, accuracy, start)
        if point.status == "failed" and start is not None and master.retry:
            # A warm point can sit too close to the wrong corner: once more from the middle.
            point = master.solve(pieces, accuracy, None)
        while point.status == "failed" and self.chosen + 1 < self.fallbacks:
            self.chosen += 1
            if self.options.verbose:
                print(f"tail: {master.name} gives way to {self.master(self.chosen).name}", flush=True)
            master = self.master(self.chosen)
            point = master.solve(pieces, accuracy, start)
            if point.status == "failed" and start is not None and master.retry:
                point = master.solve(pieces, accuracy, None)
        point.master = master
        return point

    def _bound(self, active: list[ActiveSet]) -> bool:
        """A relaxation may be unbounded where the whole is not: look at scenarios inside a large box first."""
        master = self.master(self.chosen)
        covered = all((a.state[a.model.caps > 0] == BOUNDARY).all() or a.mass == 1.0 for a in active)
        if covered or getattr(master, "box", BOX) is not None:
            return False
        master.box = BOX  # type: ignore[attr-defined]
        return True

    def _report(self, active: list[ActiveSet], wrong: list[Index], lower: float, gap: float, point: Point) -> None:
        print(
            f"tail: round {self.out.rounds:3d}  scenarios {active[0].model.size if active else 0:>9,}"
            f"  boundary {sum(len(a.boundary) for a in active):>7,}  misplaced {sum(map(len, wrong)):>7,}"
            f"  lower {lower:.9g}  gap {gap:.1e}  iterations {point.iterations}"
            f"  {time.perf_counter() - self.started:.2f}s",
            flush=True,
        )
