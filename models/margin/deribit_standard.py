"""Deribit standard margin: perpetuals and futures by size, short options by moneyness; nothing offsets.

Per futures position of ``q`` coins at price P: ``(base + per_coin * |q|) * |q| * P``. Per short option contract, in coins:
see ``models/data/deribit.toml``. Long options need none. Everything is convex and separable in positions.

Vectors: 25 BTC at 100,000: initial 53,125, maintenance 28,125 USD; 350 BTC: 1,312,500; short C100k at mark .05, S = 100k:
.20 and .125 BTC.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import table

__all__ = ["RowMargin", "futures_rates", "row_margin", "short_option_margin"]


@dataclass(frozen=True)
class RowMargin:
    """Requirement in USD of positions z (R,): ``flat @ |z| + quadratic @ z^2 + short @ max(-z, 0)``."""

    flat: np.ndarray
    quadratic: np.ndarray
    short: np.ndarray

    def requirement(self, z: np.ndarray) -> float:
        """The sum over rows."""
        return float(self.flat @ np.abs(z) + self.quadratic @ z**2 + self.short @ np.maximum(-z, 0.0))

    def scaled(self, factor: float) -> RowMargin:
        """Every coefficient times ``factor``."""
        return RowMargin(self.flat * factor, self.quadratic * factor, self.short * factor)

    def at(self, rows: np.ndarray) -> RowMargin:
        """Some of the rows."""
        return RowMargin(self.flat[rows], self.quadratic[rows], self.short[rows])


def futures_rates(underlying: str, kind: str) -> tuple[float, float]:
    """Margin rate of notional at size zero, and its increase per coin of position."""
    rates = table("deribit")["standard_margin"].get(underlying)
    if rates is None:
        known = sorted(set(table("deribit")["standard_margin"]) - {"option"})
        raise InputError(
            f"no standard margin rates for {underlying}",
            file="models/data/deribit.toml",
            fix=f"known: {', '.join(known)}",
        )
    return float(rates[f"{kind}_base"]), float(rates[f"{kind}_per_coin"])


def short_option_margin(
    kind: str, is_call: np.ndarray, strike: np.ndarray, index: np.ndarray, mark: np.ndarray
) -> np.ndarray:
    """Coins required per contract sold; ``mark`` in coins, broadcasting."""
    rule = table("deribit")["standard_margin"]["option"]
    out = np.where(is_call, np.maximum(strike - index, 0.0), np.maximum(index - strike, 0.0)) / index
    rate = rule["maintenance_rate"]
    maintenance = np.where(is_call, rate, np.maximum(rate, rate * mark)) + mark
    if kind == "maintenance":
        return maintenance
    initial = np.maximum(rule["initial_out"] - out, rule["initial_floor"]) + mark
    return np.where(is_call, initial, np.maximum(initial, maintenance))


def row_margin(e: Exposures, rows: np.ndarray, kind: str) -> RowMargin:
    """Coefficients of the rows (R,) of one account, ``kind`` "initial" or "maintenance"."""
    n = len(rows)
    flat, quadratic, short = np.zeros(n), np.zeros(n), np.zeros(n)
    for at, row in enumerate(rows):
        item = e.rows.instruments[row]
        index, mark = e.rows.index[row], e.rows.mark[row]
        if item.kind in ("perpetual", "future"):
            base, per_coin = futures_rates(item.underlying, kind)
            coins = 1.0 / mark if item.inverse else 1.0  # coins of one unit
            unit_value = index * coins if item.inverse else mark
            flat[at] = base * unit_value
            quadratic[at] = per_coin * coins * unit_value
        elif item.kind == "option":
            coin_mark = mark if item.inverse else mark / index
            short[at] = index * float(
                short_option_margin(kind, np.array(item.right == "call"), item.strike, index, coin_mark)
            )
    return RowMargin(flat, quadratic, short)
