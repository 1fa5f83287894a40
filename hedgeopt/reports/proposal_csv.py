"""The tables of a proposal as CSV, for a spreadsheet or an order system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgeopt.reports.counted import costs_in_unit, trades_in_unit, transfers_in_unit

if TYPE_CHECKING:
    from hedgeopt.program.proposal import Proposal

__all__ = ["proposal_csv"]


def proposal_csv(proposal: Proposal) -> dict[str, str]:
    """Text by file name: trades.csv, costs.csv (``trade_costs``), transfers.csv, limits.csv, objective.csv, cash.csv
    and margins.csv (``cash_ahead``, ``margin_ahead``).

    Columns are those of the tables (:class:`hedgeopt.program.proposal.Proposal`), numbers with every digit; what is not
    known is empty, infinities are ``inf`` and ``-inf``. Under a numeraire money of trades and transfers counts in it, as the
    page shows it, and a column ``counted_in`` names it.
    """
    tables = {
        "trades": trades_in_unit(proposal),
        "costs": costs_in_unit(proposal),
        "transfers": transfers_in_unit(proposal),
    }
    if proposal.unit != "USD":
        tables = {name: table.assign(counted_in=proposal.unit) for name, table in tables.items()}
    tables |= {"limits": proposal.limits, "objective": proposal.objective}
    tables |= {"cash": proposal.cash_ahead, "margins": proposal.margin_ahead}
    return {f"{name}.csv": table.to_csv(index=False, lineterminator="\n") for name, table in tables.items()}
