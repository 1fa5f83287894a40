"""``hedgeopt backtest``: every book of a configuration with every policy."""

from __future__ import annotations

import itertools
import json as json_text
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hedgeopt._extras import require_extra
from hedgeopt.cli.console import progress, say
from hedgeopt.cli.inputs import print_report
from hedgeopt.cli.streams import output
from hedgeopt.files.writing import refuse_unwritable

if TYPE_CHECKING:
    from hedgeopt.backtest.result import BacktestResult

__all__ = ["backtest"]

_FEWEST_STEPS = 8
_COLUMNS = ("book", "policy", "steps", "P&L", "cost", "fees", "funding", "worst step", "drawdown", "liquidations", "events")


def backtest(config: Path, out: Path | None = None, json: bool = False) -> None:
    """Read, run, write, print."""
    with progress() as stage:
        from hedgeopt.backtest.runner import run_config

        stage("read")
        if out is not None:
            refuse_unwritable(out)
            require_extra("matplotlib", "drawing the pages of --out")  # now, not after hours of replay
        results = run_config(config, stage, folder=None if out is None else out / "cells")
        if out is not None:
            _write(results, out)
    rows = [_row(result) for result in results]
    if json:
        output().write(json_text.dumps(rows, indent=2, allow_nan=False) + "\n")
    else:
        _print(rows)
        for note in dict.fromkeys(note for row in rows for note in row["notes"]):
            output().write(f"note: {note}\n")
    if out is not None:
        say(f"wrote {out}")


def _row(result: BacktestResult) -> dict[str, Any]:
    steps = result.steps
    path = steps["pnl"].cumsum()
    return {
        "book": result.book,
        "policy": result.policy,
        "steps": len(steps),
        "P&L": float(steps["pnl"].sum()),
        "cost": float(steps["cost"].sum()),
        "fees": float(steps["fees"].sum()),
        "funding": float(steps["funding"].sum()),
        "worst step": float(steps["pnl"].min()),
        "drawdown": float((path.cummax().clip(lower=0.0) - path).max()),
        "liquidations": int(steps["liquidated"].sum()),
        "events": sum(event["kind"] not in ("settlement", "no_trade") for event in result.events),
        "notes": list(result.caveats),
    }


def _write(results: Sequence[BacktestResult], out: Path) -> None:
    """A folder per book, with the tables of each policy and the tear sheet that compares them: all of it or nothing."""
    from hedgeopt.backtest.results.tear_sheet import pages
    from hedgeopt.files.plain import finite
    from hedgeopt.files.writing import write_atomically

    books: dict[str, list[BacktestResult]] = {}
    for result in results:
        books.setdefault(result.book, []).append(result)
    files: dict[Path, str] = {}
    for home, of_book in zip(_folders(list(books)), books.values(), strict=True):
        for own, result in zip(_folders([one.policy for one in of_book]), of_book, strict=True):
            folder = out / home / own
            for name in ("steps", "trades", "attribution", "ledger"):
                files[folder / f"{name}.csv"] = getattr(result, name).to_csv(index=name in ("steps", "attribution"))
            said = {"config": result.config, "events": result.events, "caveats": result.caveats}
            files[folder / "run.json"] = json_text.dumps(finite(said), indent=2, default=str) + "\n"
        if min(len(result.steps) for result in of_book) < _FEWEST_STEPS:
            say(f"{of_book[0].book}: no tear sheet, a comparison needs at least {_FEWEST_STEPS} steps")
            continue
        files |= pages(of_book, out / home)[0]
    write_atomically(files)


def _folders(names: Sequence[str]) -> list[str]:
    """A folder name for each, no two alike: names that differ in signs alone get a number."""
    found: list[str] = []
    for name in names:
        words = "-".join("".join(c if c.isalnum() else " " for c in name).split()).lower() or "unnamed"
        numbered = (words if k == 1 else f"{words}-{k}" for k in itertools.count(1))
        found.append(next(one for one in numbered if one not in found))
    return found


def _print(rows: list[dict[str, Any]]) -> None:
    from hedgeopt.reports.fitted import FittedTable
    from hedgeopt.reports.words import number

    columns = [(name, "left" if name in ("book", "policy") else "right") for name in _COLUMNS]
    drop = ("events", "steps", "funding", "fees", "cost", "worst step", "drawdown")
    table = FittedTable("Backtest, USD", *columns, drop=drop)
    for row in rows:
        table.add_row(*(number(row[name]) if isinstance(row[name], float) else str(row[name]) for name in _COLUMNS))
    print_report(table)
