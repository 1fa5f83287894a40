"""Formatted tables of the backtest pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from hedgeopt.backtest.judge import LOUDER
from hedgeopt.backtest.results.promise import TailReport
from hedgeopt.backtest.results.template import PageTable, TableCell
from hedgeopt.reports.words import number

if TYPE_CHECKING:
    from hedgeopt.backtest.results.summary import Summary

__all__ = ["attribution_rows", "comparison_rows", "figure_rows", "percent", "probability", "tail_rows", "trading_rows"]

_FIGURES = (
    ("P&L, USD", "total_pnl"),
    ("return", "return"),
    ("volatility/year, USD", "volatility_per_year"),
    ("Sharpe/year", "sharpe_per_year"),
    ("CVaR 95 %, USD", "cvar_95"),
    ("worst step, USD", "worst_step"),
    ("drawdown, USD", "max_drawdown"),
)
_TRADING = (
    ("liquidations", "liquidations"),
    ("margin usage", "mean_margin_usage"),
    ("at most", "max_margin_usage"),
    ("fills", "trades"),
    ("turnover, USD", "turnover"),
    ("cost, USD", "cost"),
    ("fees, USD", "fees"),
    ("funding, USD", "funding"),
)
_SHARES = ("return", "mean_margin_usage", "max_margin_usage")
_WORDS = {
    "total_pnl": "P&L",
    "volatility": "volatility per step",
    "cvar_95": "CVaR 95 % per step",
    "max_drawdown": "drawdown",
}


def figure_rows(summaries: Sequence[Summary]) -> PageTable:
    """P&L and risk, one row per policy."""
    return _measured(summaries, _FIGURES)


def trading_rows(summaries: Sequence[Summary]) -> PageTable:
    """Margin and trading, one row per policy."""
    return _measured(summaries, _TRADING)


def _measured(summaries: Sequence[Summary], shown: Sequence[tuple[str, str]]) -> PageTable:
    rows: list[list[str | TableCell]] = []
    for one in summaries:
        row: list[str | TableCell] = [one.policy]
        for _, name in shown:
            value = one.measures[name]
            text = percent(value) if name in _SHARES else number(value)
            row.append(TableCell(text, "bad-text") if name == "liquidations" and value > 0 else text)
        rows.append(row)
    return PageTable([("policy", False), *((title, True) for title, _ in shown)], rows)


def attribution_rows(summaries: Sequence[Summary]) -> PageTable:
    """P&L by source, one row per policy."""
    sources = list(summaries[0].attribution)
    rows = [
        [one.policy, *(number(one.attribution[name]) for name in sources), number(one.measures["total_pnl"])]
        for one in summaries
    ]
    return PageTable([("policy", False), *((f"{name}, USD", True) for name in sources), ("P&L, USD", True)], rows)


def _judged(tail: TailReport) -> str:
    """Decisions that were judged, and of how many where that is not all."""
    decisions = len(tail.pairs) + tail.no_promise
    return str(decisions) if not tail.no_promise else f"{len(tail.pairs)} of {decisions}"


def tail_rows(summaries: Sequence[Summary]) -> PageTable:
    """Promise against outcome, one row per policy."""
    columns = [("policy", False), ("step", True), ("judged", True), ("hits", True), ("expected", True)]
    columns += [(name, True) for name in ("Kupiec p", "independence p", "conditional p", "Z1", "p", "Z2", "p")]
    columns += [("kept", False), ("power", True)]
    rows: list[list[str | TableCell]] = []
    for one in summaries:
        tail = one.tail
        hours = f"{tail.horizon / pd.Timedelta(hours=1):.3g} h"
        row: list[str | TableCell] = [one.policy, hours, _judged(tail), str(tail.hits)]
        row.append(number(tail.expected_hits, 3))
        if tail.note:
            rows.append([*row, *([""] * 7), TableCell(tail.note, "text"), ""])
            continue
        row += [probability(test.p) for test in tail.coverage]
        for test in tail.shortfall:
            row += [number(test.statistic, 3), probability(test.p_value)]
        verdict = TableCell("kept", "good-text") if tail.kept else TableCell("broken", "bad-text")
        rows.append([*row, verdict, percent(tail.power)])
    caption = (
        f"Judged: decisions. Power: the chance that these tests would have noticed losses {LOUDER:g} times those promised."
    )
    return PageTable(columns, rows, caption)


def comparison_rows(comparison: pd.DataFrame) -> PageTable:
    """Differences with their intervals."""
    tones = {"noise": "", "better": "good-text", "worse": "bad-text"}
    columns = [("measure", False), ("policy", False), ("against", False), ("difference, USD", True)]
    columns += [("95 % interval", True), ("p", True), ("verdict", False)]
    rows = [
        [
            _WORDS[row["statistic"]],
            row["first"],
            row["second"],
            number(row["difference"]),
            f"{number(row['low'])} … {number(row['high'])}",
            probability(row["p_value"]),
            TableCell(row["verdict"], tones[row["verdict"]]),
        ]
        for row in comparison.to_dict(orient="records")
    ]
    if not rows:
        return PageTable(columns, rows)
    caption = (
        f"Stationary bootstrap of all policies together, mean block {comparison['block'].iloc[0]:.1f} steps. "
        "p is adjusted for the number of pairs (Holm); noise: not below 5 %."
    )
    return PageTable(columns, rows, caption)


def percent(share: float) -> str:
    """A share as per cent."""
    return number(100.0 * share, 3) + (" %" if math.isfinite(share) else "")


def probability(p: float) -> str:
    """A p-value."""
    return "–" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
