"""Records every step, and makes the tables of the result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from hedgeopt.backtest.attribution import attribute
from hedgeopt.backtest.judge import Judged
from hedgeopt.backtest.ledger import COST_SIDES, Ledger
from hedgeopt.backtest.portfolio import Fill, Portfolio
from hedgeopt.backtest.result import ATTRIBUTION_COLUMNS, TRADE_COLUMNS, BacktestResult
from hedgeopt.backtest.valuation import Promise, Valuation
from hedgeopt.errors import HedgeoptError
from hedgeopt.inputs.market import Market
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pricing.family import GREEKS

__all__ = ["Recorder"]

_CENT = 0.005
_SIDES = ("deposits", "funding", "interest", *COST_SIDES)


class Recorder:
    """Rows of steps, trades, attribution and events."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []
        self.trades: list[Fill] = []
        self.attribution: list[dict[str, float]] = []
        self.events: list[dict[str, Any]] = []
        self.caveats: dict[str, None] = {}
        self._last: tuple[Valuation, float] | None = None

    @staticmethod
    def mark(ledger: Ledger) -> dict[str, float]:
        """USD booked by side before the step."""
        return {side: ledger.dollars(side) for side in _SIDES}

    def record(
        self,
        market: Market,
        before: Market | None,
        portfolio: Portfolio,
        valuation: Valuation,
        fills: Sequence[Fill],
        promise: Promise,
        start: dict[str, float],
        seconds: float,
        liquidated: bool,
        events: Sequence[dict[str, Any]],
        due: Judged | None = None,
    ) -> None:
        """One step, after trading; ``due`` is what the time since the step before is judged by."""
        due = due or Judged(math.nan, math.nan, math.nan)
        booked = {side: portfolio.ledger.dollars(side) - start[side] for side in _SIDES}
        equity = valuation.equity + portfolio.in_transit(market)
        pnl = 0.0
        carry, cost = -booked["funding"] - booked["interest"], sum(booked[side] for side in COST_SIDES)
        parts = dict.fromkeys(ATTRIBUTION_COLUMNS, 0.0)
        identity = portfolio.identity(market, valuation.position_value)
        if abs(identity.equity - equity) > _CENT:
            said = f"{identity.equity:,.2f} against {equity:,.2f} USD at {market.timestamp.isoformat()}"
            raise HedgeoptError(f"ledger and valuation disagree: {said}; please report this as a bug")
        if self._last is None or before is None:
            pnl = equity + booked["deposits"]
            parts["cost"], parts["residual"] = -cost, pnl + cost
        else:
            pnl = equity - self._last[1] + booked["deposits"]
            parts = attribute(self._last[0], before, market, pnl, carry, cost)
        row: dict[str, Any] = {
            "timestamp": pd.Timestamp(market.timestamp),
            "equity": equity,
            "pnl": pnl,
            "cost": booked["spread"],
            "fees": booked["fees"] + booked["penalties"] + booked["insurance"],
            "funding": -booked["funding"],
            "interest": -booked["interest"],
            "deposits": identity.deposits,
            "realised": identity.realised,
            "unrealised": identity.unrealised,
            "costs": identity.costs,
            "promised_cvar": promise.cvar,
            "promised_var": promise.var,
            "beta": promise.beta,
            "judged_days": due.days,
            "judged_cvar": due.cvar,
            "judged_var": due.var,
            "judged_louder": due.louder,
            "judged_scaled": due.scaled,
            "initial_margin": float(valuation.initial.sum()),
            "maintenance_margin": float(valuation.maintenance.sum()),
            "turnover": sum(fill.notional for fill in fills),
            "n_trades": len(fills),
            "liquidated": liquidated,
            "solve_seconds": seconds,
        }
        for asset, greeks in valuation.greeks().items():
            if asset not in dollar_assets():
                row |= {f"{name}_{asset}": amount for name, amount in greeks.items()}
        self.steps.append(row)
        self.trades += fills
        self.attribution.append(parts)
        self.events += events
        self._last = (valuation, equity)

    def result(self, ledger: pd.DataFrame, config: dict[str, Any], policy: str, book: str) -> BacktestResult:
        """The tables."""
        steps = pd.DataFrame(self.steps).set_index("timestamp")
        greeks = steps.columns[[column.split("_")[0] in GREEKS for column in steps.columns]]
        unknown = greeks[steps[greeks].isna().any()]  # an asset counts from the step that first knew it
        steps = steps.fillna(dict.fromkeys(unknown, 0.0))
        trades = pd.DataFrame(
            [{name: getattr(fill, name) for name in TRADE_COLUMNS} for fill in self.trades], columns=list(TRADE_COLUMNS)
        )
        attribution = pd.DataFrame(self.attribution, index=steps.index, columns=list(ATTRIBUTION_COLUMNS))
        return BacktestResult(steps, trades, attribution, ledger, config, self.events, policy, book, tuple(self.caveats))
