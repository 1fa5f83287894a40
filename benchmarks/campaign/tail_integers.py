"""Whole lots, tickets and limits on the number of trades: the search against every point there is, one by one."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

import hedgeopt.tail as tail
from benchmarks.campaign.registry import campaign
from hedgeopt.tail.atom import cvar_value

__all__ = ["WRONG", "SmallProgram", "against_enumeration", "drawn"]

WRONG = "worse than enumeration", "better than possible", "bound above the optimum", "wrong status", "broken limit"
FORMS = ("abs", "buy_sell", "integers", "budget", "two_tails", "quadratic")
Array = NDArray[np.float64]


@dataclass
class SmallProgram:
    """``min [CVaR] + cost'|x| + ticket'h + sum_squares`` over ``x = lot n``, ``|n_j| <= most h_j``, ``sum h <= trades``."""

    P: Array
    base: Array
    beta: float
    p: Array
    cost: Array
    ticket: Array
    lot: Array
    most: int
    least: int
    trades: int
    G: Array
    width: Array
    form: str
    budget: float = np.inf

    def value(self, n: Array) -> float:
        """The objective at whole lots; infinite where a limit is broken."""
        x, count = self.lot * n, np.abs(n)
        held = count > 0
        if held.sum() > self.trades or np.any(count > self.most) or np.any(held & (count < self.least)):
            return np.inf
        if np.any(np.abs(self.G @ x) > self.width + 1e-9):
            return np.inf
        losses = -(self.P @ x) - self.base
        risk = cvar_value(losses, self.p, self.beta)[0]
        out = float(self.cost @ np.abs(x) + self.ticket @ held)
        if self.form == "budget":
            return out - float(self.P.mean(axis=0) @ x) if risk <= self.budget + 1e-9 else np.inf
        if self.form == "two_tails":
            risk += 0.5 * cvar_value(losses, self.p, 0.5)[0]
        return out + risk + (0.1 * float(x @ x) if self.form == "quadratic" else 0.0)

    def problem(self) -> tuple[cp.Problem, cp.Expression]:
        """The same for the solver, and its lots."""
        n_, gated = len(self.cost), self.form != "integers"
        held = cp.Variable(n_, boolean=True)
        if self.form == "buy_sell":
            buy, sell = cp.Variable(n_, integer=True, nonneg=True), cp.Variable(n_, integer=True, nonneg=True)
            n, count = buy - sell, buy + sell
        else:
            n = cp.Variable(n_, integer=True)
            count = cp.abs(n)
        x = cp.multiply(self.lot, n)
        losses = -(self.P @ x) - self.base
        risk = tail.cvar(losses, self.beta, self.p)
        objective = self.cost @ cp.multiply(self.lot, count) + (self.ticket @ held if gated else 0)
        limits = [cp.abs(self.G @ x) <= self.width]
        limits += [count <= self.most * held, cp.sum(held) <= self.trades] if gated else [count <= self.most]
        if self.form == "buy_sell" and self.least > 1:
            limits += [count >= self.least * held]
        if self.form == "budget":
            objective, limits = objective - self.P.mean(axis=0) @ x, [*limits, risk <= self.budget]
        else:
            objective = objective + risk
        if self.form == "two_tails":
            objective = objective + 0.5 * tail.cvar(losses, 0.5, self.p)
        if self.form == "quadratic":
            objective = objective + 0.1 * cp.sum_squares(x)
        return cp.Problem(cp.Minimize(objective), limits), n


def drawn(seed: int) -> SmallProgram:
    """Three or four instruments, up to two lots of each, near-equal columns in some, unequal probabilities in some."""
    r = np.random.default_rng((16, seed))
    form = FORMS[seed % len(FORMS)]
    S, N = int(r.integers(5, 80)), int(r.integers(3, 5))
    P = r.standard_t(4, size=(S, N)) * np.exp(r.normal(size=N))
    if seed % 7 == 0:
        P[:, 1] = P[:, 0] * (1 + 1e-3 * r.normal(size=S))
    p = r.random(S) + 0.05 if seed % 2 else np.ones(S)
    lot = r.choice([0.1, 0.5, 1.0], size=N)
    base = P @ (lot * r.normal(size=N) * 1.5) + 0.3 * r.normal(size=S)
    least = 2 if form == "buy_sell" and seed % 4 == 1 else 1
    gated = form != "integers"
    beta, cost = float(r.choice([0.5, 0.8, 0.95])), 0.05 * r.random(N)
    ticket = 0.1 * r.random(N) * (gated and seed % 3 == 0)
    trades = int(r.integers(1, 3)) if gated else N
    G, width = r.normal(size=(1, N)), np.array([float(r.choice([0.3, 5.0]))])
    made = SmallProgram(P, -base, beta, p / p.sum(), cost, ticket, lot, 2, least, trades, G, width, form)
    if form == "budget":
        made.budget = cvar_value(base, made.p, made.beta)[0] * float(r.choice([0.9, 0.999, 1.2]))
    return made


def against_enumeration(seed: int) -> str:
    """ "same", "infeasible" (both say so), or one of :data:`WRONG`."""
    made = drawn(seed)
    span = range(-made.most, made.most + 1)
    values = [made.value(np.array(n, dtype=float)) for n in itertools.product(span, repeat=len(made.cost))]
    best = min(values)
    problem, lots = made.problem()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.solve(method="tail", threads=1)
    if not np.isfinite(best):
        return "infeasible" if problem.status == "infeasible" else WRONG[3]
    if problem.status != "optimal":
        return WRONG[3]
    stats, close = problem.solver_stats.extra_stats, 3e-6 * max(abs(best), 1.0)
    if problem.value > best + close:
        return WRONG[0]
    if problem.value < best - close:
        return WRONG[1]
    if stats["lower_bound"] > best + close:
        return WRONG[2]
    return "same" if made.value(np.round(lots.value)) <= best + close else WRONG[4]


@campaign(
    "tail_integers",
    about="lots, tickets, minimum sizes and limits on trades against enumeration of every point",
    full=600,
    sample=12,
    never=WRONG,
    sources=("hedgeopt/tail",),
    repeatable=False,
)
def case(number: int) -> str:
    """One program."""
    return against_enumeration(number)
