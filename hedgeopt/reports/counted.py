"""Trades and transfers of a proposal in the unit that its policy counts in: recorded in dollars, divided for display."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from hedgeopt.program.proposal import Proposal

__all__ = ["costs_in_unit", "trades_in_unit", "transfers_in_unit"]

_TRADES = ("notional", "premium", "cost", "fee", "vega")
_COSTS = ("half_spread", "depth", "fee", "gas", "carry")
_TRANSFERS = ("usd", "cost", "fixed_cost")


def trades_in_unit(proposal: Proposal) -> pd.DataFrame:
    """The trades with notional, premium, cost, fee and vega over the numeraire's price."""
    return _over(proposal.trades, _TRADES, proposal.after.unit_price)


def costs_in_unit(proposal: Proposal) -> pd.DataFrame:
    """The costs of each trade by component over the numeraire's price."""
    return _over(proposal.trade_costs, _COSTS, proposal.after.unit_price)


def transfers_in_unit(proposal: Proposal) -> pd.DataFrame:
    """The transfers with their worth and costs over the numeraire's price."""
    return _over(proposal.transfers, _TRANSFERS, proposal.after.unit_price)


def _over(table: pd.DataFrame, columns: tuple[str, ...], price: float) -> pd.DataFrame:
    return table if price == 1.0 else table.assign(**{name: table[name] / price for name in columns})
