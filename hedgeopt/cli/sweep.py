"""``hedgeopt sweep``: many backtests of one configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hedgeopt._extras import require_extra
from hedgeopt.cli.console import say
from hedgeopt.cli.inputs import print_report
from hedgeopt.cli.streams import output, words
from hedgeopt.errors import HedgeoptError
from hedgeopt.files.counted import many
from hedgeopt.files.writing import refuse_unwritable

if TYPE_CHECKING:
    from hedgeopt.backtest.sweep.outcome import SweepResult

__all__ = ["sweep"]

_SHOWN = 10


def sweep(
    config: Path,
    out: Path,
    workers: int | None = None,
    engine: Literal["local", "dask"] = "local",
    scheduler: str | None = None,
    json: bool = False,
) -> None:
    """Read the plan, run what is left of it, write and print the outcome."""
    from hedgeopt.backtest.sweep.drive import run_sweep
    from hedgeopt.backtest.sweep.plan import read_plan

    plan = read_plan(config)
    refuse_unwritable(out)
    require_extra("matplotlib", "drawing the page of a sweep")  # now, not after hours of replay
    with _cells_shown() as told:
        result = run_sweep(
            plan, out, folder=config.parent, workers=workers, engine=engine, scheduler=scheduler, progress=told
        )
    result.write(out)
    if json:
        output().write(result.to_json())
    else:
        _print(result)
    say(f"wrote {out / 'sweep.json'}, {out / 'sweep.html'}, {out / 'trials.csv'} and {out / 'winner.toml'}")
    if result.failed:
        setting, line = result.failed[0]
        raise HedgeoptError(
            f"{many(len(result.failed), 'cell')} failed, the first with {setting}: {line}; run again to retry them"
        )


@contextmanager
def _cells_shown() -> Iterator[Callable[[int, int, int], None]]:
    """A bar on a terminal; elsewhere a line for every tenth of the sweep."""
    if not words().isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=words()), transient=True) as bar:
        task = bar.add_task("cells", total=None)

        def told(done: int, total: int, failed: int) -> None:
            label = f"cells ({failed} failed)" if failed else "cells"
            bar.update(task, completed=done + failed, total=total, description=label)

        yield told


class _Lines:
    def __init__(self) -> None:
        self._tenth = -1

    def __call__(self, done: int, total: int, failed: int) -> None:
        tenth = 10 * (done + failed) // max(total, 1)
        if tenth > self._tenth:
            self._tenth = tenth
            say(f"{done} of {many(total, 'cell')} finished{f', {failed} failed' if failed else ''}")


def _print(result: SweepResult) -> None:
    from rich.text import Text

    from hedgeopt.backtest.results.sweep_page import deflated_words, noise_words, setting_words, value_words
    from hedgeopt.reports.fitted import FittedTable, Plain
    from hedgeopt.reports.words import number

    measures = ("sharpe_per_step", "total_pnl", "cvar_95", "max_drawdown", "liquidations")
    shown = [name.replace("_", " ") for name in measures]
    columns = [*((name, "left") for name in result.winner), *((name, "right") for name in shown)]
    table = FittedTable(f"{result.name}: {result.objective}", *columns, drop=shown[:0:-1])
    for row in result.trials.head(_SHOWN).to_dict(orient="records"):
        table.add_row(*(value_words(row[name]) for name in result.winner), *(number(float(row[name])) for name in measures))
    lines = [f"Winner: {setting_words(result)}", deflated_words(result), noise_words(result), result.note]
    print_report(table, Plain(Text("\n".join(line for line in lines if line))))
