"""Hyperliquid: maintenance at half the initial rate of the largest leverage, by notional tier.

``MM = notional * rate_n - deduction_n`` with ``rate = 1 / (2 largest leverage)``; initial margin ``notional / leverage`` of
the whole position at the chosen leverage (:mod:`hedgeopt.models.margin.leverage`). A withdrawal must leave
``max(IM, 10 % of notional)``.

Vectors: 10,000 USD on a 20x asset needs 250; DOGE 1m needs 50,000 and 30m needs 2,000,000.
Source: hyperliquid.gitbook.io, margin tiers (models/data/hyperliquid.toml).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.data import lacking, table, where
from hedgeopt.models.margin.leverage import Allowed
from hedgeopt.models.margin.model import Kind
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.tiered import Leveraged
from hedgeopt.models.margin.tiers import Tiers

__all__ = ["Hyperliquid", "leverage_tiers"]


def leverage_tiers(steps: list[list[float]], share: float) -> Tiers:
    """Tiers from (notional, largest leverage) steps: rate ``share / leverage``."""
    return Tiers(tuple(step[0] for step in steps), tuple(share / step[1] for step in steps))


class Hyperliquid(Leveraged):
    """Cross margin."""

    name = "hyperliquid"
    venue = table_name = "hyperliquid"
    entries = "margin.tiers"
    entry = "[[0, 20]] (USD from which, largest leverage)"
    source = "hyperliquid.gitbook.io margin tiers (models/data/hyperliquid.toml)"

    def parameters(self, underlying: str) -> tuple[str, ...]:
        """The tiers, and the share of them that maintenance is."""
        return (f"margin.tiers.{underlying}", "margin.maintenance_share")

    def tiers(self, state: State, row: int, kind: Kind) -> Tiers:
        """Maintenance rates by notional."""
        rules = table("hyperliquid")["margin"]
        steps: Any = self.market(rules["tiers"], state, row)
        share = rules["maintenance_share"]
        if not isinstance(share, int | float) or not 0 < share <= 1:
            told = {"field": "margin.maintenance_share", "value": share}
            raise InputError("is no share of the initial rate", file=where("hyperliquid"), fix="from 0 to 1", **told)
        return leverage_tiers(steps, share)

    def allowed(self, underlying: str) -> Allowed:
        """Largest leverage by tier; the last one has no bound."""
        steps = table("hyperliquid")["margin"]["tiers"].get(underlying)
        if steps is None:
            line = f"[{self.entries}] {underlying} = {self.entry}"
            raise lacking("hyperliquid", f"no margin tier for {underlying}", field=self.entries, line=line)
        if [step[1] for step in steps] != sorted((step[1] for step in steps), reverse=True):
            fix = "the largest leverage falls with the notional from which it applies"
            told = {"field": f"{self.entries}.{underlying}", "value": steps}
            raise InputError("tiers are out of order", file=where("hyperliquid"), fix=fix, **told)
        return Allowed((*(step[0] for step in steps[1:]), float("inf")), tuple(step[1] for step in steps))

    def markets(self) -> dict[str, Allowed]:
        """Every market of the table."""
        return {name: self.allowed(name) for name in table("hyperliquid")["margin"]["tiers"]}

    def knows(self, underlying: str) -> bool:
        """Whether the table has tiers of a market."""
        return underlying in table("hyperliquid")["margin"]["tiers"]

    def withdrawable(self, state: State, quantity: np.ndarray, equity: float) -> float:
        """USD that may leave the account: equity above ``max(IM, 10 % of notional)``."""
        notional = float(np.abs(state.notional * quantity).sum())
        least = max(
            self.requirement(state, quantity, np.zeros(len(state.assets))).initial,
            table("hyperliquid")["margin"]["withdraw_share"] * notional,
        )
        return max(equity - least, 0.0)
