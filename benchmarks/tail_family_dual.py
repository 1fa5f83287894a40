"""Instances of the tail family as plain arrays: the whole dual linear program for HiGHS, and the form that cvqp takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.tail_family_cases import Array, Instance, evaluate
from benchmarks.tail_family_forms import Answer


def dual_program(made: Instance) -> tuple[Any, ...]:
    """Whole dual LP, written column by column: one bounded column per scenario, one row per instrument and tail.

    ``min sum base'Q + B m + hi'u - lo'l + size'(a + b)`` with ``|mu - sum P'Q + G'(u - l) + a - b| <= cost``,
    ``Q <= m caps`` and ``sum Q = m``; its row duals are the plan.
    """
    n, inf = len(made.mu), np.inf
    S = len(made.tails[0].base)
    uses = [(t, True) for t in made.tails if t.weight] + [(t, False) for t in made.tails if t.budget is not None]
    budgets = [u for u in uses if not u[1]]
    rows = n + len(uses)
    blocks, cost, upper = [], [], []
    for k, (t, priced) in enumerate(uses):
        caps = (np.full(S, 1 / S) if t.p is None else t.p) / (1 - t.beta)
        one = np.zeros((len(uses), S))
        one[k] = 1.0
        blocks.append((np.asfortranarray(-t.P.T), one))
        cost.append(t.base)
        upper.append(t.weight * caps if priced else np.full(S, inf))
    lower = [np.zeros(S * len(uses))]
    tops: list[Any] = [np.hstack([b[0] for b in blocks])]
    lows: list[Any] = [np.hstack([b[1] for b in blocks])]
    if budgets:
        m = np.zeros((len(uses), len(budgets)))
        for j in range(len(budgets)):
            m[len(uses) - len(budgets) + j, j] = -1.0
        tops.append(np.zeros((n, len(budgets))))
        lows.append(m)
        cost.append(np.array([t.budget for t, _ in budgets]))
        upper.append(np.full(len(budgets), inf))
        lower.append(np.zeros(len(budgets)))
    if len(made.G):
        tops.append(np.hstack((made.G.T, -made.G.T)))
        lows.append(np.zeros((len(uses), 2 * len(made.G))))
        cost.append(np.concatenate((made.upper, -made.lower)))
        upper.append(np.full(2 * len(made.G), inf))
        lower.append(np.zeros(2 * len(made.G)))
    dense = np.vstack((np.hstack(tops), np.hstack(lows)))
    A = sp.csc_array(dense) if len(uses) > 1 else _dense_columns(dense)
    if np.isfinite(made.size).all():
        eye = sp.vstack([sp.eye_array(n), sp.csc_array((len(uses), n))])
        A = sp.csc_array(sp.hstack([A, eye] if made.long_only else [A, eye, -eye]))
        times = 1 if made.long_only else 2
        cost.append(np.tile(made.size, times))
        upper.append(np.full(times * n, inf))
        lower.append(np.zeros(times * n))
    right = np.concatenate([t.weight * np.ones(1) if priced else np.zeros(1) for t, priced in uses])
    low = np.concatenate(((-made.mu - made.cost), right))
    high = np.concatenate((np.full(n, inf) if made.long_only else made.cost - made.mu, right))
    whole_cost, whole_upper = np.concatenate(cost), np.concatenate(upper)
    if budgets:
        # Under a budget the caps move with the multiplier: a row per scenario.
        caps_rows = []
        first = (len(uses) - len(budgets)) * S
        column = len(uses) * S
        for j, (t, _) in enumerate(budgets):
            caps = (np.full(S, 1 / S) if t.p is None else t.p) / (1 - t.beta)
            at = np.arange(S)
            entries = np.concatenate((np.ones(S), -caps))
            where = np.concatenate((first + j * S + at, np.full(S, column + j)))
            caps_rows.append(sp.csc_array((entries, (np.concatenate((at, at)), where)), (S, A.shape[1])))
        A = sp.csc_array(sp.vstack([A, *caps_rows]))
        low = np.concatenate((low, np.full(S * len(budgets), -inf)))
        high = np.concatenate((high, np.zeros(S * len(budgets))))
        rows += S * len(budgets)
    return A, whole_cost, np.concatenate(lower), whole_upper, low, high


def _dense_columns(dense: Array) -> Any:
    rows, columns = dense.shape
    starts, index = np.arange(columns + 1) * rows, np.tile(np.arange(rows, dtype=np.int32), columns)
    return sp.csc_array((dense.ravel(order="F"), index, starts), shape=dense.shape)


def dual_highs(solver: str, **options: Any) -> Callable[[Instance], Answer]:
    def solve(made: Instance) -> Answer:
        import highspy

        A, cost, lower, upper, low, high = dual_program(made)
        lp = highspy.HighsLp()
        lp.num_row_, lp.num_col_ = A.shape
        lp.col_cost_, lp.col_lower_, lp.col_upper_, lp.row_lower_, lp.row_upper_ = cost, lower, upper, low, high
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = A.indptr, A.indices, A.data
        h = highspy.Highs()
        for name, value in ({"output_flag": False, "threads": 1, "solver": solver} | options).items():
            h.setOptionValue(name, value)
        h.passModel(lp)
        began = time.process_time()
        h.run()
        spent = time.process_time() - began
        x = np.asarray(h.getSolution().row_dual)[: len(made.mu)]
        values = [(evaluate(made, s * x), s) for s in (1.0, -1.0)]
        best = min(values, key=lambda v: (v[0][1] > 1e-4, v[0][0]))
        told = {"cpu_seconds": spent, "status": h.modelStatusToString(h.getModelStatus())}
        return best[1] * x, told

    return solve


def cvqp(made: Instance) -> Answer:
    import cvqp

    (t,) = made.tails
    S, n = t.P.shape
    boxed = np.isfinite(made.size).all()
    eye = np.eye(n)
    A = np.hstack((-t.P, np.zeros((S, n)), -np.ones((S, 1)), -t.base[:, None]))
    q = np.concatenate((made.mu, made.cost, [1.0, 0.0]))
    zero = np.zeros((n, 2))
    top = made.size if boxed else np.full(n, np.inf)
    B = [
        np.hstack((eye, eye, zero)),
        np.hstack((eye, -eye, zero)),
        np.hstack((eye, 0 * eye, zero)),
        np.eye(1, 2 * n + 2, 2 * n + 1),
    ]
    low = [np.zeros(n), np.full(n, -np.inf), np.zeros(n) if made.long_only else -top, np.ones(1)]
    high = [np.full(n, np.inf), np.zeros(n), top, np.ones(1)]
    if len(made.G):
        B.append(np.hstack((made.G, np.zeros((len(made.G), n + 2)))))
        low.append(made.lower)
        high.append(made.upper)
    settings = cvqp.Settings(abstol=1e-7, reltol=1e-7)
    began = time.process_time()
    found = cvqp.solve(None, q, A, np.vstack(B), np.concatenate(low), np.concatenate(high), t.beta, 0.0, settings=settings)
    return found.x[:n], {"cpu_seconds": time.process_time() - began, "status": str(found.status)}
