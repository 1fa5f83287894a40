"""Effects of one unit traded or transferred on each account: its collateral, its equity, its costs."""

from __future__ import annotations

import numpy as np

from hedgeopt.models.arrays import Exposures

__all__ = [
    "account_collateral",
    "account_cost",
    "account_size",
    "candidates_of",
    "collateral_effect",
    "equity_after",
    "equity_effect",
]


def candidates_of(e: Exposures, account: int) -> np.ndarray:
    """Candidates that touch an account: its own trades, and transfers out of or into it."""
    touches = e.rows.account[e.candidate] == account
    touches[e.links.candidate[e.links.target == account]] = True
    return np.flatnonzero(touches)


def collateral_effect(e: Exposures, account: int, asset: int, chosen: np.ndarray) -> np.ndarray:
    """(n,) units of an asset that each of the candidates ``chosen`` adds to the account's collateral, per unit.

    Buying pays its premium in the settlement asset; a transfer leaves its source at once and counts at its target only if it
    arrives in time.
    """
    pays = (e.rows.account[e.candidate] == account) & (e.paid_in == asset)
    effect = np.where(pays, -e.rows.premium[e.candidate], 0.0)
    links = e.links
    moves = links.asset == asset
    effect[links.candidate[moves & (links.source == account)]] = -1.0
    inward = moves & (links.target == account)
    effect[links.candidate[inward]] = links.arrives[inward]
    return effect[chosen]


def account_collateral(e: Exposures, account: int, x: np.ndarray) -> np.ndarray:
    """(A,) units posted after trades x."""
    if not e.assets:  # a book that holds nothing
        return np.zeros(0)
    everything = np.arange(e.n_candidates)
    effects = np.stack([collateral_effect(e, account, a, everything) for a in range(len(e.assets))])
    return np.asarray(e.collateral[account] + effects @ x)


def equity_effect(e: Exposures, account: int, stress: int | None = None) -> np.ndarray:
    """(N,) USD that one unit of each candidate adds to the account's equity, before its cost.

    Now: nothing for trades (paid at the mark), the asset's price for transfers. In a stress: also the trade's P&L there.
    """
    effect = np.zeros(e.n_candidates)
    links, prices = e.links, e.prices if stress is None else e.stress_prices[stress]
    if stress is not None:
        own = e.rows.account[e.candidate] == account
        effect[own] = e.stress_pnl[stress, own]
    effect[links.candidate] = 0.0
    if stress is not None and e.venues[account] in e.margins.stress.recovery:
        prices = prices * e.margins.stress.recovery[e.venues[account]][stress]  # what a failed venue pays out
    out, inward = links.source == account, links.target == account
    effect[links.candidate[out]] = -prices[links.asset[out]]
    effect[links.candidate[inward]] = prices[links.asset[inward]] * links.arrives[inward]
    return effect


def account_cost(e: Exposures, account: int) -> tuple[np.ndarray, np.ndarray]:
    """(N,) USD per unit bought and per unit sold that the account pays; a transfer's source pays for it."""
    own = e.rows.account[e.candidate] == account
    return np.where(own, e.cost_buy, 0.0), np.where(own, e.cost_sell, 0.0)


def account_size(e: Exposures, account: int) -> float:
    """USD magnitude of what an account's equity is summed from: every asset posted or owed, and every position's value."""
    rows = e.rows.account == account
    held = float(np.abs(e.rows.quantity[rows]) @ np.abs(e.rows.value[rows]))
    return max(float(np.abs(e.collateral[account]) @ e.prices) + held, abs(float(e.equity[account])))


def equity_after(e: Exposures, account: int, x: np.ndarray, stress: int | None = None) -> float:
    """USD equity of an account after trades x and their costs, now or in a stress."""
    start = float(e.equity[account]) + (0.0 if stress is None else float(e.stress_account_pnl[stress, account]))
    cost = float(e.trade_cost(x)[e.rows.account[e.candidate] == account].sum())
    return start + float(equity_effect(e, account, stress) @ x) - cost
