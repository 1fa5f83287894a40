"""The commands ``risk`` and ``margin``, which trade nothing; the work is in :mod:`hedgeopt.cli.book`."""

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
    InstrumentName,
    InvertMarks,
    Json,
    Markets,
    MarketVenue,
    Prices,
    PricingLimit,
    Scenarios,
    Seed,
    WindowSeconds,
)

__all__ = ["register_risk"]


def register_risk(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (risk, margin):
        app.command(epilog=EXIT_CODES)(command)


def risk(
    book: BookFile,
    market: Markets,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="Its scenarios and age limit are used; its limits are not.", metavar="POLICY.toml"),
    ] = None,
    at: At = None,
    as_of: AsOf = None,
    price: Prices = None,
    invert_marks: InvertMarks = False,
    venue: MarketVenue = None,
    window: WindowSeconds = 300.0,
    instrument: InstrumentName = None,
    scenarios: Scenarios = None,
    seed: Seed = None,
    time_limit: PricingLimit = None,
    json: Json = False,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for risk.json and risk.html.", metavar="DIR")] = None,
) -> None:
    """Show the book's exposures: Greeks, CVaR, stress, leverage and margin, without trades."""
    from hedgeopt.cli import book as books

    quotes = MarketOptions(market, at, price or (), invert_marks, window, venue, instrument)
    books.risk(book, quotes, policy, as_of, scenarios, seed, time_limit, json, out)


def margin(
    book: BookFile,
    market: Markets,
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy", help="Its stress scenarios and age limit are used; its limits are not.", metavar="POLICY.toml"
        ),
    ] = None,
    at: At = None,
    as_of: AsOf = None,
    price: Prices = None,
    invert_marks: InvertMarks = False,
    venue: MarketVenue = None,
    window: WindowSeconds = 300.0,
    instrument: InstrumentName = None,
    time_limit: PricingLimit = None,
    json: Json = False,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for margin.json and margin.html.", metavar="DIR")] = None,
) -> None:
    """Show every account's margin now and after each stress, its parts, and how far liquidation is."""
    from hedgeopt.cli import book as books

    quotes = MarketOptions(market, at, price or (), invert_marks, window, venue, instrument)
    books.margin(book, quotes, policy, as_of, time_limit, json, out)
