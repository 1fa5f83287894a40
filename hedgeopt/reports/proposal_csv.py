"""The tables of a proposal as CSV, for a spreadsheet or an order system."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hedgeopt.program.proposal import Proposal

__all__ = ["proposal_csv"]


def proposal_csv(proposal: Proposal) -> dict[str, str]:
    """Text by file name: trades.csv, costs.csv (``trade_costs``), transfers.csv, limits.csv and objective.csv.

    Columns are those of the tables (:class:`hedgeopt.program.proposal.Proposal`), numbers with every digit; what is not
    known is empty, infinities are ``inf`` and ``-inf``.
    """
    tables = {"trades": "trades", "costs": "trade_costs", **{name: name for name in ("transfers", "limits", "objective")}}
    return {f"{name}.csv": getattr(proposal, at).to_csv(index=False, lineterminator="\n") for name, at in tables.items()}
