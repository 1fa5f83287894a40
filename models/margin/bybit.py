"""Bybit's unified account, cross margin: short options one by one, perpetuals and futures by risk limits.

A short option: initial ``max(.15 S - O, .1 S) + M`` and at least maintenance ``max(.03 S, .03 M) + M + .2 % S`` (index S,
mark M, O out of the money). A perpetual: initial margin the whole notional over the chosen leverage, which its risk limit
bounds, maintenance ``N rate_n - deduction_n``. Long options are paid for; nothing offsets. Loans count at rates of yours.

Risk limits change often and are not packaged: ``hedgeopt import`` makes a table of the venue's reply (v5/market/risk-limit).

Source: bybit.com help, "Comparison of Spread Strategies in Cross Margin and Portfolio Margin", "Initial & Maintenance Margin
Calculations (Options)"; models/data/bybit.toml.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hedgeopt.models.data import table, where
from hedgeopt.models.margin.borrowed import borrow_block, borrowed
from hedgeopt.models.margin.brackets import Bracketed
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.margin.generic import Generic
from hedgeopt.models.margin.leverage import Allowed, Leverage
from hedgeopt.models.margin.model import Kind, Requirement
from hedgeopt.models.margin.state import State

__all__ = ["Bybit"]


class Bybit(Bracketed):
    """One unified account in cross margin, one-way mode."""

    name = "bybit"
    venue = table_name = "bybit"
    kinds = ("perpetual", "future", "option", "spot", "pegged")
    entry = "[[2000000, 100, 0.005]] (USD up to, leverage, rate; hedgeopt import of v5/market/risk-limit writes them)"
    source = "bybit.com help, cross margin (models/data/bybit.toml)"

    def __init__(self, leverage: float | Leverage | None = None) -> None:
        rules = {key: value for key, value in table("bybit")["margin"].items() if key != "brackets"}
        self._options = Generic(where("bybit"), {"margin": rules})
        chosen = leverage if isinstance(leverage, Leverage) else Leverage(leverage)
        self.leverage = chosen
        if chosen.others is not None or chosen.by_underlying:
            self.leverage = chosen.check(self.markets() or {"": Allowed((np.inf,), (1_000.0,))}, self.venue)

    @property
    def loans(self) -> dict[str, Any]:
        """Rates of loans by asset, in cross margin as in portfolio margin: the user's."""
        found: dict[str, Any] = table("bybit")["portfolio_margin"].get("loans", {})
        return found

    def lent(self, asset: str) -> bool:
        """Only assets whose rate is given."""
        return asset in self.loans

    def requirement(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Requirement:
        """Perpetuals position by position, and short options."""
        need, sold = super().requirement(state, quantity, collateral), np.maximum(-quantity, 0.0)
        one, two = (float(self._options.per_short(state, kind) @ sold) for kind in _BOTH)
        lent, kept = (borrowed(self, state, self.loans, collateral, kind) for kind in _BOTH)
        more = {name: value for name, value in (("short options", one), ("loans", lent)) if value}
        return Requirement(need.initial + one + lent, need.maintenance + two + kept, {**need.breakdown, **more})

    def encode(self, state: State, kind: Kind) -> Encoding:
        """Both, exactly."""
        short, base = self._options.per_short(state, kind), super().encode(state, kind)
        loans = borrow_block(state, self.loans, kind, "bybit")
        base = base if loans is None else base.with_blocks(loans)
        anchor = base.anchor
        if anchor is None:
            return replace(base, short=short)

        def at(quantity: np.ndarray, reach: np.ndarray | None = None) -> Encoding:
            return replace(anchor(quantity, reach), short=short, anchor=at)

        return replace(base, short=short, anchor=at)

    def reads(self, state: State, collateral: np.ndarray) -> tuple[tuple[str, str], ...]:
        """Risk limits of each coin, rates of options where there are any, and haircuts."""
        own = (("bybit", "margin.option"),) if state.option.any() else ()
        return (*own, *super().reads(state, collateral))


_BOTH: tuple[Kind, Kind] = ("initial", "maintenance")
