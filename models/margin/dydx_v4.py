"""dYdX v4: initial margin that grows with the market's open interest.

``IMF = min(IMF_0 + max(0, (OI - low) / (high - low)) (1 - IMF_0), 1)``, maintenance ``IMF_0 * share``. Open interest is the
market's and data here, so the requirement is a constant rate of notional.

Vectors: 20 % and 500,000 USD: 100,000; half-way between the caps 300,000; at the upper cap 500,000.
Source: github.com/dydxprotocol/v4-chain liquidity_tier.go (models/data/dydx.toml).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.data import table, where
from hedgeopt.models.margin.model import Kind
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.tiered import Tiered
from hedgeopt.models.margin.tiers import Tiers

__all__ = ["DydxV4", "initial_fraction"]


def initial_fraction(base: float, open_interest: float, low: float, high: float) -> float:
    """Share of notional needed as initial margin; open interest and its caps in USD. Equal caps: no scaling."""
    if high <= low:
        return base
    return float(min(base + max(0.0, (open_interest - low) / (high - low)) * (1.0 - base), 1.0))


class DydxV4(Tiered):
    """Cross margin of one subaccount."""

    name = "dydx_v4"
    venue = table_name = "dydx"
    entries = "margin.markets"
    entry = '"TIER" (a name of [margin.tiers])'
    source = "github.com/dydxprotocol/v4-chain liquidity_tier.go (models/data/dydx.toml)"

    def parameters(self, underlying: str) -> tuple[str, ...]:
        """Which tier, and that tier."""
        tier = table("dydx")["margin"]["markets"].get(underlying)
        return (f"margin.markets.{underlying}", f"margin.tiers.{tier}")

    def tiers(self, state: State, row: int, kind: Kind) -> Tiers:
        """One rate; open interest is read from the quotes, in coins."""
        rules = table("dydx")["margin"]
        name: Any = self.market(rules["markets"], state, row)
        tier = rules["tiers"][name]
        for field in ("initial", "maintenance_share"):
            if not isinstance(tier[field], int | float) or not 0 < tier[field] <= 1:
                told = {"field": f"margin.tiers.{name}.{field}", "value": tier[field]}
                raise InputError("is no share from 0 to 1", file=where("dydx"), fix="maintenance is one of initial", **told)
        if kind == "maintenance":
            return Tiers((0.0,), (tier["initial"] * tier["maintenance_share"],))
        low, high = tier["open_interest_low"], tier["open_interest_high"]
        interest = float(state.open_interest[row] * state.notional[row])
        if high > low and np.isnan(interest):
            raise InputError(
                f"{state.names[row]} needs open interest: dYdX scales its initial margin by it",
                file="market",
                field="open_interest",
                fix="give it in the market file, in coins",
            )
        return Tiers((0.0,), (initial_fraction(tier["initial"], interest, low, high),))
