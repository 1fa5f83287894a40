"""Cuts of a program with sizes in whole steps, as a small mixed-integer program for HiGHS."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from hedgeopt._quiet import without_output
from hedgeopt.program.cut_model import CutModel
from hedgeopt.program.cuts import Cuts
from hedgeopt.program.lots.choice import LotChoice
from hedgeopt.program.lots.gates import LotGates
from hedgeopt.program.lots.steps import times

__all__ = ["Integers"]

_REACH = 30.0
"""How many of the largest steps a size may be from the ideal's."""
_FINE = 1e6
_NODES = 2_000
"""Nodes of one integer program: better cuts help more than a better list by these."""

_Rows = tuple[Any, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Integers:
    """Sizes of the choice's candidates in steps, near the ideal's (N,), whose ``pull`` is USD per step of distance.

    Lists that cost nearly the same are many, and cuts know terms and limits best where they were taken: so the nearest list
    is asked for.
    """

    cuts: Cuts
    choice: LotChoice
    gates: LotGates
    ideal: np.ndarray
    pull: float

    def solve(
        self,
        tighten: Mapping[tuple[int, int], float],
        gap: float,
        seconds: float,
        *,
        elastic: bool = False,
        eased: Collection[tuple[int, int]] | None = None,
    ) -> tuple[np.ndarray, float] | None:
        """Trades (N,) that are best by the cuts, and what the cuts say they cost; None without an answer.

        ``elastic``: trades that exceed the worst limit's cuts least, or keep farthest inside, and by how much; ``eased``
        are the limits (number, side) that may be exceeded, None all of them.
        """
        from scipy.optimize import Bounds, LinearConstraint, milp

        model, choice, gates = CutModel(self.cuts, tighten, 0.0, elastic, eased), self.choice, self.gates
        total, count = model.total, len(choice.at)
        opened = gates.names if gates.fresh is not None else 0
        sides = total + count + len(gates.at) + opened
        width = sides + len(gates.facing) + count
        rows = [
            *self._joined(model),
            *self._counted(total + count),
            *self._one_sided(total, sides),
            *self._near(total, width),
        ]
        rows.append(self._in_steps(model))
        unit = float(np.abs(model.c).max(initial=0.0)) or 1.0
        flags = np.ones(len(gates.at) + opened + len(gates.facing))
        pull = 0.0 if elastic else self.pull
        # Least excesses are far below what the solver takes for the same number.
        cost = np.concatenate(
            [model.c * (_FINE if elastic else 1.0 / unit), np.zeros(count + len(flags)), np.full(count, pull / unit)]
        )
        first, ticket = total + count, np.zeros(len(gates.at))
        if gates.ticket is not None and not elastic:
            ticket = gates.ticket
        cost[first : first + len(ticket)] = ticket / unit
        lower = np.concatenate([np.full(total, -np.inf), np.zeros(width - total)])
        upper = np.concatenate([np.full(total, np.inf), choice.most, flags, np.full(count, np.inf)])
        whole = np.concatenate([np.zeros(total), choice.whole.astype(float), flags, np.zeros(count)])
        start, mine = self._start(), slice(total, total + count)
        lower[mine], upper[mine] = -np.minimum(start, self._reach()), np.minimum(choice.most - start, self._reach())
        limits = [LinearConstraint(*_from(_wide(matrix, width), low, high, mine, start)) for matrix, low, high in rows]
        options = {"mip_rel_gap": gap, "time_limit": max(seconds, 0.1), "node_limit": _NODES}
        bounds = Bounds(lower, upper)
        found = without_output(  # HiGHS prints a line for each solution that it polishes, whatever its options
            lambda: milp(cost, integrality=whole, bounds=bounds, constraints=limits, options=options)
        )
        if found.x is None:
            return None
        x = self._trades(start + found.x[total : total + count])
        sent = self.cuts.e.links.candidate
        x[sent] = (model.scale * found.x[: model.n])[sent]
        sent_for = float(ticket @ np.round(found.x[first : first + len(ticket)]))
        return x, float(model.c @ found.x[:total]) + model.constant + sent_for

    def _trades(self, steps: np.ndarray) -> np.ndarray:
        x, choice = np.zeros(self.cuts.e.n_candidates), self.choice
        for i, sign, whole, step, count in zip(choice.at, choice.direction, choice.whole, choice.step, steps, strict=True):
            x[i] += sign * (times(step, round(count)) if whole else step * max(count, 0.0))
        return x

    def _start(self) -> np.ndarray:
        """(K,) the ideal's sizes in steps, whole where only those are taken: sizes count from there.

        A solver's integers are whole to a millionth, and counts may be ten millions.
        """
        choice = self.choice
        at = np.maximum(choice.direction * self.ideal[choice.at], 0.0) / choice.step
        return np.asarray(np.minimum(np.where(choice.whole, np.round(at), at), choice.most))

    def _reach(self) -> np.ndarray:
        """(K,) steps from there at most: some of the largest steps in USD; any number where trades are counted."""
        choice, gates, rows = self.choice, self.gates, self.cuts.e.rows
        if gates.trades is not None or gates.fresh is not None or gates.ticket is not None or gates.facing:
            return np.full(len(choice.at), np.inf)
        if not choice.whole.any():
            return np.full(len(choice.at), np.inf)
        usd = np.maximum(choice.step * np.abs(np.nan_to_num(rows.notional[self.cuts.e.candidate[choice.at]])), 1e-12)
        largest = float((usd * np.maximum(choice.least, 1.0))[choice.whole].max())
        reach = np.where(choice.whole, np.ceil(_REACH * largest / usd), np.inf)
        reach[gates.at] = np.inf
        return np.asarray(reach)

    def _joined(self, model: CutModel) -> list[_Rows]:
        """Each trade is its buys less its sells, in steps; others are nothing."""
        choice, n = self.choice, model.n
        free = np.ones(n, bool)
        free[self.cuts.e.links.candidate] = False
        step = choice.step / model.scale[choice.at]
        count = len(choice.at)
        spread = sp.csc_array((-choice.direction * step, (choice.at, np.arange(count))), shape=(n, count))
        zero = np.zeros(int(free.sum()))
        return [(sp.csr_array(sp.hstack([sp.eye_array(n, model.total), spread]))[np.flatnonzero(free)], zero, zero)]

    def _in_steps(self, model: CutModel) -> _Rows:
        """The cuts with sizes in steps for trades, each row in the largest effect of one: a solver's digits are few."""
        choice, count = self.choice, len(self.choice.at)
        step = choice.direction * choice.step / model.scale[choice.at]
        spread = sp.csc_array((step, (choice.at, np.arange(count))), shape=(model.total, count))
        kept = np.ones(model.total)
        kept[: model.n] = 0.0
        kept[self.cuts.e.links.candidate] = 1.0
        rows = sp.csr_array(sp.hstack([model.A @ sp.diags_array(kept), model.A @ spread]))
        largest = abs(rows)[:, model.total :].max(axis=1).toarray().ravel()
        unit = 1.0 / np.where(largest > 0.0, largest, 1.0)
        return sp.diags_array(unit) @ rows, np.full(len(model.b), -np.inf), unit * model.b

    def _counted(self, before: int) -> list[_Rows]:
        """Rows of the booleans, which come after ``before`` columns, the last of them sizes."""
        gates, count = self.gates, len(self.gates.at)
        if not count:
            return []
        sizes = before - len(self.choice.at) + gates.at
        size = sp.csc_array((np.ones(count), (np.arange(count), sizes)), shape=(count, before))
        infinite, zero = np.full(count, np.inf), np.zeros(count)
        found: list[_Rows] = [
            (sp.hstack([size, sp.diags_array(-gates.most)]), -infinite, zero),
            (sp.hstack([size, sp.diags_array(-gates.least)]), zero, infinite),
        ]
        if gates.trades is not None:
            found.append(_at_most(np.concatenate([np.zeros(before), np.ones(count)]), gates.trades))
        if gates.fresh is not None and gates.names:
            mine = np.flatnonzero(gates.new >= 0)
            rows = np.arange(len(mine))
            left = sp.csc_array((np.ones(len(mine)), (rows, before + mine)), shape=(len(mine), before + count))
            right = sp.csc_array((-np.ones(len(mine)), (rows, gates.new[mine])), shape=(len(mine), gates.names))
            found.append((sp.hstack([left, right]), np.full(len(mine), -np.inf), np.zeros(len(mine))))
            found.append(_at_most(np.concatenate([np.zeros(before + count), np.ones(gates.names)]), gates.fresh))
        return found

    def _one_sided(self, total: int, first: int) -> list[_Rows]:
        """Of buys and sells that would meet at the venue one side alone, by a boolean each from column ``first`` on."""
        found: list[_Rows] = []
        for k, (buys, sells) in enumerate(self.gates.facing):
            for places, sign, right in ((buys, -1.0, 0.0), (sells, 1.0, 1.0)):
                row = np.zeros(first + k + 1)
                row[total + places] = 1.0 / (len(places) * np.maximum(self.choice.most[places], 1e-12))
                row[first + k] = sign
                found.append((sp.csc_array(row[None, :]), np.array([-np.inf]), np.array([right])))
        return found

    def _near(self, total: int, width: int) -> list[_Rows]:
        """Distances from the ideal's sizes: the last columns."""
        choice, count = self.choice, len(self.choice.at)
        at = np.maximum(choice.direction * self.ideal[choice.at], 0.0) / choice.step
        eye, none = sp.eye_array(count), sp.csc_array((count, total))
        gap = sp.csc_array((count, width - total - 2 * count))
        low = np.full(count, -np.inf)
        return [(sp.hstack([none, sign * eye, gap, -eye]), low, sign * at) for sign in (1.0, -1.0)]


def _from(
    matrix: Any, low: np.ndarray, high: np.ndarray, mine: slice, start: np.ndarray
) -> tuple[Any, np.ndarray, np.ndarray]:
    """A row's bounds where the columns ``mine`` count from ``start``."""
    there = sp.csc_array(matrix)[:, mine] @ start
    return matrix, low - there, high - there


def _at_most(row: np.ndarray, most: int) -> _Rows:
    return sp.csc_array(row[None, :]), np.array([-np.inf]), np.array([float(most)])


def _wide(matrix: Any, width: int) -> Any:
    """The matrix with columns of nothing up to ``width``."""
    missing = width - matrix.shape[1]
    return sp.csc_array(matrix if not missing else sp.hstack([matrix, sp.csc_array((matrix.shape[0], missing))]))
