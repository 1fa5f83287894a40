"""The constraints a policy may set. A new one is a file, a line here, and a test file."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field

from hedgeopt.constraints.cash_at_least import CashAtLeast
from hedgeopt.constraints.collateral_balance import CollateralBalance, Withdrawals
from hedgeopt.constraints.constraint import OWN_CONSTRAINTS
from hedgeopt.constraints.limit import Limit
from hedgeopt.constraints.margin_utilisation import MarginUtilisation
from hedgeopt.constraints.max_new_instruments import MaxNewInstruments
from hedgeopt.constraints.max_trades import MaxTrades
from hedgeopt.constraints.min_trade import MinTrade
from hedgeopt.constraints.order_limit import OrderLimit
from hedgeopt.constraints.participation import Participation
from hedgeopt.constraints.position_limit import PositionLimit
from hedgeopt.constraints.survive_stress import SurviveStress
from hedgeopt.constraints.transfer_limit import TransferLimit

__all__ = ["CONSTRAINTS", "AnyConstraint"]

CONSTRAINTS: dict[str, Any] = {
    constraint.model_fields["kind"].default: constraint
    for constraint in (
        Limit,
        OrderLimit,
        PositionLimit,
        Participation,
        MarginUtilisation,
        SurviveStress,
        TransferLimit,
        CashAtLeast,
        CollateralBalance,
        Withdrawals,
        MaxTrades,
        MaxNewInstruments,
        MinTrade,
    )
}

AnyConstraint: Any = OWN_CONSTRAINTS.union(
    CONSTRAINTS, Annotated[reduce(or_, CONSTRAINTS.values()), Field(discriminator="kind")]
)
"""Any constraint, told apart by its ``kind``; the user's own too."""
