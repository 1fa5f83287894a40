"""Whether any list in whole lots is cheaper than a goal, where the multipliers of the ideal trades do not tell.

Limits on the number of trades, tickets and coarse lots lift what lists cost above what trades of any size do. No multipliers
of a proposal prove that, so it is proven anew: a mixed-integer program over the verifier's own lower functions of terms and
limits, in lots, with the row "costs at most the goal". Where it has a point, functions that touch terms and limits there are
added (Kelley 1960; no duals are needed); where HiGHS finds it infeasible, no list is that cheap. Lots, orders, tickets and
counts are asked again here; candidates are left out only where the multipliers prove that no such list has them.
Infeasibility is to HiGHS' tolerance: a millionth of a lot's largest effect on a row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from hedgeopt._quiet import without_output
from hedgeopt.inputs.market import Market
from hedgeopt.models.arrays import Exposures
from hedgeopt.verify.convex import Convex, flattened
from hedgeopt.verify.ladders import ticket_of
from hedgeopt.verify.lots import steps_of
from hedgeopt.verify.sizes import TradeRange

__all__ = ["Cut", "no_list_below"]

_ROUNDS, _LINEAR = 400, 60
_MARGIN = 1e-7


@dataclass(frozen=True, eq=False)
class Cut:
    """What is known at one point: the objective's lower function, and those of the limits, nowhere above 0 where they hold.

    ``value`` is the objective there, ``holds`` whether every limit does.
    """

    objective: Convex
    limits: Sequence[Convex]
    value: float
    holds: bool


@dataclass
class _Lists:
    """The program over lists; columns are buys, sells, whether each is sent, corners, new instruments, and the objective."""

    e: Exposures
    box: TradeRange
    lot: np.ndarray
    least: np.ndarray
    ticket: np.ndarray
    kept: np.ndarray
    most: int | None
    new: tuple[np.ndarray, int] | None
    rows: list[dict[int, float]] = field(default_factory=list)
    right: list[float] = field(default_factory=list)
    corners: dict[tuple[int, float], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.kept)
        lower, upper = self.box[0][self.kept], self.box[1][self.kept]
        step = np.where(self.lot[self.kept] > 0.0, self.lot[self.kept], 1.0)
        self.step, whole = step, self.lot[self.kept] > 0.0
        room = [np.maximum(upper, 0.0) / step, np.maximum(-lower, 0.0) / step]
        self.room = np.concatenate([np.where(whole, np.floor(part * (1 + 1e-9) + 1e-9), part) for part in room])
        self.whole = np.concatenate([whole, whole])
        self.first = 4 * n + (0 if self.new is None else int(self.new[0].max(initial=-1)) + 1)
        least = np.tile(self.least[self.kept] / step * (1 - 1e-9), 2)
        for k in range(2 * n):
            self.add({k: 1.0, 2 * n + k: -float(self.room[k])}, 0.0)
            if least[k] > 0.0:
                self.add({k: -1.0, 2 * n + k: float(least[k])}, 0.0)
        for k in range(n):
            self.add({2 * n + k: 1.0, 3 * n + k: 1.0}, 1.0)
        orders = np.flatnonzero(self.ticketed)
        if self.most is not None:
            self.add({int(2 * n + k): 1.0 for k in (*orders, *(orders + n))}, float(self.most))
        if self.new is not None:
            names, most = self.new
            for k in orders.tolist():
                if names[k] >= 0:
                    self.add({2 * n + k: 1.0, 3 * n + k: 1.0, 4 * n + int(names[k]): -1.0}, 0.0)
            self.add({4 * n + j: 1.0 for j in range(int(names.max(initial=-1)) + 1)}, float(most))

    @property
    def ticketed(self) -> np.ndarray:
        """Which are orders: transfers are none."""
        return np.asarray(~np.isin(self.kept, self.e.links.candidate))

    def add(self, row: dict[int, float], right: float) -> None:
        """``row @ columns <= right``."""
        self.rows.append(row)
        self.right.append(right)

    def add_function(self, f: Convex, at: np.ndarray, right: float, level: bool) -> None:
        """``f <= right``, or ``f <= right + level`` of the objective; choices by their line that is largest at ``at``."""
        slope, constant = f.slope.copy(), f.constant
        for choice in f.choices:
            line = int(np.argmax(choice.values(at)))
            slope, constant = slope + choice.lines[line], constant + float(choice.offsets[line])
        row: dict[int, float] = {}
        n = len(self.kept)
        shut = np.setdiff1d(np.arange(len(slope)), self.kept)
        for where, weight in f.corners:
            constant += float(np.abs(where[shut]) @ weight[shut])
            for k in np.flatnonzero(weight[self.kept] > 0.0).tolist():
                i = int(self.kept[k])
                w, a = float(weight[i]), float(where[i])
                if a == 0.0:
                    for column in (k, n + k):
                        row[column] = row.get(column, 0.0) + w * float(self.step[k])
                elif a <= self.box[0][i]:
                    slope[i] += w
                    constant -= w * a
                elif a >= self.box[1][i]:
                    slope[i] -= w
                    constant += w * a
                else:
                    number = self._corner(k, a)
                    row[-1 - number] = row.get(-1 - number, 0.0) + w
        for k in np.flatnonzero(slope[self.kept]).tolist():
            change = float(slope[self.kept[k]] * self.step[k])
            row[k], row[n + k] = row.get(k, 0.0) + change, row.get(n + k, 0.0) - change
        if level:
            row[self.first] = -1.0
        self.add(row, right - constant)

    def _corner(self, k: int, at: float) -> int:
        """The column of ``|x_k - at|``."""
        key = (k, at)
        if key not in self.corners:
            self.corners[key] = number = len(self.corners)
            step, n = float(self.step[k]), len(self.kept)
            self.add({k: step, n + k: -step, -1 - number: -1.0}, at)
            self.add({k: -step, n + k: step, -1 - number: -1.0}, -at)
        return self.corners[key]

    def solve(self, goal: float, integers: bool, seconds: float) -> tuple[str, np.ndarray, float]:
        """How it ended, trades (N,), and the level there; "infeasible" where no list is as cheap as the goal."""
        from scipy.optimize import Bounds, LinearConstraint, milp

        n, corners = len(self.kept), len(self.corners)
        width = self.first + 1 + corners
        data, at, where = [], [], []
        for r, row in enumerate(self.rows):
            for column, value in row.items():
                data.append(value)
                at.append(r)
                where.append(column if column >= 0 else self.first - column)
        A = sp.csr_array((data, (at, where)), shape=(len(self.rows), width))
        unit = 1.0 / np.maximum(abs(A)[:, : 2 * n].max(axis=1).toarray().ravel(), 1e-300)
        unit = np.where(abs(A)[:, : 2 * n].max(axis=1).toarray().ravel() > 0.0, unit, 1.0)
        cost = np.zeros(width)
        cost[self.first] = 1.0
        ticket = np.where(self.ticketed, self.ticket[self.kept], 0.0)
        cost[2 * n : 4 * n] = np.tile(ticket, 2)
        size = max(abs(goal), 1e-300)
        rows = [LinearConstraint(sp.diags_array(unit) @ A, ub=unit * np.array(self.right)),
                LinearConstraint(sp.csr_array(cost[None, :] / size), ub=np.array([goal / size]))]  # fmt: skip
        lower = np.concatenate([np.zeros(self.first), [-np.inf], np.zeros(corners)])
        upper = np.concatenate([self.room, np.ones(self.first - 2 * n), [np.inf], np.full(corners, np.inf)])
        kinds = np.zeros(width)
        if integers:
            kinds[: 2 * n], kinds[2 * n : self.first] = self.whole, 1.0
        options = {"time_limit": max(seconds, 0.1), "mip_rel_gap": 1e-3}
        bounds = Bounds(lower, upper)
        found = without_output(  # HiGHS prints a line for each solution that it polishes, whatever its options
            lambda: milp(cost / size, integrality=kinds, bounds=bounds, constraints=rows, options=options)
        )
        x = np.zeros(self.e.n_candidates)
        if found.x is None:
            return ("infeasible" if found.status == 2 else "late"), x, np.inf
        counts = found.x[: 2 * n]
        if integers:
            counts = np.where(self.whole, np.round(counts), counts)
        x[self.kept] = self.step * (counts[:n] - counts[n:])
        return "found", np.clip(x, *self.box), float(cost @ found.x)


def no_list_below(
    goal: float,
    policy: dict[str, Any],
    e: Exposures,
    market: Market,
    box: TradeRange,
    x: np.ndarray,
    priced: Convex,
    cut: Callable[[np.ndarray, bool], Cut],
    seconds: float,
) -> str:
    """Empty where it is proven that no list in whole lots that holds the limits costs ``goal`` or less; else why it is not.

    Parameters
    ----------
    priced
        Objective and priced limits: nowhere above the objective of a list that holds the limits.
    cut
        What is known at trades, with the proposal's own scenario weights or the worst scenarios there.
    """
    end = time.perf_counter() + seconds
    lot, least = steps_of(market, e)
    sent = e.links.candidate
    lot[sent], least[sent] = 0.0, 0.0
    if np.isnan(lot).any():
        return "some candidates have no known lot"
    rules = policy["subject_to"]
    for rule in rules:
        if rule["kind"] == "min_trade":
            least = np.where(
                np.isin(np.arange(len(lot)), sent), 0.0, np.maximum(least, rule["usd"] / e.rows.notional[e.candidate])
            )
    most = min((int(rule["most"]) for rule in rules if rule["kind"] == "max_trades"), default=None)
    ticket = ticket_of(policy, e)
    kept = _useful(flattened(priced, *box, x), box, lot, least, ticket, most, sent, goal)
    if not len(kept):
        nothing = cut(np.zeros_like(x), False)
        return f"no trades at all cost {nothing.value:,.10g}" if nothing.holds and nothing.value <= goal else ""
    lists = _Lists(e, box, lot, least, ticket, kept, most, _new(rules, e, kept))
    for at, own in ((x, True), (x, False), (np.zeros_like(x), False)):
        known = cut(at, own)
        _learn(lists, known, at)
    integers, linear = False, 0
    for _ in range(_ROUNDS):
        left = end - time.perf_counter()
        if left <= 0:
            return "the search over whole lists ran out of time"
        status, at, level = lists.solve(goal, integers, left)
        if status == "infeasible":
            return ""
        if status == "late":
            return "the search over whole lists ran out of time"
        known = cut(at, False)
        if integers and known.holds and known.value + float(ticket[at != 0.0].sum()) <= goal:
            return f"a list that costs {known.value:,.10g} holds every limit"
        linear += not integers
        sharp = known.holds and known.objective(at) - level <= 1e-4 * max(abs(goal), 1e-300)
        integers = integers or linear >= _LINEAR or sharp
        _learn(lists, known, at)
    return "the search over whole lists came to no end"


def _learn(lists: _Lists, known: Cut, at: np.ndarray) -> None:
    """Rows of the lower functions at a point."""
    lists.add_function(known.objective, at, 0.0, level=True)
    for below in known.limits:
        lists.add_function(below, at, _MARGIN * max(abs(below.constant), 1e-9), level=False)


def _new(rules: Sequence[dict[str, Any]], e: Exposures, kept: np.ndarray) -> tuple[np.ndarray, int] | None:
    """A number per kept candidate whose instrument nobody holds, else -1, and how many may be traded."""
    fresh = min((int(rule["most"]) for rule in rules if rule["kind"] == "max_new_instruments"), default=None)
    if fresh is None:
        return None
    owned = {item.id for item, q in zip(e.rows.instruments, e.rows.quantity.tolist(), strict=True) if q != 0.0}
    names = [e.rows.instruments[e.candidate[i]].id for i in kept.tolist()]
    numbers = {name: k for k, name in enumerate(sorted(set(names) - owned))}
    return np.array([numbers.get(name, -1) for name in names], int), fresh


def _useful(
    f: Convex,
    box: TradeRange,
    lot: np.ndarray,
    least: np.ndarray,
    ticket: np.ndarray,
    most: int | None,
    sent: np.ndarray,
    goal: float,
) -> np.ndarray:
    """Candidates that may be in a list of ``goal`` or less: the others lift a sum over coordinates above it, alone."""
    lower, upper = box
    step = np.maximum(np.where(lot > 0.0, lot, 0.0), least)

    def value(at: np.ndarray) -> np.ndarray:
        total = f.slope * at
        for where, weight in f.corners:
            total = total + weight * (np.abs(at - where) - np.abs(where))
        return np.asarray(total)

    tried = [np.zeros_like(lower), lower, upper, *(np.clip(where, lower, upper) for where, _ in f.corners)]
    values = np.stack([value(at) for at in tried])
    sides = []
    for sign, end in ((1.0, upper), (-1.0, lower)):
        nearest = np.clip(sign * step, lower, upper)
        places = np.stack([nearest, *tried])
        good = (sign * places >= step * (1 - 1e-9)) & (sign * places <= sign * end * (1 + 1e-12))
        sides.append(np.where(good, np.stack([value(nearest), *values]), np.inf).min(axis=0))
    traded = np.minimum(*sides) + ticket
    rest = np.zeros(len(lot))
    rest[sent] = values.min(axis=0)[sent]  # transfers are not counted
    gain = np.minimum(traded, 0.0)
    gain[sent] = 0.0
    chosen = np.sort(gain)[: most if most is not None else None]
    base = f.constant + sum(float((weight * np.abs(where)).sum()) for where, weight in f.corners)
    # One more trade beside the best, or in the place of the least of them where no more are allowed.
    spare = float(chosen[-1]) if most is not None and 0 < most <= len(chosen) else 0.0
    forced = base + float(chosen.sum()) + float(rest.sum()) + np.maximum(traded - spare, 0.0)
    keep = ~(forced > goal + 1e-9 * abs(goal))
    keep[sent] = True
    return np.flatnonzero(keep)
