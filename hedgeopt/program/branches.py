"""Rules that hold only where collateral leaves: solved as branches, so that a link is never worse than none.

"An account that collateral leaves keeps its initial margin" is no convex limit: where nothing leaves, nothing is asked.
Either the links of an account and asset (a *node*) are open and the rules hold, or they are shut and the rules are off.
Everything open is solved first. Its shadow prices without those of the rules are a lower bound for every other choice; only
where that bound leaves room for something better are nodes decided one by one (branch and bound). What is certified is the
best branch against the least bound of all of them.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hedgeopt.constraints.constraint import LinkNode
from hedgeopt.errors import CertificateError, InfeasibleError
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import Box
from hedgeopt.program.certificate import gap_unit, lower_bound
from hedgeopt.program.program import Program
from hedgeopt.program.search import Deadline, prove
from hedgeopt.program.solution import Leaf, Multipliers

if TYPE_CHECKING:
    from hedgeopt.program.solution import Solution

__all__ = ["all_nodes", "best_branch", "shut"]

_SOLVES = 24
_SECONDS = 30.0
Solve = Callable[[Box], "Solution"]


@dataclass(order=True)
class _Region:
    """Choices that agree on some nodes: ``shut`` and ``used`` are decided, the rest is open; with the proof of the bound."""

    bound: float
    number: int
    shut: frozenset[LinkNode] = field(compare=False)
    used: frozenset[LinkNode] = field(compare=False)
    proofs: tuple[Multipliers, ...] = field(compare=False, default=())


def all_nodes(e: Exposures) -> frozenset[LinkNode]:
    """Every account and asset with a link out of it."""
    return frozenset((int(c), int(a)) for c, a in zip(e.links.source, e.links.asset, strict=True))


def shut(e: Exposures, box: Box, nodes: frozenset[LinkNode]) -> Box:
    """The trade box with the links out of ``nodes`` closed."""
    upper = box.upper.copy()
    for i, c, a in zip(e.links.candidate, e.links.source, e.links.asset, strict=True):
        if (int(c), int(a)) in nodes:
            upper[i] = 0.0
    return replace(box, upper=upper)


def best_branch(program: Program, e: Exposures, box: Box, solve: Solve) -> Solution:
    """The best of all choices of nodes that collateral leaves, certified over all of them.

    ``solve`` solves the program as it is switched inside a box, and raises InfeasibleError or CertificateError.
    """
    return _Search(program, e, box, solve).run()


class _Search:
    def __init__(self, program: Program, e: Exposures, box: Box, solve: Solve) -> None:
        self.program, self.e, self.box, self.solve = program, e, box, solve
        self.nodes = all_nodes(e)
        self.best: Solution | None = None
        self.best_shut: frozenset[LinkNode] = frozenset()
        self.error: InfeasibleError | None = None
        self.refused: CertificateError | None = None
        self.finished: list[float] = []
        self.leaves: list[Leaf] = []
        self.queue: list[_Region] = []
        self.solves = self.count = 0

    def run(self) -> Solution:
        open_links = self.box.upper[self.e.links.candidate] > 0.0
        leads = zip(self.e.links.source[open_links], self.e.links.asset[open_links], strict=True)
        self._push(-np.inf, self.nodes - {(int(c), int(a)) for c, a in leads}, frozenset())
        while self.queue:
            region = heapq.heappop(self.queue)
            if self._hopeless(region.bound) or self.solves >= _SOLVES:
                self._finish(region, region.bound)
            else:
                self._explore(region)
        if self.best is None:
            raise self.refused or self.error or CertificateError("no choice of links gave an answer that could be certified")
        return self._certified(self.best)

    def _push(
        self, bound: float, closed: frozenset[LinkNode], used: frozenset[LinkNode], proofs: tuple[Multipliers, ...] = ()
    ) -> None:
        self.count += 1
        heapq.heappush(self.queue, _Region(bound, self.count, closed, used, proofs))

    def _finish(self, region: _Region, bound: float, *more: Multipliers) -> None:
        """A region that is not looked into further."""
        self.finished.append(bound)
        self.leaves.append(Leaf(region.shut, region.used, (*region.proofs, *more)))

    def _room(self, solution: Solution) -> float:
        return self.program.policy.tolerance * gap_unit(self.program, solution.certificate.objective)

    def _hopeless(self, bound: float) -> bool:
        best = self.best
        return best is not None and bound >= best.certificate.objective - 0.5 * self._room(best)

    def _solve(self, off: frozenset[LinkNode], closed: frozenset[LinkNode]) -> Solution:
        self.solves += 1
        self.program.switch(off)
        solution = self.solve(shut(self.e, self.box, closed))
        if self.best is None or solution.certificate.objective < self.best.certificate.objective:
            self.best, self.best_shut = solution, closed
        return solution

    def _explore(self, region: _Region) -> None:
        free = self.nodes - region.shut - region.used
        try:
            solution = self._solve(region.shut, region.shut)
        except CertificateError as error:  # its answer is none, its shadow prices still prove a bound
            self.refused = self.refused or error
            if error.found is None:
                self._finish(region, region.bound)
                return
            solution = error.found
        except InfeasibleError as error:
            self.error = self.error or error
            if free:
                self._split_infeasible(region, free)
            else:
                self.leaves.append(Leaf(region.shut, region.used, region.proofs))
            return
        found, proofs = self._bound(solution, region.shut, region.used)
        bound = max(region.bound, found)
        priced = self._priced(solution) & free
        if self._hopeless(bound) or not priced:
            self._finish(region, bound, *proofs)
            return
        node = min(priced)
        for closed, used in ((region.shut | {node}, region.used), (region.shut, region.used | {node})):
            found, proofs = self._bound(solution, closed, used)
            self._push(max(bound, found), closed, used, (*region.proofs, *proofs))

    def _split_infeasible(self, region: _Region, free: frozenset[LinkNode]) -> None:
        """Nothing more to look for where not even dropping the rules of undecided nodes helps."""
        try:
            relaxed = self._solve(region.shut | free, region.shut)
        except InfeasibleError:
            self.leaves.append(Leaf(region.shut, region.used, region.proofs))
            return
        except CertificateError:  # breaks a rule where something leaves: to be decided
            node = min(free)
            self._push(region.bound, region.shut | {node}, region.used, region.proofs)
            self._push(region.bound, region.shut, region.used | {node}, region.proofs)
            return
        # it keeps the rules by itself
        proofs = (Multipliers.of(relaxed.sides, relaxed.tails), *relaxed.proofs)
        self._finish(region, relaxed.certificate.lower_bound, *proofs)

    def _bound(
        self, solution: Solution, closed: frozenset[LinkNode], used: frozenset[LinkNode]
    ) -> tuple[float, tuple[Multipliers, ...]]:
        """Least objective of a region by the last solve's shadow prices, those of undecided rules left out; and these."""
        off = self.program.off
        proofs = [Multipliers.of(solution.sides, solution.tails), *solution.proofs]
        tails: Mapping[int, Any] = {id(record.atom): record.weights for record in solution.statistics.get("tails", ())}
        self.program.switch(self.nodes - used, compile=False)
        inside = shut(self.e, self.box, closed)
        try:
            found = lower_bound(self.program, self.e, inside, solution.trades, tails)
            if found < solution.certificate.objective - 0.5 * self._room(solution):
                better, proof = prove(self.program, self.e, inside, solution.trades, tails, Deadline(_SECONDS))
                proofs += [] if proof is None else [proof]
                found = max(found, better)
            return found, tuple(proofs)
        finally:
            self.program.switch(off, compile=False)

    def _priced(self, solution: Solution) -> frozenset[LinkNode]:
        """Nodes whose rules cost something."""
        return frozenset(node for limit in self.program.limits for node in limit.priced())

    def _certified(self, best: Solution) -> Solution:
        """The best branch, with the least bound of all."""
        least = min(self.finished, default=best.certificate.lower_bound)
        certificate = best.certificate
        if least < certificate.lower_bound:
            gap = (certificate.objective - least) / gap_unit(self.program, certificate.objective)
            certificate = replace(certificate, lower_bound=least, gap=gap, optimal=gap <= certificate.tolerance)
        if not certificate.valid:
            undecided = f"; one of them: {self.refused}" if self.refused else ""
            raise CertificateError(
                f"the best of {self.solves} choices of links may be {certificate.gap:.2e} (relative) from optimal; "
                "try fewer links"
                + (f", or a tolerance of {2.0 * certificate.gap:.1e}" if certificate.gap < 0.05 else "")
                + undecided
            )
        off = frozenset(self.best_shut)
        if self.program.off != off:
            self.program.switch(off)
        self.program.update(self.e, shut(self.e, self.box, self.best_shut))
        self.program.place(best.trades)
        statistics = {**best.statistics, "branches": self.solves}
        return replace(best, certificate=certificate, statistics=statistics, leaves=tuple(self.leaves))
