"""Pages of a book without trades: its risk, and the margin of its accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from hedgeopt.files.counted import many
from hedgeopt.reports.danger import danger
from hedgeopt.reports.grid import ShownCell, ShownTable, numeric
from hedgeopt.reports.page import page_plots
from hedgeopt.reports.page_tables import risk_grid, stress_grid
from hedgeopt.reports.render import render
from hedgeopt.reports.rows import moves
from hedgeopt.reports.tags import tag_grid
from hedgeopt.reports.words import number, per_cent

if TYPE_CHECKING:
    from hedgeopt.measures.figures import Figures
    from hedgeopt.measures.margin import AccountMargin, MarginState
    from hedgeopt.measures.margin_report import MarginReport
    from hedgeopt.measures.risk import RiskReport

__all__ = ["BookHead", "margin_page", "risk_page"]


@dataclass(frozen=True)
class BookHead:
    """Name of a book, its market in words, and the market's moment."""

    book: str
    market: str
    created: datetime


def risk_page(
    head: BookHead,
    report: RiskReport,
    accounts: Sequence[AccountMargin],
    drawn: Figures | None,
    scenarios: str,
    notes: Sequence[str],
    sample: str = "",
) -> str:
    """HTML text: danger, ``sample`` with its error, measures, margin, stress, plots, tenors, loans, positions, notes."""
    title = f"Equity {number(report.equity)} {report.unit}"
    if report.cvar:
        level, tail = max(report.cvar.items(), key=lambda item: float(item[0]))
        title += f", CVaR {100 * float(level):g} % {number(tail)} {report.unit}"
    tables = [
        ("book", "Book", risk_grid(report, None)),
        ("margin", "Margin by account", _overview(accounts, report.unit)),
        ("stress", "Stress scenarios", stress_grid(report, None)),
    ]
    more = [
        ("tenors", "Vega and gamma by days to expiry", _tenors(report)),
        ("loans", "Loans", _loans(report)),
        ("tags", "Tags", tag_grid(report, None)),
        ("positions", "Positions", _positions(report)),
    ]
    kept, rest = ([part for part in parts if part[2]] for parts in (tables, more))
    links = [("spot", "P&L against spot"), ("losses", "Losses"), ("greeks", "Greeks")]
    return render(
        "risk.html",
        head=head,
        title=title,
        kind="Risk",
        remains=danger(accounts, unit=report.unit, notes=notes),
        sample=sample,
        sections=[*((key, name) for key, name, _ in kept), *links, *((key, name) for key, name, _ in rest)],
        tables=kept,
        more=rest,
        drawn=drawn,
        scenarios=scenarios,
        greeks_caption="Each bar is scaled by its own value. Delta counts posted coins.",
        plots=page_plots(drawn, report, report),
        notes=notes,
    )


def margin_page(head: BookHead, report: MarginReport) -> str:
    """HTML text: danger, overview, every account now and after each stress, notes."""
    tables = [("overview", "Margin now", _overview(report.accounts, report.unit))]
    for k, item in enumerate(report.accounts):
        tables.append((f"account-{k + 1}", f"{item.venue}/{item.account}", _states(item, report)))
    kept = [part for part in tables if part[2]]
    return render(
        "risk.html",
        head=head,
        title=f"Margin of {many(len(report.accounts), 'account')}",
        kind="Margin",
        remains=danger(report.accounts, unit=report.unit, notes=report.notes),
        sample="",
        sections=[(key, name) for key, name, _ in kept],
        tables=kept,
        more=[],
        plots=None,
        notes=report.notes,
    )


def _overview(accounts: Sequence[AccountMargin], unit: str) -> ShownTable:
    # the first columns are those that a phone shows without scrolling
    columns = [("account", False), ("used", True), ("liquidated at", True), ("worst stress", False)]
    columns += [("left over there", True), ("equity", True), ("initial", True), ("maintenance", True)]
    rows: list[list[str | ShownCell]] = []
    for item in accounts:
        now, worst = item.now, item.worst
        rows.append(
            [
                f"{item.venue}/{item.account}",
                per_cent(now.utilisation),
                moves(item.liquidation_down, item.liquidation_up),
                worst.scenario,
                _left(worst),
                *(numeric(number(value), value) for value in (now.equity, now.initial, now.maintenance)),
            ]
        )
    caption = (
        f"{unit}. Used: maintenance over equity. Liquidated at: move of every coin at which equity no longer covers "
        "maintenance. Left over: equity less maintenance."
    )
    return ShownTable("Margin now", columns, rows, caption)


def _states(item: AccountMargin, report: MarginReport) -> ShownTable:
    lends = item.now.health_factor is not None
    called = any(state.liquidation is not None for state in (item.now, *item.stresses))
    columns = [("state", False), ("used", True), ("left over", True)]
    columns += [("health", True)] if lends else []
    columns += [("liquidator repays", True), ("owner loses", True)] if called else []
    columns += [("equity", True), ("maintenance", True)]
    rows: list[list[str | ShownCell]] = []
    for state in (item.now, *item.ranked):
        row: list[str | ShownCell] = [state.scenario, per_cent(state.utilisation), _left(state)]
        row += [number(state.health_factor)] if lends else []
        if called:
            call = state.liquidation
            row += ["–", "–"] if call is None else [number(call.repaid), number(call.loss)]
        row += [numeric(number(v), v) for v in (state.equity, state.maintenance)]
        rows.append(row)
    parts = ", ".join(
        f"{name} {number(value)}" for name, value in item.breakdown.items() if abs(value) * report.unit_price >= 0.5
    )
    told = "Margin unknown" if item.unknown else f"Initial margin from {parts}" if parts else "No initial margin"
    caption = f"{report.unit}. Rule: {item.model}. {told}."
    return ShownTable(f"{item.venue}/{item.account} now and after each stress", columns, rows, caption)


def _left(state: MarginState) -> ShownCell:
    if state.unknown:
        return ShownCell("unknown", "warn-text")
    covered, left = state.covered, state.left
    return ShownCell(number(left) + ("" if covered else " (not covered)"), "" if covered else "bad-text", left)


def _tenors(report: RiskReport) -> ShownTable:
    found = [
        (name, asset, profile)
        for name, by_asset in report.tenors.items()
        for asset, profile in by_asset.items()
        if any(profile.values())
    ]
    keys = list(found[0][2]) if found else []
    rows: list[list[str | ShownCell]] = [
        [f"{name} {asset}", *(number(profile[key]) for key in keys)] for name, asset, profile in found
    ]
    caption = f"Vega in {report.unit} per vol point, gamma in coins per USD."
    return ShownTable("Vega and gamma by tenor", [("greek", False), *((key, True) for key in keys)], rows, caption)


def _loans(report: RiskReport) -> ShownTable:
    columns = [("account", False), ("supplied", True), ("borrowed", True), ("health", True), ("leverage", True)]
    columns += [("direction", True), ("net exposure", False), ("liquidated at", False)]
    rows: list[list[str | ShownCell]] = [
        [
            loan.account,
            *map(number, (loan.supplied, loan.borrowed, loan.health_factor, loan.leverage, loan.directional_leverage)),
            ", ".join(f"{asset} {number(usd)}" for asset, usd in loan.exposure.items()),
            ", ".join(f"{asset} {number(price)}" for asset, price in loan.liquidation_price.items()) or "–",
        ]
        for loan in report.loans
    ]
    caption = (
        f"{report.unit}, prices in USD. Leverage: supplied over equity; direction: net exposure to underlyings over equity."
    )
    return ShownTable("Loans", columns, rows, caption)


def _positions(report: RiskReport) -> ShownTable:
    columns = [
        ("position", False),
        ("account", False),
        ("quantity", True),
        (f"value, {report.unit}", True),
        ("delta", False),
    ]
    columns += [(f"carry received, {report.unit}/day", True), (f"impermanent loss, {report.unit}", True)]
    rows: list[list[str | ShownCell]] = []
    for one in sorted(report.positions, key=lambda one: -max(abs(one.value), one.notional)):
        deltas = [f"{asset} {number(greeks['delta'])}" for asset, greeks in one.greeks.items() if "delta" in greeks]
        lost = one.impermanent_loss
        rows.append(
            [
                one.name,
                one.account,
                *(numeric(number(value), value) for value in (one.quantity, one.value)),
                ", ".join(deltas),
                numeric(number(one.carry), one.carry),
                "" if lost is None else numeric(number(lost), lost),
            ]
        )
    return ShownTable("Positions", columns, rows, "Largest first.", sortable=True)
