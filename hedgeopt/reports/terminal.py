"""A proposal or a risk report for the terminal; columns are dropped where it is narrow, names are never cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from hedgeopt.measures.risk import RiskReport
from hedgeopt.reports.counted import costs_in_unit, trades_in_unit, transfers_in_unit
from hedgeopt.reports.danger import Danger
from hedgeopt.reports.fitted import FittedTable, Framed, Plain
from hedgeopt.reports.headline import headline
from hedgeopt.reports.holdings import holdings_tables
from hedgeopt.reports.promised import coverage_sentence, promise_rows, promise_title
from hedgeopt.reports.rows import limit_rows, margin_rows, objective_rows, risk_rows
from hedgeopt.reports.tags import tag_grid
from hedgeopt.reports.words import COST_WORDS, number, quantity, share

if TYPE_CHECKING:
    from hedgeopt.program.proposal import Proposal
    from hedgeopt.program.proven import Certificate

__all__ = ["danger_frame", "proposal_report", "risk_report_table"]

_TONES = {"good": "green", "warn": "yellow", "bad": "bold red"}


def proposal_report(proposal: Proposal, *, own: bool = False) -> RenderableType:
    """Headline, trades, before and after, limits, costs, certificate, timings, notes; ``own``: of somebody's list."""
    words = headline(proposal, own=own)
    certified = proposal.certificate.valid
    first = Text.assemble((words.trades, "bold"), "\n")
    for sentence in words.danger.sentences:
        first.append(f"{sentence}\n", _TONES[words.danger.tone])
    first.append(f"{words.cost}\n{words.binding}\n")
    first.append(f"{words.certificate}\n", "green" if certified else "bold red")
    first.append(words.sample)
    title = f"{proposal.book} · {proposal.policy_name} · {proposal.created:%Y-%m-%d %H:%M:%S} UTC"
    parts: list[RenderableType] = [Framed(first, title, _TONES[words.tone])]
    if len(proposal.trades):
        parts += [_trades(proposal), _costs(proposal)]
    parts += [
        _risk(proposal.before, proposal.after, proposal.scenarios),
        _limits(proposal),
        *_promise(proposal),
        _margins(proposal),
        *_tags(proposal.before, proposal.after),
        *([_transfers(proposal)] if len(proposal.transfers) else []),
        _objective(proposal),
        _closing(proposal),
    ]
    return Group(*parts)


def danger_frame(remains: Danger, title: str, more: Sequence[str] = ()) -> Framed:
    """The headline of a book without trades: what is dangerous, then ``more`` sentences."""
    text = Text("\n".join(remains.sentences), _TONES[remains.tone])
    return Framed(Text("\n").join([text, *map(Text, more)]), title, _TONES[remains.tone])


def risk_report_table(
    report: RiskReport, notes: tuple[str, ...] = (), *, head: Sequence[RenderableType] = (), drawn: str = ""
) -> RenderableType:
    """A book's risk without trades: ``head``, measures, tenors, loans, positions, tags, stress scenarios, notes.

    ``drawn`` is the sample in words.
    """
    stress = FittedTable("Stress scenarios", ("scenario", "left"), (f"P&L, {report.unit}", "right"))
    for name, pnl in sorted(report.stress.items(), key=lambda item: item[1]):
        stress.add_row(name, number(pnl))
    parts = [*head, _risk(report, None, drawn), *holdings_tables(report), *_tags(report, None), stress]
    return Group(*parts, *(Plain(Text(f"note: {note}", style="dim")) for note in notes))


def _tags(before: RiskReport, after: RiskReport | None) -> list[FittedTable]:
    """By strategy, where the book has tags."""
    if not before.tags:
        return []
    grid = tag_grid(before, after)
    (first, *rest), names = grid.columns, [name for name, _ in grid.columns]
    columns = [(first[0], "left"), *((name, "right" if right else "left") for name, right in rest)]
    worst = [name for name in names if "worst" in name or "in it" in name]
    drop: list[str | tuple[str, ...]] = [name for name in names if name.startswith(("gamma", "vega"))]
    drop += [tuple(worst)] if worst else []
    drop += [name for name in names if name == "accounts"]
    table = FittedTable(grid.label, *columns, drop=(*drop, *reversed([n for n in names if n.startswith("delta")])))
    for row in grid.rows:
        table.add_row(*(cell if isinstance(cell, str) else cell.text for cell in row))
    return [table]


def _trades(proposal: Proposal) -> FittedTable:
    several = proposal.trades["account"].nunique() > 1
    columns = [("account", "left")] if several else []
    columns += [("side", "left"), ("quantity", "right"), ("instrument", "left"), ("price", "right")]
    columns += [("notional", "right"), ("cost", "right"), ("delta", "right"), ("vega", "right")]
    unit = proposal.unit
    title = f"Trades (notional and cost in {unit}, delta in coins, vega in {unit} per vol point)"
    table = FittedTable(title, *columns, drop=("vega", "delta", "notional", "cost", "price"))
    for row in trades_in_unit(proposal).to_dict(orient="records"):
        table.add_row(
            *([row["account"]] if several else []),
            Text(row["side"], "green" if row["side"] == "buy" else "red"),
            quantity(row["quantity"], row["unit"]),
            row["instrument"],
            *(number(row[name]) for name in ("price", "notional", "cost", "delta", "vega")),
        )
    return table


def _costs(proposal: Proposal) -> FittedTable:
    """Cost by component, the dearest trades first; what is 0 everywhere has no column."""
    told = costs_in_unit(proposal)
    names = [name for name in COST_WORDS if told[name].isna().any() or (told[name] != 0.0).any()]
    several = proposal.trades["account"].nunique() > 1
    columns = [("account", "left")] if several else []
    columns += [("instrument", "left"), *((COST_WORDS[name], "right") for name in names)]
    table = FittedTable(
        f"Costs by trade in {proposal.unit} (carry over the horizon: negative is income)",
        *columns,
        drop=[n for n in ("carry", "fee") if n in names],
    )
    rows = told.to_dict(orient="records")
    for row in rows:
        head = [row["account"]] if several else []
        table.add_row(*head, row["instrument"], *(number(row[name]) for name in names))
    if len(rows) > 1:
        sums = [number(float(told[name].sum(skipna=False))) for name in names]
        table.add_row(*([""] if several else []), "together", *sums)
    return table


def _risk(before: RiskReport, after: RiskReport | None, drawn: str = "") -> FittedTable:
    columns = [("measure", "left"), ("unit", "left"), ("before" if after else "value", "right")]
    columns += [("after", "right")] if after else []
    title = ("Book before → after" if after else "Book") + (f" (VaR, CVaR: {drawn})" if drawn else "")
    table = FittedTable(title, *columns, drop=("unit",), into={"unit": "measure"})
    group = ""
    for row in risk_rows(before, after):
        if group and row.group != group:
            table.add_section()
        group = row.group
        table.add_row(row.measure, row.unit, row.before, *([row.after] if after else []))
    return table


def _limits(proposal: Proposal) -> FittedTable:
    columns = [("limit", "left"), ("before", "right"), ("after", "right"), ("bound", "right"), ("unit", "left")]
    title = "Limits (! breached before; shadow price: objective saved per unit the limit is relaxed)"
    columns += [("state", "left"), ("shadow price", "right")]
    table = FittedTable(title, *columns, drop=("shadow price", "unit", "before", "state"), into={"unit": "limit"})
    for row in limit_rows(proposal):
        before = Text(f"! {row.before}" if row.breached else row.before, "red" if row.breached else "")
        state = Text("binding" if row.binding else "", "yellow")
        table.add_row(row.name, before, row.after, row.bound, row.unit, state, row.shadow_price)
    for name, at in proposal.binding_sizes.items():
        table.add_row(name, "", f"{len(at)} at it", "", "", Text("binding", "yellow"), "")
    return table


def _margins(proposal: Proposal) -> FittedTable:
    columns = [("account", "left"), ("used", "right"), ("left over", "right")]
    columns += [("in worst stress", "right"), ("liquidated at", "right")]
    title = f"Margin by account (left over maintenance in {proposal.unit}; liquidated: move of every coin)"
    table = FittedTable(title, *columns, drop=("used", "in worst stress"))
    for row in margin_rows(proposal):
        for name, at in ((row.account, 0), ("  after", 1)):
            table.add_row(name, *(pair[at] for pair in (row.used, row.room, row.worst, row.liquidated)))
    return table


def _promise(proposal: Proposal) -> list[RenderableType]:
    """The tail from several sides, and how promises like it were kept; nothing where a file has none."""
    if proposal.promise is None:
        return []
    columns = [("side", "left"), (proposal.unit, "right"), ("error, source", "left")]
    table = FittedTable(promise_title(proposal.promise, proposal.unit), *columns, drop=("error, source",))
    for row in promise_rows(proposal.promise):
        table.add_row(*row)
    return [table, Plain(Text(coverage_sentence(proposal.promise)))]


def _transfers(proposal: Proposal) -> FittedTable:
    columns = [("from", "left"), ("to", "left"), ("asset", "left"), ("amount", "right"), (proposal.unit, "right")]
    columns += [("cost", "right"), ("hours", "right"), ("bridge", "left")]
    table = FittedTable("Transfers", *columns, drop=("hours", "cost", proposal.unit, "bridge"))
    for row in transfers_in_unit(proposal).to_dict(orient="records"):
        table.add_row(
            row["source"],
            row["target"],
            row["asset"],
            *(number(row[name]) for name in ("amount", "usd")),
            number(row["cost"] + row["fixed_cost"]),
            number(row["delay_hours"]),
            row["bridge"] or "",
        )
    return table


def _objective(proposal: Proposal) -> FittedTable:
    columns = [("term", "left"), ("weight", "right"), ("before", "right"), ("after", "right"), ("unit", "left")]
    table = FittedTable("Objective", *columns, drop=("weight", "unit"), into={"unit": "term"})
    for term, weight, unit, before, after in objective_rows(proposal):
        table.add_row(term, weight, before, after, unit)
    return table


def _beside(certificate: Certificate) -> str:
    """The ideal trades' numbers, beside those of a list in whole lots."""
    if certificate.ideal_objective is None or certificate.ideal_lower_bound is None:
        return ""
    return f" (ideal trades: {certificate.ideal_objective:,.6g}, proven {certificate.ideal_lower_bound:,.6g})"


def _closing(proposal: Proposal) -> Plain:
    certificate = proposal.certificate
    seconds = " · ".join(f"{stage} {value:.2f}" for stage, value in proposal.seconds.items())
    text = Text()
    text.append("certificate  ", "bold")
    text.append(
        f"objective {certificate.objective:,.6g}, proven lower bound {certificate.lower_bound:,.6g}, "
        f"gap {share(certificate.gap)}{_beside(certificate)}; "
        f"closest limit {certificate.worst_limit}, excess {share(certificate.worst_violation)} of its size\n"
    )
    text.append("scenarios    ", "bold")
    text.append(f"{proposal.scenarios}\n")
    text.append("seconds      ", "bold")
    text.append(seconds)
    for note in proposal.notes:
        text.append(f"\nnote         {note}", "dim")
    return Plain(text)
