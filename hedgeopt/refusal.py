"""Why an answer was not certified, in words, and what would help."""

from __future__ import annotations

from collections.abc import Sequence

from hedgeopt.certificate import Certificate
from hedgeopt.masters import Attempt
from hedgeopt.search import Deadline

__all__ = ["refusal", "why"]

_LOOSEST = 0.05
"""Half of what a policy's tolerance may be."""


def refusal(attempts: Sequence[Attempt], deadline: Deadline) -> str:
    """Why nothing was certified, and what would help."""
    tried = "; ".join(f"{attempt.solver}: {attempt.status}" for attempt in attempts)
    gaps = [attempt.gap for attempt in attempts if attempt.feasible and 0 < attempt.gap < _LOOSEST]
    if gaps:
        help_ = f"a tolerance of {2.0 * min(gaps):.1e} would accept the best of them"
    elif deadline.left() <= 0:
        help_ = (
            f"the time limit of {deadline.seconds:g} s ended the search: give time_limit_seconds more, or fewer candidates"
        )
    else:
        help_ = (
            "a larger tolerance would not help; look for weights or limits many orders of magnitude apart, "
            "or limits that leave only a point, and widen them a little"
        )
    return f"no solver gave an answer that could be certified ({tried or 'none was begun'}); {help_}"


def why(certificate: Certificate) -> str:
    """What keeps a certificate from being valid."""
    if certificate.feasible and certificate.objective < certificate.lower_bound and not certificate.optimal:
        return (
            f"objective {certificate.objective:.9g} lies below the proven bound {certificate.lower_bound:.9g}: "
            "one of the two is wrong"
        )
    if not certificate.feasible:
        return f"breaks {certificate.worst_limit} by {certificate.worst_violation:.2e} of its size"
    return f"may be {certificate.gap:.2e} (relative) from optimal, the policy allows {certificate.tolerance:.0e}"
