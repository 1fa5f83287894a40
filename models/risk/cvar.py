"""Conditional value at risk of the book's P&L over the horizon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables, put
from hedgeopt.models.risk.liquidity import Leaving
from hedgeopt.models.scope import Of, Scope, called, scope_of
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import Term

__all__ = ["CVaR", "ScopedPnl", "feasible_weights", "tail_loss", "value_at_risk"]


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


@dataclass(frozen=True, eq=False)
class ScopedPnl:
    """P&L of the whole book or of a scope of it, without a copy of the (S, N) P&L of all trades.

    Attributes
    ----------
    base : (S,)
        P&L of the present book, USD.
    pnl : (S, N)
        Per unit traded, of the whole book.
    mask : (N,) or None
        1 where a trade counts; transfers are 0. None: the whole book.
    links : (T,) int, moved : (S, T)
        Transfers, and the gain per unit that enters the scope (or is lost, with a minus, where it leaves).
    """

    base: np.ndarray
    pnl: np.ndarray
    mask: np.ndarray | None
    links: np.ndarray
    moved: np.ndarray

    @classmethod
    def of(cls, e: Exposures, scope: Scope | None) -> ScopedPnl:
        """The part of some exposures."""
        if scope is None:
            return cls(e.base_pnl, e.pnl, None, e.links.candidate[:0], np.zeros((len(e.base_pnl), 0)))
        if e.account_pnl is None or e.scenarios is None:
            raise InputError("exposures hold no P&L by account", field="account_pnl", fix="build them with build_exposures")
        factor = 1.0 if e.numeraire is None else 1.0 / e.scenarios.price_factor(e.numeraire.asset)
        moved = np.zeros((len(e.base_pnl), len(e.links)))
        for t, a in enumerate(e.links.asset.tolist()):
            moved[:, t] = e.prices[a] * (e.scenarios.price_factor(e.assets[a]) * factor - 1.0) * scope.sent[t]
        base = e.account_pnl[:, scope.accounts].sum(axis=1)
        return cls(base, e.pnl, scope.candidates, e.links.candidate, moved)

    def at(self, x: np.ndarray) -> np.ndarray:
        """(S,) after trades x (N,)."""
        mine = x if self.mask is None else self.mask * x
        return np.asarray(self.base + self.pnl @ mine + self.moved @ x[self.links])

    def scaled(self, scale: np.ndarray) -> np.ndarray:
        """(S, N) per unit traded, times ``scale`` (N,): a copy."""
        found = self.pnl * (scale if self.mask is None else self.mask * scale)
        found[:, self.links] = self.moved * scale[self.links]
        return np.asarray(found)

    def weighted(self, q: np.ndarray) -> np.ndarray:
        """(N,) per unit traded, summed over the scenarios with weights q (S,)."""
        found = q @ self.pnl
        if self.mask is not None:
            found *= self.mask
            found[self.links] = q @ self.moved
        return np.asarray(found)

    def size(self, q: np.ndarray, x: np.ndarray) -> float:
        """USD added up at trades x in the scenarios that q (S,) weighs, without signs."""
        tail = np.flatnonzero(q)
        return float(q[tail] @ self.summed(x, tail))

    def summed(self, x: np.ndarray, at: np.ndarray | slice = slice(None)) -> np.ndarray:
        """USD added up at trades x in the scenarios ``at``, without signs."""
        large = np.abs(x)
        mine = large if self.mask is None else self.mask * large
        return np.asarray(np.abs(self.base[at]) + np.abs(self.pnl[at]) @ mine + np.abs(self.moved[at]) @ large[self.links])


class _BoundCVaR(BoundTerm):
    def __init__(
        self,
        trades: TradeVariables,
        e: Exposures,
        beta: float,
        of: tuple[str, ...] = (),
        leaving: Leaving | None = None,
    ) -> None:
        import cvxpy as cp

        from hedgeopt.tail import cvar

        n_scenarios = len(e.base_pnl)
        self.beta, self._of, self._leaving = beta, of, leaving
        self._pnl = cp.Parameter(e.pnl.shape)
        self._base = cp.Parameter(n_scenarios)
        self._p = None if e.probabilities is None else cp.Parameter(n_scenarios, nonneg=True)
        losses = -(self._pnl @ trades.net) - self._base
        if leaving is not None:
            losses, self.auxiliary = losses + leaving.expression, leaving.auxiliary
        self.expression = cvar(losses, beta, probabilities=self._p)

    def _scoped(self, e: Exposures) -> ScopedPnl:
        return ScopedPnl.of(e, scope_of(e, self._of))

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        mine = self._scoped(e)
        put(self._pnl, mine.scaled(scale))
        put(self._base, mine.base)
        if self._p is not None and e.probabilities is not None:
            put(self._p, e.probabilities)
        if self._leaving is not None:
            self._leaving.update(e, scale)

    def _losses(self, e: Exposures, x: np.ndarray) -> np.ndarray:
        """(S,) USD lost at trades x (N,)."""
        held = -self._scoped(e).at(x)
        return held if self._leaving is None else held + self._leaving.at(e, x)

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        return tail_loss(self._losses(e, x), self.beta, e.probabilities)

    def size(self, e: Exposures, x: np.ndarray) -> float:
        mine = self._scoped(e)
        size = mine.size(_worst(self._losses(e, x), self.beta, e.probabilities), x)
        return size if self._leaving is None else size + self._leaving.size(e, x)

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        found = tails.get(id(self.expression))
        if found is None or np.shape(found) != e.base_pnl.shape:
            found = _worst(self._losses(e, x), self.beta, e.probabilities)
        q, mine = feasible_weights(found, self.beta, e.probabilities), self._scoped(e)
        held = Separable(-mine.weighted(q), -float(q @ mine.base))
        return held if self._leaving is None else held + self._leaving.weighted(e, q)


class CVaR(Term):
    """Conditional value at risk at level ``beta``: expected loss in USD of the worst ``1 - beta`` of scenarios.

    The loss is minus the full-revaluation P&L of the book after trading, over the policy's horizon, before trading costs
    (limit or minimise those by ``TransactionCost``). A positive number is a loss.

    With ``include_unwind`` each scenario's loss holds what leaving every position at the horizon costs in it, too
    (liquidity-adjusted CVaR): ``sum_j m_sj h_j |z_j| + fee_j |z_j|`` over positions z after trading, h today's half-spread
    on the side that is left to, m the scenario's spread multiplier at the venue (``spread_beta``, regimes, events that drain
    liquidity); nothing where the venue is halted. It is convex in the trades.
    """

    unit: ClassVar[str] = "USD"
    by_candidate: ClassVar[bool] = True
    tail: ClassVar[bool] = True
    source: ClassVar[str] = "Rockafellar & Uryasev, Optimization of conditional value-at-risk, 2000"

    kind: Literal["cvar"] = "cvar"
    beta: float = Field(default=0.99, ge=0.0, lt=1.0, description="confidence level, 0.99 for the worst 1 %")
    include_unwind: bool = Field(
        default=False,
        exclude_if=lambda value: not value,
        description="add the cost of leaving every position in each scenario",
    )
    of: Of = ()

    def __init__(self, beta: float = 0.99, **data: object) -> None:
        super().__init__(**{**data, "beta": beta})

    @property
    def name(self) -> str:
        """Such as ``cvar 0.99``."""
        return called(f"cvar {self.beta:g}" + (" with unwind" if self.include_unwind else ""), self.of)

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundCVaR:
        """One tail atom over the whole scenario matrix."""
        if self.include_unwind:
            return _BoundCVaR(trades, e, self.beta, self.of, Leaving(trades, e, self.of))
        return _BoundCVaR(trades, e, self.beta, self.of)
