"""An account after trades, transfers and costs, judged by the venue's plain rule.

The program works with convex encodings of margin rules. Nothing here reads one: positions and collateral are put together
trade by trade, and :meth:`MarginModel.requirement` is asked about them. An encoding that asks too little therefore can't
be certified.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.margin.model import Kind
from hedgeopt.models.margin.state import State

__all__ = ["AccountAfter"]

_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class AccountAfter:
    """One account after trades x (N,), now or in stress ``stress``.

    Attributes
    ----------
    quantity : (M,)
        Positions of all rows.
    collateral : (A,)
        Units posted: premiums are paid from it, transfers leave at once and arrive only in time.
    equity
        USD after trading and transfer costs. In a stress: at its prices, P&L of all positions included.
    size
        USD added up in equity, without signs.
    flow : (A,)
        Units added up in collateral, without signs.
    """

    e: Exposures
    account: int
    stress: int | None
    quantity: np.ndarray
    collateral: np.ndarray
    equity: float
    size: float
    flow: np.ndarray

    @classmethod
    def of(cls, e: Exposures, account: int, x: np.ndarray, stress: int | None = None) -> AccountAfter:
        """Trade by trade, transfer by transfer."""
        quantity = e.rows.quantity.copy()
        collateral = e.collateral[account].astype(float).copy()
        flow = np.abs(collateral)
        equity = float(e.equity[account])
        prices, recovered, parts = e.prices, 1.0, [equity]
        if stress is not None:
            parts.append(float(e.stress_account_pnl[stress, account]))
            prices = e.stress_prices[stress]
            found = e.margins.stress.recovery.get(e.venues[account])
            recovered = 1.0 if found is None else float(found[stress])  # what a failed venue pays out
        costs = e.trade_cost(x)
        link_of = {int(i): k for k, i in enumerate(e.links.candidate)}
        for i in np.flatnonzero(x).tolist():
            row, amount = int(e.candidate[i]), float(x[i])
            quantity[row] += amount
            mine = int(e.rows.account[row]) == account
            if mine:
                parts.append(-float(costs[i]))
            if i in link_of:
                k = link_of[i]
                a, change = int(e.links.asset[k]), 0.0
                if int(e.links.source[k]) == account:
                    change -= amount
                if int(e.links.target[k]) == account:
                    change += amount * float(e.links.arrives[k])
                collateral[a] += change
                flow[a] += abs(change)
                parts.append(change * float(prices[a]) * recovered)
            elif mine:
                paid = float(e.rows.premium[row]) * amount
                if e.paid_in[i] >= 0:
                    collateral[e.paid_in[i]] -= paid
                    flow[e.paid_in[i]] += abs(paid)
                if stress is not None:
                    parts.append(float(e.stress_pnl[stress, i]) * amount)
        collateral[np.abs(collateral) <= _ROUNDING * flow] = 0.0  # sent away to the last unit: not a debt of 1e-17
        size = float(np.abs(parts).sum())
        return cls(e, account, stress, quantity, collateral, float(np.sum(parts)), size, flow)

    def need(self, kind: Kind, health: float = 1.0) -> float:
        """USD that the venue's rule asks for; infinite where it refuses the account."""
        mine = self.e.margins.rows[self.account]
        held = np.flatnonzero(self.quantity[mine])
        model, times = self.e.margins.rule(self.account, self.stress, health)
        state = _only(self.e.margins.state(self.account, self.stress), held)
        try:
            return times * model.requirement(state, self.quantity[mine][held], self.collateral).of(kind)
        except InputError:
            return float("inf")

    def lost(self, kind: Kind) -> float:
        """USD of collateral that the venue does not count; an asset it does not know counts not at all."""
        model, _ = self.e.margins.rule(self.account, self.stress)
        state = self.e.margins.state(self.account, self.stress)
        rates = np.nan_to_num(model.haircut(state, kind), nan=1.0)
        return float(np.sum(rates * state.prices * np.maximum(self.collateral, 0.0)))


def _only(state: State, rows: np.ndarray) -> State:
    """The state of some of its instruments: no rule depends on those that are not held."""
    n, changed = len(state), {}
    for item in fields(state):
        value = getattr(state, item.name)
        if item.name in ("assets", "prices"):
            continue
        if isinstance(value, np.ndarray) and len(value) == n:
            changed[item.name] = value[rows]
        elif isinstance(value, tuple) and len(value) == n:
            changed[item.name] = tuple(value[row] for row in rows.tolist())
    return replace(state, **changed)  # type: ignore[arg-type]
