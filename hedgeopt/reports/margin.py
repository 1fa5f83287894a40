"""Margin of every account as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hedgeopt.reports.rows import moves

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hedgeopt.measures.margin import AccountMargin
    from hedgeopt.measures.margin_report import MarginReport

__all__ = ["margin_tables"]


def margin_tables(report: MarginReport) -> RenderableType:
    """The report for the terminal."""
    from rich.console import Group
    from rich.text import Text

    from hedgeopt.reports.fitted import Plain

    parts: list[RenderableType] = [_overview(report.accounts), *(_account(item) for item in report.accounts)]
    return Group(*parts, *(Plain(Text(f"note: {note}", style="dim")) for note in report.notes))


def _overview(accounts: Sequence[AccountMargin]) -> RenderableType:
    table = _table(
        "Margin now in USD (liquidated at: move of every coin; ! maintenance not covered)",
        ("account", "left"), ("equity", "right"), ("initial", "right"), ("maint.", "right"), ("used", "right"),
        ("liquidated", "right"), ("worst stress", "left"), ("left over", "right"),
        drop=("used", "worst stress", "initial", "equity", "maint."), fold=("account",),
    )  # fmt: skip
    for item in accounts:
        now, worst = item.now, item.worst
        table.add_row(
            f"{item.venue}/{item.account}",
            f"{now.equity:,.0f}",
            f"{now.initial:,.0f}",
            f"{now.maintenance:,.0f}",
            _share(now.utilisation),
            moves(item.liquidation_down, item.liquidation_up),
            worst.scenario,
            f"{'' if worst.covered else '! '}{worst.equity - worst.maintenance:,.0f}",
            style="" if now.covered and worst.covered else ("bold red" if not now.covered else "yellow"),
        )
    return table


def _account(item: AccountMargin) -> RenderableType:
    parts = ", ".join(f"{name} {value:,.0f}" for name, value in item.breakdown.items() if abs(value) >= 0.5) or "nothing"
    title = f"{item.venue}/{item.account} ({item.model}): initial margin from {parts}"
    columns = [("state", "left"), ("equity", "right"), ("maintenance", "right"), ("used", "right"), ("left over", "right")]
    lends = item.now.health_factor is not None
    states = (item.now, *sorted(item.stresses, key=lambda s: s.equity - s.maintenance))
    called = any(state.liquidation is not None for state in states)
    columns += [("health", "right")] if lends else []
    columns += [("liquidator repays", "right"), ("owner loses", "right")] if called else []
    table = _table(title, *columns, drop=("used", "maintenance", "equity", "health", "owner loses"))
    for state in states:
        row = [
            state.scenario,
            f"{state.equity:,.0f}",
            f"{state.maintenance:,.0f}",
            _share(state.utilisation),
            f"{'' if state.covered else '! '}{state.equity - state.maintenance:,.0f}",
        ]
        if lends:
            row.append("no debt" if state.health_factor is None else f"{state.health_factor:.3f}")
        if state.liquidation is not None:
            row += [f"{state.liquidation.repaid:,.0f}", f"{state.liquidation.loss:,.0f}"]
        table.add_row(*row, style="" if state.covered else "bold red")
    return table


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _table(title: str, *columns: tuple[str, str], drop: Sequence[str], fold: Sequence[str] = ()) -> Any:
    from hedgeopt.reports.fitted import FittedTable

    return FittedTable(title, *columns, drop=drop, fold=fold)
