"""Event pages: a crash day step by step, all policies side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd

from hedgeopt.backtest.results.figures import pnl_plot
from hedgeopt.backtest.results.tables import percent
from hedgeopt.backtest.results.template import PageTable, TableCell
from hedgeopt.errors import InputError
from hedgeopt.reports.render import render
from hedgeopt.reports.words import number

if TYPE_CHECKING:
    from hedgeopt.backtest.result import BacktestResult

__all__ = ["crash_days", "day_page", "day_table"]

_DAY = pd.Timedelta(days=1)
_TRADES = 40
_NOTHING = 1e-9  # a Greek below this is what is left of an option far from its strike
_GREEKS = ("delta", "gamma", "vega")


def crash_days(results: Sequence[BacktestResult], count: int = 3) -> list[date]:
    """Days (UTC) to look at: the ``count`` worst of the worst policy that day, and every day of a liquidation; in order."""
    daily = pd.DataFrame({k: one.steps["pnl"].groupby(one.steps.index.date).sum() for k, one in enumerate(results)})
    worst = daily.min(axis=1).sort_values(kind="stable")
    found = set(worst[worst < 0].index[:count])
    for one in results:
        found |= set(one.steps.index[one.steps["liquidated"].to_numpy(dtype=bool)].date)
    return sorted(found)


def day_table(results: Sequence[BacktestResult], days: Iterable[date]) -> PageTable:
    """P&L of each day by policy, USD."""
    rows: list[list[str | TableCell]] = []
    for day in days:
        parts = [one.steps[one.steps.index.date == day] for one in results]
        rows.append([str(day), *(_pnl_cell(part) for part in parts)])
    return PageTable([("day", False), *((f"{one.policy}, USD", True) for one in results)], rows)


def day_page(results: Sequence[BacktestResult], day: date, around: pd.Timedelta = _DAY) -> str:
    """One self-contained page: P&L in a window around the day, its attribution, steps, trades and events by policy."""
    start = pd.Timestamp(day, tz="UTC")
    low, high = start - around, start + _DAY + around
    windows = {one.policy: one.steps[(one.steps.index >= low) & (one.steps.index < high)] for one in results}
    if any(window.empty for window in windows.values()):
        raise InputError("the backtest has no steps around this day", field="day", value=day)
    worst = min((float(_of_day(one.steps, day)["pnl"].sum()), one.policy) for one in results)
    return render(
        "event.html",
        day=str(day),
        book=results[0].book,
        title=f"{day}: the worst policy, {worst[1]}, made {number(worst[0])} USD.",
        plots={"pnl": pnl_plot({policy: window["pnl"] for policy, window in windows.items()}, "window")},
        figures=_attribution(results, day),
        policies=[_one(one, windows[one.policy], day) for one in results],
    )


def _attribution(results: Sequence[BacktestResult], day: date) -> PageTable:
    sources = list(results[0].attribution.columns)
    rows: list[list[str | TableCell]] = []
    for one in results:
        steps = _of_day(one.steps, day)
        totals = _of_day(one.attribution, day).sum()
        usage = (steps["initial_margin"] / steps["equity"]).max() if len(steps) else float("nan")
        rows.append(
            [one.policy, *(_tidy(float(totals[s]), 0.005) for s in sources), _pnl_cell(steps), percent(float(usage))]
        )
    columns = [("policy", False), *((source, True) for source in sources), ("P&L", True), ("margin usage", True)]
    return PageTable(columns, rows)


def _one(result: BacktestResult, window: pd.DataFrame, day: date) -> dict[str, Any]:
    trades = result.trades[pd.DatetimeIndex(result.trades["timestamp"]).date == day] if len(result.trades) else result.trades
    trades = trades.head(_TRADES)
    left = int((pd.DatetimeIndex(result.trades["timestamp"]).date == day).sum()) - len(trades) if len(trades) else 0
    events = [event for event in result.events if pd.Timestamp(event["timestamp"]).date() == day]
    return {
        "name": result.policy,
        "steps": _steps(window),
        "trades": _trades(trades),
        "trades_note": f"and {left} more" if left else "",
        "events": [_event(event) for event in events[:_TRADES]],
    }


def _steps(window: pd.DataFrame) -> PageTable:
    greeks = [name for name in window.columns if str(name).split("_")[0] in _GREEKS and "_" in str(name)]
    moved = [name for name in greeks if window[name].abs().max() > _NOTHING]
    columns = [("UTC", False), ("equity, USD", True), ("P&L, USD", True), ("promised CVaR", True), ("initial margin", True)]
    columns += [("maintenance", True), ("fills", True), *((str(name).replace("_", " "), True) for name in moved)]
    rows: list[list[str | TableCell]] = []
    for stamp, step in window.iterrows():
        row: list[str | TableCell] = [f"{stamp:%m-%d %H:%M}", number(step["equity"]), number(step["pnl"])]
        row += [number(step["promised_cvar"]), number(step["initial_margin"])]
        row += [TableCell(number(step["maintenance_margin"]), "bad-text" if step["liquidated"] else "")]
        rows.append([*row, f"{step['n_trades']:.0f}", *(_tidy(float(step[name]), _NOTHING) for name in moved)])
    return PageTable(columns, rows)


def _trades(trades: pd.DataFrame) -> PageTable:
    columns = [("UTC", False), ("account", False), ("instrument", False), ("quantity", True), ("price", True)]
    columns += [("cost, USD", True), ("fee, USD", True), ("reason", False)]
    rows = [
        [
            f"{pd.Timestamp(row['timestamp']):%H:%M}",
            str(row["account"]),
            str(row["instrument"]),
            *(number(float(row[name])) for name in ("quantity", "price", "cost", "fee")),
            str(row.get("reason", "")),
        ]
        for row in trades.to_dict(orient="records")
    ]
    return PageTable(columns, rows)


def _event(event: dict[str, Any]) -> str:
    rest = ", ".join(f"{name} {value}" for name, value in event.items() if name not in ("timestamp", "kind"))
    return f"{pd.Timestamp(event['timestamp']):%H:%M} {str(event['kind']).replace('_', ' ')}{': ' if rest else ''}{rest}"


def _of_day(table: pd.DataFrame, day: date) -> pd.DataFrame:
    return table[pd.DatetimeIndex(table.index).date == day]


def _tidy(value: float, nothing: float) -> str:
    return number(0.0 if abs(value) < nothing else value)


def _pnl_cell(steps: pd.DataFrame) -> str | TableCell:
    if steps.empty:
        return "–"
    text = number(float(steps["pnl"].sum()))
    return TableCell(f"{text}, liquidated", "bad-text") if steps["liquidated"].any() else text
