"""The fills that a proposal counts with, as a table to start from or to test with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from hedgeopt.files.calls import strict_call
from hedgeopt.inputs.market import Market
from hedgeopt.orders.fills import FILL_COLUMNS
from hedgeopt.program.proposal import Proposal

__all__ = ["fills_as_proposed"]


@strict_call
def fills_as_proposed(proposal: Proposal, market: Market) -> pd.DataFrame:
    """The table of fills that a proposal counts with: what each trade pays or costs in all, and every transfer.

    Prices are those at which premium and cost are the proposal's: the quote, and above it (below, of sales) where the quote
    lies nearer to the mark than the middle, or where a ladder is walked.
    """
    rows: list[dict[str, Any]] = []
    venue_of = {margin.after.account: margin.after.venue for margin in proposal.margins}
    for row in proposal.trades.to_dict("records"):
        item = market.instrument(venue_of[row["account"]], row["instrument"])
        fee = row["fee"] / market.price(item.settlement)
        rows.append({**row, "price": _counted_price(row, item, market), "fee": fee, "fee_asset": item.settlement})
    for row in proposal.transfers.to_dict("records"):
        name = f"{row['source']} to {row['target']} {row['asset']}" + (f" via {row['bridge']}" if row["bridge"] else "")
        sent = {"account": row["source"], "instrument": name, "side": "send", "quantity": row["amount"], "price": None}
        rows.append({**sent, "fee": row["cost"] / market.price(row["asset"]), "fee_asset": row["asset"]})
    digest = str(proposal.to_dict()["digest"])[:8]  # the fills of two proposals are different fills
    table = pd.DataFrame(
        [{"fill_id": f"{digest}-{k}", **row} for k, row in enumerate(rows, start=1)], columns=list(FILL_COLUMNS)
    )
    return table.drop(columns=["client_id", "time"])


def _counted_price(row: Mapping[str, Any], item: Any, market: Market) -> float:
    signed = row["quantity"] if row["side"] == "buy" else -row["quantity"]
    dollars, spread = market.price(item.settlement), row["cost"] - row["fee"]
    if not item.nature.margined:
        return float((row["premium"] + spread) / signed / (1.0 if item.nature.quote == "dollars" else dollars))
    mark = float(market.quoted("mark_price", [item.id])[0])
    if item.inverse and item.nature.payoff == "linear":
        return float(1.0 / (1.0 / mark - spread / (signed * dollars)))
    return float(mark + spread / signed)
