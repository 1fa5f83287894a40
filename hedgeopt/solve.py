"""From book, market and policy to certified trades."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import cvxpy as cp
import numpy as np

from hedgeopt.book import Book
from hedgeopt.branches import best_branch
from hedgeopt.certificate import Certificate, allowance, certify
from hedgeopt.constraints.constraint import Side
from hedgeopt.dust import sweepings
from hedgeopt.errors import CertificateError, InfeasibleError
from hedgeopt.exposing import expose
from hedgeopt.market import Market
from hedgeopt.masters import OWN, Attempt, solver_order
from hedgeopt.models.arrays import Exposures
from hedgeopt.policy import Policy
from hedgeopt.program import Box, Program, trade_box
from hedgeopt.proposal import Proposal, assemble

__all__ = ["Solution", "Stages", "propose", "solve_program"]

_RESTORATIONS = 3
_REFINEMENTS = 6
_ANCHORS = 3
_HOLDS = 1e-12
_ROOM = 0.02
_CONFLICT = 1e-6
_CLOSEST = 1e-9

Progress = Callable[[str], None]


@dataclass
class Stages:
    """Seconds spent per stage, in order; ``progress`` hears each stage as it starts."""

    progress: Progress | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time what runs inside as one stage."""
        if self.progress is not None:
            self.progress(name)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class Solution:
    """Certified trades.

    Attributes
    ----------
    trades : (N,)
        In the candidates' quantity units; positive buys.
    certificate
    sides
        Every limit with its value after trading, its bound and its shadow price.
    box, binding_sizes
        Trade limits, and the candidates that stand at theirs by the limit's name.
    statistics
        The tail solver's own account: rounds, passes, seconds.
    tails
        Scenario weights (S,) of every CVaR atom by ``id``, with which the lower bound was computed.
    """

    trades: np.ndarray
    certificate: Certificate
    sides: tuple[Side, ...]
    box: Box
    binding_sizes: Mapping[str, list[int]]
    statistics: Mapping[str, Any]
    tails: Mapping[int, np.ndarray] = field(default_factory=dict)


def solve_program(program: Program, e: Exposures, stages: Stages | None = None) -> Solution:
    """Solve a program on exposures of its structure and certify the result.

    Solvers are tried in the order of :func:`hedgeopt.masters.solver_order` until one answer is certified;
    ``statistics["attempts"]`` tells each try.

    Raises
    ------
    InfeasibleError, CertificateError
    """
    stages = stages or Stages()
    box = trade_box(program.policy, e)
    if not len(e.links):
        return _solve_inside(program, e, box, stages)
    return best_branch(program, e, box, lambda inside: _solve_inside(program, e, inside, stages))


def _solve_inside(program: Program, e: Exposures, box: Box, stages: Stages) -> Solution:
    """The program as it is switched, inside a box."""
    attempts: list[Attempt] = []
    for solver in solver_order(program.problem, program.policy.solver):
        with stages("build"):
            program.forget()
            program.update(e, box)
        try:
            solution = _certified(program, e, box, solver, stages)
        except _NoAnswerError as error:
            attempts.append(Attempt(solver, str(error)))
            continue
        certificate = solution.certificate
        attempts.append(Attempt(solver, "certified" if certificate.valid else _why(certificate), certificate.gap))
        if certificate.valid:
            return replace(solution, statistics={**solution.statistics, "attempts": [a.to_dict() for a in attempts]})
    tried = "; ".join(f"{attempt.solver}: {attempt.status}" for attempt in attempts)
    raise CertificateError(f"no solver gave an answer that could be certified ({tried}); try a larger tolerance")


def _certified(program: Program, e: Exposures, box: Box, solver: str, stages: Stages) -> Solution:
    """One solver's best answer with its certificate.

    A limit that the solver overshoots by rounding is tightened by as much and the program solved again, so that returned
    trades meet every limit; what was tightened too far is eased again. Where a term is approximated from above (the size
    ramp of futures margin) and the certificate says that this cost too much, it is sharpened around the solution and
    solved again. A margin rule that is not convex is encoded so that it is exact at one portfolio: where the solution is
    another, it is made exact there and solved again, which cannot be worse.
    """
    tighten: dict[str, float] = {}
    spare: Solution | None = None
    anchors = 0
    for attempt in range(_RESTORATIONS + _REFINEMENTS + 1):
        with stages("solve"):
            try:
                statistics = _run(program, e, box, solver)
            except (_NoAnswerError, InfeasibleError):
                if spare is None:
                    raise
                return spare
        with stages("certify"):
            x = program.x()
            tails = {id(record.atom): record.weights for record in statistics.get("tails", ())}
            certificate, sides = certify(program, e, box, x, tails)
        over = {side.name: side.violation for side in sides if side.violation > allowance(side, _HOLDS)}
        done = not over and certificate.optimal
        if certificate.valid:  # holds to rounding: kept in case that more exact is not to be had
            spare = Solution(x, certificate, tuple(sides), box, box.binding(x), statistics, tails)
        if attempt == _RESTORATIONS + _REFINEMENTS:
            break
        moved = False
        if not over and anchors < _ANCHORS:
            anchors, moved = anchors + 1, program.anchor(e, x)
        if done and not moved:
            break
        sharper = program.refine(e, x) or moved
        if not _retighten(tighten, sides, over) and not sharper:
            break
        with stages("build"):
            box = program.narrow(e, box)
            program.update(e, box, tighten)
    if not certificate.valid and spare is not None:
        program.place(spare.trades)
        return spare
    with stages("certify"):
        for swept in sweepings(e, x):  # trades below a dollar are a solver's rounding: dropped if the proof survives it
            clean, clean_sides = certify(program, e, box, swept, tails)
            if clean.valid:
                x, certificate, sides = swept, clean, clean_sides
                break
        program.place(x)
    return Solution(x, certificate, tuple(sides), box, box.binding(x), statistics, tails)


def _retighten(tighten: dict[str, float], sides: Sequence[Side], over: Mapping[str, float]) -> bool:
    """Tighten what is overshot, ease what was tightened and has room left; says whether anything moved."""
    moved = False
    for side in sides:
        if side.name in over:
            # a little more than the excess; twice as much again where that was not enough
            tighten[side.name] = max(tighten.get(side.name, 0.0), 0.0) * 2.0 + 1.05 * over[side.name]
            moved = True
        elif not over and tighten.get(side.name, 0.0) > 0.0 and side.dual > 0.0:
            room = min(-side.violation, tighten[side.name])
            if room > _ROOM * tighten[side.name]:
                tighten[side.name] -= 0.9 * room
                moved = True
    return moved


def propose(
    book: Book,
    market: Market,
    policy: Policy,
    *,
    program: Program | None = None,
    customize: Callable[[Program], None] | None = None,
    progress: Progress | None = None,
) -> Proposal:
    """The trade list that a policy asks for, certified, with the book before and after.

    Parameters
    ----------
    program
        A program compiled before for the same structure; saves the build stage.
    customize
        Called with the new program before it is solved, to add cvxpy constraints on ``program.trades``.
    progress
        Called with the name of each stage as it starts.
    """
    stages = Stages(progress)
    with stages("value"):
        e = expose(book, market, policy)
    if program is None or program.structure != e.structure():
        with stages("build"):
            program = Program(policy, e)
            if customize is not None:
                customize(program)
    solution = solve_program(program, e, stages)
    with stages("report"):
        return assemble(book, market, policy, program, e, solution, stages.seconds)


class _NoAnswerError(Exception):
    """A solver gave nothing to certify; the text says what it gave."""


def _run(program: Program, e: Exposures, box: Box, solver: str) -> Mapping[str, Any]:
    policy, problem = program.policy, program.problem
    try:
        problem.solve(method="tail", tolerance=0.1 * policy.tolerance, master=None if solver == OWN else solver)
    except cp.SolverError as error:
        raise _NoAnswerError(f"failed ({error})") from None
    if problem.status in (cp.INFEASIBLE, cp.INFEASIBLE_INACCURATE):
        raise infeasible(program, e, box)
    if problem.status in (cp.UNBOUNDED, cp.UNBOUNDED_INACCURATE):
        raise _NoAnswerError("said unbounded, but every trade has a limit")
    if problem.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE, cp.USER_LIMIT) or program.variables.buy.value is None:
        raise _NoAnswerError(f"ended with status {problem.status}")
    return dict(problem.solver_stats.extra_stats or {})


def infeasible(program: Program, e: Exposures, box: Box) -> InfeasibleError:
    """Which limits are violated at the closest point: the trades that minimise the sum of relative excesses.

    A solver's word is not enough: when the closest point meets every limit after all, the solver is said to have failed.
    """
    if program.added:
        return InfeasibleError("no trade list meets every limit together with the added constraints")
    elastic = Program(program.policy, e, elastic=True)
    elastic.switch(program.off)
    elastic.update(e, box)
    elastic.problem.solve(method="tail", tolerance=1e-6)
    if elastic.variables.buy.value is None:
        return InfeasibleError("no trade list meets every limit")
    sides = elastic.sides(e, elastic.x())
    # what is left of a limit must show against what is summed: less is how exactly the closest point was found
    broken = {
        side.name: (side.value, side.limit, side.unit)
        for side in sides
        if side.violation > allowance(side, _CONFLICT) + _CLOSEST * side.size
    }
    if not broken:
        raise _NoAnswerError("said infeasible, but its limits can be met")
    words = "; ".join(f"{name} {value:,.6g} against {limit:,.6g} {unit}" for name, (value, limit, unit) in broken.items())
    return InfeasibleError(f"no trade list meets every limit; at the closest point: {words}", broken)


def _why(certificate: Certificate) -> str:
    if not certificate.feasible:
        return f"breaks {certificate.worst_limit} by {certificate.worst_violation:.2e} of its size"
    return f"may be {certificate.gap:.2e} (relative) from optimal, the policy allows {certificate.tolerance:.0e}"
