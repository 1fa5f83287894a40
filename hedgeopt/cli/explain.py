"""``hedgeopt explain``, ``evaluate``, ``compare``, ``relax``, ``frontier``, ``stability`` and ``anatomy``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hedgeopt.cli.console import progress, say
from hedgeopt.cli.inputs import MarketOptions, override, print_json, print_report, read_holdings
from hedgeopt.errors import InputError
from hedgeopt.files.writing import refuse_unwritable

__all__ = ["anatomy", "compare", "evaluate", "explain", "frontier", "relax", "stability"]


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


def relax(
    book: Path | Sequence[Path],
    market: MarketOptions,
    policy: Path,
    as_of: str | None,
    hard: Sequence[str],
    priority: Sequence[str],
    scenarios: int | None,
    seed: int | None,
    out: Path | None,
    json: bool,
) -> None:
    """Print what conflicts and what resolves it; the best effort into ``out``."""
    with progress() as stage:
        from hedgeopt.inputs.policy import read_policy
        from hedgeopt.program.explain.relax import relax as relaxed

        stage("read")
        if out is not None:
            refuse_unwritable(out)
        rules = override(read_policy(policy), scenarios, seed)
        holdings, quotes = read_holdings(book, as_of, market.venue), market.read()
        stage("solve")
        found = relaxed(holdings, quotes, rules, hard=list(hard), priority=dict(map(_weight, priority)))
        if out is not None and found.best_effort is not None:
            stage("draw")
            found.best_effort.write(out)
    if json:
        print_json(found.to_dict())
    else:
        from hedgeopt.reports.explained import relaxation_report

        print_report(relaxation_report(found))
    if out is not None and found.best_effort is not None:
        say(f"wrote {out / 'proposal.json'} and {out / 'proposal.html'}")


def _weight(word: str) -> tuple[str, float]:
    name, _, text = word.rpartition("=")
    try:
        return name, float(text)
    except ValueError:
        fix = "write --priority 'gamma BTC=10'"
        raise InputError("is not LIMIT=NUMBER", field="--priority", value=word, fix=fix) from None


def frontier(
    book: Path | Sequence[Path],
    market: MarketOptions,
    policy: Path,
    as_of: str | None,
    of: str | None,
    against: str | None,
    points: int,
    scenarios: int | None,
    seed: int | None,
    svg: Path | None,
    csv: Path | None,
    json: bool,
) -> None:
    """Print the frontier; its plot and points into files."""
    with progress() as stage:
        from hedgeopt.files.writing import write_atomically
        from hedgeopt.inputs.policy import read_policy
        from hedgeopt.program.frontier import frontier as traced
        from hedgeopt.program.frontier import term_named

        stage("read")
        rules = override(read_policy(policy), scenarios, seed)
        holdings, quotes = read_holdings(book, as_of, market.venue), market.read()
        terms = [None if name is None else term_named(rules, name) for name in (of, against)]
        stage("solve")
        found = traced(holdings, quotes, rules, of=terms[0], against=terms[1], points=points)
        files = {} if csv is None else {csv: found.points.to_csv(index=False, lineterminator="\n")}
        if svg is not None:
            from hedgeopt.reports.frontier_plot import frontier_plot

            files[svg] = frontier_plot(found)
        write_atomically(files)
    if json:
        print_json(found.to_dict())
    else:
        from hedgeopt.reports.explained import frontier_report

        print_report(frontier_report(found))
    if files:
        say(f"wrote {', '.join(map(str, files))}")


def stability(
    proposal: Path,
    book: Path | Sequence[Path],
    market: MarketOptions,
    as_of: str | None,
    resamples: int,
    seeds: int,
    marks: int,
    json: bool,
) -> None:
    """Print how much of an answer is chance."""
    with progress() as stage:
        from hedgeopt.program.explain.stability import stability as measured
        from hedgeopt.program.proposal import read_proposal

        stage("read")
        found = read_proposal(proposal)
        holdings, quotes = read_holdings(book, as_of, market.venue), market.read()
        stage("solve")
        told = measured(found, book=holdings, market=quotes, resamples=resamples, seeds=seeds, marks=marks)
    if json:
        print_json(told.to_dict())
        return
    from hedgeopt.reports.explained import stability_report

    print_report(stability_report(told))


def anatomy(
    proposal: Path, book: Path | Sequence[Path], market: MarketOptions, as_of: str | None, csv: Path | None, json: bool
) -> None:
    """Print what a tail is made of; the tables into a folder."""
    with progress() as stage:
        from hedgeopt.files.writing import write_atomically
        from hedgeopt.program.explain.anatomy import tail_anatomy
        from hedgeopt.program.proposal import read_proposal

        stage("read")
        found = read_proposal(proposal)
        holdings, quotes = read_holdings(book, as_of, market.venue), market.read()
        stage("value")
        told = tail_anatomy(found, book=holdings, market=quotes)
        names = ("scenarios", "factors", "trades", "unhedged", "ladder", "liquidation")
        files = (
            {}
            if csv is None
            else {csv / f"{name}.csv": getattr(told, name).to_csv(index=False, lineterminator="\n") for name in names}
        )
        write_atomically(files)
    if json:
        print_json(told.to_dict())
    else:
        from hedgeopt.reports.explained import anatomy_report

        print_report(anatomy_report(told))
    if files:
        say(f"wrote {', '.join(map(str, files))}")
