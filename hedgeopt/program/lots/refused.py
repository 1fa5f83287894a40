"""Why there is no list in whole lots: which limits, the nearest list, and what to widen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hedgeopt.errors import CertificateError, HedgeoptError, InfeasibleError
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.certificate import certify
from hedgeopt.program.loosen import Missed, missed
from hedgeopt.program.lots.nearest import missed_sides
from hedgeopt.program.lots.steps import facing, rounded
from hedgeopt.program.program import Program
from hedgeopt.program.solution import Solution

__all__ = ["ONE_SIDE", "refused"]

ONE_SIDE = "one side per instrument: {} would be bought in one account and sold in another of its venue"


def refused(
    program: Program,
    e: Exposures,
    ideal: Solution,
    nearest: np.ndarray | None,
    broken: str,
    *,
    none_exists: bool,
    late: bool,
) -> HedgeoptError:
    """The refusal: infeasible where a search proved that there is none, else that none was found.

    Parameters
    ----------
    nearest : (N,)
        The list that exceeds limits least; None: the ideal trades rounded to the nearest lots are named.
    broken
        What the last list that was judged breaks.
    late
        Whether the time is over.
    """
    x = rounded(e, ideal.trades, np.round) if nearest is None else nearest
    tails = dict(ideal.tails)
    certificate, _ = certify(program, e, ideal.box, x, tails, whole=True)
    misses = missed(program, e, x, missed_sides(program, e, x))
    both, ending = facing(e, x), "" if nearest is None else "s"
    name = "the ideal trades rounded to lots" if nearest is None else "the nearest list found"
    where = f"{name} ({_listed(e, x)})"
    if both:
        line = f"{where} breaks {ONE_SIDE.format(both)}: widen limits"
    elif misses:
        fixes = " and ".join(one.fix for one in misses if one.needed is not None or one.collateral is not None)
        gaps = "; ".join(one.gap for one in misses)
        line = f"{where} leave{ending} {gaps}{f': {fixes}' if fixes else ''}"
        line += "".join(
            f" ({name} is held at one number, which whole lots meet by chance alone)" for name in _held(program, misses)
        )
    else:
        line = f"{where} break{ending} {certificate.worst_limit if not certificate.feasible else broken}: widen it"
    blocked = facing(e, rounded(e, ideal.trades, np.round))
    if blocked and not both:
        line += f" ({ONE_SIDE.format(blocked)} by the ideal trades)"
    found = "exists" if none_exists else "was found within the time limit" if late else "was found"
    message = f'no list in whole lots {found} that meets every limit; {line}, or set lots = "ideal" in the policy'
    if not none_exists:
        return CertificateError(message)
    return InfeasibleError(message, {one.told.name: (one.told.value, one.told.limit, one.told.unit) for one in misses})


def _held(program: Program, misses: Sequence[Missed]) -> list[str]:
    """Missed limits whose lower and upper bound are one number."""
    held = [spec for spec in program.limit_specs if getattr(spec, "lower", None) is not None and spec.lower == spec.upper]  # type: ignore[attr-defined]
    return [spec.name for spec in held if any(one.side.name.startswith(spec.name) for one in misses)]


def _listed(e: Exposures, x: np.ndarray) -> str:
    """Trades in words, the first few."""
    names = [f"{q:+g} {e.rows.instruments[row].name}" for q, row in zip(x, e.candidate, strict=True) if q != 0.0]
    more = f", and {len(names) - 8} more" if len(names) > 8 else ""
    return (", ".join(names[:8]) + more) or "no trades"
