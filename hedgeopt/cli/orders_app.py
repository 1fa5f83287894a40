"""The commands ``plan``, ``apply`` and ``cash``; the work is in :mod:`hedgeopt.cli.orders`."""

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
    DepthFiles,
    DepthWindow,
    ImpactFile,
    InstrumentName,
    InvertMarks,
    Json,
    Markets,
    MarketVenue,
    Prices,
    WindowSeconds,
)

__all__ = ["register_orders"]


def register_orders(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (plan, apply, cash):
        app.command(epilog=EXIT_CODES)(command)


_Proposal = Annotated[Path, typer.Argument(help="The stored proposal.json.", metavar="PROPOSAL.json")]
_Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        help="Send all the same what is refused otherwise: stale (old, or of other inputs), uncertified, ideal (not whole "
        "lots), breaks (a limit is exceeded on the way). Repeatable.",
        metavar="WORD",
    ),
]


_Now = Annotated[
    str | None, typer.Option("--now", help="Moment of sending or booking, for ages; default now.", metavar="TIME")
]


def plan(
    proposal: _Proposal,
    book: BookFile,
    market: Markets,
    slippage: Annotated[
        float, typer.Option("--slippage", help="Share of the quote that limit prices may be beyond it: 0.001 is 10 bp.")
    ] = 0.0,
    rounds: Annotated[int | None, typer.Option("--rounds", help="Send every leg in so many parts, in turn.")] = None,
    minutes: Annotated[float, typer.Option("--minutes", help="Spread the rounds over so long, impact against risk.")] = 0.0,
    risk_aversion: Annotated[
        float, typer.Option("--risk-aversion", help="With --minutes: per USD of variance; 0 spreads evenly.")
    ] = 0.0,
    orders: Annotated[
        str | None,
        typer.Option(
            "--orders",
            help="Print the orders in a venue's words, one JSON a line: deribit, okx, bybit, derive, hyperliquid or ccxt.",
            metavar="FORM",
        ),
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="File for the list as CSV.", metavar="FILE")] = None,
    excel: Annotated[Path | None, typer.Option("--excel", help="File for the list as a workbook.", metavar="FILE")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="File for the orders, instead of stdout.", metavar="FILE")
    ] = None,
    allow: _Allow = None,
    now: _Now = None,
    max_age: Annotated[
        float | None,
        typer.Option("--max-age", help="Oldest proposal that is sent; default max_quote_age_seconds.", metavar="SECONDS"),
    ] = None,
    rests: Annotated[
        bool, typer.Option("--rests", help="What is not filled at once stays in the book, instead of being cancelled.")
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
    """Plan a proposal's execution: order of legs, limit prices, limits on the way; and export its orders."""
    from hedgeopt.cli import orders as work

    quotes = MarketOptions(
        market, at, price or (), invert_marks, window, venue, instrument, depth or (), depth_window, impact
    )
    sent = work.Sending(orders, out, csv, excel, allow or (), now, max_age, rests)
    code = work.plan(proposal, book, quotes, as_of, work.Rounds(slippage, rounds, minutes, risk_aversion), sent, json)
    raise typer.Exit(code)


def apply(
    fills: Annotated[
        Path,
        typer.Argument(help="Fills, CSV or a workbook: docs/orders.md lists the columns.", metavar="FILLS.csv"),
    ],
    book: BookFile,
    proposal: Annotated[Path, typer.Option("--proposal", help="The proposal that was sent.", metavar="PROPOSAL.json")],
    market: Markets,
    out: Annotated[
        Path, typer.Option("--out", help="File for the book after the fills, .json or .csv.", metavar="TOMORROW.json")
    ],
    report: Annotated[Path | None, typer.Option("--report", help="File for the differences as CSV.", metavar="FILE")] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            help="Book all the same what is refused otherwise: other-book (not the book of the proposal), "
            "price (far from mark and proposal), fee (a large share of the trade), early (before the proposal), "
            "late (in the future, or a day after the market). Repeatable.",
            metavar="WORD",
        ),
    ] = None,
    now: _Now = None,
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
    """Book fills: tomorrow's book, what differs from the proposal, and the limits of the new book."""
    from hedgeopt.cli import orders as work

    quotes = MarketOptions(
        market, at, price or (), invert_marks, window, venue, instrument, depth or (), depth_window, impact
    )
    raise typer.Exit(work.apply(fills, book, proposal, quotes, as_of, out, report, json, allow or (), now))


def cash(
    book: BookFile,
    market: Markets,
    days: Annotated[int, typer.Option("--days", help="Days to look ahead, 1 to 366.")] = 7,
    send: Annotated[
        list[str] | None,
        typer.Option("--send", help="A transfer made now, by its link's name; repeatable.", metavar="LINK=AMOUNT"),
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Folder for cash.csv and margins.csv.", metavar="DIR")] = None,
    at: At = None,
    as_of: AsOf = None,
    price: Prices = None,
    invert_marks: InvertMarks = False,
    venue: MarketVenue = None,
    window: WindowSeconds = 300.0,
    instrument: InstrumentName = None,
    json: Json = False,
) -> None:
    """Show cash and margin of the next days, per account and asset: funding, expiries, unlocks, transfers."""
    from hedgeopt.cli import orders as work

    quotes = MarketOptions(market, at, price or (), invert_marks, window, venue, instrument)
    work.cash(book, quotes, as_of, days, send or (), json, csv)
