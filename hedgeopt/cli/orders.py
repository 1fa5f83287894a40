"""``hedgeopt plan``, ``apply`` and ``cash``: what leaves and returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hedgeopt.cli.console import progress, say
from hedgeopt.cli.inputs import MarketOptions, print_json, print_report, read_holdings
from hedgeopt.cli.streams import output
from hedgeopt.errors import InputError
from hedgeopt.files.regular import parse_moment

if TYPE_CHECKING:
    from hedgeopt.inputs.book import Book

__all__ = ["Rounds", "Sending", "apply", "cash", "plan"]


@dataclass(frozen=True)
class Rounds:
    """``--slippage``, ``--rounds``, ``--minutes``, ``--risk-aversion``."""

    slippage: float = 0.0
    rounds: int | None = None
    minutes: float = 0.0
    risk_aversion: float = 0.0


@dataclass(frozen=True)
class Sending:
    """``--orders``, ``--out``, ``--csv``, ``--excel``, ``--allow``, ``--now``, ``--max-age``, ``--rests``."""

    form: str | None = None
    out: Path | None = None
    csv: Path | None = None
    excel: Path | None = None
    allow: Sequence[str] = ()
    now: str | None = None
    max_age: float | None = None
    rests: bool = False


def plan(
    proposal: Path,
    book: Path | Sequence[Path],
    market: MarketOptions,
    as_of: str | None,
    rounds: Rounds,
    sending: Sending,
    json: bool,
) -> int:
    """Plan, export, print; returns the exit code: 0, or 3 where a limit is exceeded on the way."""
    if json and sending.form is not None and sending.out is None:
        raise InputError("both print on stdout", field="--json", fix="give --out FILE for the orders, or leave out --json")
    if sending.out is not None and sending.form is None:
        raise InputError("is the file of orders", field="--out", value=sending.out, fix="say whose form: --orders deribit")
    with progress() as stage:
        from hedgeopt.files.writing import write_atomically
        from hedgeopt.orders.export import export_orders, left_out, orders_csv, orders_excel
        from hedgeopt.orders.fit_to_send import refuse_old, refuse_unfit
        from hedgeopt.orders.plan import execution_plan
        from hedgeopt.program.proposal import read_proposal

        stage("read")
        moment = None if sending.now is None else parse_moment(sending.now, "--now")
        found = read_proposal(proposal)
        if (sending.form or sending.csv or sending.excel) and "stale" not in sending.allow:
            refuse_old(found, moment, sending.max_age)
        holdings, quotes = read_holdings(book, as_of, market.venue), market.read()
        stage("plan")
        made = execution_plan(found, holdings, quotes, **asdict(rounds))
        fit: dict[str, Any] = {"allow": list(sending.allow), "now": moment, "max_age_seconds": sending.max_age}
        files: dict[Path, str | bytes] = {}
        lines: list[str] = []
        if sending.form is not None:
            lines = export_orders(found, made, holdings, quotes, sending.form, rests=sending.rests, **fit)
        elif sending.csv is not None or sending.excel is not None:
            refuse_unfit(found, made, holdings, quotes, **fit)
        text = "".join(f"{line}\n" for line in lines)
        if sending.out is not None:
            files[sending.out] = text
        if sending.csv is not None:
            files[sending.csv] = orders_csv(made)
        if sending.excel is not None:
            files[sending.excel] = orders_excel(made)
        write_atomically(files)
    if json:
        output().write(made.to_json())
    elif sending.form is not None and sending.out is None:
        output().write(text)
    else:
        from hedgeopt.orders.printed import plan_report

        print_report(plan_report(made))
    for line in left_out(made, sending.form) if sending.form is not None else ():
        say(line)
    if files:
        say(f"wrote {', '.join(str(path) for path in files)}")
    return 0 if made.keeps_limits else 3


def apply(
    fills: Path,
    book: Path | Sequence[Path],
    proposal: Path,
    market: MarketOptions,
    as_of: str | None,
    out: Path,
    report: Path | None,
    json: bool,
    allow: Sequence[str] = (),
    now: str | None = None,
) -> int:
    """Book fills, write the new book, print the differences; returns 0, or 3 where a limit is exceeded at the new book."""
    if out.suffix.lower() not in (".json", ".csv"):
        raise InputError("is no form of books", field="--out", value=out.name, fix="name a .json or .csv file")
    read = {"FILLS": [fills], "--proposal": [proposal], "--market": [Path(path) for path in market.files]}
    if report is not None:
        _refuse_same(report, "--report", {"--out": [out], "--book": [book] if isinstance(book, Path) else [*book], **read})
    _refuse_same(out, "--out", read)
    with progress() as stage:
        from hedgeopt.files.writing import write_atomically
        from hedgeopt.orders.apply import apply_fills
        from hedgeopt.program.proposal import read_proposal

        stage("read")
        moment = None if now is None else parse_moment(now, "--now")
        found = read_proposal(proposal)
        holdings, quotes = read_holdings(book, as_of, market.venue), market.read()
        stage("value")
        made = apply_fills(fills, holdings, found, quotes, allow=allow, now=moment)
        files: dict[Path, str | bytes] = {out: _book_text(made.book, out)}
        if report is not None:
            files[report] = made.differences.to_csv(index=False, lineterminator="\n")
        write_atomically(files)
    if json:
        print_json(made.to_dict())
    else:
        from hedgeopt.orders.printed import reconciliation_report

        print_report(reconciliation_report(made))
    if out.suffix.lower() == ".csv":
        say("a table holds neither links, flows, the moment of the book nor which fills it has: write a .json to keep them")
    say(f"wrote {', '.join(str(path) for path in files)}")
    return 0 if made.holds else 3


def _refuse_same(path: Path, option: str, others: dict[str, list[Path]]) -> None:
    """A file that is written is none that is read or written otherwise."""
    for other, paths in others.items():
        if any(path.resolve() == one.resolve() for one in paths):
            raise InputError(f"is the file of {other}", field=option, value=path.name, fix="name another file")


def _book_text(book: Book, out: Path) -> str:
    if out.suffix.lower() == ".csv":
        return str(book.to_frame().to_csv(index=False, lineterminator="\n"))
    return book.model_dump_json(indent=2, exclude_defaults=True) + "\n"


def cash(
    book: Path | Sequence[Path],
    market: MarketOptions,
    as_of: str | None,
    days: int,
    send: Sequence[str],
    json: bool,
    csv: Path | None,
) -> None:
    """Print the ladder of the next days; with ``csv`` write it as two tables."""
    sent: dict[str, float] = {}
    for word in send:
        name, _, text = word.rpartition("=")
        try:
            sent[name] = float(text)
        except ValueError:
            fix = "write --send 'rich to poor USDC=1000'"
            raise InputError("is not LINK=AMOUNT", field="--send", value=word, fix=fix) from None
    with progress() as stage:
        from hedgeopt.files.writing import write_atomically
        from hedgeopt.orders.cash import cash_ladder

        stage("read")
        holdings, quotes = read_holdings(book, as_of, market.venue), market.read()
        stage("value")
        found = cash_ladder(holdings, quotes, days=days, sent=sent)
        files: dict[Path, str | bytes] = {}
        if csv is not None:
            tables = {"cash.csv": found.cash, "margins.csv": found.margins}
            files = {csv / name: table.to_csv(index=False, lineterminator="\n") for name, table in tables.items()}
        write_atomically(files)
    if json:
        output().write(found.to_json())
    else:
        from hedgeopt.orders.printed import cash_report

        print_report(cash_report(found))
    if files:
        say(f"wrote {', '.join(str(path) for path in files)}")
