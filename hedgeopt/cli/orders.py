"""``hedgeopt plan``, ``apply`` and ``cash``: what leaves and returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hedgeopt.cli.console import progress, say
from hedgeopt.cli.inputs import MarketOptions, print_report, read_holdings
from hedgeopt.cli.streams import output
from hedgeopt.errors import InputError
from hedgeopt.files.regular import parse_moment

__all__ = ["Rounds", "Sending", "plan"]


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
        from hedgeopt.orders.fit_to_send import refuse_unfit
        from hedgeopt.orders.plan import execution_plan
        from hedgeopt.program.proposal import read_proposal

        stage("read")
        found = read_proposal(proposal)
        holdings, quotes = read_holdings(book, as_of, market.venue), market.read()
        stage("plan")
        made = execution_plan(found, holdings, quotes, **asdict(rounds))
        moment = None if sending.now is None else parse_moment(sending.now, "--now")
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
