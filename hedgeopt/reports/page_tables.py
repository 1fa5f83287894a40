"""The tables of a proposal's page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hedgeopt.reports.counted import costs_in_unit, trades_in_unit, transfers_in_unit
from hedgeopt.reports.grid import ShownCell, ShownTable, numeric
from hedgeopt.reports.promised import promise_rows, promise_title
from hedgeopt.reports.proposal_csv import proposal_csv
from hedgeopt.reports.rows import limit_rows, margin_rows, objective_rows, risk_rows
from hedgeopt.reports.words import COST_WORDS, number, quantity

if TYPE_CHECKING:
    from hedgeopt.measures.risk import RiskReport
    from hedgeopt.program.proposal import Proposal

__all__ = [
    "costs_grid",
    "limits_grid",
    "margin_grid",
    "objective_grid",
    "promise_grid",
    "risk_grid",
    "stress_grid",
    "stress_margin_grid",
    "trades_grid",
    "transfers_grid",
]

_TRADE_NUMBERS = {
    "price": "price", "notional": "notional, {unit}", "premium": "premium, {unit}", "cost": "cost, {unit}",
    "delta": "delta, coin", "vega": "vega, {unit}/vol pt",
}  # fmt: skip


def trades_grid(proposal: Proposal) -> ShownTable:
    """Side, quantity, instrument and account first: what a phone shows without scrolling."""
    rows = []
    for row in trades_in_unit(proposal).to_dict(orient="records"):
        side = ShownCell(row["side"], "good-text" if row["side"] == "buy" else "bad-text")
        amount = numeric(quantity(row["quantity"], row["unit"]), row["quantity"])
        numbers = [numeric(number(row[name]), row[name]) for name in _TRADE_NUMBERS]
        rows.append([side, amount, row["instrument"], row["account"], *numbers])
    columns = [("side", False), ("quantity", True), ("instrument", False), ("account", False)]
    columns += [(title.format(unit=proposal.unit), True) for title in _TRADE_NUMBERS.values()]
    caption = (
        "Price is the quote that each trade would hit. Quantities are coins (USD of inverse contracts), not contracts. "
        "Delta and vega: change of the book's."
    )
    csv = proposal_csv(proposal)["trades.csv"]
    return ShownTable("Trades", columns, rows, caption, head=2, sortable=True, csv=csv, file="trades.csv")


def costs_grid(proposal: Proposal) -> ShownTable:
    """Cost of each trade by component."""
    rows: list[list[str | ShownCell]] = []
    for row in costs_in_unit(proposal).to_dict(orient="records"):
        rows.append([row["instrument"], row["account"], *(numeric(number(row[name]), row[name]) for name in COST_WORDS)])
    columns = [("instrument", False), ("account", False)]
    columns += [(f"{word}, {proposal.unit}", True) for word in COST_WORDS.values()]
    caption = (
        "Half-spread is to the best quote, depth what walking the book or pool adds; with the fee they are the trade's "
        "cost. Gas counts where the policy has a ticket. Carry is over the horizon, negative where it is income."
    )
    csv = proposal_csv(proposal)["costs.csv"] if rows else ""
    return ShownTable("Costs by trade", columns, rows, caption, sortable=True, csv=csv, file="costs.csv")


def transfers_grid(proposal: Proposal) -> ShownTable:
    """One row per transfer of collateral."""
    columns = [("from", False), ("to", False), ("asset", False), ("amount", True)]
    columns += [(f"worth, {proposal.unit}", True), (f"cost, {proposal.unit}", True)]
    columns += [("hours", True), ("bridge", False)]
    rows: list[list[str | ShownCell]] = []
    for row in transfers_in_unit(proposal).to_dict(orient="records"):
        names = [row["source"], row["target"], row["asset"]]
        values = (row["amount"], row["usd"], row["cost"] + row["fixed_cost"], row["delay_hours"])
        rows.append([*names, *(numeric(number(value), value) for value in values), row["bridge"] or "–"])
    csv = proposal_csv(proposal)["transfers.csv"] if rows else ""
    return ShownTable("Transfers", columns, rows, "To be done before the trades.", csv=csv, file="transfers.csv")


def limits_grid(proposal: Proposal) -> ShownTable:
    """One row per limit, then the size limits that bind."""
    columns = [("limit", False), ("before", True), ("after", True), ("bound", True), ("unit", False), ("state", False)]
    rows: list[list[str | ShownCell]] = []
    for row in limit_rows(proposal):
        before = ShownCell(f"{row.before} (breached)", "bad-text") if row.breached else ShownCell(row.before)
        state = ShownCell(row.state, "warn-text" if row.binding else "good-text")
        rows.append([row.name, before, row.after, row.bound, row.unit, state, row.shadow_price])
    for name, at in proposal.binding_sizes.items():
        rows.append([name, "", "", "", "", ShownCell(f"binding for {', '.join(at)}", "warn-text text"), ""])
    caption = (
        "Restored: breached before, holds after. Shadow price: objective saved per unit the limit is relaxed. Margin and "
        "leverage are the venue's numbers after trading costs, and so are their bounds."
    )
    return ShownTable("Limits", [*columns, ("shadow price", True)], rows, caption)


def risk_grid(before: RiskReport, after: RiskReport | None) -> ShownTable:
    """Measures of the book, after trading too where something is traded."""
    found = risk_rows(before, after)
    columns = [("measure", False), *([("before", True), ("after", True)] if after else [("value", True)]), ("unit", False)]
    rows: list[list[str | ShownCell]] = []
    for row in found:
        rows.append([row.measure, row.before, *([row.after] if after else []), row.unit])
    groups = frozenset(k for k in range(1, len(found)) if found[k].group != found[k - 1].group)
    return ShownTable("Book before and after trading" if after else "Book", columns, rows, groups=groups)


def stress_grid(before: RiskReport, after: RiskReport | None) -> ShownTable:
    """P&L of each stress, worst first."""
    columns = [("stress", False), *([("before", True), ("after", True)] if after else [("P&L", True)])]
    rows: list[list[str | ShownCell]] = []
    for name, pnl in sorted(before.stress.items(), key=lambda item: item[1]):
        told = [pnl, *([after.stress[name]] if after else [])]
        rows.append([name, *(numeric(number(value), value) for value in told)])
    unit = before.unit
    return ShownTable(f"Stress scenarios, P&L in {unit}", columns, rows, f"P&L in {unit}, before costs.", sortable=True)


def objective_grid(proposal: Proposal) -> ShownTable:
    """Terms of the objective."""
    columns = [("term", False), ("weight", True), ("before", True), ("after", True), ("unit", False)]
    rows: list[Any] = [[term, weight, before, after, unit] for term, weight, unit, before, after in objective_rows(proposal)]
    return ShownTable("Objective", columns, rows)


def promise_grid(proposal: Proposal) -> ShownTable | None:
    """The tail after trading from several sides; None where a file has none."""
    if proposal.promise is None:
        return None
    columns = [("side", False), (proposal.unit, True), ("error, source", False)]
    rows: list[Any] = [list(row) for row in promise_rows(proposal.promise)]
    return ShownTable(promise_title(proposal.promise, proposal.unit), columns, rows)


def margin_grid(proposal: Proposal) -> ShownTable:
    """Accounts before and after."""
    columns = [("account", False), ("maintenance used", True), (f"left over, {proposal.unit}", True)]
    columns += [(f"left over in worst stress, {proposal.unit}", True), ("liquidated at", True)]
    rows: list[list[str | ShownCell]] = []
    for row in margin_rows(proposal):
        pairs = (row.used, row.room, row.worst, row.liquidated)
        rows.append([row.account, *(f"{old} → {new}" for old, new in pairs)])
    caption = (
        "Before → after. Left over: equity less maintenance margin. Liquidated at: move of every coin at which nothing is "
        "left over."
    )
    return ShownTable("Margin by account", columns, rows, caption)


def stress_margin_grid(proposal: Proposal) -> ShownTable:
    """What is left over maintenance after each stress, by account."""
    found = margin_rows(proposal)
    if not found:
        return ShownTable("Left over after each stress", [], [])
    rows: list[list[str | ShownCell]] = []
    for at, (name, *_) in enumerate(found[0].stresses):
        cells: list[str | ShownCell] = [name]
        for row in found:
            _, old, new, covered = row.stresses[at]
            cells.append(
                ShownCell(f"{old} → {new}" if covered else f"{old} → {new} (not covered)", "" if covered else "bad-text")
            )
        rows.append(cells)
    columns = [("stress", False), *((row.account, True) for row in found)]
    caption = f"Equity less maintenance margin after each stress, {proposal.unit}."
    return ShownTable("Left over after each stress", columns, rows, caption)
