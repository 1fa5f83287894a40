"""Plans for the terminal: legs in order, limits on the way, combos, notes."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from hedgeopt.files.counted import many
from hedgeopt.orders.apply import Reconciliation
from hedgeopt.orders.cash import CashLadder
from hedgeopt.orders.plan import ExecutionPlan
from hedgeopt.reports.fitted import FittedTable, Framed, Plain
from hedgeopt.reports.words import number, short_unit

__all__ = ["cash_report", "plan_report", "reconciliation_report"]


def plan_report(plan: ExecutionPlan) -> RenderableType:
    """The whole plan."""
    parts: list[RenderableType] = [_head(plan)]
    if len(plan.legs):
        parts.append(_legs(plan))
    if len(plan.pieces) > len(plan.legs):
        parts.append(_pieces(plan))
    if len(plan.combos):
        parts.append(_combos(plan))
    return Group(*parts, *(Plain(Text(f"note: {note}", style="dim")) for note in plan.notes))


def _head(plan: ExecutionPlan) -> Framed:
    tone = "green" if plan.keeps_limits else "bold red"
    sent = int((plan.legs["side"] == "send").sum())
    first = many(len(plan.legs) - sent, "trade") + (f" after {many(sent, 'transfer')}" if sent else "")
    text = Text(f"{first}, in {many(len(plan.pieces), 'piece')}.\n", "bold")
    states = many(len(plan.states), "state")
    if plan.keeps_limits:
        text.append(f"No limit is exceeded on the way: {states} checked, legs partly filled too.", tone)
    for line in plan.breaks:
        text.append(f"Exceeded on the way: {line}.\n", tone)
    for line in plan.advice:
        text.append(f"{line}\n")
    text.rstrip()
    return Framed(text, f"{plan.book} · {plan.policy} · {plan.created:%Y-%m-%d %H:%M:%S} UTC", tone)


def _legs(plan: ExecutionPlan) -> FittedTable:
    table = FittedTable(
        "Legs in order (limit in the quote's unit, notional in USD)",
        ("leg", "right"), ("account", "left"), ("side", "left"), ("quantity", "right"), ("instrument", "left"),
        ("quote", "right"), ("limit", "right"), ("notional", "right"), ("closes", "left"), ("if it fails", "left"),
        drop=("closes", "quote", "account", "notional"), fold=("if it fails",),
    )  # fmt: skip
    for row in plan.legs.to_dict("records"):
        table.add_row(
            f"{row['leg']:g}", row["account"], row["side"], f"{row['quantity']:,.10g} {row['unit']}", row["instrument"],
            f"{row['quote']:g}" if row["quote"] == row["quote"] else "–",
            f"{row['limit_price']:.10g}" if row["limit_price"] == row["limit_price"] else "–",
            number(row["usd"]), "yes" if row["reduce_only"] else "", row["if_it_fails"],
        )  # fmt: skip
    return table


def _pieces(plan: ExecutionPlan) -> FittedTable:
    names = plan.legs["instrument"].tolist()
    table = FittedTable(
        "Pieces in order",
        ("minute", "right"),
        ("round", "right"),
        ("side", "left"),
        ("quantity", "right"),
        ("instrument", "left"),
    )
    for row in plan.pieces.to_dict("records"):
        name = names[int(row["leg"]) - 1]
        table.add_row(f"{row['minutes']:g}", f"{row['round']:g}", row["side"], f"{row['quantity']:,.10g}", name)
    return table


def _combos(plan: ExecutionPlan) -> FittedTable:
    table = FittedTable(
        "Could be sent together (USD: cost of the legs apart, and fees that the venue takes off)",
        ("what", "left"), ("side", "left"), ("quantity", "right"), ("legs", "left"), ("cost", "right"), ("fees", "right"),
        fold=("legs",),
    )  # fmt: skip
    for row in plan.combos.to_dict("records"):
        quantity = "" if row["quantity"] != row["quantity"] else f"{row['quantity']:,.10g}"
        legs = row["legs"] + (f"; hedge {row['hedge']}" if row["hedge"] else "")
        table.add_row(
            row["name"] or row["kind"],
            row["side"],
            quantity,
            legs,
            number(row["cost_apart"]),
            number(row["fee_saved"]),
        )
    return table


def reconciliation_report(made: Reconciliation) -> RenderableType:
    """Differences, limits of the new book, notes."""
    tone = "green" if made.holds and made.complete else "bold red" if not made.holds else "yellow"
    d, broken = made.differences, made.limits[~made.limits["holds"]]
    paid = f"{number(float(d['slippage_usd'].sum()))} USD of slippage, {number(float(d['fee_usd'].sum()))} USD of fees."
    counts = ", ".join(f"{count} {state}" for state, count in d["state"].value_counts().items())
    text = Text(f"{counts or 'nothing was proposed or filled'}.\n{paid}\n")
    if len(broken):
        text.append(f"Exceeded at the new book: {', '.join(broken['limit'])}.", "bold red")
    else:
        text.append(f"All of {many(len(made.limits), 'side')} of limits hold at the new book.")
    table = FittedTable(
        "Fills against the proposal (slippage and fees in USD)",
        ("account", "left"), ("instrument", "left"), ("state", "left"), ("proposed", "right"), ("filled", "right"),
        ("open", "right"), ("price", "right"), ("slippage", "right"), ("fees", "right"),
        drop=("account", "price", "fees"),
    )  # fmt: skip
    for row in d.to_dict("records"):
        table.add_row(
            row["account"], row["instrument"], row["state"], f"{row['proposed']:+,.10g}", f"{row['filled']:+,.10g}",
            f"{row['open']:+,.10g}" if row["open"] else "", number(row["price"]), number(row["slippage_usd"]),
            number(row["fee_usd"]), style="" if row["state"] == "filled" else "yellow",
        )  # fmt: skip
    limits = FittedTable(
        "Limits at the new book", ("limit", "left"), ("value", "right"), ("bound", "right"), ("unit", "left")
    )
    for row in made.limits.to_dict("records"):
        bound = f"{'≤' if row['sense'] == '<=' else '≥'} {number(row['bound'])}"
        style = "" if row["holds"] else "bold red"
        limits.add_row(row["limit"], number(row["value"]), bound, short_unit(row["unit"]), style=style)
    notes = (Plain(Text(f"note: {note}", style="dim")) for note in made.notes)
    return Group(Framed(text, made.book.name, tone), table, limits, *notes)


def cash_report(ladder: CashLadder) -> RenderableType:
    """What runs out, the days on which something changes, margin, notes."""
    low = ladder.lowest
    short = low[low["cash"] < 0.0]
    free = ladder.margins.loc[ladder.margins.groupby("account", sort=False)["free"].idxmin()]
    text = Text()
    for row in short.to_dict("records"):
        text.append(
            f"{row['account']} has {number(row['cash'])} {row['asset']} on {row['date']} (day {row['day']:g}).\n", "bold red"
        )
    if not len(short):
        text.append(f"No account runs out of an asset within {many(ladder.days, 'day')}.\n", "green")
    for row in free.to_dict("records"):
        tone = "bold red" if row["free"] < 0.0 else ""
        text.append(f"{row['account']}: least free margin {number(row['free'])} USD, on {row['date']}.\n", tone)
    text.rstrip()
    table = FittedTable(
        "Cash by day, in units of the asset (days on which more than income changes)",
        ("account", "left"), ("asset", "left"), ("date", "left"), ("locked", "right"), ("income", "right"),
        ("expiries", "right"), ("flows", "right"), ("transfers", "right"), ("cash", "right"), ("USD", "right"),
        drop=("flows", "transfers", "locked"),
    )  # fmt: skip
    for _, rows in ladder.cash.groupby(["account", "asset"], sort=False):
        jumps = rows[["locked", "expiries", "flows", "transfers"]].diff().abs().sum(axis=1) > 0.0
        shown = jumps | rows["day"].isin((0, ladder.days)) | (rows.index == rows["cash"].idxmin())
        for row in rows[shown].to_dict("records"):
            parts = [
                number(row[name]) if row[name] else "" for name in ("locked", "income", "expiries", "flows", "transfers")
            ]
            style = "bold red" if row["cash"] < 0.0 else ""
            table.add_row(
                row["account"], row["asset"], row["date"], *parts, number(row["cash"], 6), number(row["usd"]), style=style
            )
    margins = FittedTable(
        "Margin of what is still open, USD at today's prices",
        ("account", "left"), ("date", "left"), ("open", "right"), ("equity", "right"), ("initial", "right"),
        ("maintenance", "right"), ("free", "right"),
    )  # fmt: skip
    for _, rows in ladder.margins.groupby("account", sort=False):
        shown = (rows["open_positions"].diff() != 0.0) | (rows["day"] == ladder.days)
        for row in rows[shown].to_dict("records"):
            margins.add_row(
                row["account"], row["date"], f"{row['open_positions']:g}",
                *(number(row[name]) for name in ("equity", "initial", "maintenance", "free")),
            )  # fmt: skip
    title = f"{ladder.book} · {ladder.created:%Y-%m-%d %H:%M:%S} UTC"
    notes = (Plain(Text(f"note: {note}", style="dim")) for note in ladder.notes)
    return Group(Framed(text, title, "bold red" if len(short) else ""), table, margins, *notes)
