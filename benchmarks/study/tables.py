"""The study's tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from hedgeopt.backtest.results.compare import compare

__all__ = ["best_simple", "compact", "differences", "full", "sources"]

Row = dict[str, Any]
SIMPLE = (
    "do nothing", "delta band", "Whalley–Wilmott band", "mean–variance delta", "static tail hedge", "delta–vega",
)  # fmt: skip
CHOSEN = "optimizer, 3-day tail"
"""The optimizer that January to March chose."""
_ORDER = (*SIMPLE, CHOSEN, "robust optimizer, 3-day tail", "CVaR optimizer", "optimizer in stress")


def _k(value: float | None) -> str:
    """Thousands of USD."""
    return "–" if value is None else f"{value / 1e3:,.1f}".replace("-", "−")


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---" if k < 2 else "---:" for k in range(len(head))]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines)) + "\n"


def _ordered(rows: Sequence[Row]) -> list[Row]:
    books = list(dict.fromkeys(row["book"] for row in rows))
    return sorted(rows, key=lambda row: (books.index(row["book"]), _ORDER.index(row["policy"])))


def _verdict(row: Row) -> str:
    if row["kept"] is None:
        return "–"
    if row["kept"]:
        return "kept"
    return "too wide" if row["hits"] < row["expected"] else "**broken**"


def full(rows: Sequence[Row]) -> str:
    """One row per cell: P&L, cost, tail promised and realised, hits with p-values, drawdown. Thousands of USD."""
    head = ["book", "policy", "P&L", "cost", "worst step", "promised CVaR", "realised CVaR", "hits (expected)",
            "judged", "Kupiec p", "A–Sz p", "promise", "power", "drawdown", "liquidated"]  # fmt: skip
    lines = [
        [
            row["book"], row["policy"], _k(row["pnl"]), _k(row["cost"]), _k(row["worst"]), _k(row["promised"]),
            _k(row["realised"]), f"{row['hits']} ({row['expected']:.1f})", _share(row["judged"]), _p(row["kupiec"]),
            _p(row["acerbi_szekely"]), _verdict(row), _share(row["power"]), _k(row["drawdown"]), str(row["liquidations"]),
        ]
        for row in _ordered(rows)
    ]  # fmt: skip
    return _table(head, lines)


def compact(rows: Sequence[Row]) -> str:
    """Books down, policies across; in a field P&L / drawdown, thousands of USD, and hits; † liquidated, ‡ promise broken."""
    policies = [name for name in _ORDER if any(row["policy"] == name for row in rows)]
    by = {(row["book"], row["policy"]): row for row in rows}
    lines = []
    for book in dict.fromkeys(row["book"] for row in rows):
        fields = [by.get((book, policy)) for policy in policies]
        lines.append([book, *("" if row is None else _field(row) for row in fields)])
    return _table(["book", *policies], lines)


def _field(row: Row) -> str:
    marks = ("†" if row["liquidations"] else "") + ("‡" if _verdict(row) == "**broken**" else "")
    pnl, depth = (f"{row[name] / 1e3:,.0f}".replace("-", "−") for name in ("pnl", "drawdown"))
    return f"{pnl} / {depth} · {row['hits']}{marks}"


def sources(rows: Sequence[Row]) -> str:
    """P&L by source, thousands of USD."""
    names = ["delta", "gamma", "vega", "theta", "carry", "cost", "marks", "residual"]
    if not any("marks" in row["attribution"] for row in rows):
        names.remove("marks")
    lines = [[row["book"], row["policy"], *(_k(row["attribution"].get(name)) for name in names)] for row in _ordered(rows)]
    return _table(["book", "policy", *names], lines)


def best_simple(rows: Sequence[Row], book: str) -> str | None:
    """The simple policy with the smallest drawdown on a book, by hindsight; those that were liquidated last."""
    mine = [row for row in rows if row["book"] == book and row["policy"] in SIMPLE[1:]]
    return min(mine, key=lambda row: (row["liquidations"] > 0, row["drawdown"]))["policy"] if mine else None


def differences(rows: Sequence[Row], against: str = "delta band", policy: str = CHOSEN) -> str:
    """An optimizer less another policy, with 95 % block-bootstrap intervals: P&L, CVaR 95 % of a step, drawdown.

    ``against`` may be ``best``: on each book the simple policy that hindsight finds best, which nobody could have chosen.
    """
    lines = []
    for book in dict.fromkeys(row["book"] for row in rows):
        other = best_simple(rows, book) if against == "best" else against
        pnl = {
            row["policy"]: pd.Series(row["steps"], index=pd.DatetimeIndex(row["moments"]))
            for row in rows
            if row["book"] == book and row["policy"] in (other, policy)
        }
        if len(pnl) < 2:
            continue
        found = compare({name: pnl[name] for name in (policy, str(other))}, replications=2_000)
        found = found.set_index("statistic")
        fields = []
        for name in ("total_pnl", "cvar_95", "max_drawdown"):
            one = found.loc[name]
            fields += [f"{_k(one['difference'])} ({_k(one['low'])} … {_k(one['high'])})", str(one["verdict"])]
        lines.append([book, str(other), *fields])
    return _table(["book", "against", "P&L", "", "CVaR 95 %", "", "drawdown", ""], lines)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100.0 * value:.0f} %"


def _p(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
