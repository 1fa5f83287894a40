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


@scenarios_app.command(epilog=EXIT_CODES)
def fit(
    chains: Annotated[
        list[Path],
        typer.Argument(
            help="Recorded chains, as backtests replay them: Parquet, folders of it, or CSV.",
            metavar="CHAINS...",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="The model: TOML for model = in [scenarios].", metavar="MODEL.toml")],
    start: Annotated[
        str | None, typer.Option("--from", help="First moment, ISO 8601 in UTC; default: the record's.", metavar="WHEN")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Moment before which the record ends; default: all of it.", metavar="WHEN")
    ] = None,
    assets: Annotated[
        list[str] | None,
        typer.Option("--asset", help="Underlying to fit; repeat for several; default: all.", metavar="ASSET"),
    ] = None,
    venue: MarketVenue = None,
    resamples: Annotated[
        int, typer.Option("--resamples", help="Of the block bootstrap behind the standard errors.", min=20, max=10_000)
    ] = 200,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Fit the scenario model to recorded chains: slopes, noises of expiries and strikes, jumps, each with its error."""
    from hedgeopt.cli import scenarios_fit

    scenarios_fit.fit_chains(chains, out, start, end, assets or (), venue, resamples, seed or 0, json)


ModelName = Annotated[
    str,
    typer.Option("--model", help='A file of "scenarios fit", or "measured": the packaged model.', metavar="MODEL.toml"),
]


@scenarios_app.command(epilog=EXIT_CODES)
def judge(
    chains: Annotated[
        list[Path],
        typer.Argument(
            help="Recorded chains that the model was not fitted to.",
            metavar="CHAINS...",
            show_default=False,
        ),
    ],
    model: ModelName = "measured",
    start: Annotated[
        str | None, typer.Option("--from", help="First moment, ISO 8601 in UTC; default: the record's.", metavar="WHEN")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Moment before which the record ends; default: all of it.", metavar="WHEN")
    ] = None,
    hours: Annotated[
        list[float] | None, typer.Option("--hours", help="Horizon; repeat for several; default: 6 and 24.", metavar="HOURS")
    ] = None,
    level: Annotated[float, typer.Option("--level", help="Of the value at risk.", min=0.5, max=0.999)] = 0.99,
    radius: Annotated[
        float, typer.Option("--radius", help="Of robust_cvar: vol points that promises are widened by.", min=0.0)
    ] = 0.0,
    venue: MarketVenue = None,
    seed: Seed = None,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the result: JSON.", metavar="JUDGED.json")] = None,
    json: Json = False,
) -> None:
    """Judge a model over a record: how often seven kinds of books lost more than its value at risk."""
    from hedgeopt.cli import scenarios_judge

    scenarios_judge.judge_chains(chains, model, start, end, hours or (6.0, 24.0), venue, seed or 0, level, radius, out, json)


@scenarios_app.command(epilog=EXIT_CODES)
def document(
    model: ModelName = "measured",
    judged: Annotated[
        list[Path] | None,
        typer.Option("--judged", help='A result of "scenarios judge"; repeat for several.', metavar="JUDGED.json"),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Markdown file; default: print it.", metavar="MODEL.md")] = None,
) -> None:
    """Write a model's document for a validator: assumptions, numbers with errors, what is unverified, where it failed."""
    from hedgeopt.cli import scenarios_judge

    scenarios_judge.write_document(model, judged or (), out)
