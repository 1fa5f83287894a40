"""The rival of the backtest benchmark: the policy written out with cvxpy, with constants, at every step."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from hedgeopt.backtest.policies.optimizer import Optimizer


class Naive:
    """A Rockafellar-Uryasev program as cvxpy's documentation would have it; book and candidates are priced by hedgeopt.

    Attributes
    ----------
    form
        ``buy, sell``: two non-negative variables; ``net``: one free variable, costs by its positive and negative parts;
        ``net = buy - sell``: a variable each, and an equality (fewest entries in the scenario rows).
    objectives, counts, seconds
        Optimum, number of candidates and CPU seconds of every step.
    """

    name = "naive"

    def __init__(self, rules: Any, solver: str, form: str) -> None:
        self.rules, self.solver, self.form = rules, solver, form
        self.objectives: list[float] = []
        self.counts: list[int] = []
        self.seconds: list[float] = []

    def decide(self, state: Any) -> Any:
        import cvxpy as cp

        from hedgeopt.backtest.policies.optimizer import orders_of
        from hedgeopt.exposures.expose import expose
        from hedgeopt.program.box import trade_box

        began = time.process_time()
        e = expose(state.book, state.market, self.rules)
        box = trade_box(self.rules, e)
        n, s, at = e.n_candidates, len(e.base_pnl), e.asset("BTC")
        scale = np.maximum(np.maximum(-box.lower, box.upper), 1e-9)
        level, excess = cp.Variable(), cp.Variable(s, nonneg=True)
        lower, upper = np.minimum(box.lower, 0.0) / scale, np.maximum(box.upper, 0.0) / scale
        if self.form == "net":
            net = cp.Variable(n)
            buy, sell, size = cp.pos(net), cp.neg(net), [net <= upper, net >= lower]
        else:
            buy, sell = cp.Variable(n, nonneg=True), cp.Variable(n, nonneg=True)
            net, size = buy - sell, [buy <= upper, sell <= -lower]
            if self.form == "net = buy - sell":
                net = cp.Variable(n)
                size.append(net == buy - sell)
        held = float(e.rows.greeks[0, :, at] @ e.rows.quantity + e.coin_delta[:, at].sum())
        delta = (e.trade_greeks[0, :, at] * scale) @ net + held
        cost = (e.cost_buy * scale) @ buy + (e.cost_sell * scale) @ sell
        tail = level + cp.sum(excess) / (s * 0.01)
        losses = -((e.pnl * scale) @ net) - e.base_pnl
        problem = cp.Problem(cp.Minimize(cost + 0.2 * tail), [excess >= losses - level, delta <= 2, delta >= -2, *size])
        problem.solve(solver=self.solver)
        self.counts.append(n)
        self.objectives.append(float(problem.value))
        x = np.clip(scale * net.value, box.lower, box.upper)
        orders = orders_of(e, x)[0]
        self.seconds.append(time.process_time() - began)
        return orders


class Timed(Optimizer):
    """hedgeopt's optimizer, with the same books kept."""

    def __init__(self, rules: Any) -> None:
        super().__init__(rules)
        self.objectives: list[float] = []
        self.seconds: list[float] = []

    def decide(self, state: Any) -> Any:
        began = time.process_time()
        decision = super().decide(state)
        self.seconds.append(time.process_time() - began)
        assert self.solution is not None
        self.objectives.append(self.solution.certificate.objective)
        return decision
