"""Read the inputs as the command line describes them, and print answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hedgeopt.cli.console import answer_console
from hedgeopt.cli.streams import output
from hedgeopt.errors import InputError
from hedgeopt.files.regular import parse_moment

if TYPE_CHECKING:
    from hedgeopt.inputs.book import Book
    from hedgeopt.inputs.market import Market
    from hedgeopt.inputs.policy import Policy

__all__ = [
    "MarketOptions",
    "json_answer",
    "override",
    "print_json",
    "print_report",
    "read_holdings",
    "read_rules",
    "take_tables",
]


@dataclass(frozen=True)
class MarketOptions:
    """``--market``, ``--at``, ``--price``, ``--invert-marks``, ``--window``, ``--venue``, ``--instrument``, ``--depth``,
    ``--impact``."""

    files: Sequence[Path]
    at: str | None = None
    prices: Sequence[str] = ()
    invert_marks: bool = False
    window: float = 300.0
    venue: str | None = None
    instrument: str | None = None
    depth: Sequence[str] = ()
    depth_window: float = 60.0
    impact: str | None = None

    def read(self) -> Market:
        """The market they describe."""
        from hedgeopt.inputs.chain.reader import read_market

        prices = _prices(self.prices)
        found = read_market(
            *self.files,
            at=self.at,
            prices=prices or None,
            invert_marks=self.invert_marks,
            window_seconds=self.window,
            venue=self.venue,
            instrument=self.instrument,
        )
        if self.depth:
            found = found.with_depth(*self.depth, window_seconds=self.depth_window, venue=self.venue)
        return found.with_impact(self.impact) if self.impact else found


def _prices(words: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for word in words:
        asset, _, text = word.partition("=")
        try:
            usd = float(text)
        except ValueError:
            usd = math.nan
        if not asset or not (math.isfinite(usd) and usd > 0):
            raise InputError("is not ASSET=USD", field="--price", value=word, fix="write --price stETH=3120.5")
        if asset in found:
            raise InputError("is given twice", field="--price", value=asset, fix="keep one of them")
        found[asset] = usd
    return found


def read_holdings(paths: Path | Sequence[Path], as_of: str | None, venue: str | None = None) -> Book:
    """The book, with its moment of decision replaced when ``as_of`` is given."""
    from hedgeopt.inputs.book_file import read_book

    book = read_book(*([paths] if isinstance(paths, Path) else paths), venue=venue, any_moment=as_of is not None)
    if as_of is None:
        return book
    return book.model_copy(update={"timestamp": parse_moment(as_of, "--as-of")})


def read_rules(path: Path | None) -> Policy:
    """The policy, or one that asks for nothing and has every default."""
    from hedgeopt.inputs.policy import Policy, read_policy
    from hedgeopt.models.costs.transaction import TransactionCost

    return read_policy(path) if path is not None else Policy(minimize=TransactionCost())


def take_tables(paths: Sequence[Path]) -> None:
    """User tables of ``--tables`` count for the command."""
    from hedgeopt.models.data import use_tables

    try:
        use_tables(*paths)
    except InputError as error:
        if error.file is not None:
            raise
        raise InputError(error.problem, field="--tables", value=error.value, fix=error.fix) from None


def override(
    policy: Policy,
    scenarios: int | None,
    seed: int | None,
    solver: str | None = None,
    time_limit: float | None = None,
) -> Policy:
    """The policy with the command line's settings, validated like a file's."""
    from hedgeopt.inputs.policy import Policy

    data: dict[str, Any] = policy.model_dump()
    if scenarios is not None:
        data["scenarios"]["count"] = scenarios
    if seed is not None:
        data["scenarios"]["seed"] = seed
    if solver is not None:
        data["solver"] = solver if solver == "auto" else solver.upper()
    if time_limit is not None:
        if not 0.0 < time_limit < math.inf:
            raise InputError("is no time", field="--time-limit", value=time_limit, fix="give seconds above 0")
        data["time_limit_seconds"] = time_limit
    return Policy(**data)


def json_answer(data: Any) -> str:
    """JSON text; NaN and infinities become null."""
    from hedgeopt.files.plain import finite, json_text

    return json_text(finite(data))


def print_json(data: Any) -> None:
    """JSON on stdout."""
    output().write(json_answer(data))


def print_report(*renderables: Any) -> None:
    """Rich text on stdout."""
    console = answer_console()
    for item in renderables:
        console.print(item)
