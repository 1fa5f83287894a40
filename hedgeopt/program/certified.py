"""Solve a program with one solver after another until trades are certified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import cvxpy as cp
import numpy as np

from hedgeopt.constraints.constraint import Side
from hedgeopt.errors import CertificateError, InfeasibleError
from hedgeopt.files.calls import strict_call
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.at_once import met_at_once
from hedgeopt.program.box import Box, trade_box
from hedgeopt.program.branches import best_branch
from hedgeopt.program.certificate import allowance, certify
from hedgeopt.program.dust import sweepings
from hedgeopt.program.infeasible import NoAnswerError, infeasible
from hedgeopt.program.lots import whole_lots
from hedgeopt.program.named import require_finite
from hedgeopt.program.order import CUTS, OWN, Attempt, solver_order
from hedgeopt.program.outside import due
from hedgeopt.program.own_terms import check_own_terms
from hedgeopt.program.program import Program
from hedgeopt.program.proven import Certificate
from hedgeopt.program.refusal import contradicts, refusal, why
from hedgeopt.program.search import Deadline, by_cuts, prove
from hedgeopt.program.solution import Multipliers, Solution, Stages
from hedgeopt.program.split import split_again

__all__ = ["solve_program"]

_RESTORATIONS = 3
_REFINEMENTS = 6
_ANCHORS = 3
_HOLDS = 1e-12
_ROOM = 0.02
_HOPELESS = 1e-3
_SPARE = 0.2
"""Share of the tolerance that chords are drawn in to while that is cheap: the verifier has bounds of its own."""


@strict_call
def solve_program(program: Program, exposures: Exposures, stages: Stages | None = None, *, lots: str = "exact") -> Solution:
    """Solve a program on exposures of its structure and certify the result.

    Solvers are tried in the order of :func:`hedgeopt.program.order.solver_order` until one answer is certified;
    ``statistics["attempts"]`` tells each try. A policy of whole lots gets the best list in whole lots that holds every
    limit; its certificate says what it costs, and is not valid beyond ``lot_gap``. ``lots``: ``exact``; ``quick`` (only
    integers over cuts); or ``none``, the ideal trades whatever the policy asks for.

    Raises
    ------
    InfeasibleError, CertificateError
    """
    e, stages = exposures, stages or Stages()
    deadline = Deadline(program.policy.time_limit_seconds)
    box = trade_box(program.policy, e)
    check_own_terms(program, e, box)
    with due(deadline.seconds):
        if not len(e.links):
            ideal = _solve_inside(program, e, box, stages, deadline)
        else:
            ideal = best_branch(program, e, box, lambda inside: _solve_inside(program, e, inside, stages, deadline))
        if lots == "none" or not program.policy.whole:
            return ideal
        return whole_lots(program, e, ideal, stages, deadline, exact=lots == "exact")


def _solve_inside(program: Program, e: Exposures, box: Box, stages: Stages, deadline: Deadline) -> Solution:
    """The program as it is switched, inside a box."""
    attempts: list[Attempt] = []
    order = [*solver_order(program.problem, program.policy.solver)]
    auto = program.policy.solver == "auto"
    start: _Start | None = None
    unproven: Solution | None = None
    while order and deadline.left() > 0:
        solver = order.pop(0)
        with stages("build"):
            program.forget()
            program.update(e, box)
        try:
            if solver == CUTS:
                solution = _search(program, e, box, start or _Start(np.zeros(e.n_candidates), None), stages, deadline)
            else:
                solution = _certified(program, e, box, solver, stages, deadline)
        except NoAnswerError as error:
            attempts.append(Attempt(solver, str(error)))
            continue
        finally:
            if auto and not order and all(attempt.solver != CUTS for attempt in attempts) and solver != CUTS:
                order = [CUTS]
        certificate = solution.certificate
        attempts.append(
            Attempt(
                solver,
                "certified" if certificate.valid else why(certificate),
                certificate.gap,
                certificate.feasible,
                "" if certificate.feasible else certificate.worst_limit,
                solution.at_once,
                contradicts(certificate),
            )
        )
        if certificate.valid:
            return replace(solution, statistics={**solution.statistics, "attempts": [a.to_dict() for a in attempts]})
        unproven = solution
        if auto and start is None and solver != CUTS:
            tails = {id(record.atom): record.weights for record in solution.statistics.get("tails", ())}
            start = _Start(solution.trades, tails)
            order.insert(0, CUTS)
    message = refusal(attempts, deadline, chosen=program.policy.solver, bracketed=program.bracketed(e))
    raise CertificateError(message, unproven)


@dataclass(frozen=True)
class _Start:
    """Trades of a solver that could not be certified, and its tail weights."""

    trades: np.ndarray
    tails: Mapping[int, np.ndarray] | None


def _search(program: Program, e: Exposures, box: Box, start: _Start, stages: Stages, deadline: Deadline) -> Solution:
    """Trades by cuts, with their certificate."""
    with stages("solve"):
        found = by_cuts(program, e, box, start.trades, start.tails, deadline, 0.5 * program.policy.tolerance)
    if found.status == "infeasible":
        raise infeasible(program, e, box, deadline, proven=True)
    if found.status == "nothing":
        raise NoAnswerError("found no trades")
    with stages("certify"):
        x = found.x
        certificate, sides = certify(program, e, box, x, {}, found.bound)
        x, certificate, sides = _without_dust(program, e, box, x, certificate, sides, {}, found.bound)
    statistics = {"master": CUTS, "rounds": found.rounds}
    proofs = () if found.proof is None else (found.proof,)
    return Solution(x, certificate, tuple(sides), box, box.binding(x), statistics, {}, proofs)


def _without_dust(
    program: Program,
    e: Exposures,
    box: Box,
    x: np.ndarray,
    certificate: Certificate,
    sides: list[Side],
    tails: Mapping[int, np.ndarray],
    proven: float,
) -> tuple[np.ndarray, Certificate, list[Side]]:
    """Trades below a dollar are a solver's rounding: dropped if the proof survives it. So is a split that costs more."""
    for swept in sweepings(e, x):
        clean, clean_sides = certify(program, e, box, swept, tails, proven)
        if clean.valid:
            x, certificate, sides = swept, clean, clean_sides
            break
    again = split_again(e, box, x)
    if again is not None:
        better, its_sides = certify(program, e, box, again, tails, proven)
        if better.valid and better.objective < certificate.objective:
            x, certificate, sides = again, better, its_sides
    program.place(x)
    return x, certificate, sides


def _certified(program: Program, e: Exposures, box: Box, solver: str, stages: Stages, deadline: Deadline) -> Solution:
    """One solver's best answer: at the leverage of the positions held, else at the least that trades may lead to."""
    if not program.bracketed(e):
        return _from_start(program, e, box, box, solver, stages, deadline)
    found: Solution | None = None
    with stages("build"):
        program.forget(tight=True)
        program.update(e, box)
        inside = program.narrow(e, box)
    if inside is not box:
        with suppress(NoAnswerError):
            found = _from_start(program, e, box, inside, solver, stages, deadline)
        if found is not None and found.certificate.valid:
            return found
    with stages("build"):
        program.forget()
        program.update(e, box)
    try:
        other = _from_start(program, e, box, box, solver, stages, deadline)
    except NoAnswerError:
        if found is None:
            raise
        return found
    both = [other] if found is None or other.certificate.valid else [found, other]
    return min(both, key=lambda one: (not one.certificate.feasible, one.certificate.objective))


def _from_start(
    program: Program, e: Exposures, whole: Box, box: Box, solver: str, stages: Stages, deadline: Deadline
) -> Solution:
    """One solver's best answer in a box with its certificate, which holds for the whole one.

    A limit that the solver overshoots by rounding is tightened by as much and the program solved again, so that returned
    trades meet every limit; what was tightened too far is relaxed again. Where a term is approximated from above (the size
    ramp of futures margin) and the certificate says that this cost too much, it is sharpened around the solution and
    solved again. A margin rule that is not convex is encoded so that it is exact at one portfolio: where the solution is
    another, it is made exact there and solved again, which cannot be worse.
    """
    tighten: dict[str, float] = {}
    spare: Solution | None = None
    bracketed = bool(program.bracketed(e))
    known, known_by = -np.inf, tuple[Multipliers, ...]()  # bounds of earlier solves hold as well
    anchors = 0
    if box is not whole:
        with stages("build"):
            program.update(e, box)
    for attempt in range(_RESTORATIONS + _REFINEMENTS + 1):
        with stages("solve"):
            try:
                statistics = _run(program, e, whole, solver, deadline)
            except (NoAnswerError, InfeasibleError):
                if spare is None and attempt == 0:
                    raise
                break  # tightened too far: what was found before stays
        with stages("certify"):
            x, at_once = program.x(), met_at_once(program, e)
            tails = {id(record.atom): record.weights for record in statistics.get("tails", ())}
            certificate, sides = certify(program, e, whole, x, tails)
            proven, proofs = -np.inf, tuple[Multipliers, ...]()
            drawing_in = program.coarse and attempt < _REFINEMENTS and deadline.left() > 0
            if program.added or not (certificate.optimal or drawing_in):
                proven, found = prove(program, e, whole, x, tails, deadline)
                certificate, sides = certify(program, e, whole, x, tails, proven)
                proofs = () if found is None else (found,)
            if bracketed and certificate.lower_bound < known:
                proven, proofs = known, (*proofs, *known_by)
                certificate, sides = certify(program, e, whole, x, tails, proven)
            elif bracketed:
                known, known_by = certificate.lower_bound, (*proofs, Multipliers.of(sides, tails))
        over = {side.name: side.violation for side in sides if side.violation > allowance(side, _HOLDS)}
        room = _SPARE * certificate.tolerance if program.coarse else certificate.tolerance
        done = not over and certificate.optimal and certificate.gap <= room
        if certificate.valid:  # holds to rounding: kept in case that more exact is not to be had
            spare = Solution(x, certificate, tuple(sides), whole, whole.binding(x), statistics, tails, proofs)
        if attempt == _RESTORATIONS + _REFINEMENTS or deadline.left() <= 0:
            break
        moved = False
        if not over and anchors < _ANCHORS:
            anchors, moved = anchors + 1, program.anchor(e, x)
        if done and not moved:
            break
        early = bracketed and not anchors  # to be made exact yet
        if not (moved or early) and (certificate.worst_violation > _HOPELESS or certificate.gap > 100 * _HOPELESS):
            break  # no rounding: another way is quicker than another try
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
        x, certificate, sides = _without_dust(program, e, whole, x, certificate, sides, tails, proven)
    return Solution(x, certificate, tuple(sides), whole, whole.binding(x), statistics, tails, proofs, at_once=at_once)


def _retighten(tighten: dict[str, float], sides: Sequence[Side], over: Mapping[str, float]) -> bool:
    """Tighten limits that are overshot, relax tightened ones that have room left; returns whether anything moved."""
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


def _run(program: Program, e: Exposures, box: Box, solver: str, deadline: Deadline) -> Mapping[str, Any]:
    policy, problem = program.policy, program.problem
    require_finite(program)
    # Chords are many columns beside few rows, some of them narrow: where interior points lose their way.
    vertices = program.chorded and problem.objective.args[0].is_pwl()
    master = ("HIGHS" if vertices else None) if solver == OWN else solver
    try:
        problem.solve(method="tail", tolerance=0.1 * policy.tolerance, master=master, time_limit=deadline.share())
    except cp.SolverError as error:
        raise NoAnswerError(f"failed ({error})") from None
    program.restore_duals()
    if problem.status in (cp.INFEASIBLE, cp.INFEASIBLE_INACCURATE):
        raise infeasible(program, e, box, deadline)
    if problem.status in (cp.UNBOUNDED, cp.UNBOUNDED_INACCURATE):
        raise NoAnswerError("said unbounded, but every trade has a limit")
    if problem.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE, cp.USER_LIMIT) or program.variables.buy.value is None:
        raise NoAnswerError(f"ended with status {problem.status}")
    return dict(problem.solver_stats.extra_stats or {})
