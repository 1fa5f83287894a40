"""Cuts as arrays for a linear or conic solver, and what the solver's duals prove once they are made exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.separable import Separable
from hedgeopt.program.balance import balance
from hedgeopt.program.box import Box
from hedgeopt.program.cones import OwnRows, own_sizes, repaired
from hedgeopt.program.own_bounds import proven_sizes
from hedgeopt.program.program import Program

if TYPE_CHECKING:
    from hedgeopt.program.cuts import Cuts

__all__ = ["CutModel", "CutRow", "Proof", "own_part"]

_HOLDS = 1e-9


@dataclass(frozen=True)
class Proof:
    """A bound, the trades (N,) at which the cuts have their optimum, and the dual of each limit's inequality.

    ``own`` is by how much the bound would move if each of the user's own constraints held to rounding only.
    """

    bound: float
    x: np.ndarray
    duals: Mapping[tuple[int, int], float]
    own: float = 0.0

    def save(self, program: Program, e: Exposures) -> None:
        """Give the program's limits these duals, which are their shadow prices."""
        for number, limit in enumerate(program.limits):
            count = len(limit.sides(e, self.x))
            limit.put_duals(e, np.array([self.duals.get((number, k), 0.0) for k in range(count)]))


@dataclass
class CutRow:
    """One inequality ``f(x) <= 0`` by its cuts; ``size`` is what it counts in."""

    place: tuple[int, int]
    cuts: list[Separable]
    square: tuple[np.ndarray, np.ndarray, float] | None = None


class CutModel:
    """The cuts as arrays: variables are scaled trades (or buys, sells and the user's own), kinks, and levels of terms.

    ``elastic``: not the objective is least, but the largest excess of a limit, each in its row's unit. A bound above zero
    then proves that the limits have no point in common (Farkas).
    """

    def __init__(self, cuts: Cuts, tighten: Mapping[tuple[int, int], float], inwards: float, elastic: bool = False) -> None:
        self.cuts, self.scale = cuts, cuts.program.scale
        self.n, self.own = cuts.e.n_candidates, cuts.own
        self.lower, self.upper = cuts.box.lower / self.scale, cuts.box.upper / self.scale
        own_variables = 0 if self.own is None else self.own.own.shape[1]
        self.width = self.n if self.own is None else 2 * self.n
        self.first_kink = self.width + own_variables
        self.kinks: dict[tuple[int, float], int] = {}
        self.tighten, self.inwards, self.elastic = tighten, inwards, elastic
        self._write()

    def _linear(self, f: Separable) -> tuple[dict[int, float], float]:
        """A separable function on the variables: trades by their slopes, kinks by their own variables."""
        slope, constant = f.slope.copy(), f.constant
        found: dict[int, float] = {}
        slope_both = np.zeros(self.n)
        if f.weights is not None and f.kinks is not None:
            for k, i in zip(*np.nonzero(f.weights), strict=True):
                weight, kink = float(f.weights[k, i]), float(f.kinks[k, i])
                if kink <= self.cuts.box.lower[i]:
                    slope[i] += weight
                    constant -= weight * kink
                elif kink < self.cuts.box.upper[i]:
                    key = int(i), kink
                    place = self.kinks.setdefault(key, len(self.kinks))
                    found[-1 - place] = found.get(-1 - place, 0.0) + weight * self.scale[i]
        if f.both is not None and self.own is not None:
            for i in np.flatnonzero(f.both).tolist():
                zero = self.kinks.get((i, 0.0))
                if zero is not None:  # what is bought beyond the net trade
                    found[-1 - zero] = found.get(-1 - zero, 0.0) - f.both[i] * self.scale[i]
                    slope_both[i] = f.both[i]
        for i in np.flatnonzero((slope != 0.0) | (slope_both != 0.0)).tolist():
            found[i] = (slope[i] + slope_both[i]) * self.scale[i]
            if self.own is not None:
                found[self.n + i] = -slope[i] * self.scale[i]
        return found, constant

    def _write(self) -> None:
        cuts, parts = self.cuts, self.cuts.program.objective_terms
        cost: dict[int, float] = {}
        self.constant = 0.0
        several = []  # terms of several cuts get a variable each
        lines: list[tuple[str, Any, dict[int, float], float]] = []
        for k, (weight, _, _) in enumerate(parts if not self.elastic else []):
            mine = cuts.terms[k]
            if len(mine) == 1:
                found, constant = self._linear(mine[0])
                for i, value in found.items():
                    cost[i] = cost.get(i, 0.0) + weight * value
                self.constant += weight * constant
            elif mine:
                several.append(k)
                lines += [("term", (k, i), *self._linear(cut)) for i, cut in enumerate(mine)]
        for place, row in cuts.rows.items():
            lines += [("row", (place, i), *self._linear(cut)) for i, cut in enumerate(row.cuts)]
        levels = {k: self.first_kink + len(self.kinks) + t for t, k in enumerate(several)}
        self.excess = self.first_kink + len(self.kinks) + len(several)
        self.total = self.excess + self.elastic

        def column(i: int) -> int:
            return i if i >= 0 else self.first_kink - 1 - i

        c = np.zeros(self.total)
        for i, value in cost.items():
            c[column(i)] += value
        data: list[float] = []
        at: list[int] = []
        where: list[int] = []
        right: list[float] = []
        names: list[Any] = []

        def put(name: Any, row: dict[int, float], limit: float) -> None:
            for i, value in row.items():
                data.append(value)
                at.append(len(right))
                where.append(column(i))
            right.append(limit)
            names.append(name)

        if self.own is None:
            for i in range(self.n):
                put(None, {i: 1.0}, float(self.upper[i]))
                put(None, {i: -1.0}, -float(self.lower[i]))
        else:
            for i in range(self.n):
                put(None, {i: 1.0}, max(float(self.upper[i]), 0.0))
                put(None, {i: -1.0}, 0.0)
                put(None, {self.n + i: 1.0}, max(-float(self.lower[i]), 0.0))
                put(None, {self.n + i: -1.0}, 0.0)
        for (i, kink), number in self.kinks.items():
            net = {i: 1.0} if self.own is None else {i: 1.0, self.n + i: -1.0}
            put(None, {**net, -1 - number: -1.0}, kink / float(self.scale[i]))
            put(None, {-1 - number: -1.0}, 0.0)
            # what costs next to nothing must not drift far off: solvers' digits are those of the largest number
            put(None, {-1 - number: 1.0}, (float(self.cuts.box.upper[i]) - kink) / float(self.scale[i]))
        if self.elastic:
            c[self.excess] = 1.0
            put(None, {self.excess: -1.0}, 1.0)  # far inside is far enough
        self.sizes: list[float] = [1.0] * len(right)
        self.term_units: dict[int, float] = {}
        for kind, name, line, constant in lines:
            size = max([abs(value) for value in line.values()], default=0.0) or max(abs(constant), 1.0)
            if kind == "term":
                k = name[0]
                unit = self.term_units.setdefault(k, size)
                c[levels[k]] = parts[k][0] * unit
                scaled = {i: value / unit for i, value in line.items()}
                scaled[levels[k]] = -1.0  # levels lie beyond the kinks, so their column is their own
                put((kind, name), scaled, -constant / unit)
                self.sizes.append(unit)
            else:
                extra = self.tighten.get(name[0], 0.0)
                scaled = {i: value / size for i, value in line.items()}
                if self.elastic:
                    scaled[self.excess] = -1.0
                put((kind, name), scaled, -(constant + extra) / size)
                self.sizes.append(size)
        self.c, self.names = c, names
        self.A = sp.csc_array((data, (at, where)), shape=(len(right), self.total))
        self.b = np.array(right)

    def _square(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        square = self.cuts.squares[k]
        assert square is not None
        factor, offset = square
        return factor * self.scale, offset

    def _spread(self, matrix: np.ndarray) -> Any:
        """A matrix of net trades on all variables."""
        parts = [matrix] if self.own is None else [matrix, -matrix]
        wide = np.hstack(parts)
        return sp.csc_array(sp.hstack([sp.csc_array(wide), sp.csc_array((len(matrix), self.total - wide.shape[1]))]))

    def solve(self) -> Proof | str:
        """The optimum and what its duals prove, or why there is none: "infeasible" (unproven) or "failed"."""
        quadratic = [k for k, square in enumerate(self.cuts.squares) if square is not None and not self.elastic]
        cones = [row for row in self.cuts.rows.values() if row.square is not None]
        if quadratic or cones or self.own is not None:
            found = self._conic(quadratic, cones)
        else:
            found = self._linear_program()
            if found == "failed":
                found = self._conic([], [])
        return found

    def _linear_program(self) -> Proof | str:
        from scipy.optimize import linprog

        unit = float(np.abs(self.c).max(initial=0.0)) or 1.0
        tight = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10, "time_limit": self.cuts.seconds}
        found = linprog(self.c / unit, A_ub=self.A, b_ub=self.b, bounds=(None, None), method="highs", options=tight)
        if found.status != 0:
            return "infeasible" if found.status == 2 else "failed"
        duals = -np.asarray(found.ineqlin.marginals) * unit
        return self._proof(np.asarray(found.x), duals, {}, None)

    def _conic(self, quadratic: Sequence[int], cones: Sequence[CutRow]) -> Proof | str:
        """By Clarabel; where it ends short of its tolerance, once more with own cones balanced by where it ended."""
        status, v, z = self._clarabel(quadratic, cones)
        if self.own is not None and status not in ("Solved", "PrimalInfeasible", "DualInfeasible"):
            slack = self.own.right - self.own.trades @ v[: self.width] - self.own.own @ v[self.width : self.first_kink]
            if np.isfinite(slack).all():
                before, self.cuts.balance = self.cuts.balance, balance(self.own, slack)
                again = self._clarabel(quadratic, cones)
                if again[0] == "Solved":
                    status, v, z = again
                else:
                    self.cuts.balance = before
        if status == "PrimalInfeasible":
            return "infeasible"
        if status == "DualInfeasible" or not (np.isfinite(v).all() and np.isfinite(z).all()):
            return "failed"
        start = 0 if self.own is None else len(self.own.right)
        y = None if self.own is None else z[:start]
        at = start + len(self.b)
        socs = {}
        for row in cones:
            assert row.square is not None
            count = 1 + len(row.square[1])
            socs[row.place] = z[at : at + count]
            at += count
        return self._proof(v, z[start : start + len(self.b)], socs, y)

    def _clarabel(self, quadratic: Sequence[int], cones: Sequence[CutRow]) -> tuple[str, np.ndarray, np.ndarray]:
        """Its status, variables, and duals of own rows, inequalities and squares in turn."""
        import clarabel

        P = sp.csc_array((self.total, self.total))
        c = self.c.copy()
        for k in quadratic:
            factor, offset = self._square(k)
            wide = self._spread(factor)
            weight = self.cuts.program.objective_terms[k][0]
            P = P + 2.0 * weight * (wide.T @ wide)
            c += 2.0 * weight * (wide.T @ offset)
        blocks, rights, kinds = [], [], []
        turn = self.cuts.balance
        if self.own is not None:
            wide = sp.hstack(
                [self.own.trades, self.own.own, sp.csc_array((len(self.own.right), self.total - self.first_kink))]
            )
            right = self.own.right - self.inwards * self.own.inwards()
            blocks.append(wide if turn is None else turn @ wide)
            rights.append(right if turn is None else turn @ right)
            kinds += [_cone(kind, rows, parameter) for kind, rows, parameter in self.own.cones]
        even = 1.0 / np.maximum(1.0, np.abs(self.b))
        blocks.append(sp.diags_array(even) @ self.A)
        rights.append(even * self.b)
        kinds.append(clarabel.NonnegativeConeT(len(self.b)))
        for row in cones:
            assert row.square is not None
            factor, offset, limit = row.square
            allowed = max(limit - self.tighten.get(row.place, 0.0), 0.0) ** 0.5
            size = max(limit, 1e-300) ** 0.5
            wide = self._spread(factor * self.scale) * (-1.0 / size)
            first = sp.lil_array((1, self.total))
            if self.elastic:
                first[0, self.excess] = -1.0
            blocks.append(sp.vstack([sp.csc_array(first), wide]))
            rights.append(np.concatenate([[allowed], offset]) / size)
            kinds.append(clarabel.SecondOrderConeT(1 + len(offset)))
        unit = max(float(np.abs(c).max(initial=0.0)), 1e-300)
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        settings.time_limit = self.cuts.seconds
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-11
        settings.max_iter = 200
        answer = clarabel.DefaultSolver(
            sp.csc_matrix(sp.triu(P / unit)),
            c / unit,
            sp.csc_matrix(sp.vstack(blocks)),
            np.concatenate(rights),
            kinds,
            settings,
        ).solve()
        v, z = np.array(answer.x), np.array(answer.z) * unit
        start = 0 if self.own is None else len(self.own.right)
        if turn is not None:
            z[:start] = turn.T @ z[:start]
        z[start : start + len(self.b)] *= even
        return str(answer.status), v, z

    def _proof(
        self, v: np.ndarray, duals: np.ndarray, socs: Mapping[tuple[int, int], np.ndarray], y: np.ndarray | None
    ) -> Proof:
        """Weak duality with these duals, made exact, on the cuts themselves."""
        n, e, parts = self.n, self.cuts.e, self.cuts.program.objective_terms
        net = v[:n] if self.own is None else v[:n] - v[n : 2 * n]
        x = np.clip(self.scale * net, self.cuts.box.lower, self.cuts.box.upper)
        shares: dict[int, np.ndarray] = {k: np.zeros(len(cuts)) for k, cuts in enumerate(self.cuts.terms)}
        total = Separable(np.zeros(n))
        prices: dict[tuple[int, int], float] = {}
        for name, dual, size in zip(self.names, duals, self.sizes, strict=True):
            if name is None or not dual > 0:
                continue
            kind, (place, i) = name
            if kind == "term":
                shares[place][i] = dual
            else:
                total += self.cuts.rows[place].cuts[i].scaled(float(dual / size))
                prices[place] = prices.get(place, 0.0) + float(dual / size)
        for k, (weight, _, bound) in enumerate(parts if not self.elastic else []):
            mine = self.cuts.terms[k]
            if self.cuts.squares[k] is not None:
                total += bound.minorant(e, x, {}).scaled(weight)
                continue
            share = shares[k] / shares[k].sum() if shares[k].sum() > 0 else np.full(len(mine), 1.0 / len(mine))
            for part, cut in zip(share, mine, strict=True):
                if part > 0:
                    total += cut.scaled(weight * float(part))
        for place, z in socs.items():
            square = self.cuts.rows[place].square
            assert square is not None
            factor, offset, limit = square
            size = max(limit, 1e-300) ** 0.5
            z0 = max(float(z[0]), float(np.linalg.norm(z[1:])) * (1 + 4e-16))
            prices[place] = 0.5 * z0 / size / max(limit, 1e-300) ** 0.5
            # z0 sqrt(limit) + z1 (F x + f) >= 0 wherever the norm of F x + f is at most sqrt(limit)
            total += Separable(-(z[1:] @ factor) / size, -(z0 * max(limit, 0.0) ** 0.5 + float(z[1:] @ offset)) / size)
        loss = room = 0.0
        if self.own is not None and y is not None:
            own = v[2 * n : 2 * n + self.own.own.shape[1]]
            part, loss = own_part(self.own, y, own, self.scale, self.cuts.box, total.both)
            total += part
            room = _HOLDS * float(np.abs(y) @ (1.0 + np.abs(self.own.right)))
        return Proof(total.minimum(self.cuts.box.lower, self.cuts.box.upper) - loss, x, prices, room)


def own_part(
    own: OwnRows, y: np.ndarray, values: np.ndarray, scale: np.ndarray, box: Box, both: np.ndarray | None
) -> tuple[Separable, float]:
    """``y' (A_v v - b)`` with exact duals as a function of net trades, and what it may lose beyond that.

    Lost are the user's own variables where rounding leaves them a coefficient. Where the duals pay more for buys and sells
    of one instrument at once than the ``both`` (N,) that they cost, the function has as many of them as the box leaves room
    for beside the net trade: none at its ends.
    """
    n = len(scale)
    exact, left = repaired(own, y)
    slope = np.asarray(own.trades.T @ exact).ravel()
    buy, sell = slope[:n] / scale, slope[n:] / scale
    loss = 0.0
    if len(left):
        ends = np.concatenate([np.maximum(box.upper, 0.0) / scale, np.maximum(-box.lower, 0.0) / scale])
        sizes = np.minimum(proven_sizes(own, ends), own_sizes(values))
        loss = float(np.abs(left) @ sizes)
    pay = np.maximum(-(buy + sell) - (0.0 if both is None else both), 0.0)
    most, least = np.maximum(box.upper, 0.0), np.maximum(-box.lower, 0.0)
    room = np.minimum(most, least)
    # room - (x - (most - room))+ - (-x - (least - room))+ at net trade x, each paid for
    constant = -float(exact @ own.right) - float(pay @ least)
    weights = np.vstack([buy + sell, pay, pay])
    return Separable(-sell - pay, constant, weights, np.vstack([np.zeros(n), most - room, room - least])), loss


def _cone(kind: str, rows: int, parameter: Any) -> Any:
    import clarabel

    if kind == "zero":
        return clarabel.ZeroConeT(rows)
    if kind == "nonneg":
        return clarabel.NonnegativeConeT(rows)
    if kind == "soc":
        return clarabel.SecondOrderConeT(rows)
    if kind == "exp":
        return clarabel.ExponentialConeT()
    if kind == "psd":
        return clarabel.PSDTriangleConeT(parameter)
    return clarabel.PowerConeT(parameter) if kind == "power" else clarabel.GenPowerConeT(list(parameter), 1)
