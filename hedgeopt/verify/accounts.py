"""Accounts after a list of trades, as straight functions of the trades; nothing of ``margin/effects`` is used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.verify.convex import Convex
from hedgeopt.verify.ladders import cost_below, walked

__all__ = ["AccountCase", "account"]


@dataclass(frozen=True, eq=False)
class AccountCase:
    """One account, now or in a stress.

    Attributes
    ----------
    number, stress
        Which account, and which stress (None: now).
    start
        USD equity before trading.
    gain : (N,)
        USD that one unit of each candidate adds to equity, before its cost.
    buy, sell : (N,)
        USD that the account pays per unit.
    collateral, flows
        Units posted (A,) and what one unit of each candidate adds to them (A, N).
    mine : (N,)
        Candidates that the account pays for.
    e
        The exposures, for their ladders.
    """

    number: int
    stress: int | None
    start: float
    gain: np.ndarray
    buy: np.ndarray
    sell: np.ndarray
    collateral: np.ndarray
    flows: np.ndarray
    mine: np.ndarray
    e: Exposures

    def posted(self, x: np.ndarray) -> np.ndarray:
        """(A,) units after trades; amounts below the rounding of the sums are 0."""
        after = self.collateral + self.flows @ x
        size = np.abs(self.collateral) + np.abs(self.flows) @ np.abs(x)
        return np.where(np.abs(after) <= 1e-12 * size, 0.0, after)

    def equity(self, x: np.ndarray) -> float:
        """USD after trades and costs."""
        cost = float(np.sum(self.costs(x)))
        return self.start + float(np.sum(self.gain * x)) - cost

    def size(self, x: np.ndarray) -> float:
        """USD added up in equity, without signs."""
        return abs(self.start) + float(np.sum((np.abs(self.gain) + self.buy + self.sell) * np.abs(x) + self.costs(x)))

    def costs(self, x: np.ndarray) -> np.ndarray:
        """(N,) USD that the account pays for each trade."""
        return np.where(self.mine, walked(self.e, x)[0], 0.0)

    def shortfall(self, x: np.ndarray) -> Convex:
        """Minus the change of equity, cost less gain: a convex function nowhere above it, equal to it at x."""
        cost = cost_below(self.e, x, self.mine)
        return Convex(cost.slope - self.gain, cost.constant, cost.corners)


def account(e: Exposures, number: int, stress: int | None = None) -> AccountCase:
    """The account's part of everything that may be traded or sent."""
    n = e.n_candidates
    prices = np.array(e.prices if stress is None else e.stress_prices[stress], float)
    if stress is not None and e.venues[number] in e.margins.stress.recovery:
        prices = prices * float(e.margins.stress.recovery[e.venues[number]][stress])  # what a failed venue pays out
    start = float(e.equity[number]) + (float(e.stress_account_pnl[stress, number]) if stress is not None else 0.0)
    mine = np.array([int(e.rows.account[row]) == number for row in e.candidate.tolist()], bool)
    sent = np.isin(np.arange(n), e.links.candidate)
    flows, gain = np.zeros((len(e.assets), n)), np.zeros(n)
    for i in np.flatnonzero(mine & ~sent & (e.paid_in >= 0)).tolist():
        flows[e.paid_in[i], i] -= e.rows.premium[e.candidate[i]]
    if stress is not None:
        gain[mine & ~sent] = e.stress_pnl[stress][mine & ~sent]
    links = e.links
    for i, source, target, asset, arrives in zip(
        links.candidate.tolist(), links.source, links.target, links.asset, links.arrives, strict=True
    ):
        change = float(arrives) * (target == number) - 1.0 * (source == number)
        flows[asset, i] += change
        gain[i] += change * prices[asset]
    return AccountCase(
        number,
        stress,
        start,
        gain,
        np.where(mine, e.cost_buy, 0.0),
        np.where(mine, e.cost_sell, 0.0),
        np.array(e.collateral[number], float),
        flows,
        mine,
        e,
    )
