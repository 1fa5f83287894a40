"""The tear sheet of one or several policies on one book, and all its data as files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hedgeopt.backtest.results.compare import COLUMNS, compare
from hedgeopt.backtest.results.days import crash_days, day_page, day_table
from hedgeopt.backtest.results.figures import attribution_plot, margin_plot, pnl_plot, tail_plot
from hedgeopt.backtest.results.plain import plain
from hedgeopt.backtest.results.sentences import event_lines, first_words
from hedgeopt.backtest.results.summary import Summary, summarize, summary_table
from hedgeopt.backtest.results.tables import attribution_rows, comparison_rows, figure_rows, tail_rows, trading_rows
from hedgeopt.backtest.results.template import PageTable
from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.files.plain import json_text
from hedgeopt.reports.render import render

if TYPE_CHECKING:
    from hedgeopt.backtest.result import BacktestResult

__all__ = ["compared", "pages", "tear_sheet", "write_pages"]


def compared(results: Sequence[BacktestResult]) -> pd.DataFrame:
    """:func:`~hedgeopt.backtest.results.compare.compare` of the policies of several results; empty for one."""
    if len(results) < 2:
        return pd.DataFrame(columns=COLUMNS)
    return compare({one.policy: one.steps["pnl"] for one in results})


@strict_call
def tear_sheet(
    results: Sequence[BacktestResult],
    summaries: Sequence[Summary] | None = None,
    comparison: pd.DataFrame | None = None,
    days: Sequence[date] = (),
) -> str:
    """One self-contained page; ``days`` are those whose event pages it links to (``events/YYYY-MM-DD.html``).

    Raises
    ------
    InputError
        No result, two results of one policy, or results of different books or steps.
    """
    _one_book(results)
    summaries = summaries if summaries is not None else [summarize(one) for one in results]
    comparison = compared(results) if comparison is None else comparison
    usage = {one.policy: one.steps["initial_margin"] / one.steps["equity"].where(one.steps["equity"] > 0) for one in results}
    plots = {
        "pnl": pnl_plot({one.policy: one.steps["pnl"] for one in results}),
        "attribution": attribution_plot({one.policy: one.attribution for one in summaries}),
        "tails": {one.policy: tail_plot(one.tail, f"tail-{k}") for k, one in enumerate(summaries) if len(one.tail.pairs)},
        "margin": margin_plot(usage),
    }
    table = day_table(results, days)
    links = tuple((str(day), f"events/{day}.html") for day in days)
    return render(
        "backtest.html",
        book=results[0].book,
        start=summaries[0].start,
        end=summaries[0].end,
        steps=summaries[0].steps,
        words=first_words(summaries, comparison),
        figures=figure_rows(summaries),
        trading=trading_rows(summaries),
        attribution=attribution_rows(summaries),
        tails=tail_rows(summaries),
        comparison=comparison_rows(comparison),
        days=PageTable(table.columns, table.rows, links=links) if days else None,
        plots=plots,
        notes=event_lines(summaries),
    )


def pages(
    results: Sequence[BacktestResult], out: Path, days: Sequence[date] | None = None
) -> tuple[dict[Path, str], list[Summary], pd.DataFrame]:
    """The files of :func:`write_pages` by path, with the summaries and the comparison in them."""
    _one_book(results)
    summaries, comparison = [summarize(one) for one in results], compared(results)
    days = crash_days(results) if days is None else list(days)
    data = {
        "summaries": [one.to_dict() for one in summaries],
        "comparison": plain(comparison.to_dict(orient="records")),
        "days": [str(day) for day in days],
    }
    files = {
        out / "index.html": tear_sheet(results, summaries, comparison, days),
        out / "summary.json": json_text(data),
        out / "summary.csv": summary_table(summaries).to_csv(index=False),
        out / "comparison.csv": comparison.to_csv(index=False),
    }
    files |= {out / "events" / f"{day}.html": day_page(results, day) for day in days}
    return files, summaries, comparison


def write_pages(
    results: Sequence[BacktestResult], out: str | Path, days: Sequence[date] | None = None
) -> tuple[list[Summary], pd.DataFrame]:
    """Write ``index.html``, ``events/YYYY-MM-DD.html``, ``summary.json``, ``summary.csv``, ``comparison.csv``: all or none.

    ``days`` defaults to :func:`~hedgeopt.backtest.results.days.crash_days`. Returns the summaries and the comparison.
    """
    from hedgeopt.files.writing import write_atomically

    files, summaries, comparison = pages(results, Path(out), days)
    write_atomically(files)
    return summaries, comparison


def _one_book(results: Sequence[BacktestResult]) -> None:
    if not results:
        raise InputError("no backtest to report")
    names = [one.policy for one in results]
    if len(set(names)) < len(names):
        raise InputError("two results bear the name of one policy", value=names, fix="name the policies apart")
    if len({one.book for one in results}) > 1:
        raise InputError("results of different books", fix="write one tear sheet for each book")
