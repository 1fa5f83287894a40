"""The active-set loop: solve a small relaxation, look at all scenarios once, repeat until nothing is misplaced."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from hedgeopt.tail.active import BOUNDARY, ActiveSet
from hedgeopt.tail.judge import Judge
from hedgeopt.tail.masters.base import Master, Point, no_point
from hedgeopt.tail.model import LossModel
from hedgeopt.tail.outcome import Options, Outcome
from hedgeopt.tail.schedule import Level, Schedule
from hedgeopt.tail.source import Index, Vector
from hedgeopt.tail.strays import RETREATS, ROUGH, Strays

# Gap at which a coarse level hands over, and the share of the boundary up to which misplaced scenarios are few: the next
# round may be the last.
COARSE, FEW = 2e-2, 0.12
# Boundary entries up to which a gap that a master leaves is given to the next one.
ANY = 1_000_000
# A point that breaks a row by more than this share of its terms is none.
LOST = 1e-3


class CutLoop(Strays):
    """Run the levels of a coarse-to-fine schedule; ``masters`` are tried in order when one fails."""

    def __init__(self, models: list[LossModel], masters: list[Callable[[], Master]], options: Options) -> None:
        self.models, self.options = models, options
        self.chosen, self.fallbacks = 0, len(masters)
        self.ray = None
        self._makers, self._made = masters, {}  # type: ignore[var-annotated]
        self.started = time.perf_counter()
        self._retreats = 0
        self.seeks, self.needed = bool(models), []
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
        schedule = Schedule(self.models, bool(getattr(self.master(0), "dense", False)))
        point = None
        t = time.perf_counter()
        for level in schedule.levels(start is not None):
            if self.needed and not level.final:
                continue
            if not level.final:
                self.out.pass_seconds += time.perf_counter() - t
                self.out.passes += level.share
            # A coarse level is not worth the last resort; the whole set is.
            self.fallbacks = len(self._makers) if level.final else max(1, len(self._makers) - 1)
            point, active = self._level(level, point, start)
            if self.ray is not None:
                break
            schedule.boundary = max((len(a.boundary) for a in active), default=0)
            if not level.final and (point is None or point.status != "optimal"):
                # A coarse sample can be infeasible or unbounded where the whole is not: go on without it.
                point = None
            t = time.perf_counter()
        return self.out

    def _pass(self, models: list[LossModel], y: Vector, share: float) -> list[Vector]:
        t = time.perf_counter()
        losses = [m.losses(y, self.options.threads) for m in models]
        self.out.pass_seconds += time.perf_counter() - t
        self.out.passes += share
        return losses

    def _level(self, level: Level, entry: Point | None, y: Vector | None) -> tuple[Point | None, list[ActiveSet]]:
        """Start the active sets of a level, and run its rounds."""
        out, models = self.out, level.models
        active = [ActiveSet(m) for m in models]
        begin = entry.y if entry is not None else y
        if begin is None:
            begin = np.zeros(models[0].width if models else 0)
        kept = self.kept if level.final else None
        losses = self._pass(models, begin, level.share) if kept is None else []
        t = time.perf_counter()
        for k, a in enumerate(active):
            if kept is not None and a.restore(*kept[k]):
                continue
            if not losses:
                losses = self._pass(models, begin, level.share)
            a.rebuild(losses[k], a.model.size if level.whole else level.band(a.model))
            if self.needed:
                a.grow(self.needed[k][a.state[self.needed[k]] != BOUNDARY])
        out.pass_seconds += time.perf_counter() - t
        judge = Judge(self.options, active, level.final)
        judge.growth = level.growth
        self._retreats = 0
        if entry is not None and kept is None:
            judge.enter(entry, losses, entry.master)
        return self._rounds(level, active, judge, entry), active

    def _rounds(self, level: Level, active: list[ActiveSet], judge: Judge, entry: Point | None) -> Point | None:
        """Rounds of master, pass, line search, growth."""
        out, options, models, final = self.out, self.options, level.models, level.final
        width = models[0].width if models else 0
        goal = options.tolerance if final else max(options.tolerance, COARSE)
        accuracy = 0.1 * goal if (level.whole and final) or not models else max(0.1 * goal, ROUGH)
        point = entry
        for _ in range(options.max_rounds):
            if options.late():
                break
            t = time.perf_counter()
            point = self._solve(active, accuracy, point, judge)
            out.master_seconds += time.perf_counter() - t
            out.rounds += 1
            out.iterations += point.iterations
            if self.ray is not None:
                out.status, out.point, out.master, out.active = "unbounded", point, point.master, active
                return point
            if point.status == "unbounded" and self._bound(point, active):
                continue
            if point.status == "late":
                break
            if point.status != "optimal":
                if final:
                    out.status, out.point, out.master, out.active = point.status, point, point.master, active
                    if "q" in point.details.get("farkas", ()):
                        out.weights = [a.weights(q) for a, q in zip(active, point.q, strict=True)]
                return point
            losses = self._pass(models, point.y, level.share)
            t = time.perf_counter()
            gap, wrong = judge.look(point, losses, point.master)
            point.gap = gap
            if judge.contradicted() and self.chosen + 1 < len(self._makers):
                # A bound above a feasible value disproves the master, whatever it says.
                self._note(point, "failed", "a bound above a feasible value")
                self.chosen += 1
                judge, point = Judge(options, active, final), None
                continue
            out.pass_seconds += time.perf_counter() - t
            if options.verbose:
                self._report(active, wrong, judge.lower, gap, point)
            nothing = not any(len(x) for x in wrong)
            stop = gap <= goal or (nothing and accuracy <= 0.1 * goal)
            late = options.late()
            if stop and not late and final and self._leaves_gap(judge, active):
                self._note(point, "inexact", f"it left a gap of {gap:.0e}")
                self.chosen += 1
                point = None
                continue
            if stop or late:
                if final and not late and self._boxed(point, judge, active):
                    if out.status == "unbounded":
                        return judge.best or point
                    continue
                if final:
                    judge.store(out)
                    out.status = "user_limit" if late and not stop else out.status
                return judge.best or point
            t = time.perf_counter()
            for a, new in zip(active, wrong, strict=True):
                a.grow(new)
            out.pass_seconds += time.perf_counter() - t
            few = sum(map(len, wrong)) <= max(width, FEW * sum(len(a.boundary) for a in active))
            accuracy = 0.1 * goal if nothing or few else max(0.1 * goal, min(ROUGH, 0.1 * gap))
        if final and judge.best is not None:
            judge.store(out)
        if final:
            out.status = "user_limit" if judge.best is not None else "late"
        return judge.best

    def _solve(self, active: list[ActiveSet], accuracy: float, start: Point | None, judge: Judge) -> Point:
        """The first master that answers; the last resort answers for one round only."""
        pieces = [a.piece() for a in active]
        for i in range(self.chosen, max(self.fallbacks, self.chosen + 1)):
            master: Any = self.master(i)
            master.hasty = self.seeks or (judge.best is not None and self._retreats < RETREATS)
            point = master.solve(pieces, accuracy, start)
            if point.status == "failed" and start is not None and master.retry:
                # A warm point can sit too close to the wrong corner: once more from the middle.
                point = master.solve(pieces, accuracy, None)
            point.master = master
            if point.status == "unbounded" or point.details.get("adrift"):
                sought, found = self.seeks, self._seek(master, judge)
                if found is not None:
                    return found
                if sought and self.needed:
                    return self._solve(active, accuracy, start, judge)
                near = self._retreat(active, judge)
                if near is not None:
                    return near
                if master.hasty and point.status == "failed":
                    # What ran off in a few columns may be infeasible there: in all of them, then.
                    master.hasty = False
                    point = master.solve(pieces, accuracy, start)
                    point.master = master
            if point.status != "failed":
                broken = float(point.details.get("violation", 0.0)) if point.status == "optimal" else 0.0
                if broken <= self.options.tolerance or i + 1 >= max(self.fallbacks, self.chosen + 1):
                    break
                # Its own residuals are in its own units: the next one may do better. The last one's answer is judged.
                self._note(point, "failed", "its point breaks rows of the problem")
                continue
            refusal = point.details.get("refusal")
            self._note(point, "failed", refusal.reason if refusal else "", bool(refusal and refusal.technical))
            if self.options.verbose and i + 1 < self.fallbacks:
                print(f"tail: {master.name} gives way to {self.master(i + 1).name}", flush=True)
        self.chosen = i if i + 1 < len(self._makers) else self.chosen
        broken = float(point.details.get("violation", 0.0)) if point.status == "optimal" else 0.0
        if broken > LOST:
            reason = f"its point breaks rows of the problem by {broken:.0e} of their terms"
            self._note(point, "failed", reason)
            point = replace(no_point("failed", len(point.y), len(pieces), reason), master=point.master)
        return point

    def _note(self, point: Point, status: str, reason: str, technical: bool = False) -> None:
        """Remember that a master had no answer, for the caller: nobody is replaced silently."""
        name = point.master.name
        for known in self.out.failures:
            if (known["master"], known["reason"]) == (name, reason):
                known["rounds"] += 1
                return
        self.out.failures.append({"master": name, "status": status, "reason": reason, "technical": technical, "rounds": 1})

    def _leaves_gap(self, judge: Judge, active: list[ActiveSet]) -> bool:
        """Whether the answer is inexact, another master is there to be asked, and the boundary is small enough for any."""
        size = sum(len(a.boundary) * a.model.width for a in active)
        more = self.chosen + 1 < len(self._makers) and getattr(self.master(self.chosen), "box", None) is None
        return more and size <= ANY and not judge.gap <= 10 * self.options.tolerance

    def _report(self, active: list[ActiveSet], wrong: list[Index], lower: float, gap: float, point: Point) -> None:
        print(
            f"tail: round {self.out.rounds:3d}  scenarios {active[0].model.size if active else 0:>9,}"
            f"  boundary {sum(len(a.boundary) for a in active):>7,}  misplaced {sum(map(len, wrong)):>7,}"
            f"  lower {lower:.9g}  gap {gap:.1e}  iterations {point.iterations}"
            f"  {time.perf_counter() - self.started:.2f}s",
            flush=True,
        )
