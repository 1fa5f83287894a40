"""A search for the best whole lots of some candidates, by ``method="tail"`` with integers.

    trade_j = direction_j * lot_j * n_j,   n_j = 0, 1, 2, ...   (n_j = 0 or n_j lot_j >= smallest order_j)

for what trades in lots; what trades in any size keeps its size free. Other candidates stay at nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.program.lots.choice import LotChoice
from hedgeopt.program.lots.gates import LotGates, gates_of
from hedgeopt.program.lots.steps import times
from hedgeopt.program.program import Program

__all__ = ["LotSearch", "searched"]


@dataclass(frozen=True)
class LotSearch:
    """The best trades (N,) found, none where there are none; and the objective that no list of these candidates goes below.

    ``bound`` is infinite where no list of them holds the program's limits.
    """

    x: np.ndarray | None
    bound: float = -np.inf


def searched(
    program: Program, e: Exposures, choice: LotChoice, start: np.ndarray, *, gap: float, seconds: float
) -> LotSearch:
    """The best trades of these candidates that meet the program's limits, within ``gap``.

    ``start`` (N,) are trades to begin from, which need not be whole.
    """
    if not len(choice.at):
        return LotSearch(None)
    n, sizes = _sizes(choice)
    unit = sum(abs(weight) for weight, _, _ in program.objective_terms) or 1.0
    gates = gates_of(choice, e, program)
    sent = cp.Variable(len(gates.at), boolean=True, name="sent") if len(gates.at) else None
    rows = [*_joined(program, e, choice, sizes), *_counted(gates, choice.most, sizes, sent)]
    objective = program.problem.objective
    if gates.ticket is not None and sent is not None:
        objective = cp.Minimize(objective.args[0] + (gates.ticket / unit) @ sent)
    problem = cp.Problem(objective, [*program.for_lists().constraints, *rows])
    began = np.maximum(choice.direction * start[choice.at], 0.0) / choice.step
    if n is not None:
        n.save_value(np.round(began[: choice.counts]))
    tolerance = 0.1 * program.policy.tolerance
    try:
        problem.solve(method="tail", tolerance=tolerance, integer_gap=gap, time_limit=seconds)
    except cp.SolverError:
        return LotSearch(None)
    if problem.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE, cp.USER_LIMIT) or sizes.value is None:
        return LotSearch(None, np.inf if problem.status == cp.INFEASIBLE else -np.inf)
    x = np.zeros(e.n_candidates)
    for i, sign, whole, step, count in zip(
        choice.at, choice.direction, choice.whole, choice.step, np.asarray(sizes.value), strict=True
    ):
        x[i] += sign * (times(step, round(count)) if whole else step * max(count, 0.0))
    sent = e.links.candidate
    x[sent] = program.x()[sent]
    told = problem.solver_stats.extra_stats
    return LotSearch(x, unit * float(told["lower_bound"]) if told["proven"] else -np.inf)


def _sizes(choice: LotChoice) -> tuple[cp.Variable | None, cp.Expression]:
    """Sizes in steps: integers where steps are whole, then any size."""
    count = choice.counts
    n = cp.Variable(count, integer=True, nonneg=True, name="lots") if count else None
    rest = len(choice.at) - count
    if not rest:
        assert n is not None
        return n, n
    free = cp.Variable(rest, nonneg=True, name="sizes")
    return n, free if n is None else cp.hstack([n, free])


def _joined(program: Program, e: Exposures, choice: LotChoice, sizes: cp.Expression) -> list[cp.Constraint]:
    """Buys and sells are these sizes, and nothing else is traded."""
    rows: list[cp.Constraint] = [sizes <= choice.most]
    step = choice.step / program.scale[choice.at]
    for side, sign in ((program.variables.buy, 1.0), (program.variables.sell, -1.0)):
        mine = np.flatnonzero(choice.direction == sign)
        shut = np.ones(e.n_candidates, dtype=bool)
        shut[choice.at[mine]] = False
        shut[e.links.candidate] = False
        if len(mine):
            rows.append(side[choice.at[mine]] == cp.multiply(step[mine], sizes[mine]))
        if shut.any():
            rows.append(side[np.flatnonzero(shut)] == 0)
    return rows


def _counted(gates: LotGates, most: np.ndarray, sizes: cp.Expression, sent: cp.Variable | None) -> list[cp.Constraint]:
    """Least orders, limits that count trades, and one side of what several accounts may trade: by booleans."""
    rows: list[cp.Constraint] = []
    if gates.facing:
        buying = cp.Variable(len(gates.facing), boolean=True, name="buying")
        for k, (buys, sells) in enumerate(gates.facing):
            for places, room in ((buys, buying[k]), (sells, 1 - buying[k])):
                rows.append(cp.sum(sizes[places] / np.maximum(most[places], 1e-12)) <= len(places) * room)
    if sent is None:
        return rows
    rows += [sizes[gates.at] <= cp.multiply(gates.most, sent), sizes[gates.at] >= cp.multiply(gates.least, sent)]
    if gates.trades is not None:
        rows.append(cp.sum(sent) <= gates.trades)
    if gates.fresh is not None and gates.names:
        opened = cp.Variable(gates.names, boolean=True, name="new")
        mine = np.flatnonzero(gates.new >= 0)
        rows += [sent[mine] <= opened[gates.new[mine]], cp.sum(opened) <= gates.fresh]
    return rows
