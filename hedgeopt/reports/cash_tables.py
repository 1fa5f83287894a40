"""The treasury's ladder on the page: per account and asset now, at its least, and at the end; and free margin by account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgeopt.reports.grid import ShownCell, ShownTable, numeric
from hedgeopt.reports.proposal_csv import proposal_csv
from hedgeopt.reports.words import number

if TYPE_CHECKING:
    from hedgeopt.program.proposal import Proposal

__all__ = ["cash_grid", "free_margin_grid"]

_FLOWS = ("income", "expiries", "flows", "transfers", "locked")


def cash_grid(proposal: Proposal) -> ShownTable:
    """One row per account and asset; what moves it is what it is from now to the last day."""
    rows: list[list[str | ShownCell]] = []
    last = 0
    for (account, asset), ladder in proposal.cash_ahead.groupby(["account", "asset"], sort=False):
        first, least, end = ladder.iloc[0], ladder.loc[ladder["cash"].idxmin()], ladder.iloc[-1]
        last = int(end["day"])
        short = "bad-text" if least["cash"] < 0.0 <= first["posted"] else ""
        changes = [float(end[name] - (0.0 if name == "transfers" else first[name])) for name in _FLOWS]
        rows.append([
            asset, account, numeric(number(first["cash"], 6), first["cash"]),
            numeric(number(least["cash"], 6), least["cash"], short), str(least["date"]),
            numeric(number(end["cash"], 6), end["cash"]),
            *(numeric(number(value) if value else "–", value) for value in changes),
        ])  # fmt: skip
    columns = [("asset", False), ("account", False), ("after trading", True), ("least", True), ("on", False)]
    columns += [(f"in {last} days", True), ("income", True), ("expiries", True), ("flows", True), ("transfers", True),
                ("unlocked", True)]  # fmt: skip
    caption = (
        "Units of the asset, if prices stay as they are: funding and yields at today's rates, expiries at today's index, "
        "known flows and unlocks of the book, transfers sent and arrived. Interest of deposits and loans is no cash. Fees "
        "at delivery are not counted. A debt is negative."
    )
    csv = proposal_csv(proposal)["cash.csv"] if rows else ""
    return ShownTable("Cash", columns, rows, caption, sortable=True, csv=csv, file="cash.csv")


def free_margin_grid(proposal: Proposal) -> ShownTable:
    """One row per account that has a margin rule: free margin now, at its least, and at the end."""
    rows: list[list[str | ShownCell]] = []
    last = 0
    for account, ladder in proposal.margin_ahead.groupby("account", sort=False):
        if not ladder["initial"].abs().max() > 0.0:
            continue
        first, least, end = ladder.iloc[0], ladder.loc[ladder["free"].idxmin()], ladder.iloc[-1]
        last = int(end["day"])
        cells = [
            numeric(number(row["free"]), row["free"], "bad-text" if row["free"] < 0.0 else "") for row in (first, least)
        ]
        rows.append([
            str(account), *cells, str(least["date"]), numeric(number(end["free"]), end["free"]),
            *(numeric(number(row["initial"]), row["initial"]) for row in (first, end)),
            numeric(f"{end['open_positions']:g}", end["open_positions"]),
        ])  # fmt: skip
    columns = [("account", False), ("free now", True), ("least", True), ("on", False), (f"in {last} days", True)]
    columns += [("initial margin now", True), ("initial margin then", True), ("positions then", True)]
    caption = "Free margin, USD: equity that counts less initial margin of what is still open, at today's prices."
    return ShownTable("Free margin", columns, rows, caption)
