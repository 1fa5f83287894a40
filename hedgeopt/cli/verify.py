"""``hedgeopt verify``: the verdict on a stored proposal, in words or JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from hedgeopt.cli.console import progress
from hedgeopt.cli.inputs import MarketOptions, override, print_json, read_holdings
from hedgeopt.cli.streams import output
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
        output().write("".join(f"{line}\n" for line in _words(proposal, verdict)))
    return verdict.exit_code


def _words(proposal: Path, verdict: Verdict) -> list[str]:
    lines = [f"{proposal}: {'valid' if verdict.valid else 'NOT VALID'}"]
    lines.append(
        f"limits: {verdict.limits} recomputed, " + (f"{len(verdict.broken)} broken" if verdict.broken else "all hold")
    )
    lines += [f"  broken: {line}" for line in verdict.broken]
    lines += [f"  wrong: {line}" for line in verdict.wrong]
    proven = "not proven" if verdict.unproven else f"proven: no trade list is below {verdict.lower_bound:,.10g}"
    how = "as reported" if math.isinf(verdict.lower_bound) else "recomputed"  # where something has no formula here
    lines.append(f"objective {verdict.objective:,.10g}, {how}; optimum {proven} (gap {verdict.gap:.1e})")
    lines += [f"  not proven: {line}" for line in verdict.unproven]
    return lines
