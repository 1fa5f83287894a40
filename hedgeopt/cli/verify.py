"""``hedgeopt verify``: the verdict on a stored proposal, in words or JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from hedgeopt.cli.console import progress
from hedgeopt.cli.inputs import MarketOptions, override, print_json, read_holdings
from hedgeopt.cli.streams import output
from hedgeopt.files.counted import many
from hedgeopt.verify import Verdict

__all__ = ["verify"]


def verify(
    proposal: Path,
    book: Path | Sequence[Path],
    market: MarketOptions,
    policy: Path,
    as_of: str | None = None,
    scenarios: int | None = None,
    seed: int | None = None,
    json: bool = False,
) -> int:
    """Print the verdict; returns the exit code: 0 valid, 3 a limit is broken, 4 something is wrong or not proven."""
    with progress() as stage:
        from hedgeopt.inputs.policy import read_policy
        from hedgeopt.verify import verify as check

        stage("read")
        rules = override(read_policy(policy), scenarios, seed)
        holdings, quotes = read_holdings(book, as_of, market.venue), market.read()
        stage("value")
        verdict = check(proposal, holdings, quotes, rules)
    if json:
        print_json(verdict.to_dict())
    else:
        output().write("".join(f"{line}\n" for line in _words(proposal, verdict, len(rules.subject_to))))
    return verdict.exit_code


def _words(proposal: Path, verdict: Verdict, limits: int) -> list[str]:
    lines = [f"{proposal}: {'valid' if verdict.valid else 'NOT VALID'}"]
    found = f"{len(verdict.broken)} broken" if verdict.broken else "all hold"
    lines.append(
        f"{many(limits, 'limit')} of the policy: {many(verdict.limits, 'side')} recomputed (a band has two), {found}"
    )
    lines += [f"  broken: {line}" for line in verdict.broken]
    lines += [f"  wrong: {line}" for line in verdict.wrong]
    if math.isinf(verdict.lower_bound):  # something has no formula here
        lines.append(f"objective {_amount(verdict, verdict.objective)}, as reported; optimum not proven")
    else:
        proven = (
            "not proven" if verdict.unproven else f"proven: no trade list is below {_amount(verdict, verdict.lower_bound)}"
        )
        lines.append(f"objective {_amount(verdict, verdict.objective)}, recomputed; optimum {proven}")
        allowed = f"allowed {verdict.tolerance:.0e}; the gap in the file is that of solve"
        lines.append(f"gap to this check's own bound: {verdict.gap:.1e} ({allowed})")
    if verdict.lists:
        lines.append(f"the bound of lists in whole lots: {verdict.lists}")
    lines += [f"  not proven: {line}" for line in verdict.unproven]
    return lines


def _amount(verdict: Verdict, value: float) -> str:
    """In dollars, and in what the policy counts in; without a unit where the terms have several."""
    told = f"{value:,.10g} {verdict.unit}".rstrip()
    if verdict.numeraire == "USD" or verdict.unit != "USD":
        return told
    return f"{told} ({value / verdict.unit_price:,.10g} {verdict.numeraire})"
