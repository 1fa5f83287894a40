"""The result of a backtest: plain tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import pandas as pd

from hedgeopt.files.calls import strict_class

__all__ = ["ATTRIBUTION_COLUMNS", "LEDGER_COLUMNS", "STEP_COLUMNS", "TRADE_COLUMNS", "BacktestResult"]

STEP_COLUMNS = {
    "equity": "USD, all accounts at mark, after this step's trades",
    "pnl": "USD change of equity since the step before, deposits and withdrawals left out",
    "cost": "USD of half-spread and impact paid at this step (exchange fees apart)",
    "fees": "USD of exchange fees, settlement fees and liquidation penalties at this step",
    "funding": "USD received in funding since the step before (negative: paid)",
    "interest": "USD earned on deposits, liquidity and the like since the step before, less interest owed",
    "deposits": "USD brought in so far, each at the price of its moment",
    "realised": "USD realised so far: trading, settlement, funding, interest",
    "unrealised": "USD by which holdings are worth more now than when they were booked; coins posted included",
    "costs": "USD paid so far: spread, fees, penalties; deposits + realised + unrealised - costs = equity",
    "promised_cvar": "USD CVaR of the loss to the horizon after trading, as the decision saw it; NaN without scenarios",
    "promised_var": "USD value at risk, likewise",
    "beta": "confidence level of the two",
    "judged_days": "days since the step before: the time over which its outcome is judged; NaN at the first",
    "judged_cvar": "USD CVaR of the loss over that time of the book as the step before left it, as known then",
    "judged_var": "USD value at risk, likewise",
    "judged_louder": "the model's chance that 1.5 times that loss exceeds the value at risk; NaN where it is not known",
    "judged_scaled": "whether the promise was scaled with the root of time, as nothing could state it anew",
    "initial_margin": "USD, all accounts after trading; NaN where any is unknown",
    "maintenance_margin": "USD, all accounts after trading; NaN where any is unknown",
    "turnover": "USD of underlying traded at this step",
    "n_trades": "fills at this step, flow and liquidation included",
    "liquidated": "whether any account was liquidated at this step",
    "solve_seconds": "seconds the policy took to decide",
}
"""Columns of :attr:`BacktestResult.steps` besides the Greeks, which are named ``<greek>_<asset>``."""

TRADE_COLUMNS = {
    "timestamp": "moment of the fill, UTC",
    "account": "account that traded",
    "instrument": "the venue's name",
    "quantity": "signed, instrument's unit; positive bought",
    "price": "quote hit, quote unit",
    "cost": "USD of half-spread against the mark, fee apart",
    "fee": "USD exchange fee",
    "reason": "hedge, flow or liquidation",
}

ATTRIBUTION_COLUMNS = ("delta", "gamma", "vega", "theta", "carry", "cost", "marks", "residual")
"""Columns of :attr:`BacktestResult.attribution`, USD; they add up to ``steps.pnl``."""

LEDGER_COLUMNS = {
    "timestamp": "moment of booking, UTC",
    "entry": "number of the entry; its postings in one currency add up to zero",
    "account": "account of the book",
    "currency": "asset of the posting",
    "side": "cash, positions, transfers; deposits, trading, settlement, funding, interest, spread, fees, penalties, "
    "insurance",
    "amount": "units of the currency: assets (the first three sides) are positive when they grow, other sides balance them",
    "price": "USD per unit of the currency at booking",
    "memo": "what it was for",
}


@strict_class
@dataclass(frozen=True)
class BacktestResult:
    """One policy on one book over one period.

    Attributes
    ----------
    steps
        One row per step, indexed by UTC timestamp: :data:`STEP_COLUMNS` and Greeks as ``<greek>_<asset>``, after trading.
    trades
        One row per fill: :data:`TRADE_COLUMNS`.
    attribution
        One row per step, same index: :data:`ATTRIBUTION_COLUMNS`, USD, adding up to ``steps.pnl``.
    ledger
        One row per posting: :data:`LEDGER_COLUMNS`.
    config
        What was run, as plain values.
    events
        What a reader must know, each with ``timestamp`` and ``kind``: liquidation, stale_mark, missing_quote, infeasible,
        fallback, settlement, halt, resume, insolvent, note.
    policy, book
        Their names.
    caveats
        Numbers of venues that the run rested on and that nobody has verified, or that were past their shelf life.
    """

    MAY_BE_INFINITE: ClassVar[bool] = True

    steps: pd.DataFrame
    trades: pd.DataFrame
    attribution: pd.DataFrame
    ledger: pd.DataFrame
    config: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)
    policy: str = "policy"
    book: str = "book"
    caveats: tuple[str, ...] = ()
