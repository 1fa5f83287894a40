"""The active-set loop: solve a small relaxation, look at all scenarios once, repeat until nothing is misplaced."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from dataclasses import dataclass, field, replace

import numpy as np

from hedgeopt.tail.active import BOUNDARY, ActiveSet
from hedgeopt.tail.masters.base import Master, Piece, Point
from hedgeopt.tail.model import LossModel
from hedgeopt.tail.source import Vector


@dataclass(frozen=True)
class Options:
    """What the caller may set (see :func:`hedgeopt.tail.register`)."""

    tolerance: float = 1e-6
    max_rounds: int = 60
    time_limit: float | None = None
    threads: int = 1
    verbose: bool = False


@dataclass
class Outcome:
    """Where the loop ended: best point, bounds, and what it cost."""

    status: str
    master: Master
    point: Point
    active: list[ActiveSet] = field(default_factory=list)
    values: Vector = field(default_factory=lambda: np.zeros(0))
    var: Vector = field(default_factory=lambda: np.zeros(0))
    weights: list[Vector] = field(default_factory=list)
    lower: float = -np.inf
    upper: float = np.inf
    gap: float = np.inf
    rounds: int = 0
    passes: float = 0.0
    master_seconds: float = 0.0
    pass_seconds: float = 0.0
    iterations: int = 0
    losses: list[Vector] = field(default_factory=list)
    q: list[Vector] = field(default_factory=list)


# Sizes in units of the number of instruments: first boundary of a level, scenarios added per round and side.
BAND, ADD = 10, 3
# Gap at which a coarse level hands over, trisections of the line search.
COARSE, SEARCH = 3e-3, 4
BOX = 1e6


class Loop:
    """Run the levels of a coarse-to-fine schedule; ``masters`` are tried in order when one fails."""

    def __init__(self, models: list[LossModel], masters: list[Callable[[], Master]], options: Options) -> None:
        self.models, self.options = models, options
        self.chosen = 0
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
        rng = np.random.default_rng(20000)
        for share in sizes:
            final = share == sizes[-1]
            models = self.models if final else self._samples(share, rng)
            point = self._level(models, point, start, final, share)
            if not final and (point is None or point.status != "optimal"):
                # A coarse sample can be infeasible or unbounded where the whole is not: go on without it.
                point = None
        return out

    def _schedule(self) -> list[float]:
        """Shares of the scenarios per level, coarse to fine."""
        if not self.models:
            return [1.0]
        size = max(m.size for m in self.models)
        width = self.models[0].width
        first = max(1500.0, max(min(1.0 * width * float(m.size * m.caps.max()), 8 * width) for m in self.models))
        shares = [1.0]
        while shares[-1] * size > 3 * first:
            shares.append(max(first / size, shares[-1] / 8))
        return shares[::-1]

    def _samples(self, share: float, rng: np.random.Generator) -> list[LossModel]:
        chosen: dict[int, np.ndarray] = {}
        for model in self.models:
            if model.size not in chosen:
                count = max(1, round(share * model.size))
                chosen[model.size] = np.sort(rng.choice(model.size, count, replace=False))
        t = time.perf_counter()
        samples = [m.subset(chosen[m.size]) for m in self.models]
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
        whole = all(m.size <= max(1500, 8 * width) for m in models) and begin is None
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
            a.rebuild(losses[k], a.model.size if whole else BAND * width + 200)
        out.pass_seconds += time.perf_counter() - t
        goal = options.tolerance if final else max(options.tolerance, COARSE)
        accuracy = 0.1 * goal if whole or not models else max(0.1 * goal, 1e-2)
        judge = _Judge(self, active, final)
        if entry is not None and kept is None:
            judge.enter(entry, losses, self.master(self.chosen))
        point = entry
        for _ in range(options.max_rounds):
            t = time.perf_counter()
            point = self._solve([a.piece() for a in active], accuracy, point)
            out.master_seconds += time.perf_counter() - t
            out.rounds += 1
            out.iterations += point.iterations
            if point.status == "unbounded" and self._bound(active):
                continue
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
                judge, point = _Judge(self, active, final), None
                continue
            out.pass_seconds += time.perf_counter() - t
            if options.verbose:
                self._report(active, wrong, judge.lower, gap, point)
            nothing = not any(len(x) for x in wrong)
            stop = gap <= goal or (nothing and accuracy <= 0.1 * goal)
            late = options.time_limit is not None and time.perf_counter() - self.started > options.time_limit
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
        if final:
            judge.store(out)
            out.status = "user_limit"
        return judge.best or point

    def _solve(self, pieces: list[Piece], accuracy: float, start: Point | None) -> Point:
        point = self.master(self.chosen).solve(pieces, accuracy, start)
        while point.status == "failed" and self.chosen + 1 < len(self._makers):
            self.chosen += 1
            point = self.master(self.chosen).solve(pieces, accuracy, None)
        return point

    def _bound(self, active: list[ActiveSet]) -> bool:
        """A relaxation may be unbounded where the whole is not: look at scenarios inside a large box first."""
        master = self.master(self.chosen)
        covered = all((a.state[a.model.caps > 0] == BOUNDARY).all() or a.mass == 1.0 for a in active)
        if covered or getattr(master, "box", BOX) is not None:
            return False
        master.box = BOX  # type: ignore[attr-defined]
        return True

    def _report(self, active: list[ActiveSet], wrong: list[Vector], lower: float, gap: float, point: Point) -> None:
        print(
            f"tail: round {self.out.rounds:3d}  scenarios {active[0].model.size if active else 0:>9,}"
            f"  boundary {sum(len(a.boundary) for a in active):>7,}  misplaced {sum(map(len, wrong)):>7,}"
            f"  lower {lower:.9g}  gap {gap:.1e}  iterations {point.iterations}"
            f"  {time.perf_counter() - self.started:.2f}s",
            flush=True,
        )


class _Judge:
    """Bounds of one level: the best point so far, the proven bound, and who is misplaced."""

    def __init__(self, loop: Loop, active: list[ActiveSet], final: bool) -> None:
        self.loop, self.active, self.final = loop, active, final
        self.scale = np.array([a.model.scale for a in active])
        self.lower, self.upper, self.size = -np.inf, np.inf, 1.0
        self.best: Point | None = None
        self.master: Master | None = None
        self.dual: Point | None = None
        self.losses: list[Vector] = []
        self.values = self.var = np.zeros(len(active))
        self.violation = np.inf
        self.dual_weights: list[Vector] = []

    def _evaluate(self, losses: list[Vector]) -> tuple[Vector, Vector]:
        found = [a.model.tail(L) for a, L in zip(self.active, losses, strict=True)]
        return np.array([f[0] for f in found]), np.array([f[1] for f in found])

    def enter(self, point: Point, losses: list[Vector], master: Master) -> None:
        """Begin from the point of a coarser level."""
        self.values, self.var = self._evaluate(losses)
        upper, self.violation = master.upper(point, self.values * self.scale)
        self.best, self.losses, self.master = point, losses, master
        self.upper = upper if self._feasible() else np.inf

    def _feasible(self) -> bool:
        return self.violation <= 0.01 * self.loop.options.tolerance

    def look(self, point: Point, losses: list[Vector], master: Master) -> tuple[float, list[Vector]]:
        """Judge a master's point: update bounds, search the segment from the best point, list the misplaced."""
        values, var = self._evaluate(losses)
        upper, violation = master.upper(point, values * self.scale)
        feasible = violation <= 0.01 * self.loop.options.tolerance
        wrong = []
        for a, L in zip(self.active, losses, strict=True):
            _, level = a.reduced(L)
            wrong.append(a.misplaced(L, level, 1e-12 * abs(level), max(ADD * a.model.width, 300)))
        if point.lower > self.lower:
            self.lower, self.dual = point.lower, point
            if self.final:
                self.dual_weights = [a.weights(q) for a, q in zip(self.active, point.q, strict=True)]
        share = 1.0
        if self.best is not None and self.active and not getattr(master, "integer", False):
            share = self._search(point, losses, master, upper, feasible)
        if share == 1.0:
            if feasible and upper <= self.upper or not np.isfinite(self.upper):
                self.best, self.losses, self.master = point, losses, master
                self.values, self.var, self.violation = values, var, violation
                self.upper = upper if feasible else np.inf
        elif share > 0.0:
            assert self.best is not None
            self.best = master.blend(self.best, point, share)
            self.losses = [(1 - share) * a + share * b for a, b in zip(self.losses, losses, strict=True)]
            self.values, self.var = self._evaluate(self.losses)
            self.upper, self.violation = master.upper(self.best, self.values * self.scale)
            self.master = master
        if share < 1.0:
            for k, a in enumerate(self.active):
                more = a.misplaced(self.losses[k], self.var[k], 0.0, len(a.boundary) + 300)
                wrong[k] = np.union1d(wrong[k], more)
        # An optimum of zero has no relative gap: the problem's own unit takes over six digits below it.
        reference = self.upper if np.isfinite(self.upper) else upper
        self.size = max(abs(reference), 1e-6 * float(point.details.get("size", 0.0)), 1e-300)
        gap = max(reference - self.lower, 0.0) / self.size
        if not np.isfinite(self.upper):
            gap = max(gap, violation)
        self.gap = gap
        return gap, wrong

    def contradicted(self) -> bool:
        """Whether the proven bound lies above a feasible value by more than rounding."""
        return bool(self.lower - self.upper > 10 * self.loop.options.tolerance * self.size)

    def _search(self, point: Point, losses: list[Vector], master: Master, upper: float, feasible: bool) -> float:
        """Share of the step from the best point to the master's that minimises the true objective."""
        assert self.best is not None

        def at(share: float) -> tuple[float, float]:
            if share == 0.0:
                return self.upper, self.violation
            if share == 1.0:
                return upper, 0.0 if feasible else np.inf
            mixed = [(1 - share) * a + share * b for a, b in zip(self.losses, losses, strict=True)]
            values = self._evaluate(mixed)[0]
            assert self.best is not None
            value, violation = master.upper(master.blend(self.best, point, share), values * self.scale)
            return (value if violation <= 0.01 * self.loop.options.tolerance else np.inf), violation

        if not np.isfinite(self.upper):
            return 1.0
        shares = {0.0: self.upper, 1.0: at(1.0)[0] if feasible else np.inf}
        lo, hi = 0.0, 1.0
        for _ in range(SEARCH):
            third = (hi - lo) / 3
            for s in (lo + third, hi - third):
                shares[s] = at(s)[0]
            best = min(shares, key=lambda s: (shares[s], s))
            lo, hi = max(0.0, best - third), min(1.0, best + third)
        return min(shares, key=lambda s: (shares[s], -s))

    def store(self, out: Outcome) -> None:
        """Write the final level's answer."""
        assert self.best is not None and self.master is not None and self.dual is not None
        # Duals come from the master solve with the best bound, the primal point from the best objective.
        blend = self.dual if self.best is self.dual else self.master.blend(self.dual, self.best, 1.0)
        out.point, out.master, out.active = blend, self.master, self.active
        out.point = replace(out.point, multipliers=self.dual.multipliers)
        out.values, out.var, out.weights = self.values, self.var, self.dual_weights
        out.losses, out.q = self.losses, self.dual.q
        out.lower, out.upper, out.gap = self.lower, self.upper, self.gap
        out.status = "optimal" if self.gap <= 10 * self.loop.options.tolerance else "optimal_inaccurate"
