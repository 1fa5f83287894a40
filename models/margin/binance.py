"""Binance USD-margined futures: notional brackets.

``MM = notional * rate_n - amount_n``; initial margin ``notional / leverage``, at the chosen leverage or the bracket's
largest.
A position may not exceed the last bracket that allows its chosen leverage; that cap is :meth:`Binance.largest_notional`.

Vectors (BTCUSDT, 2021-03-18): 40k needs 160; 100k 450; 500k 3,700; 5m 108,700; 15m 483,700; 75m 6,858,700.
Source: models/data/binance.toml.
"""

from __future__ import annotations

from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.models.data import table
from hedgeopt.models.margin.model import Kind
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.tiered import Tiered
from hedgeopt.models.margin.tiers import Tiers

__all__ = ["Binance"]


class Binance(Tiered):
    """Cross margin, one-way mode; ``leverage`` is what the account chose, none: the largest of each bracket."""

    name = "binance"
    venue = "binance"
    source = "binance.com announcement 2021-03-18 (models/data/binance.toml)"

    def __init__(self, leverage: float | None = None) -> None:
        self.leverage = leverage

    def parameters(self, underlying: str) -> tuple[str, ...]:
        """The brackets."""
        return (f"margin.brackets.{underlying}",)

    def tiers(self, state: State, row: int, kind: Kind) -> Tiers:
        """Rates by notional: the brackets' own for maintenance, 1 / leverage for initial margin."""
        brackets: Any = self.market(table("binance")["margin"]["brackets"], state, row)
        lower = (0.0, *(bracket[0] for bracket in brackets[:-1]))
        if kind == "maintenance":
            return Tiers(lower, tuple(bracket[2] for bracket in brackets))
        chosen = [bracket[1] if self.leverage is None else min(bracket[1], self.leverage) for bracket in brackets]
        return Tiers(lower, tuple(1.0 / value for value in chosen))

    def largest_notional(self, underlying: str) -> float:
        """USD that a position may reach at the chosen leverage (without one: the last bracket's bound)."""
        brackets = table("binance")["margin"]["brackets"].get(underlying)
        if brackets is None:
            raise InputError("no margin tier", file="models/data/binance.toml", value=underlying)
        allowed = [bracket[0] for bracket in brackets if self.leverage is None or bracket[1] >= self.leverage]
        return float(max(allowed, default=0.0))
