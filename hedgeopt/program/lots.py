"""Trades in whole lots: the best list that a venue takes, with the price of that.

The ideal trades (any size) are solved and certified first. Their lower bound holds for whole lots, too: those are some of
the lists over which it is proven. So what is looked for here needs no bound of its own, and any way of finding it is fair:

    trade_j = direction_j * lot_j * n_j,   n_j = 0, 1, 2, ...   (n_j = 0 or n_j lot_j >= minimum size_j)

over the candidates that the ideal trades, each in its direction, and those that the shadow prices say would pay next. Others
stay at nothing. The integers are solved by ``method="tail"``; every limit is then evaluated on the list itself, by the plain
rules of the venues; one that is broken is tightened and the search repeated. A list that breaks a limit is never returned,
one that costs more than ``lot_gap`` above the bound is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import cvxpy as cp
import numpy as np

from hedgeopt.constraints.constraint import Side
from hedgeopt.constraints.max_new_instruments import MaxNewInstruments
from hedgeopt.constraints.max_trades import MaxTrades
from hedgeopt.constraints.min_trade import MinTrade
from hedgeopt.errors import CertificateError, InputError
from hedgeopt.files.counted import many
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import Box
from hedgeopt.program.certificate import certify
from hedgeopt.program.program import Program
from hedgeopt.program.proven import Certificate
from hedgeopt.program.search import Deadline
from hedgeopt.program.solution import Solution, Stages

__all__ = ["in_whole_lots", "whole_lots"]

# Candidates beside those that the ideal trades; further ones where these are not enough; tightenings of a limit; the part of
# the gap that a search may leave.
_MORE, _MANY, _TRIES, _PART = (20, 80), 400, 4, 0.3
# A lot counts as whole to this share of it; what a tightened limit gets beyond its excess.
_WHOLE, _BEYOND = 1e-9, 1.5
# Seconds of one search: it has a point early, and the bound is that of the ideal.
_SECONDS = 30.0


def in_whole_lots(e: Exposures, x: np.ndarray) -> np.ndarray:
    """(N,) whether each trade is nothing, or whole lots and no less than the smallest order; transfers always are."""
    lot, least = e.rows.lot[e.candidate], e.rows.minimum_size[e.candidate]
    with np.errstate(invalid="ignore"):
        count = np.abs(x) / lot
        whole = np.abs(count - np.round(count)) <= _WHOLE * np.maximum(count, 1.0)
        whole &= ~(np.abs(x) < least * (1.0 - _WHOLE))
    whole |= x == 0.0
    whole[e.links.candidate] = True
    return np.asarray(whole)


@dataclass(frozen=True)
class _Choice:
    """The candidates in the search: their direction, lot, most and least lots."""

    at: np.ndarray
    direction: np.ndarray
    lot: np.ndarray
    most: np.ndarray
    least: np.ndarray


def whole_lots(program: Program, e: Exposures, ideal: Solution, stages: Stages, deadline: Deadline) -> Solution:
    """The best list in whole lots near ``ideal``, certified against the ideal's bound.

    Raises
    ------
    InputError
        An instrument that the ideal trades has no known lot.
    CertificateError
        No list in whole lots was found that meets every limit, or none within ``lot_gap``.
    """
    _require_lots(e, ideal.trades)
    duals = [(d, d.value) for row in program.problem.constraints for d in row.dual_variables]
    tails = dict(ideal.tails)
    inside = _now(program, ideal.box)
    best: Solution | None = None
    broken = ""
    try:
        for more in _MORE:
            choice = _choice(program, e, ideal, inside, tails, duals, more)
            tighten: dict[str, float] = {}
            for _ in range(_TRIES):
                with stages("lots"):
                    x = _searched(program, e, ideal, choice, deadline)
                if x is None:
                    break
                with stages("certify"):
                    _restore(duals)
                    certificate, sides = certify(
                        program, e, ideal.box, x, tails, ideal.certificate.lower_bound, program.policy.lot_gap
                    )
                if certificate.feasible:
                    if best is None or certificate.objective < best.certificate.objective:
                        best = _solution(ideal, certificate, sides, x)
                    break
                broken = certificate.worst_limit
                over = {side.name: side.violation for side in sides if side.violation > 0.0}
                if not over or deadline.left() <= 0:
                    break
                for name, excess in over.items():
                    tighten[name] = 2.0 * tighten.get(name, 0.0) + _BEYOND * excess
                program.update(e, inside, tighten)
            if tighten:
                program.update(e, inside)
            if (best is not None and best.certificate.optimal) or deadline.left() <= 0:
                break
    finally:
        _restore(duals)
    if best is None or not best.certificate.valid:
        raise CertificateError(_refusal(program, e, ideal, best, tails, broken, deadline), best)
    program.place(best.trades)
    return best


def _require_lots(e: Exposures, x: np.ndarray) -> None:
    lot = e.rows.lot[e.candidate]
    unknown = np.flatnonzero((x != 0.0) & ~(lot > 0.0))
    unknown = np.setdiff1d(unknown, e.links.candidate)
    if len(unknown):
        item = e.rows.instruments[e.candidate[unknown[0]]]
        raise InputError(
            f"has no known lot ({many(len(unknown), 'trade')} without)", field="lot", value=item.id,
            fix='give a column lot in the market file or [lots] in the venue\'s table, or set lots = "ideal" in the policy',
        )  # fmt: skip


def _now(program: Program, box: Box) -> Box:
    """The box as the program has it: links that are shut stay shut."""
    low, high = program.bounds()
    return replace(box, lower=np.maximum(box.lower, low), upper=np.minimum(box.upper, high))


def _choice(
    program: Program, e: Exposures, ideal: Solution, box: Box, tails: Mapping[int, Any], duals: Any, more: int
) -> _Choice:
    """The ideal's trades, and the candidates that cost least to move at its shadow prices."""
    x = ideal.trades
    _restore(duals)
    steps = e.rows.lot[e.candidate].copy()
    steps[e.links.candidate] = np.nan
    free = steps > 0.0
    # Of one lot either way, what the Lagrangian rises by, per dollar.
    lagrangian = program.lagrangian(e, x, tails)
    here = lagrangian.minimiser(box.lower, box.upper) if np.isfinite(box.lower).all() and np.isfinite(box.upper).all() else x
    notional = np.maximum(np.where(free, steps, 1.0) * np.abs(e.rows.notional[e.candidate]), 1e-12)
    up, down = (_rise(lagrangian, np.zeros_like(x), sign * np.where(free, steps, 0.0)) / notional for sign in (1.0, -1.0))
    direction = np.where(x > 0, 1.0, np.where(x < 0, -1.0, np.where(up <= down, 1.0, -1.0)))
    direction = np.where((x == 0.0) & (here != 0.0), np.sign(here), direction)
    smallest = np.where(np.isnan(e.rows.minimum_size), 0.0, e.rows.minimum_size)[e.candidate]
    for rule in program.policy.subject_to:
        if isinstance(rule, MinTrade):
            smallest = np.maximum(smallest, rule.usd / e.rows.notional[e.candidate])
    with np.errstate(invalid="ignore"):
        least = np.ceil(smallest / steps * (1.0 - _WHOLE) - _WHOLE)
        most = [np.floor(room / steps * (1.0 + _WHOLE) + _WHOLE) for room in (-box.lower, box.upper)]
    traded = np.flatnonzero(free & (x != 0.0))
    others = np.flatnonzero(free & (x == 0.0))
    others = others[np.argsort(np.minimum(up, down)[others], kind="stable")[:more]]
    at = np.sort(np.concatenate((traded, others)))[:_MANY]
    # Where the ideal's own trades may not all be made, or are not enough, the other direction may be the next best.
    both = more == _MORE[-1] or any(rule.counts for rule in program.policy.subject_to)
    sides = [(at, direction[at]), (at, -direction[at])] if both else [(at, direction[at])]
    place, way = (np.concatenate(parts) for parts in zip(*sides, strict=True))
    top = np.where(way > 0, most[1][place], most[0][place])
    able = top >= np.maximum(least[place], 1.0)
    place, way, top = place[able], way[able], top[able]
    return _Choice(place, way, steps[place], top, least[place])


def _rise(f: Any, x: np.ndarray, by: np.ndarray) -> np.ndarray:
    """(N,) by how much a separable function rises when each coordinate moves alone."""
    out = f.slope * by
    if f.weights is not None and f.kinks is not None:
        out = out + (f.weights * (np.maximum(x + by - f.kinks, 0.0) - np.maximum(x - f.kinks, 0.0))).sum(axis=0)
    return np.asarray(out)


def _searched(program: Program, e: Exposures, ideal: Solution, choice: _Choice, deadline: Deadline) -> np.ndarray | None:
    """(N,) the best whole lots of these candidates that meet the program's limits; None where there are none."""
    count = len(choice.at)
    rows: list[cp.Constraint] = []
    buy, sell, scale = program.variables.buy, program.variables.sell, program.scale
    n = cp.Variable(count, integer=True, nonneg=True, name="lots")
    step = choice.lot / scale[choice.at]
    for side, sign in ((buy, 1.0), (sell, -1.0)):
        mine = np.flatnonzero(choice.direction == sign)
        shut = np.ones(e.n_candidates, dtype=bool)
        shut[choice.at[mine]] = False
        shut[e.links.candidate] = False
        if len(mine):
            rows.append(side[choice.at[mine]] == cp.multiply(step[mine], n[mine]))
        if shut.any():
            rows.append(side[np.flatnonzero(shut)] == 0)
    if count:
        rows.append(n <= choice.most)
        rows += _counted(program, e, choice, n)
    problem = cp.Problem(program.problem.objective, [*program.problem.constraints, *rows])
    n.save_value(np.round(np.maximum(choice.direction * ideal.trades[choice.at], 0.0) / choice.lot))
    gap = _PART * program.policy.lot_gap
    try:
        problem.solve(
            method="tail",
            tolerance=0.1 * program.policy.tolerance,
            integer_gap=gap,
            time_limit=min(deadline.share(), _SECONDS),
        )
    except cp.SolverError:
        return None
    if problem.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE, cp.USER_LIMIT) or buy.value is None:
        return None
    x = np.zeros(e.n_candidates)
    for i, sign, lot, count in zip(choice.at, choice.direction, choice.lot, np.round(n.value), strict=True):
        x[i] += sign * float(Fraction(str(float(lot))) * int(count))  # 20.1, not 20.100000000000001
    sent = e.links.candidate
    x[sent] = program.x()[sent]
    return x


def _counted(program: Program, e: Exposures, choice: _Choice, n: cp.Variable) -> list[cp.Constraint]:
    """Least orders, and limits that count trades: one boolean per trade that may be one of them."""
    rules = program.policy.subject_to
    trades = min((rule.most for rule in rules if isinstance(rule, MaxTrades)), default=None)
    fresh = min((rule.most for rule in rules if isinstance(rule, MaxNewInstruments)), default=None)
    small = np.flatnonzero(choice.least > 1.0) if trades is None and fresh is None else np.arange(len(choice.at))
    if not len(small):
        return []
    held = cp.Variable(len(small), boolean=True, name="sent")
    rows = [n[small] <= cp.multiply(choice.most[small], held)]
    rows.append(n[small] >= cp.multiply(np.maximum(choice.least[small], 1.0), held))
    if trades is not None:
        rows.append(cp.sum(held) <= trades)
    if fresh is not None:
        owned = {e.rows.instruments[row].id for row in np.flatnonzero(e.rows.quantity).tolist()}
        names = [e.rows.instruments[e.candidate[i]].id for i in choice.at.tolist()]
        new = sorted(set(names) - owned)
        if new:
            opened = cp.Variable(len(new), boolean=True, name="new")
            at = [k for k, name in enumerate(names) if name in set(new)]
            rows += [held[at] <= opened[[new.index(names[k]) for k in at]], cp.sum(opened) <= fresh]
    return rows


def _solution(ideal: Solution, certificate: Certificate, sides: Sequence[Side], x: np.ndarray) -> Solution:
    """The ideal's proofs with the list in whole lots, and both figures."""
    cost = certificate.objective - ideal.certificate.objective
    most = certificate.objective - certificate.lower_bound
    note = f"whole lots cost {cost:,.6g} more than the ideal trades, proven at most {most:,.6g} ({certificate.gap:.1e})"
    certificate = replace(certificate, notes=(*certificate.notes, note))
    figures = {
        "lots": "whole", "ideal_objective": ideal.certificate.objective, "ideal_lower_bound": ideal.certificate.lower_bound,
        "lots_cost": cost, "lots_cost_at_most": most,
    }  # fmt: skip
    return replace(
        ideal, trades=x, certificate=certificate, sides=tuple(sides), binding_sizes=ideal.box.binding(x),
        statistics={**ideal.statistics, **figures},
    )  # fmt: skip


def _restore(duals: Sequence[tuple[Any, Any]]) -> None:
    """Shadow prices of the ideal: those of a search with integers are none."""
    for dual, value in duals:
        dual.save_value(value)


def _refusal(
    program: Program, e: Exposures, ideal: Solution, best: Solution | None, tails: Mapping[int, Any], broken: str,
    deadline: Deadline,
) -> str:  # fmt: skip
    """Why there is no list in whole lots, and what would help."""
    if best is not None:
        return (
            f"the best list in whole lots costs {best.certificate.gap:.2%} more than the bound of the ideal trades, above "
            f'lot_gap = {program.policy.lot_gap:g}: raise lot_gap, widen limits, or set lots = "ideal" in the policy'
        )
    steps = e.rows.lot[e.candidate]
    nearest = np.where(steps > 0, np.round(ideal.trades / np.where(steps > 0, steps, 1.0)) * steps, 0.0)
    nearest[e.links.candidate] = ideal.trades[e.links.candidate]
    certificate, _ = certify(program, e, ideal.box, np.nan_to_num(nearest), tails, whole=True)
    late = " within the time limit" if deadline.left() <= 0 else ""
    listed = ", ".join(
        f"{x:+g} {e.rows.instruments[row].name}" for x, row in zip(nearest, e.candidate, strict=True) if x != 0.0
    )
    return (
        f"no list in whole lots was found{late} that meets every limit; rounded to lots, the ideal trades ({listed[:300]}) "
        f'break {broken or certificate.worst_limit}: widen it, or set lots = "ideal" in the policy'
    )
