"""Model predictive hedging: plan several steps, do the first, plan again at the next.

With the policy's objective split into trading cost c and everything else f, the plan over H periods of one horizon each is

    minimise    sum_k f_k(y_k) + sum_k decay^(k-1) c(u_k)
    subject to  y_k = y_{k-1} + u_k,  y_0 = 0,  every limit of the policy on every y_k, size limits on every u_k,

where y_k are the positions traded by period k and f_k is the policy's own objective (CVaR and the rest) for holding them
through period k: the book and market of now, aged by k - 1 horizons with prices, vols and quotes where they are. So the plan
knows that time passes, options decay and expire, and that a trade done now serves H periods; it does not forecast prices,
and ``decay`` is all it believes about later spreads. The first trades are checked against every limit in plain numpy; there
is no certificate of optimality for the plan as a whole.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np

from hedgeopt.backtest.past import as_known
from hedgeopt.backtest.policies.closest import closest_in_lots
from hedgeopt.backtest.policies.optimizer import orders_of
from hedgeopt.backtest.policies.protocol import Decision, Observation
from hedgeopt.backtest.valuation import Promise
from hedgeopt.errors import CertificateError, InfeasibleError, InputError
from hedgeopt.exposures.candidates import choose_candidates
from hedgeopt.exposures.expose import expose
from hedgeopt.exposures.resolve import resolve
from hedgeopt.files.calls import strict_class
from hedgeopt.files.counted import many
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.costs.transaction import TransactionCost
from hedgeopt.models.risk.cvar import CVaR, tail_loss, value_at_risk
from hedgeopt.program.box import Box, trade_box
from hedgeopt.program.certificate import relative_violation
from hedgeopt.program.lots import facing, rounded
from hedgeopt.program.program import Program

__all__ = ["MultiPeriod"]

_HOLDS = 1e-6


@strict_class
class MultiPeriod:
    """See the module. ``rules`` must minimise a trading cost; its scenarios' horizon is the length of a period."""

    def __init__(self, rules: Policy, *, periods: int = 3, cost_decay: float = 0.9, name: str | None = None) -> None:
        if rules.candidates.ticket is not None:
            fix = "leave it out: the ledger of a backtest charges none"
            raise InputError("tickets are not counted in backtests", file="policy", field="candidates.ticket", fix=fix)
        if any(rule.counts for rule in rules.subject_to):
            fix = "leave them out: a plan over several periods has no such limits"
            raise InputError("has limits that count trades", file="policy", field="subject_to", fix=fix)
        weights = [part.weight for part in rules.minimize if isinstance(part.term, TransactionCost)]
        rest = [part for part in rules.minimize if not isinstance(part.term, TransactionCost)]
        if not weights or not rest:
            raise InputError(
                "a multi-period policy trades cost off against something else", file="policy", field="minimize",
                fix="give a transaction_cost and another term",
            )  # fmt: skip
        if rules.candidates.transfers:
            rules = rules.model_copy(update={"candidates": rules.candidates.model_copy(update={"transfers": False})})
        self.rules, self.periods, self.cost_decay = rules, periods, cost_decay
        self.horizon_days = rules.scenarios.horizon_days
        self._holding = rules.model_copy(update={"minimize": tuple(rest)})
        self._cost_weight = sum(weights)
        self.name = name or f"{rules.name}, {many(periods, 'period')}"
        self._plan: _Plan | None = None
        self._named = False
        self._beta = next((part.term.beta for part in rest if isinstance(part.term, CVaR)), 0.99)

    def decide(self, state: Observation) -> Decision:
        """The first step of the plan."""
        exposures = self._exposures(state)
        key = tuple(e.structure() for e in exposures)
        if self._plan is None or self._plan.key != key:
            self._plan = _Plan(key, self._holding, exposures, self._cost_weight, self.cost_decay)
        first = exposures[0]
        box = trade_box(self.rules, first)
        x = self._plan.solve(exposures, box, self.rules.tolerance)
        events = []
        if self.rules.whole:
            x, words = self._in_lots(first, x)
            events += [{"kind": "note", "message": words}] if words else []
        broken = [side.name for side in self._plan.programs[0].sides(first, x) if relative_violation(side) > _HOLDS]
        if broken:
            events.append({"kind": "note", "message": f"the first trades miss {', '.join(broken)} by rounding"})
        losses, p = -(first.base_pnl + first.pnl @ x), first.probabilities
        promise = Promise(tail_loss(losses, self._beta, p), value_at_risk(losses, self._beta, p), self._beta)
        return Decision(orders_of(first, x)[0], (), promise, events, self.rules.scenarios)

    def _in_lots(self, e: Exposures, x: np.ndarray) -> tuple[np.ndarray, str]:
        """The first trades rounded to lots, to the nearest or toward nothing, where limits hold; else a note, too.

        Then they are those that come nearer to the limits than none would, or none.
        """
        assert self._plan is not None
        for to in (np.round, np.trunc):
            found = rounded(e, x, to)
            held = all(relative_violation(side) <= _HOLDS for side in self._plan.programs[0].sides(e, found))
            if held and not facing(e, found):
                return found, ""
        found = closest_in_lots(self._plan.programs[0], e, x)
        if found.any():
            return found, "rounded to lots, the first trades miss a limit, but by less than none would"
        return found, "nothing is traded: rounded to lots, the first trades miss a limit or meet each other"

    def _exposures(self, state: Observation) -> list[Exposures]:
        rules = self._holding
        if rules.candidates.mark_half_spread is None and state.mark_half_spread is not None:
            chosen = rules.candidates.model_copy(update={"mark_half_spread": state.mark_half_spread})
            rules = rules.model_copy(update={"candidates": chosen})
        days = rules.scenarios.horizon_days
        last = state.market.timestamp + timedelta(days=days * (self.periods - 1))
        candidates = [
            item
            for item in choose_candidates(resolve(state.book, state.market), rules.candidates)
            if getattr(item, "expiry", None) is None or item.expiry > last
        ]
        found = []
        with as_known(rules.scenarios, state.market.timestamp, lambda: state.history) as known:
            for k in range(self.periods):
                market = _aged(state.market, days * k)
                book = _alive(state.book, market)
                then = rules.model_copy(update={"scenarios": known})
                found.append(expose(book, market, then, candidates=candidates, check_names=not self._named))
                self._named = True
        return found


class _Plan:
    """The periods' programs joined into one problem."""

    def __init__(
        self, key: tuple[Any, ...], rules: Policy, exposures: Sequence[Exposures], weight: float, decay: float
    ) -> None:
        import cvxpy as cp

        self.key, self.weight, self.decay = key, weight, decay
        self.programs = [Program(rules, e) for e in exposures]
        n = exposures[0].n_candidates
        self._step = [(cp.Variable(n, nonneg=True), cp.Variable(n, nonneg=True)) for _ in self.programs]
        self._caps = cp.Parameter(n, nonneg=True), cp.Parameter(n, nonneg=True)
        self._costs = [(cp.Parameter(n, nonneg=True), cp.Parameter(n, nonneg=True)) for _ in self.programs]
        objective: Any = 0.0
        constraints: list[Any] = []
        reached: Any = 0.0
        for k, program in enumerate(self.programs):
            buy, sell = self._step[k]
            reached = reached + buy - sell  # in units of the first period's scale
            constraints += program.problem.constraints
            constraints += [(k + 1.0) * program.variables.net == reached, buy <= self._caps[0], sell <= self._caps[1]]
            objective = objective + program.problem.objective.expr + self._costs[k][0] @ buy + self._costs[k][1] @ sell
        self.problem = cp.Problem(cp.Minimize(objective), constraints)

    def solve(self, exposures: Sequence[Exposures], box: Box, tolerance: float) -> np.ndarray:
        """Trades (N,) of the first period."""
        import cvxpy as cp

        scale = np.maximum(np.maximum(-box.lower, box.upper), 0.0)
        scale[scale == 0.0] = 1.0
        self._caps[0].value = np.maximum(box.upper, 0.0) / scale
        self._caps[1].value = np.maximum(-box.lower, 0.0) / scale
        first = exposures[0]
        for k, (program, e) in enumerate(zip(self.programs, exposures, strict=True)):
            wide = replace(box, lower=(k + 1.0) * box.lower, upper=(k + 1.0) * box.upper)
            program.update(e, wide)
            times = self.weight * self.decay**k
            self._costs[k][0].value, self._costs[k][1].value = (
                times * first.cost_buy * scale,
                times * first.cost_sell * scale,
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # a gap above the asked: nothing is certified here
                self.problem.solve(method="tail", tolerance=tolerance)
        except cp.SolverError as error:
            raise CertificateError(f"the solver failed: {error}") from None
        if self.problem.status in (cp.INFEASIBLE, cp.INFEASIBLE_INACCURATE):
            raise InfeasibleError(f"no plan over {many(len(self.programs), 'period')} meets every limit")
        buy, sell = self._step[0]
        if self.problem.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE) or buy.value is None:
            raise CertificateError(f"the solver ended with status {self.problem.status}")
        return np.clip(scale * (buy.value - sell.value), np.minimum(box.lower, 0.0), np.maximum(box.upper, 0.0))


def _aged(market: Market, days: float) -> Market:
    """The same quotes, later: what has expired by then is gone."""
    if days == 0:
        return market
    moment = market.timestamp + timedelta(days=days)
    kept = {
        key: item
        for key, item in market.instruments.items()
        if getattr(item, "expiry", None) is None or item.expiry > moment
    }
    quotes = market.quotes.loc[list(kept)].copy()
    quotes["timestamp"] = quotes["timestamp"] + timedelta(days=days)
    return replace(market, timestamp=moment, instruments=kept, quotes=quotes)


def _alive(book: Book, market: Market) -> Book:
    accounts = []
    for account in book.accounts:
        kept = tuple(
            p
            for p in account.positions
            if not isinstance(p.instrument, str) or f"{account.venue}:{p.instrument}" in market.instruments
        )
        accounts.append(account.model_copy(update={"positions": kept}))
    return book.model_copy(update={"accounts": tuple(accounts), "timestamp": market.timestamp})
