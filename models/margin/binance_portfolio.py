"""Binance portfolio margin: dollar-settled perpetuals by the brackets' maintenance rates, against collateral at its rate.

``uniMMR = (sum_a min(E_a p_a rate_a, E_a p_a) - open loss) / (sum of futures maintenance + loans at their rates)``. The
venue takes no new orders below 1.2 and liquidates at 1.05. So initial margin is 1.2 times the maintenance of the futures and
maintenance 1.05 times, and the collateral rate counts in both. Leverage plays no part.

Loans (negative balances) count at rates that depend on the leverage chosen for them and were not obtained: the user's, in
``[portfolio_margin.loans]`` of a table that extends binance; without them a loan is refused. So are options and coin-settled
futures.

Source: binance.com/en/support/faq, 4868b2f1aa6c4d08af973328462bb0bd and 5e33af8e6ac04d57a1d0a3398e0a0752.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hedgeopt.models.data import table
from hedgeopt.models.margin.borrowed import borrow_block, borrowed
from hedgeopt.models.margin.brackets import brackets_of
from hedgeopt.models.margin.collateral import haircuts
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.margin.model import Kind, Requirement
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.tiered import Tiered
from hedgeopt.models.margin.tiers import Tiers, encode_tiers

__all__ = ["BinancePortfolio"]

_BOTH: tuple[Kind, Kind] = ("initial", "maintenance")


class BinancePortfolio(Tiered):
    """One portfolio margin account: nothing offsets but what is posted."""

    name = "binance_portfolio"
    venue = table_name = "binance"
    entries = "margin.brackets"
    entry = "[[1000000, 20, 0.025]] (USD up to, leverage, rate)"
    source = "binance.com faq, portfolio margin uniMMR (models/data/binance.toml)"

    def parameters(self, underlying: str) -> tuple[str, ...]:
        """The brackets, and the ratios."""
        return (f"margin.brackets.{underlying}", "portfolio_margin")

    def tiers(self, state: State, row: int, kind: Kind) -> Tiers:
        """Maintenance rates by notional; both requirements are multiples of them."""
        found: Any = self.market(dict(brackets_of("binance")), state, row)
        return Tiers((0.0, *(bracket[0] for bracket in found[:-1])), tuple(bracket[2] for bracket in found))

    @staticmethod
    def ratio(kind: Kind) -> float:
        """uniMMR that the requirement keeps."""
        return float(table("binance")["portfolio_margin"][f"{kind}_ratio"])

    def margin(self, state: State, row: int, kind: Kind, notional: float) -> float:
        """USD for one position: the ratio times its maintenance."""
        return self.ratio(kind) * super().margin(state, row, kind, notional)

    @property
    def loans(self) -> dict[str, Any]:
        """Maintenance rates of loans by asset: the user's."""
        found: dict[str, Any] = table("binance")["portfolio_margin"].get("loans", {})
        return found

    def lent(self, asset: str) -> bool:
        """Only assets whose rate is given."""
        return asset in self.loans

    def requirement(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Requirement:
        """Position by position, and loan by loan."""
        need = super().requirement(state, quantity, collateral)
        one, two = (self.ratio(kind) * borrowed(self, state, self.loans, collateral, kind) for kind in _BOTH)
        parts = {**need.breakdown, "loans": one} if one else need.breakdown
        return Requirement(need.initial + one, need.maintenance + two, parts)

    def encode(self, state: State, kind: Kind) -> Encoding:
        """The largest line per position, and loans, times the ratio."""
        self.check(state)
        found, loans = encode_tiers(state, lambda row: self.tiers(state, row, kind)), borrow_block(state, self.loans, kind)
        return (found if loans is None else found.with_blocks(loans)).scaled(self.ratio(kind))

    def haircut(self, state: State, kind: Kind) -> np.ndarray:
        """One less the collateral rate, for both requirements."""
        return haircuts(self.venue, state, "initial")
