"""Margin of every account as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hedgeopt.reports.rows import moves
from hedgeopt.reports.words import number, per_cent

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hedgeopt.measures.margin import AccountMargin
    from hedgeopt.measures.margin_report import MarginReport

__all__ = ["margin_tables"]


def margin_tables(report: MarginReport, title: str = "") -> RenderableType:
    """The report for the terminal, what is dangerous first; ``title`` heads it, by default the book's name."""
    from rich.console import Group
    from rich.text import Text

    from hedgeopt.reports.danger import danger
    from hedgeopt.reports.fitted import Plain
    from hedgeopt.reports.terminal import danger_frame

    parts: list[RenderableType] = [
        danger_frame(danger(report.accounts, unit=report.unit, notes=report.notes), title or report.book)
    ]
    parts += [_overview(report), *(_account(item, report) for item in report.accounts)]
    return Group(*parts, *(Plain(Text(f"note: {note}", style="dim")) for note in report.notes))


def _overview(report: MarginReport) -> RenderableType:
    table = _table(
        f"Margin now in {report.unit} (liquidated at: move of every coin; ! maintenance not covered)",
        ("account", "left"), ("equity", "right"), ("initial", "right"), ("maint.", "right"), ("used", "right"),
        ("liquidated", "right"), ("worst stress", "left"), ("left over in it", "right"),
        drop=("used", "initial", "equity", "maint.", ("worst stress", "left over in it")), fold=("account",),
    )  # fmt: skip
    for item in report.accounts:
        now, worst = item.now, item.worst
        table.add_row(
            f"{item.venue}/{item.account}",
            *(number(usd) for usd in (now.equity, now.initial, now.maintenance)),
            per_cent(now.utilisation),
            moves(item.liquidation_down, item.liquidation_up),
            worst.scenario,
            f"{'' if worst.covered or item.unknown else '! '}{number(worst.left)}",
            style=_tone(item),
        )
    return table


def _tone(item: AccountMargin) -> str:
    if item.unknown:
        return "yellow"
    return "" if item.now.covered and item.worst.covered else ("bold red" if not item.now.covered else "yellow")


def _account(item: AccountMargin, report: MarginReport) -> RenderableType:
    parts = ", ".join(
        f"{name} {number(value)}" for name, value in item.breakdown.items() if abs(value) * report.unit_price >= 0.5
    )
    told = "margin unknown" if item.unknown else f"initial margin from {parts}" if parts else "no initial margin"
    title = f"{item.venue}/{item.account} ({item.model}), {report.unit}: {told}"
    columns = [("state", "left"), ("equity", "right"), ("maintenance", "right"), ("used", "right"), ("left over", "right")]
    lends = item.now.health_factor is not None
    states = (item.now, *item.ranked)
    called = any(state.liquidation is not None for state in states)
    columns += [("health", "right")] if lends else []
    columns += [("liquidator repays", "right"), ("owner loses", "right")] if called else []
    order = ("used", "maintenance", "equity", "health", "owner loses")
    table = _table(title, *columns, drop=[name for name in order if any(name == column for column, _ in columns)])
    for state in states:
        row = [
            state.scenario,
            number(state.equity),
            number(state.maintenance),
            per_cent(state.utilisation),
            f"{'' if state.covered or item.unknown else '! '}{number(state.left)}",
        ]
        if lends:
            row.append("no debt" if state.health_factor is None else f"{state.health_factor:.3f}")
        if state.liquidation is not None:
            row += [number(state.liquidation.repaid), number(state.liquidation.loss)]
        table.add_row(*row, style="" if state.covered or item.unknown else "bold red")
    return table


def _table(title: str, *columns: tuple[str, str], drop: Sequence[str | tuple[str, ...]], fold: Sequence[str] = ()) -> Any:
    from hedgeopt.reports.fitted import FittedTable

    return FittedTable(title, *columns, drop=drop, fold=fold)
