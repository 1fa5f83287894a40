"""Deribit standard margin: perpetuals and futures by size, short options by moneyness; nothing offsets.

Per futures position of ``q`` coins at price P: ``(base + per_coin * |q|) * |q| * P``. Per short option contract, in coins:
see ``models/data/deribit.toml``. Long options need none. Everything is convex and separable in positions.

Vectors: 25 BTC at 100,000: initial 53,125, maintenance 28,125 USD; 350 BTC: 1,312,500; short C100k at mark .05, S = 100k:
.20 and .125 BTC.
"""

from __future__ import annotations

import numpy as np

from hedgeopt.models.data import lacking, table
from hedgeopt.models.margin.collateral import haircuts, haircuts_read
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.margin.model import Kind, MarginModel, Requirement, refuse_unknown_rows
from hedgeopt.models.margin.state import State

__all__ = ["DeribitStandard", "futures_margin", "futures_rates", "short_option_margin"]


def futures_rates(underlying: str, kind: str) -> tuple[float, float]:
    """Margin rate of notional at size zero, and its increase per coin of position."""
    rates = table("deribit")["standard_margin"].get(underlying)
    if rates is None:
        known = sorted(set(table("deribit")["standard_margin"]) - {"option"})
        raise lacking(
            "deribit",
            f"no standard margin rates for {underlying}",
            field="standard_margin",
            line=f"[standard_margin.{underlying}] with initial_base, initial_per_coin, maintenance_base and "
            "maintenance_per_coin",
            known=", ".join(known),
        )
    return float(rates[f"{kind}_base"]), float(rates[f"{kind}_per_coin"])


def futures_margin(underlying: str, kind: str, coins: float, price: float) -> float:
    """USD required for a position of ``coins`` at ``price``: ``(base + per_coin |q|) |q| P``."""
    base, per_coin = futures_rates(underlying, kind)
    return (base + per_coin * abs(coins)) * abs(coins) * price


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


class DeribitStandard(MarginModel):
    """Standard margin (S:SM)."""

    name = "deribit_standard"
    table_name = "deribit"
    source = "support.deribit.com, Linear-Perpetual; mirrors of the options page (models/data/deribit.toml)"

    def requirement(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Requirement:
        """Position by position, as the venue states it."""
        refuse_unknown_rows(state, self.name, _KINDS, owed=quantity)
        futures, options = {"initial": 0.0, "maintenance": 0.0}, {"initial": 0.0, "maintenance": 0.0}
        sold = np.flatnonzero(state.option & (quantity < 0))
        for kind in ("initial", "maintenance"):
            for at in np.flatnonzero(state.linear & (quantity != 0)):
                coins = quantity[at] * state.coins[at]
                price = state.notional[at] / state.coins[at]
                futures[kind] += futures_margin(state.underlying[at], kind, coins, price)
            if len(sold):
                index = state.index[sold]
                mark = np.where(state.inverse[sold], state.mark[sold], state.mark[sold] / index)
                per_contract = short_option_margin(kind, state.is_call[sold], state.strike[sold], index, mark)
                options[kind] = float(-quantity[sold] @ (per_contract * index))
        total = {kind: futures[kind] + options[kind] for kind in futures}
        return Requirement(
            total["initial"],
            total["maintenance"],
            {"futures": futures["initial"], "short options": options["initial"]},
        )

    def encode(self, state: State, kind: Kind) -> Encoding:
        """Tiers, squares and short charges; one line per position."""
        refuse_unknown_rows(state, self.name, _KINDS)
        n = len(state)
        slopes, quadratic, short = np.zeros((n, 1)), np.zeros(n), np.zeros(n)
        linear, option = state.linear, state.option
        rates = {u: futures_rates(u, kind) for u, is_linear in zip(state.underlying, linear, strict=True) if is_linear}
        for underlying, (base, per_coin) in rates.items():
            rows = linear & np.array([u == underlying for u in state.underlying])
            slopes[rows, 0] = base * state.notional[rows]
            quadratic[rows] = per_coin * state.coins[rows] * state.notional[rows]
        if option.any():
            coin_mark = np.where(state.inverse, state.mark, state.mark / state.index)[option]
            index = state.index[option]
            short[option] = index * short_option_margin(kind, state.is_call[option], state.strike[option], index, coin_mark)
        return Encoding(slopes, np.zeros((n, 1)), quadratic, short, len(state.assets))

    def reads(self, state: State, collateral: np.ndarray) -> tuple[tuple[str, str], ...]:
        """Rates of futures by underlying, the rule of short options, and haircuts."""
        futures = dict.fromkeys(u for u, linear in zip(state.underlying, state.linear.tolist(), strict=True) if linear)
        options = ("option",) if state.option.any() else ()
        own = tuple(("deribit", f"standard_margin.{name}") for name in (*futures, *options))
        return (*own, *haircuts_read("deribit", state, collateral))

    def haircut(self, state: State, kind: Kind) -> np.ndarray:
        """Cross-collateral haircuts, initial margin only."""
        return haircuts("deribit", state, kind)


_KINDS = ("perpetual", "future", "option", "spot", "pegged")
