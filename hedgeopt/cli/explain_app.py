"""The commands that explain answers; the work is in :mod:`hedgeopt.cli.explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hedgeopt.cli.inputs import MarketOptions
from hedgeopt.cli.options import (
    EXIT_CODES,
    AsOf,
    At,
    BookFile,
    BookOptional,
    DepthFiles,
    DepthWindow,
    ImpactFile,
    InstrumentName,
    InvertMarks,
    Json,
    MarketOptional,
    Markets,
    MarketVenue,
    PolicyFile,
    Prices,
    Scenarios,
    Seed,
    WindowSeconds,
)

__all__ = ["register_explain"]


def register_explain(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (explain, evaluate, compare, relax, frontier, stability, anatomy):
        app.command(epilog=EXIT_CODES)(command)


_Proposal = Annotated[Path, typer.Argument(help="The stored proposal.json.", metavar="PROPOSAL.json", show_default=False)]


def explain(
    proposal: _Proposal,
    book: BookFile,
    market: Markets,
    why_not: Annotated[
        list[str] | None,
        typer.Option("--why-not", help="Say why this instrument is not traded; give again for more.", metavar="NAME"),
    ] = None,
    share: Annotated[
        float,
        typer.Option("--share", help="By how much limits are relaxed and tightened: 0.1 is 10 %.", min=0.001, max=0.999),
    ] = 0.1,
    quick: Annotated[
        bool, typer.Option("--quick", help="Solve again for trades of any size alone, not in whole lots.")
    ] = False,
    at: At = None,
    as_of: AsOf = None,
    price: Prices = None,
    invert_marks: InvertMarks = False,
    venue: MarketVenue = None,
    window: WindowSeconds = 300.0,
    instrument: InstrumentName = None,
    depth: DepthFiles = None,
    depth_window: DepthWindow = 60.0,
    impact: ImpactFile = None,
    json: Json = False,
) -> None:
    """Say why a proposal is what it is: what each limit costs, why each trade, why not another, all solved again."""
    from hedgeopt.cli import explain as work

    quotes = MarketOptions(
        market, at, price or (), invert_marks, window, venue, instrument, depth or (), depth_window, impact
    )
    work.explain(proposal, book, quotes, as_of, why_not or (), share, quick, json)


def evaluate(
    trades: Annotated[
        Path,
        typer.Option(
            "--trades",
            help="Your list: columns instrument, quantity, and where needed side and account.",
            metavar="TRADES.csv",
        ),
    ],
    book: BookFile,
    market: Markets,
    policy: PolicyFile,
    at: At = None,
    as_of: AsOf = None,
    price: Prices = None,
    invert_marks: InvertMarks = False,
    venue: MarketVenue = None,
    window: WindowSeconds = 300.0,
    instrument: InstrumentName = None,
    depth: DepthFiles = None,
    depth_window: DepthWindow = 60.0,
    impact: ImpactFile = None,
    scenarios: Scenarios = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Say what your own or a broker's list is worth: limits, cost, tail, margin, and how far the best list is."""
    from hedgeopt.cli import explain as work

    quotes = MarketOptions(
        market, at, price or (), invert_marks, window, venue, instrument, depth or (), depth_window, impact
    )
    raise typer.Exit(work.evaluate(trades, book, quotes, policy, as_of, scenarios, seed, json))


def compare(
    first: Annotated[Path, typer.Argument(help="A stored proposal.json.", metavar="A.json", show_default=False)],
    second: Annotated[Path, typer.Argument(help="Another one.", metavar="B.json", show_default=False)],
    book: BookOptional = None,
    market: MarketOptional = None,
    at: At = None,
    as_of: AsOf = None,
    price: Prices = None,
    invert_marks: InvertMarks = False,
    venue: MarketVenue = None,
    window: WindowSeconds = 300.0,
    instrument: InstrumentName = None,
    depth: DepthFiles = None,
    depth_window: DepthWindow = 60.0,
    impact: ImpactFile = None,
    json: Json = False,
) -> None:
    """Compare two proposals: trades, numbers, and (given --book and --market) what each difference of the policies does."""
    from hedgeopt.cli import explain as work

    quotes = MarketOptions(
        market or (), at, price or (), invert_marks, window, venue, instrument, depth or (), depth_window, impact
    )
    work.compare(first, second, book, quotes, as_of, json)


def relax(
    book: BookFile,
    market: Markets,
    policy: PolicyFile,
    hard: Annotated[
        list[str] | None, typer.Option("--hard", help="A limit that must hold, by its name; give again.", metavar="LIMIT")
    ] = None,
    priority: Annotated[
        list[str] | None,
        typer.Option(
            "--priority", help="How dear a limit is to miss, beside others' 1; give again.", metavar="LIMIT=NUMBER"
        ),
    ] = None,
    at: At = None,
    as_of: AsOf = None,
    price: Prices = None,
    invert_marks: InvertMarks = False,
    venue: MarketVenue = None,
    window: WindowSeconds = 300.0,
    instrument: InstrumentName = None,
    depth: DepthFiles = None,
    depth_window: DepthWindow = 60.0,
    impact: ImpactFile = None,
    scenarios: Scenarios = None,
    seed: Seed = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the best effort: proposal.json and .html.", metavar="DIR"),
    ] = None,
    json: Json = False,
) -> None:
    """Say which limits of an infeasible policy conflict, the cheapest ways out, and the best list all the same."""
    from hedgeopt.cli import explain as work

    quotes = MarketOptions(
        market, at, price or (), invert_marks, window, venue, instrument, depth or (), depth_window, impact
    )
    work.relax(book, quotes, policy, as_of, hard or (), priority or (), scenarios, seed, out, json)


def frontier(
    book: BookFile,
    market: Markets,
    policy: PolicyFile,
    of: Annotated[
        str | None,
        typer.Option("--of", help="Term to minimise, by its name in the policy; default: the objective without --against."),
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", help="Term to trade it for, by its name in the policy; default cvar 0.99.")
    ] = None,
    points: Annotated[int, typer.Option("--points", help="Solves between the ends.", min=2, max=1000)] = 15,
    at: At = None,
    as_of: AsOf = None,
    price: Prices = None,
    invert_marks: InvertMarks = False,
    venue: MarketVenue = None,
    window: WindowSeconds = 300.0,
    instrument: InstrumentName = None,
    depth: DepthFiles = None,
    depth_window: DepthWindow = 60.0,
    impact: ImpactFile = None,
    scenarios: Scenarios = None,
    seed: Seed = None,
    svg: Annotated[Path | None, typer.Option("--svg", help="File for the plot.", metavar="FILE.svg")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="File for the points.", metavar="FILE.csv")] = None,
    json: Json = False,
) -> None:
    """Trace the least cost for every level of the tail (or any two terms), and say where one more dollar goes."""
    from hedgeopt.cli import explain as work

    quotes = MarketOptions(
        market, at, price or (), invert_marks, window, venue, instrument, depth or (), depth_window, impact
    )
    work.frontier(book, quotes, policy, as_of, of, against, points, scenarios, seed, svg, csv, json)


def stability(
    proposal: _Proposal,
    book: BookFile,
    market: Markets,
    resamples: Annotated[int, typer.Option("--resamples", help="Bootstrap samples of the scenarios.", min=0)] = 20,
    seeds: Annotated[int, typer.Option("--seeds", help="Fresh samples.", min=0)] = 5,
    marks: Annotated[int, typer.Option("--marks", help="Books with marks moved within their spreads.", min=0)] = 5,
    at: At = None,
    as_of: AsOf = None,
    price: Prices = None,
    invert_marks: InvertMarks = False,
    venue: MarketVenue = None,
    window: WindowSeconds = 300.0,
    instrument: InstrumentName = None,
    depth: DepthFiles = None,
    depth_window: DepthWindow = 60.0,
    impact: ImpactFile = None,
    json: Json = False,
) -> None:
    """Solve a proposal's problem again on other samples and marks: intervals, optimism, and which trades are noise."""
    from hedgeopt.cli import explain as work

    quotes = MarketOptions(
        market, at, price or (), invert_marks, window, venue, instrument, depth or (), depth_window, impact
    )
    work.stability(proposal, book, quotes, as_of, resamples, seeds, marks, json)


def anatomy(
    proposal: _Proposal,
    book: BookFile,
    market: Markets,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Folder for the tables, the spot and vol ladders among them.", metavar="DIR")
    ] = None,
    at: At = None,
    as_of: AsOf = None,
    price: Prices = None,
    invert_marks: InvertMarks = False,
    venue: MarketVenue = None,
    window: WindowSeconds = 300.0,
    instrument: InstrumentName = None,
    depth: DepthFiles = None,
    depth_window: DepthWindow = 60.0,
    impact: ImpactFile = None,
    json: Json = False,
) -> None:
    """Take the tail of a proposal apart: scenarios, factors, trades, what stays and why, ladders, liquidation prices."""
    from hedgeopt.cli import explain as work

    quotes = MarketOptions(
        market, at, price or (), invert_marks, window, venue, instrument, depth or (), depth_window, impact
    )
    work.anatomy(proposal, book, quotes, as_of, csv, json)
