"""The promise of the tail in words: a table of its sides, and a sentence on the recorded past, also where there is none."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from hedgeopt.files.counted import many
from hedgeopt.files.notebook import span_of_days
from hedgeopt.reports.words import number

if TYPE_CHECKING:
    from hedgeopt.measures.promised import PromisedTail, RecordCoverage

__all__ = ["coverage_sentence", "promise_rows", "promise_title"]

_NO_RECORD = (
    "How often promises of this model were exceeded in the past is not known: no record was given "
    "(hedgeopt solve --record CHAINS)."
)


def promise_title(promise: PromisedTail, unit: str) -> str:
    """Such as ``Promise: CVaR 99 % over 1 day after trading, USD, before costs``."""
    span = span_of_days(promise.horizon_days)
    return f"Promise: CVaR {100 * promise.level:g} % over {span} after trading, {unit}, before costs"


def promise_rows(promise: PromisedTail) -> list[tuple[str, str, str]]:
    """What, how much, and how far to trust it; one row for each side of the promise."""
    known = not promise.unknown
    unknown = "not known"
    rows = [("in the sample", number(promise.in_sample), f"± {number(promise.error, 2)}" if known else unknown)]
    interval = f"{number(promise.low)} to {number(promise.high)}" if isfinite(promise.low) else "–"
    rows.append(("bootstrap interval, 95 %", interval, "resampled scenarios" if known else unknown))
    if promise.fresh_count:
        told = f"± {number(promise.fresh_error, 2)}, " if isfinite(promise.fresh_error) else ""
        more = f"{told}{many(promise.fresh_count, 'draw')}, seed {promise.fresh_seed}"
        rows.append(("fresh draws", number(promise.fresh), more))
    else:
        rows.append(("fresh draws", "–", "none: the sample is not drawn"))
    floor = promise.stress_name or "no stress scenario loses"
    rows.append(("stress floor", number(promise.stress), floor))
    return rows


def coverage_sentence(promise: PromisedTail | None) -> str:
    """How often promises like this one were exceeded over the record; where none was given, or no error is known, that."""
    found = None if promise is None else promise.coverage
    why = f"The errors are not known: {promise.unknown}. " if promise is not None and promise.unknown else ""
    return why + (_NO_RECORD if found is None else _covered(found))


def _covered(found: RecordCoverage) -> str:
    span = span_of_days(found.horizon_days)
    what = f"{100 * found.level:g} % days" if span == "1 day" else f"{100 * found.level:g} % losses over {span}"
    if not found.windows:
        return f"Coverage is not known: the record ({found.record}) gives no window to judge. {found.likeness}."
    times = "once" if found.hits == 1 else f"{found.hits} times"
    verdict = "which refutes it at 5 %" if found.p_value < 0.05 else "which does not refute it"
    left = f", {many(found.left_out, 'window')} left out" if found.left_out else ""
    return (
        f"This model's {what} were exceeded {times} where {found.expected:.3g} are expected "
        f"({many(found.windows, 'window')} of {found.first[:10]} to {found.last[:10]}{left}; p = {found.p_value:.2g}, "
        f"{verdict}; worst loss {found.worst:.2g} times its CVaR). {found.likeness}."
    )
