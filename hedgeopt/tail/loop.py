"""The active-set loop: solve a small relaxation, look at all scenarios once, repeat until nothing is misplaced."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from hedgeopt.tail.active import ActiveSet
from hedgeopt.tail.masters.base import Master, Point
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


class Loop:
    """Run the levels of a coarse-to-fine schedule; ``masters`` are tried in order when one fails."""

    def __init__(self, models: list[LossModel], masters: list[Callable[[], Master]], options: Options) -> None:
        self.models, self.options = models, options
        self._makers, self._made = masters, {}  # type: ignore[var-annotated]
        self.started = time.perf_counter()
        self.out = Outcome("failed", self.master(0), Point("failed", np.zeros(0), np.zeros(0), np.nan, -np.inf, [], np.zeros(0)))

    def master(self, i: int) -> Master:
        """The i-th master, built on first use."""
        if i not in self._made:
            self._made[i] = self._makers[i]()
        return self._made[i]

    def run(self, start: Vector | None = None) -> Outcome:
        """Solve; ``start`` is an earlier y to begin from."""
        out, point = self.out, None
        sizes = self._schedule() if start is None else [1.0]
        rng = np.random.default_rng(20000)
        y = start
        for share in sizes:
            final = share == sizes[-1]
            models = self.models if final else self._samples(share, rng)
            point, y = self._level(models, y, point, final, share)
            if final:
                break
            if point is None or point.status != "optimal":
                if point is not None and point.status == "infeasible" and not self._hosted(point):
                    out.status = "infeasible"
                    return out
                point = None
        return out

    def _hosted(self, point: Point) -> bool:
        return True

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
        self, models: list[LossModel], y: Vector | None, point: Point | None, final: bool, share: float
    ) -> tuple[Point | None, Vector | None]:
        out, options = self.out, self.options
        active = [ActiveSet(m) for m in models]
        width = models[0].width if models else 0
        whole = all(m.size <= max(1500, 8 * width) for m in models) and y is None
        losses = self._pass(models, y if y is not None else np.zeros(width), share)
        t = time.perf_counter()
        for a, L in zip(active, losses, strict=True):
            a.rebuild(L, a.model.size if whole else 6 * width + 100)
        out.pass_seconds += time.perf_counter() - t
        goal = options.tolerance if final else max(options.tolerance, 1e-3)
        accuracy = 0.1 * goal if whole or not models else max(0.1 * goal, 1e-3)
        lower, last_gap, chosen = -np.inf, np.inf, 0
        for _ in range(options.max_rounds):
            pieces = [a.piece() for a in active]
            t = time.perf_counter()
            point, chosen = self._solve(pieces, accuracy, point, chosen)
            out.master_seconds += time.perf_counter() - t
            out.rounds += 1
            out.iterations += point.iterations
            if point.status != "optimal":
                if final:
                    out.status, out.point, out.master = point.status, point, self.master(chosen)
                return point, None
            y = point.y
            losses = self._pass(models, y, share)
            t = time.perf_counter()
            gap, wrong, values, var = self._compare(active, losses, point, final, lower, chosen)
            out.pass_seconds += time.perf_counter() - t
            lower = max(lower, point.lower)
            if options.verbose:
                kept = sum(len(a.boundary) for a in active)
                print(
                    f"tail: round {out.rounds:3d}  scenarios {models[0].size if models else 0:>9,}  boundary {kept:>7,}"
                    f"  misplaced {sum(map(len, wrong)):>7,}  lower {lower:.9g}  gap {gap:.1e}"
                    f"  iterations {point.iterations}  {time.perf_counter() - self.started:.2f}s",
                    flush=True,
                )
            nothing = not any(len(x) for x in wrong)
            if gap <= goal or (nothing and accuracy <= 0.1 * goal):
                if final:
                    out.status = "optimal" if out.gap <= 10 * goal else "optimal_inaccurate"
                return point, y
            if options.time_limit is not None and time.perf_counter() - self.started > options.time_limit:
                if final:
                    out.status = "user_limit"
                return point, y
            t = time.perf_counter()
            for a, new in zip(active, wrong, strict=True):
                a.grow(new)
            out.pass_seconds += time.perf_counter() - t
            accuracy = max(0.1 * goal, min(1e-3, 0.03 * gap)) if not nothing else 0.1 * goal
            last_gap = gap
        del last_gap
        if final:
            out.status = "user_limit"
        return point, y

    def _solve(self, pieces, accuracy: float, start: Point | None, chosen: int) -> tuple[Point, int]:  # type: ignore[no-untyped-def]
        point = self.master(chosen).solve(pieces, accuracy, start)
        while point.status == "failed" and chosen + 1 < len(self._makers):
            chosen += 1
            point = self.master(chosen).solve(pieces, accuracy, None)
        return point, chosen

    def _compare(self, active, losses, point: Point, final: bool, lower: float, chosen: int):  # type: ignore[no-untyped-def]
        """True tail values, bounds and misplaced scenarios at a point."""
        out = self.out
        values, var, wrong = np.zeros(len(active)), np.zeros(len(active)), []
        for k, (a, L) in enumerate(zip(active, losses, strict=True)):
            values[k], var[k] = a.model.tail(L)
            _, level = a.reduced(L)
            slack = 1e-12 * max(abs(level), float(np.abs(values[k])))
            wrong.append(a.misplaced(L, level, slack, 4 * len(a.boundary) + 1000))
        scale = np.array([a.model.scale for a in active])
        upper, violation = self.master(chosen).upper(point, values * scale)
        bound = max(lower, point.lower)
        # An optimum of zero has no relative gap: the problem's own unit takes over six digits below it.
        size = max(abs(upper), 1e-6 * float(point.details.get("size", 0.0)), 1e-300)
        gap = max(upper - bound, 0.0) / size
        feasible = violation <= 0.01 * self.options.tolerance
        if not feasible:
            gap = max(gap, violation)
        if final:
            out.lower = max(out.lower, bound) if np.isfinite(out.lower) else bound
            if (feasible and upper <= out.upper) or not np.isfinite(out.upper):
                out.point, out.master, out.active = point, self.master(chosen), active
                out.values, out.var = values, var
                out.upper = upper if feasible else np.inf
                out.weights = [a.weights(q) for a, q in zip(active, point.q, strict=True)]
            out.gap = max(out.upper - out.lower, 0.0) / size if feasible else gap
        return gap, wrong, values, var
