"""``problem.solve(method="tail")``: options, choice of master, and the way back into the cvxpy problem."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import cvxpy as cp
import numpy as np
from cvxpy import settings as s
from cvxpy.error import DCPError, ParameterError, SolverError

from hedgeopt.errors import InputError
from hedgeopt.tail.compiled import Compiled, compile_base, is_polyhedral
from hedgeopt.tail.confirm import confirm
from hedgeopt.tail.epigraph import keep
from hedgeopt.tail.integers import is_whole, round_integers
from hedgeopt.tail.loop import CutLoop
from hedgeopt.tail.masters.base import Master
from hedgeopt.tail.masters.conic import ConicMaster
from hedgeopt.tail.masters.options import solver_options as solver_options_of
from hedgeopt.tail.masters.solver import SolverMaster
from hedgeopt.tail.model import LossModel, build_models
from hedgeopt.tail.outcome import Options, Outcome, clock
from hedgeopt.tail.plain import solve_plain
from hedgeopt.tail.result import store
from hedgeopt.tail.split import Split, has_tails, renew, split
from hedgeopt.tail.threads import blas_threads
from hedgeopt.tail.whole import search

_splits: WeakKeyDictionary[cp.Problem, Split] = WeakKeyDictionary()
_tails: WeakKeyDictionary[cp.Problem, bool] = WeakKeyDictionary()
# Options of ``Problem.solve`` for problems that are not disciplined convex programs.
_OTHER = "gp", "qcp", "nlp", "requires_grad"


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
    options = Options(tolerance, max_rounds, time_limit, threads or os.cpu_count() or 1, verbose, max_nodes)
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
    over = not tails and _handed_over(problem, master)
    if over and _plain(problem, master, options, solver_options, canon, warm_start):
        return problem.value  # type: ignore[no-any-return]
    tried = over and options.time_limit is None
    claimed = [(v, v.value) for c in problem.constraints for v in c.dual_variables] if tried else []
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
            outcome = _run(parts, models, width, master, solver_options, options, warm_start)
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
    if outcome.status == s.OPTIMAL_INACCURATE:
        if outcome.proven:
            message = f"The tail solver stopped at a relative gap of {outcome.gap:.1e}."
        elif np.isfinite(outcome.lower):
            message = f"Bound not proven: {outcome.master.name} claims a gap of {outcome.gap:.1e}."
        else:
            message = "Bound not proven: no limit bounds some of the variables."
        warnings.warn(message, stacklevel=3)
    value = store(problem, parts, outcome)
    if outcome.status == s.OPTIMAL_INACCURATE:
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
) -> Outcome:
    """Solve a split problem; what the next solve may begin from is remembered in ``parts``."""
    kept = parts.memory.get("kept") if warm and master is None else None
    if kept is not None and [len(k[0]) for k in kept] != [m.size for m in models]:
        kept = None
    entries = sum(m.size for m in models) * width
    loop = CutLoop(models, _masters(parts, master, given, entries, options.remaining), options)
    start = parts.memory.get("y") if warm else None
    outcome = loop.run(start if start is not None and len(start) == width else None, kept)
    if outcome.status in (s.OPTIMAL, s.OPTIMAL_INACCURATE, s.USER_LIMIT):
        parts.memory["y"] = outcome.point.y
        _keep(parts, outcome, width)
    return outcome


# Programs of up to this many entries are solved again by the simplex, whose basis serves the next solve; up to this
# many it is the quicker one in the first solve, too.
_SMALL, _TINY = 200_000, 10_000
# Interior points factorise a dense matrix of the order of the variables: beyond so many loss arguments that takes longer
# than all of the simplex.
_WIDE = 400
# Loss arguments per scenario beyond which the scenarios are rows of a sparse program as any other.
_BROAD = 0.25
# Solves that keep more scenarios after one that needed a second round.
_WAIT = 8


def _masters(
    parts: Split, name: str | None, options: dict[str, Any], entries: int, remaining: Callable[[], float | None]
) -> list[Callable[[], Master]]:
    """Masters in the order they are tried; the later ones decide when the first cannot."""
    name = None if name is None else name.upper()
    own = name in ("INTERIOR", "SIMPLEX")
    if name is not None and not own and name not in cp.installed_solvers():
        known = ", ".join(["SIMPLEX", "INTERIOR", *cp.installed_solvers()])
        raise InputError("no such master", field="master", value=name, fix=f"choose one of {known}")
    if not is_polyhedral(parts):
        if own:
            problem = f"the {name} master takes linear and convex quadratic problems only"
            raise InputError(problem, field="master", value=name, fix="leave it out, or name a solver of cones or integers")
        chosen = name or ("HIGHS" if is_whole(parts.base) and not _quadratic(parts) else "CLARABEL")
        return [lambda: ConicMaster(parts, chosen, options, remaining)]
    if name is not None and not own:
        return [lambda: SolverMaster(_base(parts), name, options, remaining)]
    if options:
        raise InputError("options of a cvxpy solver need master=", field="options", value=", ".join(options))
    if _quadratic(parts):
        if name == "SIMPLEX":
            raise InputError("the SIMPLEX master takes linear problems only", field="master", value=name)
        width = sum(v.size for v in parts.inner)
        dense = name == "INTERIOR" or sum(v.size for v in parts.base.variables()) <= max(_DENSE, 3 * width)
        return [
            *([lambda: _interior(parts, remaining)] if dense else []),
            lambda: SolverMaster(_base(parts), "CLARABEL", None, remaining),
            lambda: ConicMaster(parts, "CLARABEL", None, remaining),
        ]
    last: list[Callable[[], Master]] = [
        lambda: SolverMaster(_base(parts), "HIGHS", None, remaining),
        lambda: ConicMaster(parts, "CLARABEL", None, remaining),
    ]
    if name == "SIMPLEX":
        return [lambda: _simplex(parts, False, remaining), *last]
    interior = [lambda: _interior(parts, remaining)]
    if name == "INTERIOR":
        return [*interior, *last]
    simplex = [lambda: _simplex(parts, entries > _SMALL, remaining)]
    width = sum(v.size for v in parts.inner)
    if not name and width > _WIDE and width * width > _BROAD * entries:
        # A scenario with arguments of its own, as in a drawdown: there is nothing to sum up, and most entries are zero.
        return [last[0], lambda: _simplex(parts, False, remaining), last[1]]
    once = _TINY < entries <= _SMALL and width <= _WIDE and "y" not in parts.memory
    # Where both give way, the simplex goes on from the basis it has.
    patient = [lambda: _simplex(parts, False, remaining)] if entries > _SMALL else []
    return [*interior, *simplex, *patient, *last] if once else [*simplex, *interior, *patient, *last]


# Quadratic programs of more variables (and of more than three per loss argument) go to a sparse solver: interior points
# factorise a dense matrix.
_DENSE = 400


def _handed_over(problem: cp.Problem, master: str | None) -> bool:
    """Whether a problem without tails goes to the solver that cvxpy would take.

    Linear and small quadratic programs with parameters stay: they are solved again and again, from the last basis.
    """
    if master is not None:
        return master.upper() not in ("SIMPLEX", "INTERIOR")
    if is_whole(problem):
        return False  # the search over whole numbers proves its bound
    if not problem.parameters() or not problem.variables():
        return True
    objective = problem.objective.args[0]
    linear = bool(objective.is_pwl())
    small = linear or sum(v.size for v in problem.variables()) <= _DENSE
    return not (small and problem.is_qp())


def _plain(
    problem: cp.Problem,
    master: str | None,
    options: Options,
    given: dict[str, Any],
    canon: dict[str, Any],
    warm_start: bool,
) -> bool:
    name = None if master is None else master.upper()
    if name is not None and name not in cp.installed_solvers():
        return False  # refused with the names of all masters
    if name is None and given:
        raise InputError("options of a cvxpy solver need master=", field="options", value=", ".join(given))
    asked = dict(given)
    if name is not None:
        asked = solver_options_of(name, given, options.tolerance, is_whole(problem), options.remaining())
    elif options.time_limit is not None:
        return False  # the masters keep to a limit
    done = solve_plain(problem, name, options.tolerance, asked, canon, warm_start, options.verbose, name is None)
    if not done and name is None:
        # First-order methods stop far from the optimum: once more, by interior points.
        asked = solver_options_of("CLARABEL", {}, 1e-2 * options.tolerance, False, options.remaining())
        done = solve_plain(problem, "CLARABEL", options.tolerance, asked, canon, warm_start, options.verbose)
    return done


def _base(parts: Split) -> Compiled:
    """The base problem without variables that only stand for ``|x|`` and its like."""
    return keep(parts.memory, compile_base(parts))


def _interior(parts: Split, remaining: Callable[[], float | None]) -> Master:
    from hedgeopt.tail.masters.interior import InteriorMaster

    return InteriorMaster(_base(parts), parts.memory, remaining)


def _simplex(parts: Split, limited: bool, remaining: Callable[[], float | None]) -> Master:
    from hedgeopt.tail.masters.simplex import SimplexMaster

    return SimplexMaster(_base(parts), parts.memory, limited, remaining)


def _keep(parts: Split, outcome: Outcome, width: int) -> None:
    """Remember the partition of a simplex solve, and its basis for the boundary scenarios that stay."""
    from hedgeopt.tail.masters.simplex import SimplexMaster

    parts.memory.pop("kept", None)
    basis = parts.memory.get("basis")
    if basis is None or outcome.status != s.OPTIMAL or not isinstance(outcome.master, SimplexMaster):
        parts.memory.pop("basis", None)
        return
    kept = []
    # While the market moves little, few scenarios around the level are enough for a solve of one round.
    calm = outcome.rounds == 1
    in_a_row = parts.memory.get("in_a_row", 0) + 1 if calm else -_WAIT
    parts.memory |= {"calm": calm, "in_a_row": in_a_row}
    most = (1 if in_a_row > 1 else 2) * width + 50
    for k, (a, losses, level) in enumerate(zip(outcome.active, outcome.losses, outcome.var, strict=True)):
        if len(a.boundary) != len(basis.at_level[k]):
            # The last round added scenarios the basis has not seen.
            parts.memory.pop("basis", None)
            return
        state, boundary, stays = a.trimmed(losses, level, basis.at_level[k], most)
        kept.append((state, boundary, name := object()))
        basis.keep(k, stays, name)
    parts.memory["kept"] = kept


def _quadratic(parts: Split) -> bool:
    return not parts.base.objective.args[0].is_pwl()
