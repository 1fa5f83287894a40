"""The commands and their options; the work is in :mod:`hedgeopt.cli.commands`, imported when a command runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

EXIT_CODES = (
    "Exit codes: 0 solved, or input valid; 2 bad input or usage; 3 infeasible: no trade list meets every limit; "
    "4 the solver could not certify an answer, or the objective has no lower bound; 1 unexpected error or closed output; "
    "130 interrupted."
)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,  # plain help is as clear, and twice as quick to show
    pretty_exceptions_enable=False,
    help="Hedge a crypto derivatives book by convex optimization, with certified answers.",
    epilog=EXIT_CODES,
)

Book = Annotated[Path, typer.Option("--book", help="Book of accounts and positions, JSON.", metavar="BOOK.json")]
Markets = Annotated[
    list[Path],
    typer.Option(
        "--market",
        help="Option chain, CSV or Parquet; give again for files of perpetual or futures marks.",
        metavar="CHAIN.csv",
    ),
]
PolicyFile = Annotated[
    Path, typer.Option("--policy", help="What to minimise, and the limits, TOML or JSON.", metavar="POLICY.toml")
]
At = Annotated[
    str | None, typer.Option("--at", help="Snapshot to read from a file of several: the latest not after this time.")
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of", help="Moment of decision, for the age of quotes; default the book's timestamp, else the market's."
    ),
]
Scenarios = Annotated[int | None, typer.Option("--scenarios", help="Number of scenarios, instead of the policy's.", min=1)]
Seed = Annotated[int | None, typer.Option("--seed", help="Scenario seed, instead of the policy's.", min=0)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")]


class SchemaKind(StrEnum):
    """Which input to describe."""

    book = "book"
    market = "market"
    policy = "policy"


class EngineKind(StrEnum):
    """Where a sweep's cells run."""

    local = "local"
    dask = "dask"


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
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and warnings.", envvar="HEDGEOPT_DEBUG")] = False,
) -> None:
    """Hedge a crypto derivatives book by convex optimization, with certified answers."""


@app.command(epilog=EXIT_CODES)
def solve(
    book: Book,
    market: Markets,
    policy: PolicyFile,
    at: At = None,
    as_of: AsOf = None,
    scenarios: Scenarios = None,
    seed: Seed = None,
    solver: Annotated[
        str | None, typer.Option("--solver", help="Master solver, instead of the policy's: auto, HIGHS, CLARABEL, ...")
    ] = None,
    json: Json = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for proposal.json and proposal.html.", metavar="DIR")
    ] = None,
) -> None:
    """Find the certified cheapest trades that bring the book inside its limits."""
    from hedgeopt.cli import commands

    commands.solve(book, market, policy, at, as_of, scenarios, seed, solver, json, out)


@app.command(epilog=EXIT_CODES)
def risk(
    book: Book,
    market: Markets,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="Its scenarios and age limit are used; its limits are not.", metavar="POLICY.toml"),
    ] = None,
    at: At = None,
    as_of: AsOf = None,
    scenarios: Scenarios = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Show the book's exposures: Greeks, CVaR, stress, leverage and margin, without trades."""
    from hedgeopt.cli import commands

    commands.risk(book, market, policy, at, as_of, scenarios, seed, json)


@app.command(epilog=EXIT_CODES)
def check(
    book: Annotated[Path | None, typer.Option("--book", help="Book, JSON.", metavar="BOOK.json")] = None,
    market: Annotated[
        list[Path] | None, typer.Option("--market", help="Chain and marks, CSV or Parquet.", metavar="CHAIN.csv")
    ] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="Policy, TOML or JSON.", metavar="POLICY.toml")] = None,
    at: At = None,
    as_of: AsOf = None,
) -> None:
    """Validate input files; given all three, also that they fit together (nothing is solved)."""
    from hedgeopt.cli import commands

    commands.check(book, market, policy, at, as_of)


@app.command(epilog=EXIT_CODES)
def schema(kind: Annotated[SchemaKind, typer.Argument(help="Which input to describe: book, market or policy.")]) -> None:
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


@app.command(epilog=EXIT_CODES)
def backtest(
    config: Annotated[
        Path,
        typer.Argument(help="What to replay, which books, which policies, TOML.", metavar="CONFIG.toml", show_default=False),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for tables and pages, one folder per book.", metavar="DIR")
    ] = None,
    json: Json = False,
) -> None:
    """Replay recorded markets: every book of the file under every policy, with a ledger, margin and liquidation."""
    from hedgeopt.cli.backtest import backtest as command

    command(config, out, json)


@app.command(epilog=EXIT_CODES)
def sweep(
    config: Annotated[
        Path, typer.Argument(help="What to vary, over which backtest, TOML.", metavar="CONFIG.toml", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", help="Folder for finished cells and the result; give it again to resume.", metavar="DIR")
    ],
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Processes, default one per core; with dask, most cells submitted at once.", min=1),
    ] = None,
    engine: Annotated[
        EngineKind, typer.Option("--engine", help="Where cells run: local (processes of this machine) or dask (a cluster).")
    ] = EngineKind.local,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Address of the Dask scheduler, tcp://HOST:8786.", metavar="ADDRESS")
    ] = None,
    json: Json = False,
) -> None:
    """Run a backtest over a grid or random draws of its fields, resumably, and deflate the winner for the search."""
    from hedgeopt.cli import sweep as sweeps

    sweeps.sweep(config, out, workers, engine.value, scheduler, json)
