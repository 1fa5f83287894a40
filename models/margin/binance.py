"""Binance USD-margined futures: notional brackets.

``MM = notional * rate_n - amount_n``; initial margin ``notional / leverage`` of the whole position at the chosen leverage
(:mod:`hedgeopt.models.margin.leverage`), which a position's bracket limits.

Vectors (BTCUSDT, 2024-10-24): 5m needs 38,550, 100m needs 2,018,550.
Source: models/data/binance.toml.
"""

from __future__ import annotations

from typing import Any

from hedgeopt.models.data import lacking, table
from hedgeopt.models.margin.leverage import Allowed
from hedgeopt.models.margin.model import Kind
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.tiered import Leveraged
from hedgeopt.models.margin.tiers import Tiers

__all__ = ["Binance"]


class Binance(Leveraged):
    """Cross margin, one-way mode."""

    name = "binance"
    venue = "binance"
    entries = "margin.brackets"
    entry = "[[1000000, 20, 0.025]] (USD up to, leverage, rate)"
    source = "binance.com leverage brackets of 2024-10-24 (models/data/binance.toml)"

    @property
    def brackets(self) -> dict[str, Any]:
        """[notional up to, largest leverage, maintenance rate] by underlying."""
        found: dict[str, Any] = table("binance")["margin"]["brackets"]
        return found

    def parameters(self, underlying: str) -> tuple[str, ...]:
        """The brackets."""
        return (f"margin.brackets.{underlying}",)

    def tiers(self, state: State, row: int, kind: Kind) -> Tiers:
        """Maintenance rates by notional."""
        brackets: Any = self.market(self.brackets, state, row)
        return Tiers((0.0, *(bracket[0] for bracket in brackets[:-1])), tuple(bracket[2] for bracket in brackets))

    def allowed(self, underlying: str) -> Allowed:
        """Largest leverage by bracket."""
        brackets = self.brackets.get(underlying)
        if brackets is None:
            line = f"[{self.entries}] {underlying} = {self.entry}"
            raise lacking("binance", f"no margin tier for {underlying}", field=self.entries, line=line)
        return Allowed(tuple(bracket[0] for bracket in brackets), tuple(bracket[1] for bracket in brackets))

    def markets(self) -> dict[str, Allowed]:
        """Every market of the table."""
        return {name: self.allowed(name) for name in self.brackets}
