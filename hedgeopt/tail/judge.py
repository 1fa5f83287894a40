"""Bounds, best point and misplaced scenarios of one level, and the line search that costs no pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hedgeopt.tail.active import ActiveSet
from hedgeopt.tail.masters.base import Master, Point, blendable
from hedgeopt.tail.outcome import Options, Outcome
from hedgeopt.tail.source import Index, Vector

# Scenarios added per round and side in units of the number of instruments, and where few are misplaced; steps of the line
# search.
ADD, AHEAD, SEARCH, GOLDEN = 3, 0.5, 3, 0.5 * (5**0.5 - 1)


class Judge:
    """Bounds of one level: the best point so far, the proven bound, and who is misplaced."""

    def __init__(self, options: Options, active: list[ActiveSet], final: bool) -> None:
        self.options, self.active, self.final = options, active, final
        self.scale = np.array([a.model.scale for a in active])
        self.lower, self.upper, self.size = -np.inf, np.inf, 1.0
        self.best: Point | None = None
        self.master: Master | None = None
        self.dual: Point | None = None
        self.losses: list[Vector] = []
        self.values = self.var = np.zeros(len(active))
        self.violation = self.gap = np.inf
        self.growth = 1.0
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
        return self.violation <= 0.01 * self.options.tolerance

    def look(self, point: Point, losses: list[Vector], master: Master) -> tuple[float, list[Index]]:
        """Judge a master's point: update bounds, search the segment from the best point, list the misplaced."""
        values, var = self._evaluate(losses)
        upper, violation = master.upper(point, values * self.scale)
        feasible = violation <= 0.01 * self.options.tolerance
        wrong = []
        for a, L in zip(self.active, losses, strict=True):
            _, level = a.reduced(L)
            most = a.model.band(int(self.growth * max(ADD * a.model.width, 300)))
            new = a.misplaced(L, level, 1e-12 * abs(level), most)
            some = int(AHEAD * a.model.width)
            if master.name == "INTERIOR" and 0 < len(new) < some:
                # A round costs the same for a few more: those that are next, as far from the level as these are beyond it.
                far = float(np.abs(L[new] - level).max())
                new = np.union1d(new, a.misplaced(L, level, -far, some))
            wrong.append(new)
        if point.lower > self.lower:
            self.lower, self.dual = point.lower, point
            if self.final:
                self.dual_weights = [a.weights(q) for a, q in zip(self.active, point.q, strict=True)]
        share = 1.0
        mixed = self.best is not None and blendable(self.best, point) and not getattr(master, "integer", False)
        if mixed and self.active:
            share = self._search(point, losses, master, upper, feasible)
        if share == 1.0:
            if (feasible and upper <= self.upper) or not np.isfinite(self.upper):
                self.best, self.losses, self.master = point, losses, master
                self.values, self.var, self.violation = values, var, violation
                self.upper = upper if feasible else np.inf
        elif share > 0.0:
            assert self.best is not None
            self.best = master.blend(self.best, point, share)
            self.losses = [_mixed(a, b, share) for a, b in zip(self.losses, losses, strict=True)]
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
        return bool(self.lower - self.upper > 10 * self.options.tolerance * self.size)

    def _search(self, point: Point, losses: list[Vector], master: Master, upper: float, feasible: bool) -> float:
        """Share of the step from the best point to the master's that minimises the true objective."""
        assert self.best is not None

        def at(share: float) -> tuple[float, float]:
            if share == 0.0:
                return self.upper, self.violation
            if share == 1.0:
                return upper, 0.0 if feasible else np.inf
            mixed = [_mixed(a, b, share) for a, b in zip(self.losses, losses, strict=True)]
            values = self._evaluate(mixed)[0]
            assert self.best is not None
            value, violation = master.upper(master.blend(self.best, point, share), values * self.scale)
            return (value if violation <= 0.01 * self.options.tolerance else np.inf), violation

        if not np.isfinite(self.upper) or (feasible and upper < self.upper):
            return 1.0
        shares = {0.0: self.upper, 1.0: at(1.0)[0] if feasible else np.inf}
        # Golden section: one evaluation narrows the interval by 0.618.
        lo, hi = 0.0, 1.0
        left, right = hi - GOLDEN, lo + GOLDEN
        shares[left], shares[right] = at(left)[0], at(right)[0]
        for _ in range(SEARCH):
            if shares[left] <= shares[right]:
                hi, right = right, left
                left = hi - GOLDEN * (hi - lo)
                shares[left] = at(left)[0]
            else:
                lo, left = left, right
                right = lo + GOLDEN * (hi - lo)
                shares[right] = at(right)[0]
        return min(shares, key=lambda s: (shares[s], -s))

    def store(self, out: Outcome) -> None:
        """Write the final level's answer: the point with the best objective, the duals of the best bound."""
        assert self.best is not None
        assert self.master is not None
        out.point, out.master, out.active, out.dual = self.best, self.master, self.active, self.dual
        out.values, out.var, out.losses = self.values, self.var, self.losses
        if self.contradicted():
            # A bound above a feasible value is none: a gap of zero would be a lie.
            self.lower, self.gap = -np.inf, np.inf
        out.lower, out.upper, out.gap = self.lower, self.upper, self.gap
        # A bound that is a solver's word is reported, and is no proof.
        out.proven = bool(np.isfinite(self.lower)) and not (self.dual is not None and self.dual.details.get("claimed"))
        exact = out.proven and self.gap <= 10 * self.options.tolerance
        out.status = "optimal" if exact else "optimal_inaccurate"
        if self.dual is None:
            # No round of this level: the weights that attain the CVaR of the point, and no bound.
            out.weights = [a.model.worst(L) for a, L in zip(self.active, self.losses, strict=True)]
            return
        out.weights, out.q = self.dual_weights, self.dual.q
        out.point = replace(self.best, multipliers=self.dual.multipliers)
        if blendable(self.best, self.dual):
            # One point of both; where masters changed in between, result.store reads them one by one.
            primal = {key: self.best.state[key] for key in ("z", "variables") if key in self.best.state}
            out.point = out.dual = replace(out.point, state=self.dual.state | primal)


def _mixed(a: Vector, b: Vector, share: float) -> Vector:
    """``(1 - share) a + share b`` with no more memory than the result."""
    out = np.subtract(b, a)
    out *= share
    out += a
    return out
