"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "ENVIRONMENT",
    "EXIT_CODES",
    "AsOf",
    "At",
    "BookFile",
    "BookOptional",
    "DepthFiles",
    "DepthWindow",
    "ImpactFile",
    "InstrumentName",
    "InvertMarks",
    "Json",
    "MarketOptional",
    "MarketVenue",
    "Markets",
    "PolicyFile",
    "Prices",
    "PricingLimit",
    "Scenarios",
    "Seed",
    "TimeLimit",
    "WindowSeconds",
]

EXIT_CODES = (
    "Exit codes: 0 solved, or input valid; 2 bad input or usage; 3 infeasible: no trade list meets every limit; "
    "4 the solver could not certify an answer, or the objective has no lower bound; 1 unexpected error, closed output, or "
    "an installation not fit for use; 130 interrupted."
)

_book = typer.Option(
    "--book",
    help="Book of accounts and positions, JSON; or replies of venues as they came, given one by one.",
    metavar="BOOK.json",
)
ENVIRONMENT = (
    "Environment: COLUMNS sets the width of tables; HEDGEOPT_LOG logs from a level on (debug, info, warning, error); "
    "HEDGEOPT_PROGRESS sets the seconds between lines of progress where there is no terminal (default 5, 0: none)."
)

BookFile = Annotated[list[Path], _book]
BookOptional = Annotated[list[Path] | None, _book]
_market = typer.Option(
    "--market",
    help="Option chain or table of quotes, or a venue's replies; give again for more files of the same moment.",
    metavar="CHAIN.csv",
)
Markets = Annotated[list[Path], _market]
MarketOptional = Annotated[list[Path] | None, _market]
PolicyFile = Annotated[
    Path, typer.Option("--policy", help="What to minimise, and the limits, TOML or JSON.", metavar="POLICY.toml")
]
At = Annotated[
    str | None,
    typer.Option("--at", help="Moment to read from a file of several: each instrument's last row not after it."),
]
WindowSeconds = Annotated[
    float,
    typer.Option(
        "--window", help="With --at: rows this many seconds older than the latest are left out.", metavar="SECONDS"
    ),
]
DepthFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--depth",
        help="Order books or pools of the market's moment: a venue's replies, a table of levels; NAME=FILE for a reply that "
        "names no instrument. Give again for more.",
        metavar="BOOK.json",
    ),
]
DepthWindow = Annotated[
    float,
    typer.Option("--depth-window", help="How far a ladder may lie from its instrument's quote.", metavar="SECONDS", min=0.0),
]
ImpactFile = Annotated[
    str | None,
    typer.Option(
        "--impact",
        help="Impact where no ladder is known: a file of hedgeopt costs fit --out, or your own.",
        metavar="IMPACT.toml",
        show_default=False,
    ),
]
InstrumentName = Annotated[
    str | None,
    typer.Option("--instrument", help="Instrument of the one reply that does not name its own.", show_default=False),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of", help="Moment of decision, for the age of quotes; default the book's timestamp, else the market's."
    ),
]
Prices = Annotated[
    list[str] | None,
    typer.Option(
        "--price", help="USD price of an asset that the market file does not hold; give again for more.", metavar="ASSET=USD"
    ),
]
InvertMarks = Annotated[
    bool, typer.Option("--invert-marks", help="Take implied vols from the marks where the market file has none.")
]
MarketVenue = Annotated[
    str | None,
    typer.Option("--venue", help="Venue of files that do not give theirs; default for chains: deribit.", show_default=False),
]
Scenarios = Annotated[int | None, typer.Option("--scenarios", help="Number of scenarios, instead of the policy's.", min=1)]
Seed = Annotated[int | None, typer.Option("--seed", help="Scenario seed, instead of the policy's.", min=0)]
TimeLimit = Annotated[
    float | None,
    typer.Option(
        "--time-limit",
        help="Seconds for the search, instead of the policy's; 30 s later all of the work is ended from outside.",
        metavar="SECONDS",
    ),
]
PricingLimit = Annotated[
    float | None,
    typer.Option(
        "--time-limit",
        help="Seconds after which the work is ended, without an answer; default: the policy's.",
        metavar="SECONDS",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")]
