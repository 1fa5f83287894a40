"""Hyperliquid: maintenance at half the initial rate of the largest leverage, by notional tier.

``MM = notional * rate_n - deduction_n`` with ``rate = 1 / (2 largest leverage)``; initial margin ``notional / leverage``
at the
leverage that the account chose (by default the largest of its tier). A withdrawal must leave ``max(IM, 10 % of notional)``.

Vectors: 10,000 USD on a 20x asset needs 250; DOGE testnet tiers 10/5/3x at 20k/100k: 10k needs 500, 50k needs 4,000.
Source: hyperliquid.gitbook.io, margin tiers (models/data/hyperliquid.toml).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hedgeopt.models.data import table
from hedgeopt.models.margin.model import Kind
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.tiered import Tiered
from hedgeopt.models.margin.tiers import Tiers

__all__ = ["Hyperliquid", "leverage_tiers"]


def leverage_tiers(steps: list[list[float]], share: float, leverage: float | None = None) -> Tiers:
    """Tiers from (notional, largest leverage) steps: rate ``share / leverage``, at the chosen leverage if lower."""
    largest = [step[1] if leverage is None else min(step[1], leverage) for step in steps]
    return Tiers(tuple(step[0] for step in steps), tuple(share / value for value in largest))


class Hyperliquid(Tiered):
    """Cross margin; ``leverage`` is what the account chose, none: the largest allowed."""

    name = "hyperliquid"
    venue = "hyperliquid"
    source = "hyperliquid.gitbook.io margin tiers (models/data/hyperliquid.toml)"

    def __init__(self, leverage: float | None = None) -> None:
        self.leverage = leverage

    def parameters(self, underlying: str) -> tuple[str, ...]:
        """The tiers, and the share of them that maintenance is."""
        return (f"margin.tiers.{underlying}", "margin.maintenance_share")

    def tiers(self, state: State, row: int, kind: Kind) -> Tiers:
        """Rates by notional."""
        rules = table("hyperliquid")["margin"]
        steps: Any = self.market(rules["tiers"], state, row)
        if kind == "maintenance":
            return leverage_tiers(steps, rules["maintenance_share"])
        return leverage_tiers(steps, 1.0, self.leverage)

    def withdrawable(self, state: State, quantity: np.ndarray, equity: float) -> float:
        """USD that may leave the account: equity above ``max(IM, 10 % of notional)``."""
        notional = float(np.abs(state.notional * quantity).sum())
        least = max(
            self.requirement(state, quantity, np.zeros(len(state.assets))).initial,
            table("hyperliquid")["margin"]["withdraw_share"] * notional,
        )
        return max(equity - least, 0.0)
