"""What each command does."""

from __future__ import annotations

import json as json_text
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hedgeopt.cli.run import progress, say
from hedgeopt.errors import InputError

if TYPE_CHECKING:
    from hedgeopt.book import Book
    from hedgeopt.market import Market
    from hedgeopt.policy import Policy

__all__ = ["check", "demo", "risk", "schema", "solve"]

_WIDTH = 100


def solve(
    book: Path,
    market: Sequence[Path],
    policy: Path,
    at: str | None = None,
    as_of: str | None = None,
    scenarios: int | None = None,
    seed: int | None = None,
    solver: str | None = None,
    json: bool = False,
    out: Path | None = None,
) -> None:
    """Read, solve, write, print."""
    with progress() as stage:
        from hedgeopt.policy import read_policy
        from hedgeopt.solve import propose

        stage("read")
        start = time.perf_counter()
        rules = _override(read_policy(policy), scenarios, seed, solver)
        holdings, quotes = _inputs(book, market, at, as_of)
        read = time.perf_counter() - start
        proposal = propose(holdings, quotes, rules, progress=stage)
        proposal = replace(proposal, seconds={"read": read, **proposal.seconds})
        if out is not None:
            stage("draw")
            proposal.write(out)
    if json:
        sys.stdout.write(proposal.to_json())
    else:
        from hedgeopt.report import proposal_report

        _print(proposal_report(proposal))
    if out is not None:
        say(f"wrote {out / 'proposal.json'} and {out / 'proposal.html'}")


def risk(
    book: Path,
    market: Sequence[Path],
    policy: Path | None = None,
    at: str | None = None,
    as_of: str | None = None,
    scenarios: int | None = None,
    seed: int | None = None,
    json: bool = False,
) -> None:
    """Exposures of the book alone."""
    with progress() as stage:
        from hedgeopt.models.costs.transaction import TransactionCost
        from hedgeopt.policy import Policy, read_policy
        from hedgeopt.proposal import finite
        from hedgeopt.risk import risk_report
        from hedgeopt.solve import expose

        stage("read")
        rules = read_policy(policy) if policy is not None else Policy(minimize=TransactionCost())
        rules = _override(rules, scenarios, seed, None)
        holdings, quotes = _inputs(book, market, at, as_of)
        stage("value")
        exposures = expose(holdings, quotes, rules, trades=False)
        report = risk_report(exposures)
    if json:
        data: dict[str, Any] = {"book": holdings.name, "market": quotes.source, "created": quotes.timestamp.isoformat()}
        data |= {"risk": report.to_dict(), "notes": list(exposures.notes)}
        sys.stdout.write(json_text.dumps(finite(data), indent=2, allow_nan=False) + "\n")
        return
    from hedgeopt.report import risk_report_table

    _print(risk_report_table(report, exposures.notes))


def check(
    book: Path | None, market: Sequence[Path] | None, policy: Path | None, at: str | None = None, as_of: str | None = None
) -> None:
    """Read what is given; with all three, price it and compile the program."""
    if book is None and not market and policy is None:
        raise InputError("nothing to check", fix="give --book, --market or --policy")
    lines = []
    with progress() as stage:
        stage("read")
        rules = holdings = quotes = None
        if policy is not None:
            from hedgeopt.policy import read_policy

            rules = read_policy(policy)
            lines.append(f"{policy}: {len(rules.minimize)} terms to minimise, {len(rules.subject_to)} limits")
        if book is not None:
            from hedgeopt.book_reader import read_book

            holdings = _as_of(read_book(book), as_of)
            lines.append(f"{book}: {len(holdings.accounts)} accounts, {holdings.n_positions} positions")
        if market:
            from hedgeopt.market_reader import read_market

            quotes = read_market(*market, at=at)
            lines.append(f"{quotes.source}: {len(quotes)} instruments at {quotes.timestamp:%Y-%m-%d %H:%M:%S} UTC")
            lines += [f"note: {note}" for note in quotes.notes]
        if rules is not None and holdings is not None and quotes is not None:
            lines.append(_fit(holdings, quotes, rules, stage))
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def schema(kind: str) -> None:
    """Print a JSON Schema."""
    from hedgeopt.schema import input_schema

    sys.stdout.write(json_text.dumps(input_schema(kind), indent=2) + "\n")


def demo(out: Path, json: bool = False) -> None:
    """Write the example's inputs and solve them as anybody's."""
    with progress():
        from hedgeopt.example import example_files
        from hedgeopt.files import write_atomically

        inputs = {out / name: text for name, text in example_files().items()}
        write_atomically(inputs)
    book, market, policy = (out / name for name in ("book.json", "market.csv", "policy.toml"))
    solve(book, [market], policy, json=json, out=out)
    say(f"the same by hand: hedgeopt solve --book {book} --market {market} --policy {policy} --out {out}")


def _fit(book: Book, market: Market, policy: Policy, stage: Callable[[str], None]) -> str:
    from hedgeopt.program import Program, trade_box
    from hedgeopt.solve import expose

    stage("value")
    exposures = expose(book, market, _override(policy, min(policy.scenarios.count, 100), None, None))
    stage("build")
    Program(policy, exposures).update(exposures, trade_box(policy, exposures))
    held = len(exposures.rows) - int((exposures.rows.quantity == 0).sum())
    return f"together: {held} positions priced, {exposures.n_candidates} candidates, ready to solve"


def _inputs(book: Path, market: Sequence[Path], at: str | None, as_of: str | None) -> tuple[Book, Market]:
    from hedgeopt.book_reader import read_book
    from hedgeopt.market_reader import read_market

    holdings = _as_of(read_book(book), as_of)
    return holdings, read_market(*market, at=at)


def _as_of(book: Book, as_of: str | None) -> Book:
    if as_of is None:
        return book
    try:
        moment = datetime.fromisoformat(as_of)
    except ValueError:
        raise InputError("is not a date and time", field="--as-of", value=as_of, fix="write 2026-02-05T21:29:37Z") from None
    return book.model_copy(update={"timestamp": moment if moment.tzinfo else moment.replace(tzinfo=UTC)})


def _override(policy: Policy, scenarios: int | None, seed: int | None, solver: str | None) -> Policy:
    """The policy with the command line's settings, validated like a file's."""
    from hedgeopt.policy import Policy

    data: dict[str, Any] = policy.model_dump()
    if scenarios is not None:
        data["scenarios"]["count"] = scenarios
    if seed is not None:
        data["scenarios"]["seed"] = seed
    if solver is not None:
        data["solver"] = solver if solver == "auto" else solver.upper()
    return Policy(**data)


def _print(renderable: Any) -> None:
    from rich.console import Console

    terminal = sys.stdout.isatty()
    Console(width=None if terminal else _WIDTH, highlight=False).print(renderable)
