"""``hedgeopt scenarios list | describe | sample``; the work is in :mod:`hedgeopt.cli.scenarios`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hedgeopt.cli.inputs import MarketOptions
from hedgeopt.cli.options import (
    EXIT_CODES,
    At,
    InstrumentName,
    InvertMarks,
    Json,
    MarketOptional,
    Markets,
    MarketVenue,
    Prices,
    Scenarios,
    Seed,
    WindowSeconds,
)

__all__ = ["scenarios_app"]

scenarios_app = typer.Typer(
    rich_markup_mode=None,
    help="Look at scenarios: the stress scenarios with their sources, and the sample that CVaR is measured on.",
    epilog=EXIT_CODES,
)

PolicyOption = Annotated[
    Path | None,
    typer.Option("--policy", help="Its [scenarios] and [stress] are used; default: the defaults.", metavar="POLICY.toml"),
]
BookOption = Annotated[
    Path | None,
    typer.Option("--book", help="Draw for what the book holds, instead of every asset of the market.", metavar="BOOK.json"),
]


@scenarios_app.command("list", epilog=EXIT_CODES)
def list_(policy: PolicyOption = None, json: Json = False) -> None:
    """List the stress scenarios, packaged or the policy's, and every kind of sample, modifier, event and view."""
    from hedgeopt.cli import scenarios as commands

    commands.list_all(policy, json)


@scenarios_app.command(epilog=EXIT_CODES)
def describe(
    name: Annotated[
        str | None, typer.Argument(help="A stress scenario, to see the source of each number; none: the sample.")
    ] = None,
    market: MarketOptional = None,
    policy: PolicyOption = None,
    book: BookOption = None,
    at: At = None,
    price: Prices = None,
    invert_marks: InvertMarks = False,
    venue: MarketVenue = None,
    window: WindowSeconds = 300.0,
    instrument: InstrumentName = None,
    scenarios: Scenarios = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Describe the stress scenario NAME; or, given --market, the sample: moments, quantiles, correlations, joint falls."""
    from hedgeopt.cli import scenarios as commands

    quotes = MarketOptions(market or (), at, price or (), invert_marks, window, venue, instrument)
    if name is not None:
        commands.describe_stress(name, quotes, policy, json)
    else:
        commands.describe_sample(quotes, policy, book, scenarios, seed, json)


@scenarios_app.command(epilog=EXIT_CODES)
def sample(
    market: Markets,
    policy: PolicyOption = None,
    book: BookOption = None,
    at: At = None,
    price: Prices = None,
    invert_marks: InvertMarks = False,
    venue: MarketVenue = None,
    window: WindowSeconds = 300.0,
    instrument: InstrumentName = None,
    scenarios: Scenarios = None,
    seed: Seed = None,
    rows: Annotated[int, typer.Option("--rows", help="How many scenarios to show.", min=1)] = 10,
    worst_of: Annotated[
        str | None,
        typer.Option("--worst-of", help="The worst scenarios of this asset, instead of the first.", metavar="ASSET"),
    ] = None,
    json: Json = False,
) -> None:
    """Draw the policy's sample and show some scenarios of it."""
    from hedgeopt.cli import scenarios as commands

    quotes = MarketOptions(market, at, price or (), invert_marks, window, venue, instrument)
    commands.sample(quotes, policy, book, scenarios, seed, rows, worst_of, json)
