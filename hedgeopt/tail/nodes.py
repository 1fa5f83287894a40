"""What a node of the search asks: the relaxation between bounds, solved whole, with a bound that the data prove."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from cvxpy import settings as s

from hedgeopt.tail.integers import Relaxation
from hedgeopt.tail.outcome import Options, Outcome
from hedgeopt.tail.source import Vector

FOUND = (s.OPTIMAL, s.OPTIMAL_INACCURATE, s.USER_LIMIT)
SUMS = ("rounds", "passes", "master_seconds", "pass_seconds", "iterations")


@dataclass
class NodeAnswer:
    """A relaxation's answer: status, proven bound, integer entries, reduced costs, and the whole outcome if there is one."""

    status: str
    lower: float
    x: Vector | None = None
    cost: Vector | None = None
    """By how much the proven bound rises at least when an entry leaves the bound that its sign names by one."""
    outcome: Outcome | None = None
    z: Vector | None = None
    """All columns of the program, where the node is one."""


class WholeNodes:
    """Every node a continuous tail problem over all scenarios, in the masters of continuous problems."""

    learns = False
    """Whether a point makes the next relaxation of the same node tighter."""

    def __init__(self, relaxation: Relaxation, solve: Callable[[Options], Outcome], options: Options, gap: float) -> None:
        self.relaxation, self.solve, self.options = relaxation, solve, options
        # A node need not be solved to more digits than its bound is compared to.
        self.loose = replace(options, tolerance=max(options.tolerance, 0.05 * gap))
        self.count = 0
        self.counts: dict[str, float] = dict.fromkeys(SUMS, 0.0)

    def relax(self, first: Vector, last: Vector, cutoff: float, exact: bool = False) -> NodeAnswer:
        """The relaxation of ``first <= x <= last``; a bound of ``cutoff`` is as good as any higher one."""
        self.relaxation.within(first, last)
        outcome = self.solve(self.options if exact else self.loose)
        self.count += 1
        for name in self.counts:
            self.counts[name] += getattr(outcome, name)
        if outcome.status not in FOUND:
            return NodeAnswer(outcome.status, np.inf if outcome.status == s.INFEASIBLE else -np.inf, outcome=outcome)
        levels = outcome.values * np.array([a.model.scale for a in outcome.active])
        primal = outcome.master.solution(outcome.point, levels)
        x = np.clip(self.relaxation.read(primal.primal_vars), first, last)
        # Multipliers of a solver are no proof: without a bound computed from them nothing is fixed.
        return NodeAnswer(outcome.status, outcome.lower if outcome.proven else -np.inf, x, None, outcome)

    def point(self, x: Vector) -> Outcome | None:
        """The best point with the integers at ``x``, its ``upper`` infinite where there is none; None where nobody knows."""
        outcome = self.relax(x, x, np.inf, exact=True).outcome
        known = (s.OPTIMAL, s.OPTIMAL_INACCURATE, s.INFEASIBLE)
        return outcome if outcome is not None and outcome.status in known else None
