"""The commands and their options; the work is in :mod:`hedgeopt.cli.commands`, imported when a command runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hedgeopt.cli.costs_app import costs_app
from hedgeopt.cli.explain_app import register_explain
from hedgeopt.cli.importing import register_import
from hedgeopt.cli.inputs import MarketOptions
from hedgeopt.cli.options import (
    ENVIRONMENT,
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
    TimeLimit,
    WindowSeconds,
)
from hedgeopt.cli.orders_app import register_orders
from hedgeopt.cli.replays_app import register_replays
from hedgeopt.cli.risk_app import register_risk
from hedgeopt.cli.scenarios_app import scenarios_app

__all__ = ["app"]

app = typer.Typer(
    rich_markup_mode=None,  # plain help is as clear, and twice as quick to show
    pretty_exceptions_enable=False,
    help="Hedge a crypto derivatives book by convex optimization, with certified answers.",
    epilog=f"{EXIT_CODES}\n\n{ENVIRONMENT}",
)
app.add_typer(scenarios_app, name="scenarios")
app.add_typer(costs_app, name="costs")
register_import(app)


class SchemaKind(StrEnum):
    """Which input to describe."""

    book = "book"
    market = "market"
    policy = "policy"
    quotes = "quotes"
    venue = "venue"
    assets = "assets"
    stress = "stress"


def _version(wanted: bool) -> None:
    if wanted:
        import hedgeopt

        typer.echo(f"hedgeopt {hedgeopt.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
    tables: Annotated[
        list[Path] | None,
        typer.Option(
            "--tables",
            help="User table of a venue, assets or stress scenarios, or a folder of them; give again for more. Works after "
            "every command too.",
            metavar="FILE.toml",
        ),
    ] = None,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", help="Log each stage on stderr; HEDGEOPT_LOG=debug, info, warning or error sets another level."
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and warnings.", envvar="HEDGEOPT_DEBUG")] = False,
) -> None:
    """Hedge a crypto derivatives book by convex optimization, with certified answers."""
    from hedgeopt.cli.logs import start_logging

    start_logging(verbose)
    if tables:
        from hedgeopt.cli.inputs import take_tables

        take_tables(tables)


@app.command(epilog=EXIT_CODES)
def solve(
    book: BookFile,
    market: Markets,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="Policy file (TOML, or JSON by its ending).", metavar="POLICY.toml")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            help="Instead of a policy file: delta, delta-vega, tail or crash, with limits derived from the book.",
            metavar="NAME",
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
    solver: Annotated[
        str | None, typer.Option("--solver", help="Master solver, instead of the policy's: auto, HIGHS, CLARABEL, ...")
    ] = None,
    time_limit: TimeLimit = None,
    record: Annotated[
        list[Path] | None,
        typer.Option(
            "--record",
            help="Recorded chains: how often promises of this model were exceeded over them, by books like this one; "
            "repeat for several files.",
            metavar="CHAINS",
        ),
    ] = None,
    json: Json = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for proposal.json and proposal.html.", metavar="DIR")
    ] = None,
) -> None:
    """Find the certified cheapest trades that bring the book inside its limits."""
    from hedgeopt.cli import commands

    quotes = MarketOptions(
        market, at, price or (), invert_marks, window, venue, instrument, depth or (), depth_window, impact
    )
    commands.solve(book, quotes, policy, as_of, scenarios, seed, solver, time_limit, json, out, preset, record or ())


@app.command(epilog=EXIT_CODES)
def verify(
    proposal: Annotated[Path, typer.Argument(help="The stored proposal.json.", metavar="PROPOSAL.json", show_default=False)],
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
    """Check a stored proposal against its inputs, independently of the solver; give it the options it was solved with."""
    from hedgeopt.cli import verify as verifier

    quotes = MarketOptions(
        market, at, price or (), invert_marks, window, venue, instrument, depth or (), depth_window, impact
    )
    raise typer.Exit(verifier.verify(proposal, book, quotes, policy, as_of, scenarios, seed, json))


@app.command(epilog=EXIT_CODES)
def report(
    proposal: Annotated[Path, typer.Argument(help="The stored proposal.json.", metavar="PROPOSAL.json", show_default=False)],
    html: Annotated[Path | None, typer.Option("--html", help="File for the page.", metavar="FILE")] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            help="Folder for the tables: trades.csv, costs.csv, transfers.csv, limits.csv, cash.csv and others.",
            metavar="DIR",
        ),
    ] = None,
) -> None:
    """Draw a stored proposal again from its file alone: printed, as a page, as tables."""
    from hedgeopt.cli import report as reports

    reports.report(proposal, html, csv)


register_risk(app)


@app.command(epilog=EXIT_CODES)
def check(
    book: BookOptional = None,
    market: MarketOptional = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="Policy, TOML or JSON.", metavar="POLICY.toml")] = None,
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
) -> None:
    """Validate input files; given all three, also that they fit together (nothing is solved)."""
    from hedgeopt.cli import commands

    commands.check(
        book,
        MarketOptions(
            market or (), at, price or (), invert_marks, window, venue, instrument, depth or (), depth_window, impact
        ),
        policy,
        as_of,
    )


@app.command(epilog=EXIT_CODES)
def schema(
    kind: Annotated[
        SchemaKind,
        typer.Argument(
            help="Which input to describe: book, market, policy, quotes (a table of any instruments), or a user table, "
            "of a venue, assets or stress."
        ),
    ],
) -> None:
    """Print the JSON Schema of an input; for a market, that of one row of its table."""
    from hedgeopt.cli import commands

    commands.schema(kind.value)


@app.command(epilog=EXIT_CODES)
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the inputs and the proposal.", metavar="DIR")] = Path("out"),
    json: Json = False,
) -> None:
    """Solve the packaged example, and write its inputs, proposal.json and proposal.html."""
    from hedgeopt.cli import commands

    commands.demo(out, json)


register_explain(app)
register_orders(app)
register_replays(app)


@app.command(epilog=EXIT_CODES)
def doctor(json: Json = False) -> None:
    """Show versions, platform and known faults of them; exits with 1 when the installation is not fit for use."""
    from hedgeopt.cli.doctor import doctor as command

    raise typer.Exit(command(json))
