"""Conditional value at risk of the book's P&L over the horizon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables, put
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import Term

__all__ = ["CVaR", "feasible_weights", "tail_loss", "value_at_risk"]


def tail_loss(losses: np.ndarray, beta: float, probabilities: np.ndarray | None = None) -> float:
    """CVaR: mean of the worst ``1 - beta`` of probability mass, the boundary scenario counted in part.

    ``CVaR = min_a a + sum_s p_s max(loss_s - a, 0) / (1 - beta)`` (Rockafellar and Uryasev 2000, eq. 9).
    """
    weights = _worst(losses, beta, probabilities)
    return float(weights @ losses)


def value_at_risk(losses: np.ndarray, beta: float, probabilities: np.ndarray | None = None) -> float:
    """VaR: the smallest loss whose probability of not being exceeded reaches ``beta``."""
    order = np.argsort(losses, kind="stable")
    p = np.full(len(losses), 1.0 / len(losses)) if probabilities is None else probabilities
    reached = np.cumsum(p[order])
    return float(losses[order[min(int(np.searchsorted(reached, beta - 1e-12)), len(losses) - 1)]])


def feasible_weights(weights: np.ndarray, beta: float, probabilities: np.ndarray | None = None) -> np.ndarray:
    """The nearest simple member of the CVaR envelope ``{q : 0 <= q <= p / (1 - beta), sum q = 1}`` to ``weights``.

    Solvers return weights to a tolerance; clipping and then scaling what exceeds or filling what lacks makes them exact.
    What is no number counts as nought: whatever comes in, a member comes out.
    """
    n = len(weights)
    cap = (np.full(n, 1.0 / n) if probabilities is None else probabilities) / (1.0 - beta)
    q = np.clip(np.where(np.isfinite(weights), weights, 0.0), 0.0, cap)
    total = q.sum()
    if total > 1.0:
        return q / total
    room = cap - q
    return q + room * ((1.0 - total) / room.sum()) if total < 1.0 and room.sum() > 0 else q


def _worst(losses: np.ndarray, beta: float, probabilities: np.ndarray | None) -> np.ndarray:
    n = len(losses)
    cap = (np.full(n, 1.0 / n) if probabilities is None else probabilities) / (1.0 - beta)
    order = np.argsort(-losses, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(cap[order])[:-1]])
    q = np.empty(n)
    q[order] = np.clip(1.0 - before, 0.0, cap[order])
    return q


class _BoundCVaR(BoundTerm):
    def __init__(self, trades: TradeVariables, e: Exposures, beta: float) -> None:
        import cvxpy as cp

        from hedgeopt.tail import cvar

        n_scenarios = len(e.base_pnl)
        self.beta = beta
        self._pnl = cp.Parameter(e.pnl.shape)
        self._base = cp.Parameter(n_scenarios)
        self._p = None if e.probabilities is None else cp.Parameter(n_scenarios, nonneg=True)
        self.expression = cvar(-(self._pnl @ trades.net) - self._base, beta, probabilities=self._p)

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        put(self._pnl, e.pnl * scale)
        put(self._base, e.base_pnl)
        if self._p is not None and e.probabilities is not None:
            put(self._p, e.probabilities)

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        return tail_loss(-(e.base_pnl + e.pnl @ x), self.beta, e.probabilities)

    def size(self, e: Exposures, x: np.ndarray) -> float:
        q = _worst(-(e.base_pnl + e.pnl @ x), self.beta, e.probabilities)
        tail = np.flatnonzero(q)
        return float(q[tail] @ (np.abs(e.base_pnl[tail]) + np.abs(e.pnl[tail]) @ np.abs(x)))

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        found = tails.get(id(self.expression))
        if found is None or np.shape(found) != e.base_pnl.shape:
            found = _worst(-(e.base_pnl + e.pnl @ x), self.beta, e.probabilities)
        q = feasible_weights(found, self.beta, e.probabilities)
        return Separable(-(q @ e.pnl), -float(q @ e.base_pnl))


class CVaR(Term):
    """Conditional value at risk at level ``beta``: expected loss in USD of the worst ``1 - beta`` of scenarios.

    The loss is minus the full-revaluation P&L of the book after trading, over the policy's horizon, before trading costs
    (limit or minimise those by ``TransactionCost``). A positive number is a loss.
    """

    unit: ClassVar[str] = "USD"
    by_candidate: ClassVar[bool] = True
    tail: ClassVar[bool] = True
    source: ClassVar[str] = "Rockafellar & Uryasev, Optimization of conditional value-at-risk, 2000"

    kind: Literal["cvar"] = "cvar"
    beta: float = Field(default=0.99, ge=0.0, lt=1.0, description="confidence level, 0.99 for the worst 1 %")

    def __init__(self, beta: float | None = None, **data: object) -> None:
        super().__init__(**({} if beta is None else {"beta": beta}), **data)

    @property
    def name(self) -> str:
        """Such as ``cvar 0.99``."""
        return f"cvar {self.beta:g}"

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundCVaR:
        """One tail atom over the whole scenario matrix."""
        return _BoundCVaR(trades, e, self.beta)
