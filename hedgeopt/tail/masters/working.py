"""Working columns: solve in the variables that matter, price the others, let those that pay join.

A hedge trades few of its candidates. The master's core solves the program in the working columns with the others at
zero; the reduced costs of all columns, which the lower bound needs anyway, show how much each resting one could still gain.
The bound is always that of the whole program.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hedgeopt.tail.masters.arrays import ArrayMaster
from hedgeopt.tail.masters.base import Piece, Point, Refusal
from hedgeopt.tail.masters.bound import Repaired, repaired_dual
from hedgeopt.tail.masters.pricing import first_columns
from hedgeopt.tail.masters.scaled import Restricted, Scaled
from hedgeopt.tail.masters.start import Iterate, Warm, spread
from hedgeopt.tail.source import Vector

# Programs of fewer variables keep them all; of the resting columns that would pay, how many join at a time; what share
# of the tolerance they may cost together; and the share of working columns in use below which the others rest.
_FEW, _JOIN_LEAST, _JOIN, _SHARE, _IDLE, _WEIGHT, _NEAR = 40, 16, 0.5, 0.3, 0.5, 0.1, 0.1
# Columns that join at a time where the working ones are infeasible, so many times; a column without a bound counts this far.
_JOIN_FEASIBLE, _REPAIRS, _FAR = 40, 60, 1e3


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

    hasty = False
    """Whether a solve that runs off along a ray is given up at once: the caller knows what to do."""

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
            iterations = repairs = 0
            while True:
                part = p.restricted(work)
                if isinstance(part, Restricted) and repairs < _REPAIRS and len(part.empty):
                    # Rows without a working column are no part of the program: what zero breaks needs one.
                    empty = part.empty
                    lam = np.zeros(len(p.b))
                    lam[empty[p.b[empty] < 0]] = 1.0
                    joined = (
                        self._joined(p, np.zeros(len(p.b_eq)), lam, [0 * u for u in p.caps], work) if lam.any() else None
                    )
                    if joined is not None:
                        work, repairs = joined, repairs + 1
                        continue
                raw = self.core(p, part, work, tolerance, warm)
                if isinstance(raw, Refusal):
                    hopeless = raw.technical or (raw.adrift and self.hasty)
                    if raw.status == "failed" and not hopeless and warm is not None and warm.path:
                        # The path was another program's: from its point alone.
                        warm = Warm(warm.v, [])
                        continue
                    if raw.status == "unbounded" and self.hasty:
                        raw = Refusal("failed", raw.reason, adrift=True)
                    if work.all() or raw.status == "late" or raw.technical or (raw.adrift and self.hasty):
                        return self.judged(p, raw)
                    # Infeasible or hard in these columns says nothing about all of them.
                    more = self._towards(p, part, raw, work) if repairs < _REPAIRS else None
                    work = np.ones(p.n, dtype=bool) if more is None else more
                    repairs += 1
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
                warm = Warm(v, spread(raw.path, work), min(_NEAR, float(cost.sum() / size)), joined=True)
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

    @staticmethod
    def _towards(
        p: Scaled, part: Scaled | Restricted, refusal: Refusal, work: NDArray[np.bool_]
    ) -> NDArray[np.bool_] | None:
        """Columns that join because they lessen what shows the working ones infeasible; None where none is known."""
        if refusal.ray is None or not isinstance(part, Restricted):
            return None
        nu, rows, q = refusal.ray
        rows = rows.copy()
        # A row of several columns may bound the only working one: its multiplier is what that column leaves.
        left = part.equalities.pull(nu) + part.inequalities.pull(rows) + part.forces(_forces(part, rows, q))
        at = np.where(left > 0, part.lower_row, part.upper_row)
        use = (at >= 0) & (left != 0)
        rows[at[use]] = np.abs(left[use] / part.single_entry[at[use]])
        _, lam = part.whole(p, np.zeros(part.n), rows)
        lam[p.single_rows] = 0.0
        return WorkingMaster._joined(p, nu, lam, q, work)

    @staticmethod
    def _joined(p: Scaled, nu: Vector, lam: Vector, q: list[Vector], work: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """The working columns and those that lessen ``nu'A_eq v + lam'A v + q'L(v)`` most; None where there are none."""
        pull = p.equalities.pull(nu) + p.inequalities.pull(lam) + p.forces(_forces(p, lam, q))
        gain = np.where(pull < 0, -pull * np.minimum(p.upper, _FAR), np.minimum(-p.lower, _FAR) * pull)
        gain[work] = 0.0
        found = np.flatnonzero(gain > 1e-9 * np.abs(pull).max(initial=0.0))
        if not len(found):
            return None
        work = work.copy()
        work[found[np.argsort(-gain[found])[:_JOIN_FEASIBLE]]] = True
        return work

    def _working(self, p: Scaled) -> NDArray[np.bool_]:
        known = self.memory.get("work")
        if p.n < _FEW:
            return np.ones(p.n, dtype=bool)
        if known is None or len(known) != p.n:
            return first_columns(p)
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
        nu = raw.nu if proof.nu is None else proof.nu
        it = SimpleNamespace(v=v, nu=nu, lam=proof.lam, q=proof.q, tangent=proof.tangent)
        return p.point(it, raw.primal, proof.value - loose, raw.tails, proof.m, count, spread(raw.path, work))


def _forces(p: Any, lam: Vector, q: list[Vector]) -> Vector:
    """Pull of the tails' rows and scenarios on the loss arguments, whatever the objective."""
    force = np.zeros(p.E.shape[0])
    for k, row in enumerate(p.host_row):
        if row >= 0:
            force += p.host_coef[k] * lam[row] * p.G[k]
        force += q[k] @ p.R[k]
    return force
