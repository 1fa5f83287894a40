"""Small tail programs in mixed units against their optimum in exact rational arithmetic.

Numbers are of order one and scaled by powers of two, so that the program given to the tail solver is exactly the program
whose Rockafellar-Uryasev form is solved in fractions (from the basis that HiGHS ends with): a bound above that optimum by
more than the rounding of a sum is false.
"""

from __future__ import annotations

import warnings
from typing import Any

import cvxpy as cp
import numpy as np

import hedgeopt.tail as tail
from benchmarks.campaign.exact_optimum import Given, exact
from benchmarks.campaign.registry import campaign

__all__ = ["FALSE", "asked", "drawn", "outcome"]

FALSE = ("bound above the optimum", "gap smaller than it is", "upper bound below the optimum", "optimal but unproven",
         "optimal but not verified", "wrong status")  # fmt: skip
# Rounding of a sum of terms of order one; a gap that is "optimal"; exponents of the units; a tail's level must be exact.
_ROUNDING, _GAP, _FAR = 2e-9, 1e-5, 40


def drawn(seed: int) -> Given:
    """One program: free and far variables, bounds that only rows imply, ties, copies, scenarios without probability."""
    r = np.random.default_rng((seed, 2))
    S, N, M = int(r.integers(1, 13)), int(r.integers(1, 4)), int(r.integers(0, 4))
    n = N + M
    dyadic = 2.0**-8
    low, high, rows, sides, equal, to = np.full(n, -np.inf), np.full(n, np.inf), [], [], [], []
    c = np.round(r.normal(size=n) * 0.2 / dyadic) * dyadic
    fee = np.where(r.random(n) < 0.3, np.round(r.random(n) * 0.2 / dyadic) * dyadic, 0.0)
    form = int(r.integers(6))
    norm = None
    if form in (0, 5):
        low[:N] = 0.0
        equal.append(np.r_[np.ones(N), np.zeros(M)])
        to.append(1.0)
    elif form == 1:
        low[:N], high[:N] = -1.0 - np.round(r.random(N), 2), 1.0
    elif form == 2:
        norm = (np.arange(n) < N, 2.0)
    elif form == 3:
        equal.append(np.r_[np.ones(N), np.zeros(M)])
        to.append(1.0)
    else:
        low[:N] = -1.0
        rows.append(np.r_[np.ones(N), np.zeros(M)])
        sides.append(2.0)
    for j in range(N, n):
        kind = int(r.integers(7))
        c[j] *= float(2.0 ** -r.integers(0, 20))
        one = np.eye(n)[j]
        if kind == 0:
            low[j], high[j] = -1.0, 1.0
        elif kind == 1:
            norm_like = np.eye(n)[int(r.integers(N))]
            rows += [one + norm_like, -one + norm_like]
            sides += [3.0, 3.0]
        elif kind == 2 and j + 1 < n:
            rows += [one + np.eye(n)[j + 1]]
            sides += [1.0]
            low[j] = low[j + 1] = 0.0
        elif kind == 3 and j + 1 < n:
            equal.append(one - 0.5 * np.eye(n)[j + 1])
            to.append(0.0)
            low[j + 1], high[j + 1] = -1.0, 1.0
        elif kind == 4 and j + 1 < n:
            rows += [one - np.eye(n)[j + 1], -one - np.eye(n)[j + 1], np.eye(n)[j + 1]]
            sides += [0.0, 0.0, 1.0]
        elif kind == 5:
            c[j] = abs(c[j]) if r.random() < 0.8 else c[j]
            low[j] = -1.0
        else:
            c[j] = 0.0 if r.random() < 0.7 else c[j]
            fee[j] = fee[j] if c[j] == 0 else abs(c[j])
            rows.append(one - np.eye(n)[0])
            sides.append(1.0)
    if form == 5:
        # Not quite, or quite, infeasible.
        rows.append(-np.r_[np.ones(N), np.zeros(M)])
        sides.append(-float(r.choice([1.0 - 2.0**-16, 1.0, 1.0 + 2.0**-16, 2.0])))
    for _ in range(int(r.integers(0, 3)) if rows else 0):
        at = int(r.integers(len(rows)))
        size = float(r.choice([1.0, 1.0, 3.0]))
        rows.append(size * rows[at])
        sides.append(size * sides[at])
    found = Given(c, fee, low, high, np.array(rows).reshape(-1, n), np.array(sides), np.array(equal).reshape(-1, n),
                  np.array(to), norm=norm)  # fmt: skip
    for k in range(int(r.integers(1, 3))):
        P = np.zeros((S, n))
        P[:, :N] = np.round(r.normal(size=(S, N)) / dyadic) * dyadic
        if r.random() < 0.3:
            P = np.round(P)
        if r.random() < 0.2 and N > 1:
            P[:, 1] = P[:, 0]
        if r.random() < 0.2:
            P = P[r.integers(0, S, S)]
        base = np.round(r.normal(size=S) / dyadic) * dyadic * (r.random() < 0.6)
        p = np.bincount(r.integers(0, S, 64), minlength=S) / 64.0 if r.random() < 0.5 else None
        if p is None:
            p = np.bincount(np.arange(64) % S, minlength=S) / 64.0
        beta = float(r.choice([0.0, 0.5, 0.75, 0.875, 0.96875]))
        limit = float(np.round(r.normal() + 0.5, 2)) if k or r.random() < 0.2 else None
        found.tails.append((1.0 if limit is None else 0.0, P, base, p, beta, limit))
    return found


def asked(given: Given, seed: int) -> cp.Problem:
    """The program in units of its own: every variable, row and the objective times a power of two."""
    r = np.random.default_rng((seed, 3))
    n = len(given.c)
    u = 2.0 ** r.integers(-_FAR, _FAR + 1, size=n) if seed % 4 else np.ones(n)
    w = 2.0 ** r.integers(-20, 21) if seed % 3 == 1 else 1.0
    z = cp.Variable(n)
    objective: Any = (w * given.c * u) @ z
    if given.fee.any():
        objective = objective + (w * given.fee * u) @ cp.abs(z)
    constraints = []
    for low, side in ((True, given.low), (False, given.high)):
        at = np.flatnonzero(np.isfinite(side))
        if len(at):
            end = side[at] / u[at]
            constraints.append(z[at] >= end if low else z[at] <= end)
    if len(given.b):
        size = 2.0 ** r.integers(-10, 11, size=len(given.b))
        constraints.append((size[:, None] * given.A * u) @ z <= size * given.b)
    if len(given.e):
        constraints.append((given.E * u) @ z == given.e)
    if given.norm is not None:
        at, limit = np.flatnonzero(given.norm[0]), given.norm[1]
        constraints.append(cp.norm1(cp.multiply(u[at], z[at])) <= limit)
    for weight, P, base, p, beta, limit in given.tails:
        size = w if limit is None else 2.0 ** r.integers(-10, 11)
        risk = tail.cvar(-((size * P * u) @ z) - size * base, beta, p)
        if limit is None:
            objective = objective + weight * risk
        else:
            constraints.append(risk <= size * limit)
    problem = cp.Problem(cp.Minimize(objective), constraints)
    problem.unit = w
    return problem


def outcome(seed: int) -> str:
    """What became of one program: "right", a verdict, "inexact", "refused", "no reference", or one of ``FALSE``."""
    given = drawn(seed)
    want = exact(given)
    if want.status == "none":
        return "no reference"
    problem = asked(given, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            problem.solve(method="tail", threads=1)
        except cp.SolverError:
            return "refused"
        if want.status != "optimal":
            if problem.status == want.status:
                return want.status
            return FALSE[5] if problem.status != "optimal_inaccurate" else "inexact"
        if problem.status not in ("optimal", "optimal_inaccurate"):
            return FALSE[5]
        stats, true = problem.solver_stats.extra_stats, float(want.value)
        one = problem.unit
        value, lower, upper = problem.value / one, stats["lower_bound"] / one, stats["upper_bound"] / one
        slack = _ROUNDING * max(1.0, abs(true))
        if lower > true + slack:
            return FALSE[0]
        if problem.status == "optimal" and not stats["proven"]:
            return FALSE[3]
        if want.sure and upper < true - slack:
            return FALSE[2]
        if want.sure and stats["proven"] and abs(value - true) > stats["gap"] * max(abs(value), 1.0) + slack:
            return FALSE[1]
        if problem.status == "optimal":
            shown = tail.verify(problem)
            # Nothing says how large an optimum of zero is but the units of one that the exact program is in.
            nought = true == 0.0 and (shown.upper - shown.lower) / one < 1e-9 and shown.violation < _GAP
            if shown.lower / one > true + slack or not (nought or shown.gap <= 1.5 * _GAP):
                return FALSE[4]
    return "right" if problem.status == "optimal" else "inexact"


@campaign(
    "tail_exact",
    about="small tail programs in units of 2^-40 to 2^40 against their optimum in fractions",
    full=2_000,
    sample=6,
    never=FALSE,
    sources=("hedgeopt/tail", "benchmarks/campaign/exact_optimum.py"),
    repeatable=False,
)
def case(number: int) -> str:
    """One program."""
    return outcome(number)
