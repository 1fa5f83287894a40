"""Explanations, evaluations and comparisons for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from hedgeopt.reports.fitted import FittedTable, Framed, Plain
from hedgeopt.reports.terminal import proposal_report
from hedgeopt.reports.words import number

if TYPE_CHECKING:
    import pandas as pd

    from hedgeopt.program.compare import Comparison
    from hedgeopt.program.evaluate import Evaluation
    from hedgeopt.program.explain.anatomy import TailAnatomy
    from hedgeopt.program.explain.explanation import Explanation
    from hedgeopt.program.explain.relax import WaysOut
    from hedgeopt.program.explain.stability import Stability
    from hedgeopt.program.frontier import Frontier

__all__ = [
    "anatomy_report",
    "comparison_report",
    "evaluation_report",
    "explanation_report",
    "frontier_report",
    "relaxation_report",
    "stability_report",
]

FROM = "price, valid: of the ideal trades' duals; saves, costs, removal: solved again; in lots: solved again in whole lots"


def explanation_report(told: Explanation) -> RenderableType:
    """The summary, then every limit with a price and every trade."""
    unit = told.unit
    parts: list[RenderableType] = [Framed(Text("\n".join(told.summary())), "Why", "cyan")]
    prices = FittedTable(
        f"What limits cost ({unit})",
        ("limit", "left"), ("bound", "right"), ("relaxed to", "right"), ("saves", "right"), ("in lots", "right"),
        ("tightened to", "right"), ("costs", "right"), ("price", "right"), ("valid from", "right"), ("to", "right"),
        ("per", "left"),
        drop=("tightened to", "costs", "per", ("valid from", "to"), "price", "in lots"),
    )  # fmt: skip
    for row in told.limits.to_dict("records"):
        price = number(row["price"])
        if row["degenerate"]:
            price = f"{number(row['price_low'])} … {number(row['price_high'])}"
        cells = [number(row[k]) for k in ("bound", "relaxed_to", "saves", "saves_in_lots", "tightened_to", "costs")]
        prices.add_row(row["limit"], *cells, price, number(row["valid_from"]), number(row["valid_to"]), row["unit"])
    trades = FittedTable(
        f"Why each trade ({unit})",
        ("side", "left"), ("quantity", "right"), ("instrument", "left"), ("cost", "right"), ("without it", "right"),
        ("in lots", "right"), ("instead", "left"), ("closes", "left"), ("helps", "left"),
        drop=("helps", "closes", "instead", "in lots"),
    )  # fmt: skip
    for row in told.trades.to_dict("records"):
        trades.add_row(
            row["side"], number(row["quantity"]), row["instrument"], number(row["cost"]), _more(row["removal"], row["tie"]),
            number(row["removal_in_lots"]), str(row["instead"] or ""), "yes" if row["closes"] else "", row["helps"],
        )  # fmt: skip
    if len(told.limits):
        parts.append(prices)
    if len(told.trades):
        parts.append(trades)
    parts += [Plain(Text(one.sentence)) for one in told.not_traded]
    return Group(*parts, Plain(Text(FROM, style="dim")))


def _more(value: Any, tie: Any) -> str:
    return f"{number(value)}{' (near-tie)' if tie is True else ''}"


def evaluation_report(found: Evaluation) -> RenderableType:
    """The summary, what would be best instead, and the list as a proposal is shown."""
    tone = "green" if found.feasible else "bold red"
    parts: list[RenderableType] = [Framed(Text("\n".join(found.summary())), "Your list", tone)]
    if found.best is not None:
        table = FittedTable(
            "The best list under this policy",
            ("side", "left"), ("quantity", "right"), ("instrument", "left"), ("cost", "right"), drop=("cost",),
        )  # fmt: skip
        for row in found.best.to_dict("records"):
            table.add_row(row["side"], number(row["quantity"]), row["instrument"], number(row["cost"]))
        parts.append(table)
    return Group(*parts, proposal_report(found.proposal, own=True))


def comparison_report(found: Comparison) -> RenderableType:
    """The summary, trades, numbers, and what explains the difference."""
    parts: list[RenderableType] = [Framed(Text("\n".join(found.summary())), "A and B", "cyan")]
    if len(found.explained):
        parts.append(_table("From A's policy to B's, one difference at a time", found.explained,
                            ("step", "from", "to", "objective", "effect")))  # fmt: skip
    parts.append(_table("Trades (positive buys)", found.trades, ("account", "instrument", "unit", "a", "b", "difference")))
    parts.append(_table("Numbers", found.numbers, ("measure", "unit", "a", "b", "difference")))
    return Group(*parts)


def _table(title: str, frame: pd.DataFrame, names: tuple[str, ...]) -> FittedTable:
    numeric = {name: frame[name].dtype.kind in "fi" for name in names}
    drop = tuple(name for name in names if name in ("account", "unit", "difference"))
    table = FittedTable(title, *((name, "right" if numeric[name] else "left") for name in names), drop=drop)
    for row in frame.to_dict("records"):
        table.add_row(*(number(row[name]) if numeric[name] else str(row[name]) for name in names))
    return table


def relaxation_report(found: WaysOut) -> RenderableType:
    """The summary, the ways out, and the best list all the same."""
    parts: list[RenderableType] = [Framed(Text("\n".join(found.summary())), "No list meets every limit", "bold red")]
    names = ("conflict", "limit", "now", "needed", "unit", "share")
    parts.append(_table("Ways out: each resolves its conflict alone", found.ways, names))
    if found.best_effort is not None:
        parts.append(proposal_report(found.best_effort))
    return Group(*parts)


def frontier_report(found: Frontier) -> RenderableType:
    """The summary and the points."""
    title = f"{found.of} ({found.unit_of}) against {found.against} ({found.unit_against})"
    table = FittedTable(title, (found.against, "right"), ("least", "right"), ("slope", "right"), ("", "left"))
    for row in found.points.to_dict("records"):
        word = "kink" if row["kink"] else ""
        table.add_row(number(row["against"]), number(row["of"]), number(row["slope"]), word)
    return Group(Framed(Text("\n".join(found.summary())), "Frontier", "cyan"), table)


def stability_report(told: Stability) -> RenderableType:
    """The summary and the trades."""
    names = ("instrument", "listed", "low", "high", "present")
    table = _table("Trades over all solves (5 % to 95 %; present: traded the same way)", told.trades, names)
    return Group(Framed(Text("\n".join(told.summary())), "Stability", "cyan"), table)


def anatomy_report(told: TailAnatomy) -> RenderableType:
    """The summary, factors, what stays, liquidation prices, and the ladder of P&L."""
    parts: list[RenderableType] = [Framed(Text("\n".join(told.summary())), "The tail", "cyan")]
    parts.append(_table("CVaR by factor (USD)", told.factors, ("coin", "factor", "before", "after")))
    parts.append(_table("What trades do to it (USD)", told.trades, ("instrument", "tail", "cost")))
    parts.append(_table("What stays", told.unhedged, ("coin", "tail", "why")))
    names = ("account", "coin", "price", "down_before", "up_before", "down_after", "up_after")
    parts.append(_table("Liquidation prices, that coin alone moving (USD)", told.liquidation, names))
    ladder = ("coin", "spot", "vol", "before", "after", "delta", "gamma", "vega", "margin_left")
    parts.append(_table("Spot and vol ladder (USD; after trading but for before)", told.ladder, ladder))
    return Group(*parts)
