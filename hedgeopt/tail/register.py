"""``problem.solve(method="tail")``: options, choice of master, and the way back into the cvxpy problem."""

from __future__ import annotations

import os
import warnings
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import cvxpy as cp
import numpy as np
from cvxpy import settings as s
from cvxpy.error import DCPError, ParameterError, SolverError

from hedgeopt.errors import InputError
from hedgeopt.tail.choice import WIDE, masters_of, remember
from hedgeopt.tail.confirm import confirm
from hedgeopt.tail.handover import handed_over, solve_there
from hedgeopt.tail.integers import is_whole, round_integers
from hedgeopt.tail.loop import CutLoop
from hedgeopt.tail.model import LossModel, build_models
from hedgeopt.tail.outcome import Options, Outcome, clock
from hedgeopt.tail.result import store
from hedgeopt.tail.split import Split, has_tails, renew, split
from hedgeopt.tail.threads import blas_threads
from hedgeopt.tail.ties import merged
from hedgeopt.tail.whole import search

_splits: WeakKeyDictionary[cp.Problem, Split] = WeakKeyDictionary()
_tails: WeakKeyDictionary[cp.Problem, bool] = WeakKeyDictionary()
# Options of ``Problem.solve`` for problems that are not disciplined convex programs.
_OTHER = "gp", "qcp", "nlp", "requires_grad"


@cache
def _cores() -> int:
    """Asking the system takes as long as the rest of a small solve."""
    return os.cpu_count() or 1


def register() -> None:
    """Make ``method="tail"`` known to every cvxpy problem; calling it again changes nothing."""
    cp.Problem.register_solve("tail", solve_tail)


def solve_tail(
    problem: cp.Problem,
    tolerance: float = 1e-6,
    master: str | None = None,
    max_rounds: int = 60,
    time_limit: float | None = None,
    threads: int | None = None,
    verbose: bool = False,
    warm_start: bool = True,
    integer_gap: float | None = None,
    max_nodes: int = 100_000,
    enforce_dpp: bool = False,
    ignore_dpp: bool = False,
    canon_backend: str | None = None,
    **solver_options: Any,
) -> float:
    """Solve a problem with CVaR terms over many scenarios to a certified relative gap.

    Parameters
    ----------
    problem
        Convex cvxpy problem. A ``cp.cvar`` or :func:`hedgeopt.tail.cvar` of affine losses is solved here, of other losses
        compiled by cvxpy as any atom. A problem without tails is solved by the solver that cvxpy would take.
    tolerance
        Relative gap between the true objective of the returned point and the proven bound.
    master
        ``"SIMPLEX"`` (LP), ``"INTERIOR"`` (LP and convex QP) or the name of a cvxpy solver. Default by problem class:
        SIMPLEX that gives way to INTERIOR, INTERIOR for QP, HIGHS with integers, CLARABEL with cones and where the others
        fail or leave a gap.
    max_rounds, time_limit
        Rounds per level, wall-clock seconds; beyond either the best point is returned with status ``user_limit`` and
        the gap that is proven for it (infinite where no round over all scenarios has finished). A cvxpy master is given
        the seconds that remain.
    threads
        Threads of the scenario pass; default: all cores.
    verbose
        One line per round.
    warm_start
        Begin from the previous solution of this problem; with integers also from the variables' values, rounded.
    integer_gap
        With integers, the relative gap at which the search ends (status ``optimal``); default: ``tolerance``.
    max_nodes
        With integers, problems solved at most; beyond it as for ``time_limit``.
    enforce_dpp, ignore_dpp, canon_backend
        As in ``cvxpy.Problem.solve``.
    solver_options
        Handed to a cvxpy master.

    Returns
    -------
    float
        The objective, in the sense of the problem; ``problem.status``, values, duals and
        ``problem.solver_stats.extra_stats`` are set (:mod:`hedgeopt.tail.result`).

    Raises
    ------
    UnsupportedForm
        A CVaR is used where it is not convex, or its losses are not affine; the message names the expression.
    InputError
        An option is wrong: the message names it.
    cvxpy.SolverError
        No master found a solution, or a limit ended the solve before there was a point.
    """
    if not tolerance > 0:
        raise InputError("tolerance must be positive", field="tolerance", value=tolerance)
    if max_rounds < 1:
        raise InputError("at least one round is needed", field="max_rounds", value=max_rounds)
    if threads is not None and threads < 1:
        raise InputError("at least one thread is needed", field="threads", value=threads)
    if time_limit is not None and not time_limit > 0:
        raise InputError("the time limit must be positive seconds", field="time_limit", value=time_limit)
    if integer_gap is not None and not integer_gap >= 0:
        raise InputError("the gap must not be negative", field="integer_gap", value=integer_gap)
    if max_nodes < 1:
        raise InputError("at least one node is needed", field="max_nodes", value=max_nodes)
    options = Options(tolerance, max_rounds, time_limit, threads or _cores(), verbose, max_nodes)
    for name in _OTHER:
        if solver_options.pop(name, False):
            raise InputError("method='tail' solves convex programs only", field=name, value=True, fix="leave out method=")
    for parameter in problem.parameters():
        if parameter.value is None:
            raise ParameterError(f"Parameter '{parameter.name()}' has no value; set it before solving.")
    canon = {"enforce_dpp": enforce_dpp, "ignore_dpp": ignore_dpp, "canon_backend": canon_backend}
    tails = _tails.get(problem)
    if tails is None:
        renew(problem)
        tails = _tails[problem] = has_tails(problem)
    over = not tails and handed_over(problem, master)
    if over and solve_there(problem, master, options, solver_options, canon, warm_start):
        return problem.value  # type: ignore[no-any-return]
    tried = over and options.time_limit is None
    claimed = [(v, v.value) for c in problem.constraints for v in c.dual_variables] if tried else []
    said = problem.status if tried else None
    begin = clock()
    parts = _splits.get(problem)
    if parts is None or parts.canon != canon:
        parts = split(problem)
        if not parts.base.is_dcp():
            raise DCPError("Problem does not follow DCP rules.")
        parts.canon = canon
        _splits[problem] = parts
    slices, width = [], 0
    for v in parts.inner:
        slices.append(slice(width, width + v.size))
        width += v.size
    models = build_models(parts.tails, slices, width)
    problem._compilation_time = clock() - begin
    with blas_threads(1):
        # Small dense factorisations lose time to BLAS threads; the pass has its own.
        if master is None and is_whole(parts.base):
            gap = tolerance if integer_gap is None else integer_gap
            hint = problem.variables() if warm_start else []
            outcome = search(parts, models, hint, options, gap, lambda p, o, m: _run(p, models, width, m, {}, o, True))
        else:
            distinct = merged(models)
            entries = None if distinct.place is None or width <= WIDE else sum(m.size for m in models) * width
            outcome = _run(parts, distinct.models, width, master, solver_options, options, warm_start, entries)
    if outcome.status == "failed":
        reason = "; ".join(f"master {f['master']}: {f['reason'] or 'it found no solution'}" for f in outcome.failures)
        raise SolverError(f"The tail solver failed: {reason or 'no master found a solution'}")
    for failure in outcome.failures:
        if failure["technical"]:
            answered = outcome.master.name
            warnings.warn(f"Master {failure['master']} failed: {failure['reason']}; {answered} answered.", stacklevel=3)
    if outcome.status == "late":
        limit = f"max_nodes={max_nodes}" if outcome.search else f"max_rounds={max_rounds}"
        limit = f"time_limit={time_limit:g} s" if options.late() else limit
        first = "a point with whole numbers was found" if outcome.search else "the first round did"
        raise SolverError(f"The tail solver has no point: {limit} ended it before {first}.")
    if not outcome.search:
        confirm(parts, outcome, tolerance)
        outcome.weights = distinct.spread(outcome.weights)
    if outcome.status == s.OPTIMAL_INACCURATE:
        if outcome.proven:
            message = f"The tail solver stopped at a relative gap of {outcome.gap:.1e}."
        elif np.isfinite(outcome.lower):
            message = f"Bound not proven: {outcome.master.name} claims a gap of {outcome.gap:.1e}."
        else:
            message = "Bound not proven: no limit bounds some of the variables."
        warnings.warn(message, stacklevel=3)
    value = store(problem, parts, outcome)
    if outcome.status == s.OPTIMAL_INACCURATE or (outcome.status in (s.INFEASIBLE, s.UNBOUNDED) and said == outcome.status):
        # Where no multipliers are proven, those that the solver claims.
        for dual, claim in claimed:
            if dual.value is None and claim is not None:
                dual.save_value(claim)
    if outcome.search:
        round_integers(problem)
    return value


def _run(
    parts: Split,
    models: list[LossModel],
    width: int,
    master: str | None,
    given: dict[str, Any],
    options: Options,
    warm: bool,
    entries: int | None = None,
) -> Outcome:
    """Solve a split problem; what the next solve may begin from is remembered in ``parts``."""
    kept = parts.memory.get("kept") if warm and master is None else None
    if kept is not None and [len(k[0]) for k in kept] != [m.size for m in models]:
        kept = None
    entries = sum(m.size for m in models) * width if entries is None else entries
    loop = CutLoop(models, masters_of(parts, master, given, entries, options.remaining), options)
    start = parts.memory.get("y") if warm else None
    outcome = loop.run(start if start is not None and len(start) == width else None, kept)
    if outcome.status in (s.OPTIMAL, s.OPTIMAL_INACCURATE, s.USER_LIMIT):
        parts.memory["y"] = outcome.point.y
        remember(parts, outcome, width)
    return outcome
