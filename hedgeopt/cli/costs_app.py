"""``hedgeopt costs fit``: impact parameters from recorded order books."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hedgeopt.cli.options import EXIT_CODES, Json, MarketVenue

__all__ = ["costs_app"]

costs_app = typer.Typer(
    rich_markup_mode=None, help="Parameters of trading costs from recorded order books.", epilog=EXIT_CODES
)


@costs_app.callback()
def _group() -> None:
    """Costs."""


@costs_app.command(epilog=EXIT_CODES)
def fit(
    books: Annotated[
        list[str], typer.Argument(help="Order books: replies of venues, tables of levels.", metavar="BOOKS...")
    ],
    power: Annotated[float, typer.Option("--power", help="1.5 for the square-root law, 2 for linear impact.")] = 1.5,
    venue: MarketVenue = None,
    json: Json = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="File for the fit, which solve and verify take as --impact.", metavar="IMPACT.toml"),
    ] = None,
) -> None:
    """Fit market impact to order books, with its error on the other side of each book."""
    from hedgeopt.cli.costs import fit_books

    fit_books(books, power, venue, json, out)
