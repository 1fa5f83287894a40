"""``hedgeopt explain``, ``evaluate`` and ``compare``: read, solve again, print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hedgeopt.cli.console import progress
from hedgeopt.cli.inputs import MarketOptions, override, print_json, print_report, read_holdings
from hedgeopt.errors import InputError

__all__ = ["compare", "evaluate", "explain"]


def explain(
    proposal: Path,
    book: Path | Sequence[Path],
    market: MarketOptions,
    as_of: str | None,
    why_not: Sequence[str],
    share: float,
    quick: bool,
    json: bool,
) -> None:
    """Print why a proposal is what it is."""
    with progress() as stage:
        from hedgeopt.program.explain.explanation import explain as explained
        from hedgeopt.program.proposal import read_proposal

        stage("read")
        found = read_proposal(proposal)
        holdings, quotes = read_holdings(book, as_of, market.venue), market.read()
        stage("solve")
        told = explained(found, book=holdings, market=quotes, why_not=list(why_not), share=share, lots=not quick)
    if json:
        print_json(told.to_dict())
        return
    from hedgeopt.reports.explained import explanation_report

    print_report(explanation_report(told))


def evaluate(
    trades: Path,
    book: Path | Sequence[Path],
    market: MarketOptions,
    policy: Path,
    as_of: str | None = None,
    scenarios: int | None = None,
    seed: int | None = None,
    json: bool = False,
) -> int:
    """Print what a list is worth; 0 where it holds every limit, 3 where it breaks one."""
    with progress() as stage:
        from hedgeopt.inputs.policy import read_policy
        from hedgeopt.program.evaluate import evaluate as evaluated

        stage("read")
        rules = override(read_policy(policy), scenarios, seed)
        holdings, quotes = read_holdings(book, as_of, market.venue), market.read()
        stage("solve")
        found = evaluated(holdings, quotes, rules, trades)
    if json:
        print_json(found.to_dict())
    else:
        from hedgeopt.reports.explained import evaluation_report

        print_report(evaluation_report(found))
    return 0 if found.feasible else 3


def compare(
    first: Path, second: Path, book: Sequence[Path] | None, market: MarketOptions, as_of: str | None, json: bool
) -> None:
    """Print the differences of two proposals."""
    if bool(book) != bool(market.files):
        missing = "--market" if book else "--book"
        raise InputError("is missing", field=missing, fix="give both, those that the proposals were solved from, or neither")
    with progress() as stage:
        from hedgeopt.program.compare import compare_proposals as compared
        from hedgeopt.program.proposal import read_proposal

        stage("read")
        a, b = read_proposal(first), read_proposal(second)
        holdings = read_holdings(book, as_of, market.venue) if book else None
        quotes = market.read() if book else None
        stage("solve")
        found = compared(a, b, book=holdings, market=quotes)
    if json:
        print_json(found.to_dict())
        return
    from hedgeopt.reports.explained import comparison_report

    print_report(comparison_report(found))
