"""Risk by tag: the strategies of a book or the books of a firm, before and after trading."""

from __future__ import annotations

from hedgeopt.measures.risk import RiskReport
from hedgeopt.measures.tags import TagRisk
from hedgeopt.reports.grid import ShownCell, ShownTable
from hedgeopt.reports.words import number

__all__ = ["tag_grid"]


def tag_grid(before: RiskReport, after: RiskReport | None) -> ShownTable:
    """One row per tag; two numbers in a cell are before and after trading."""
    unit, assets = before.unit, list(before.tags[0].greeks) if before.tags else []
    names = [f"{name} {asset}" for name in ("delta", "gamma", "vega") for asset in assets]
    columns = [("tag", False), ("accounts", True), ("equity", True), ("CVaR 99 %", True), *((name, True) for name in names)]
    columns += [("worst stress", False), ("P&L in it", True)]
    rows: list[list[str | ShownCell]] = []
    for one, two in zip(before.tags, (after or before).tags, strict=True):
        pairs = [(one.equity, two.equity), (one.cvar, two.cvar)]
        pairs += [(_greek(one, name), _greek(two, name)) for name in names]
        cells = [_shown(was, now, after is not None) for was, now in (*pairs, (one.stress, two.stress))]
        moved = after is not None and one.worst_stress != two.worst_stress
        worst = f"{one.worst_stress} → {two.worst_stress}" if moved else two.worst_stress
        rows.append([one.tag, str(one.accounts), *cells[:-1], worst, cells[-1]])
    title = f"Tags (equity, CVaR and P&L in {unit}, delta in coins; accounts of several tags count in each)"
    return ShownTable(title, columns, rows)


def _greek(one: TagRisk, name: str) -> float:
    greek, _, asset = name.partition(" ")
    return one.greeks[asset][greek]


def _shown(was: float | None, now: float | None, both: bool) -> str:
    return f"{number(was)} → {number(now)}" if both and was != now else number(was)
