"""Explain why an answer was not certified, and what would help.

What is advised is true for the case or is not said: a larger tolerance is advised only where an answer that was found would
pass with it, more room for a limit only where no solver met the limits, and nothing where the fault is ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hedgeopt.program.certificate import BY_RULE, FEASIBILITY
from hedgeopt.program.infeasible import UNPROVEN
from hedgeopt.program.order import Attempt
from hedgeopt.program.proven import Certificate
from hedgeopt.program.search import Deadline

__all__ = ["contradicts", "refusal", "why"]

_MOST = 0.1
"""Upper bound on a policy's tolerance."""


def refusal(attempts: Sequence[Attempt], deadline: Deadline, *, chosen: str = "auto", bracketed: Sequence[str] = ()) -> str:
    """Why nothing was certified, and what would help.

    ``chosen`` is the policy's solver, ``bracketed`` are accounts whose initial margin jumps at brackets of leverage.
    """
    tried = "; ".join(f"{attempt.solver}: {attempt.status}" for attempt in attempts)
    first = _of_brackets(bracketed) if bracketed else _of_attempts(attempts)
    helps = [help_ for help_ in (first, _of_time(deadline), _of_solver(chosen)) if help_]
    if not helps:
        helps = ["solvers fail on weights or limits many orders of magnitude apart: look for such"]
    return f"no solver gave an answer that could be certified ({tried or 'none was begun'}); {'; '.join(helps)}"


def _of_brackets(accounts: Sequence[str]) -> str:
    """The one thing that helps where margin is not convex, whatever else was tried."""
    return (
        f"initial margin of {', '.join(accounts)} jumps at brackets of leverage within the trade limits, and the best of "
        'them is not proven: name the leverage in the book (such as margin = "binance:20")'
    )


def _of_attempts(attempts: Sequence[Attempt]) -> str:
    """Advice that the attempts give, if any."""
    gaps = [attempt.gap for attempt in attempts if attempt.feasible and 0 < attempt.gap < 0.5 * _MOST]
    if gaps:
        return f"a tolerance of {2.0 * min(gaps):.1e} would accept the best of them"
    if any(attempt.contradicts for attempt in attempts):
        return "feasible trades below a proven bound are a fault of ours, which no setting mends: please report it"
    if any(attempt.feasible for attempt in attempts):
        return (
            "trades that meet every limit were found, but no useful bound: look for weights many orders of magnitude apart"
        )
    twice = [attempt.at_once for attempt in attempts if attempt.at_once]
    if twice:
        return (
            f"{twice[0]}, and a trade list holds only the difference: write it on program.trades, or so that more of both "
            "never helps it (more of both helps sum(buys) >= 1, but not sum(buys + sells) <= 1)"
        )
    broken = list(dict.fromkeys(attempt.broken for attempt in attempts if attempt.broken))
    by_rule = [name for name in broken if name.endswith(BY_RULE)]
    if by_rule:
        return (
            "a larger tolerance would not help; the program's form of a venue's rule asks for less than the rule itself: "
            f"a stricter number for {_names(by_rule)} may"
        )
    if broken:
        return (
            f"a larger tolerance would not help: limits are held to {FEASIBILITY:.0e} of them whatever it is; "
            f"more room for {_names(broken)} may, or for limits that leave only a point together with it"
        )
    if any(attempt.status == UNPROVEN for attempt in attempts):
        return "a larger tolerance would not help; limits that can hardly be met together may be the cause: loosen one"
    return ""


def _of_time(deadline: Deadline) -> str:
    if deadline.left() > 0:
        return ""
    return f"the time limit of {deadline.seconds:g} s ended the search: give time_limit_seconds more, or fewer candidates"


def _of_solver(chosen: str) -> str:
    return "" if chosen == "auto" else f'the policy names {chosen} as its solver: "auto" tries others as well'


def _names(names: Sequence[str], most: int = 3) -> str:
    shown = " and ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def why(certificate: Certificate) -> str:
    """Why a certificate is not valid."""
    if contradicts(certificate):
        return (
            f"objective {certificate.objective:.9g} lies below the proven bound {certificate.lower_bound:.9g}: "
            "one of the two is wrong"
        )
    if not certificate.feasible:
        return f"breaks {certificate.worst_limit} by {certificate.worst_violation:.2e}, where {FEASIBILITY:.0e} is allowed"
    if not np.isfinite(certificate.gap):
        return "meets every limit, but nothing was proven of how far from optimal it is"
    return f"may be {certificate.gap:.2e} (relative) from optimal, the policy allows {certificate.tolerance:.0e}"


def contradicts(certificate: Certificate) -> bool:
    """Whether feasible trades lie below the proven lower bound, which is a contradiction."""
    return certificate.feasible and certificate.objective < certificate.lower_bound and not certificate.optimal
