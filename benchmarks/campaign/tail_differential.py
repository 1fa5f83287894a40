"""Many small programs by one template each, solved again and again with new numbers, against HiGHS or Clarabel directly.

A template fixes sizes and form; a draw fixes the scenarios and the unit of every variable: from 1e-12 to 1e12 within one
program. The reference is the whole Rockafellar-Uryasev program in units of one. "Optimal" must be right, and proven again by
``tail.verify`` from the returned weights; an answer that says it is inexact is counted.
"""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass, field

import cvxpy as cp
import numpy as np
from scipy.optimize import linprog

import hedgeopt.tail as tail
from benchmarks.campaign.registry import campaign

__all__ = ["DRAWS", "FORMS", "WRONG", "Template", "checked"]

FORMS = ("portfolio", "hedge", "budget", "free", "two tails", "cone", "quadratic", "whole")
DRAWS = 50
WRONG = "value off", "bound above the optimum", "wrong status", "unproven but optimal", "optimal but not verified"
_SLOW = {"cone": 10, "quadratic": 25, "whole": 6}
# Units from one over this power of ten to it, but for whole lots, which are in units of one; the gap that is "optimal", and
# one in so many draws is verified.
_UNITS, _GAP, _VERIFIED = 12, 1e-5, 5


@dataclass
class Template:
    """One form and size; ``draw`` sets its parameters, ``reference`` is the value in units of one."""

    seed: int
    form: str = field(init=False)

    def __post_init__(self) -> None:
        r = np.random.default_rng(self.seed)
        self.form = FORMS[self.seed % len(FORMS)]
        self.S, self.N = int(r.integers(1, 40)), int(r.integers(1, 6))
        self.beta = float(r.choice([0.0, 0.3, 0.8, 0.95, 0.99]))
        S, N = self.S, self.N
        self.P, self.base, self.p = cp.Parameter((S, N)), cp.Parameter(S), cp.Parameter(S, nonneg=True)
        self.rate, self.cost, self.low, self.high = (cp.Parameter(N) for _ in range(4))
        self.fee, self.limit = cp.Parameter(N, nonneg=True), cp.Parameter()
        x = self.x = cp.Variable(N, integer=self.form == "whole")
        risk = tail.cvar(-(self.P @ x) - self.base, self.beta, self.p)
        objective, rows = risk + self.cost @ x, [x >= self.low, x <= self.high]
        if self.form == "portfolio":
            rows = [self.rate @ x == 1, x >= 0]
        elif self.form == "hedge":
            objective = risk + self.fee @ cp.abs(x)
        elif self.form == "budget":
            objective, rows = self.cost @ x, [*rows, risk <= self.limit]
        elif self.form == "free":
            # A variable that nothing bounds but the equality.
            rows = [self.rate @ x == 1, *([x[1:] >= self.low[1:], x[1:] <= self.high[1:]] if N > 1 else [])]
        elif self.form == "two tails":
            objective = objective + 0.5 * tail.cvar(-(self.P @ x), 0.5)
        elif self.form == "cone":
            rows = [*rows, cp.norm(cp.multiply(self.rate, x)) <= 2]
        elif self.form == "quadratic":
            objective = objective + cp.sum_squares(cp.multiply(self.rate, x))
        self.problem = cp.Problem(cp.Minimize(objective), rows)

    def draw(self, number: int) -> float:
        """Set the numbers of one program; its optimum, NaN where it is infeasible."""
        r = np.random.default_rng((self.seed, number))
        S, N = self.S, self.N
        P, base = r.normal(size=(S, N)), r.normal(size=S) * (number % 4 != 0)
        if number % 5 == 0:
            P = np.round(P)
        if number % 7 == 0:
            P = P[r.integers(0, S, S)]
        p = r.random(S) ** (8 if number % 3 == 0 else 1)
        p = p / p.sum() if number % 2 else np.full(S, 1 / S)
        cost, fee = 0.1 * r.normal(size=N), 0.2 * r.random(N)
        low, high = -1 - r.random(N), 1 + r.random(N)
        if self.form == "whole":
            low, high = np.floor(low), np.ceil(high)
        limit = float(r.normal() + 0.5 * np.abs(base).mean())
        far = 0 if self.form == "whole" else _UNITS
        unit = 10.0 ** r.integers(-far, far + 1, size=N)
        self.P.value, self.base.value, self.p.value = P / unit, base, p
        self.rate.value, self.cost.value, self.fee.value = 1 / unit, cost / unit, fee / unit
        self.low.value, self.high.value, self.limit.value = low * unit, high * unit, limit
        return self.reference(P, base, p, cost, fee, low, high, limit)

    def reference(self, P, base, p, cost, fee, low, high, limit) -> float:  # type: ignore[no-untyped-def]
        """The optimum by another solver, variables (x, |x|, level and excess of each tail)."""
        S, N = P.shape
        if self.form in ("cone", "quadratic"):
            x = cp.Variable(N)
            risk = tail.cvar(-P @ x - base, self.beta, p)
            more = cp.sum_squares(x) if self.form == "quadratic" else 0
            rows = [x >= low, x <= high, *([cp.norm(x) <= 2] if self.form == "cone" else [])]
            whole = cp.Problem(cp.Minimize(risk + cost @ x + more), rows)
            return float(whole.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10))
        if self.form == "whole":
            grid = itertools.product(*(range(int(a), int(b) + 1) for a, b in zip(low, high, strict=True)))
            x = np.array(list(grid), dtype=float)
            return float(np.min(_cvar(-(x @ P.T) - base, p, self.beta) + x @ cost))
        tails = [(self.beta, p, base)] + ([(0.5, np.full(S, 1 / S), np.zeros(S))] if self.form == "two tails" else [])
        width = 2 * N + len(tails) * (1 + S)
        c, A, b, free = np.zeros(width), [], [], (None, None)
        limits = [*zip(low, high, strict=True), *[(0, None)] * N]
        if self.form == "portfolio":
            limits[:N] = [(0, None)] * N
        if self.form == "free":
            limits[0] = free
        for k, (beta, q, offset) in enumerate(tails):
            at = 2 * N + k * (1 + S)
            rows = np.zeros((S, width))
            rows[:, :N], rows[:, at] = -P, -1.0
            rows[:, at + 1 : at + 1 + S] = -np.eye(S)
            A.append(rows)
            b.append(offset)
            value = np.zeros(width)
            value[at], value[at + 1 : at + 1 + S] = 1.0, q / (1 - beta)
            c += (1.0, 0.5)[k] * value
            limits += [free, *[(0, None)] * S]
        if self.form == "budget":
            A.append(c[None])
            b.append(np.array([limit]))
            c = np.zeros(width)
        c[:N] += 0.0 if self.form == "hedge" else cost
        if self.form == "hedge":
            c[N : 2 * N] = fee
            A += [np.hstack((sign * np.eye(N), -np.eye(N), np.zeros((N, width - 2 * N)))) for sign in (1.0, -1.0)]
            b += [np.zeros(N)] * 2
        equal = np.zeros((1, width))
        equal[0, :N] = 1.0
        one = {"A_eq": equal, "b_eq": [1.0]} if self.form in ("portfolio", "free") else {}
        found = linprog(c, np.vstack(A), np.concatenate(b), bounds=limits, **one)
        return {0: found.fun, 2: np.nan, 3: -np.inf}.get(found.status, np.inf)


def _cvar(losses: np.ndarray, p: np.ndarray, beta: float) -> np.ndarray:
    order = np.argsort(-losses, axis=1)
    u = p[order] / (1 - beta)
    before = np.cumsum(u, axis=1) - u
    q = np.clip(1 - before, 0, u)
    return (q * np.take_along_axis(losses, order, 1)).sum(axis=1) / q.sum(axis=1)


def checked(template: Template, number: int) -> str:
    """What became of one draw: "right", "infeasible", "unbounded", "refused", ..., or one of ``WRONG``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = template.draw(number)
        if want == np.inf:
            return "no reference"
        problem = template.problem
        try:
            problem.solve(method="tail", threads=1)
        except cp.SolverError:
            return "refused"
    if np.isnan(want) or want == -np.inf:
        status = "infeasible" if np.isnan(want) else "unbounded"
        return status if problem.status == status else WRONG[2]
    if problem.status not in ("optimal", "optimal_inaccurate"):
        return WRONG[2]
    stats, slack = problem.solver_stats.extra_stats, 2e-6 * max(1.0, abs(want))
    if stats["lower_bound"] > want + slack:
        return WRONG[1]
    if problem.status == "optimal" and not stats["proven"]:
        return WRONG[3]
    if problem.status == "optimal" and template.form != "whole" and number % _VERIFIED == 1:
        shown = tail.verify(problem)
        # Nothing says how large an optimum of zero is but the units of one that the reference is in.
        nought = abs(want) < 1e-9 and shown.upper - shown.lower < 1e-9 and shown.violation < _GAP
        if not (nought or shown.gap <= 1.5 * _GAP) or shown.lower > want + slack:
            return WRONG[4]
    # Optimal is a proven gap of ten tolerances.
    loose = max(problem.value - stats["lower_bound"], 0.0) if stats["proven"] else 0.0
    if problem.status == "optimal" and abs(problem.value - want) > slack + loose:
        return WRONG[0]
    if problem.status != "optimal":
        return "inexact"
    return "right"


def draws(form: str) -> int:
    """Draws per template: fewer where one takes long."""
    return _SLOW.get(form, DRAWS)


@campaign(
    "tail_differential",
    about="small programs in units of 1e-12 to 1e12, 50 draws per template, against HiGHS, Clarabel and enumeration",
    full=2_000,
    sample=4,
    never=WRONG,
    sources=("hedgeopt/tail",),
    repeatable=False,
)
def case(number: int) -> str:
    """One template: the worst that became of its draws."""
    template = Template(number)
    found = [checked(template, i) for i in range(draws(template.form))]
    return next((word for word in (*WRONG, "refused", "inexact", "no reference") if word in found), "right")
