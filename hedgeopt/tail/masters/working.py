"""Working columns: solve in the variables that matter, price the others, let those that pay join.

A hedge trades few of its candidates. The master's core solves the program in the working columns with the others at
zero; the reduced costs of all columns, which the lower bound needs anyway, show how much each resting one could still gain.
The bound is always that of the whole program.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from hedgeopt.tail.masters.arrays import ArrayMaster
from hedgeopt.tail.masters.base import Piece, Point, Refusal
from hedgeopt.tail.masters.bound import Repaired, repaired_dual
from hedgeopt.tail.masters.scaled import Restricted, Scaled
from hedgeopt.tail.masters.start import Iterate, Warm, spread
from hedgeopt.tail.source import Vector

# Programs of fewer variables keep them all; of the resting columns that would pay, how many join at a time; what share
# of the tolerance they may cost together; and the share of working columns in use below which the others rest.
_FEW, _JOIN_LEAST, _JOIN, _SHARE, _IDLE, _WEIGHT, _NEAR = 40, 16, 0.5, 0.3, 0.5, 0.1, 0.1


@dataclass
class Raw:
    """Result of a core: an iterate of its (restricted) program and the bound it proved there."""

    status: str
    v: Vector
    nu: Vector
    tails: Vector
    primal: float
    proof: Repaired
    iterations: int
    path: list[Iterate] = field(default_factory=list)


class WorkingMaster(ArrayMaster, ABC):
    """Solves in the working columns; subclasses implement the core."""

    @abstractmethod
    def core(
        self, parent: Scaled, part: Scaled | Restricted, work: NDArray[np.bool_], tolerance: float, warm: Warm | None
    ) -> Raw | Refusal:
        """Solve ``part`` (columns ``work`` of ``parent``) from ``warm``; a refusal gives the reason for no point."""

    def solve(self, pieces: list[Piece], tolerance: float, start: Point | None) -> Point:
        """Solve the reduced problem to a relative gap of ``tolerance``."""
        with np.errstate(all="ignore"):
            p = self.layout.scaled(pieces)
            if np.any(p.lower > p.upper):
                return self.judged(p, Refusal("infeasible", "a lower bound above an upper one"))
            warm = p.start(start)
            work = self._working(p)
            iterations = 0
            while True:
                part = p.restricted(work)
                raw = self.core(p, part, work, tolerance, warm)
                if isinstance(raw, Refusal):
                    if raw.status == "failed" and not raw.technical and warm is not None and warm.path:
                        # The path was another program's: from its point alone.
                        warm = Warm(warm.v, [])
                        continue
                    if work.all() or raw.status == "late" or raw.technical:
                        return self.judged(p, raw)
                    # Infeasible or hard in these columns says nothing about all of them.
                    work = np.ones(p.n, dtype=bool)
                    continue
                iterations += raw.iterations
                if isinstance(part, Scaled):
                    point = self._point(p, raw, work, raw.v, raw.proof, raw.proof.loose, iterations)
                    break
                v, lam = part.whole(p, raw.v, raw.proof.lam)
                proof = repaired_dual(p, v, raw.nu, lam, raw.proof.q)
                cost = self._gain(p, proof, work, v)
                size = max(abs(raw.primal), 1e-6 * (np.abs(p.c) @ np.abs(v) + p.spread), 1e-12)
                if (cost.sum() <= _SHARE * tolerance * size and proof.loose == 0.0) or not cost.any():
                    point = self._point(p, raw, work, v, proof, proof.loose, iterations)
                    break
                warm = Warm(v, spread(raw.path, work), _NEAR)
                found = np.flatnonzero(cost > 0)
                most = max(_JOIN_LEAST, int(_JOIN * len(found)))
                work = work.copy()
                work[found[np.argsort(-cost[found])[:most]]] = True
            self._remember(p, raw, work, pieces)
            return self.checked(point)

    @staticmethod
    def _gain(p: Scaled, proof: Repaired, work: NDArray[np.bool_], v: Vector) -> Vector:
        """Possible gain of each resting column within its bounds, by its reduced cost."""
        reduced, (lower, upper) = proof.reduced, proof.reach or (p.lower, p.upper)
        up, down = np.where(p.upper > 0, -reduced, 0.0), np.where(p.lower < 0, reduced, 0.0)
        promise = np.maximum(np.maximum(up, down), 0.0)
        promise[work] = 0.0
        # Without a bound, ten times the largest position stands for it: what joins is a guess, the bound is not.
        far = 10 * max(float(np.abs(v).max(initial=0.0)), 1e-3)
        reach = np.where(up > down, upper, -lower)
        return np.asarray(promise * np.where(np.isfinite(reach), reach, far))

    def _working(self, p: Scaled) -> NDArray[np.bool_]:
        known = self.memory.get("work")
        if known is None or len(known) != p.n or p.n < _FEW:
            return np.ones(p.n, dtype=bool)
        work = np.asarray(known | (p.lower > 0) | (p.upper < 0))
        # A plan that uses nothing still needs a program.
        work[0] |= not work.any()
        return work

    def _remember(self, p: Scaled, raw: Raw, work: NDArray[np.bool_], pieces: list[Piece]) -> None:
        """Working columns of the next solve: those in use where many rest idle, else the same."""
        use = np.zeros(p.n, dtype=bool)
        use[work] = self.in_use(raw)
        last = self.memory.get("use")
        # A relaxation early in a level leans on odd columns: what the solve before it used stays.
        recent = use if last is None or len(last) != p.n else use | last
        self.memory["use"] = use
        self.memory["work"] = recent if recent.sum() <= _IDLE * work.sum() else work

    def in_use(self, raw: Raw) -> NDArray[np.bool_]:
        """Which working columns the plan needs: the position outweighs the reduced cost (scaled, complementary)."""
        return np.asarray(np.abs(raw.v) > _WEIGHT * np.abs(raw.proof.reduced))

    @staticmethod
    def _point(p: Scaled, raw: Raw, work: NDArray[np.bool_], v: Vector, proof: Repaired, loose: float, count: int) -> Point:
        it = SimpleNamespace(v=v, nu=raw.nu, lam=proof.lam, q=proof.q)
        return p.point(it, raw.primal, proof.value - loose, raw.tails, proof.m, count, spread(raw.path, work))
