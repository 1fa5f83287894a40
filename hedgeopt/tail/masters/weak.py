"""A lower bound of a conic program from the arrays its solver was given and the dual point it came back with.

For ``min 1/2 x'Px + c'x`` with ``Ax + s = b``, ``s`` in a cone K, and ``z`` in the dual cone, convexity of the objective
gives for every feasible x'

    f(x') >= -1/2 x'Px - b'z + d'x',    d = Px + c + A'z,

at whatever x the solver stopped. ``z`` is moved into the dual cone, the weights of every tail into their envelope, and then
as little as possible until ``d`` is zero where variables have no bounds. The rest of ``d`` is charged to the bounds that
rows, cones and the level set imply. Where there are none, what is more than rounding makes it minus infinity: not proven.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.linalg as la
import scipy.sparse as sp
import scipy.sparse.linalg  # noqa: F401  sp.linalg

from hedgeopt.tail.masters.bound import envelope
from hedgeopt.tail.masters.call import Answer
from hedgeopt.tail.masters.cones import blocks, implied_rows, into_dual_cone, inward
from hedgeopt.tail.masters.implied import tightened, with_pairs
from hedgeopt.tail.masters.units import Units, equilibrated, of_bounds
from hedgeopt.tail.source import Index, Vector

# Gradients below this share of their terms are rounding, charged at so many times the largest value; the largest matrix that
# a projection factorises.
_ROUNDING, _FAR, _LARGEST = 4e-15, 10.0, 4_000_000
# Variables without bounds up to which normal equations are factorised.
_QUICK = 600
# Columns beyond which sparse equations are the quicker ones.
_FEW = 100
# Columns beyond which the best bound takes longer than another solve.
_LARGE = 200
# Share of the largest below which one is noise, how sides count beside positions, and sweeps of an equilibration for units.
_NOISE, _BESIDE, _ROUGHLY = 1e-6, 0.1, 12
# Margins inside the cones that leave room for the projection.
_INSIDE = 0.0, 1e-9, 1e-8, 1e-7
# How far inside their cones dual points are moved before they are projected: what the first leaves, the next may not.
_MARGINS, _TURNS = (0.0, 1e-11, 1e-9, 1e-7), 8
# Shares of the largest multiplier below which others are dropped, where nothing is proven with them.
DUST = 1e-14, 1e-12, 1e-10, 1e-8, 1e-6
# The share of what a bound loses from which a variable's part of it matters.
_MATTERS = 1e-3


def standard(answer: Answer) -> tuple[dict[str, Any], Vector, Vector] | None:
    """Data, x and z of the solver in one form (z alone of a proof of infeasibility); None where it has no dual point."""
    data, raw = answer.data, answer.raw
    if answer.solver == cp.CLARABEL:
        return data, np.array(raw.x), np.array(raw.z)
    if answer.solver == cp.SCS:
        return data | {"lower_triangle": True}, np.asarray(raw["x"]), np.asarray(raw["y"])
    if answer.solver == cp.OSQP:
        A = sp.csr_array(sp.vstack([sp.csr_array(data["A"]), sp.csr_array(data["F"])]))
        x, y = (first if first is not None else second for first, second in
                ((raw.x, getattr(raw, "dual_inf_cert", None)), (raw.y, getattr(raw, "prim_inf_cert", None))))  # fmt: skip
        if x is None or y is None:
            return None
        x, y = np.array(x, dtype=float), np.array(y, dtype=float)
        if not np.isfinite(y).all() and raw.prim_inf_cert is not None:
            y = np.array(raw.prim_inf_cert, dtype=float)
        if not np.isfinite(x).all() and raw.dual_inf_cert is not None:
            x = np.array(raw.dual_inf_cert, dtype=float)
        same = {"A": A, "b": np.concatenate((data["b"], data["G"])), "c": data["q"], "P": data["P"], "dims": data["dims"]}
        return same, x, y
    if answer.solver == cp.HIGHS:
        return _highs(data, raw)
    if answer.solver == cp.ECOS:
        both = [(data["A"], data["b"], raw["y"]), (data["G"], data["h"], raw["z"])]
        held = [part for part in both if part[0] is not None]
        A, b = sp.csr_array(sp.vstack([sp.csr_array(p[0]) for p in held])), np.concatenate([p[1] for p in held])
        z = np.concatenate([p[2] for p in held])
        order = np.arange(len(b))
        for kind, rows, _ in blocks(data["dims"]):
            if kind == "exp":
                # ECOS keeps the second entry last.
                order[rows] = order[rows][[0, 2, 1]]
        return {"A": A[order], "b": b[order], "c": data["c"], "dims": data["dims"]}, np.asarray(raw["x"]), z[order]
    return None


def _highs(data: dict[str, Any], raw: Any) -> tuple[dict[str, Any], Vector, Vector] | None:
    """HiGHS' arrays with the bounds of variables as rows; where it found no point, its dual ray."""
    quadratic = "F" in data
    A = sp.csr_array(sp.vstack([sp.csr_array(data["A"]), sp.csr_array(data["F"])]) if quadratic else data["A"])
    b = np.concatenate((data["b"], data["G"])) if quadratic else np.asarray(data["b"], dtype=float)
    c = np.asarray(data["q" if quadratic else "c"], dtype=float)
    n, zero = A.shape[1], int(data["dims"].zero)
    found = raw["solution"]
    x, z, cost = (np.asarray(part, dtype=float) for part in (found.col_value, found.row_dual, found.col_dual))
    z, cost = -z, cost if len(cost) == n else np.zeros(n)
    ray = raw.get("dual_ray")
    if ray is not None and len(ray) > 2 and len(ray[2]) == A.shape[0]:
        z, cost = -np.asarray(ray[2], dtype=float), np.zeros(n)
        cost = A.T @ z
    if len(x) != n:
        x = np.zeros(n)
    if len(z) != A.shape[0]:
        return None
    extra, sides, duals = [], [], []
    for key, sign in (("lower_bounds", -1.0), ("upper_bounds", 1.0)):
        ends = data.get(key)
        if ends is None:
            continue
        at = np.flatnonzero(np.isfinite(np.asarray(ends, dtype=float)))
        extra.append(sp.csr_array((np.full(len(at), sign), (np.arange(len(at)), at)), (len(at), n)))
        sides.append(sign * np.asarray(ends, dtype=float)[at])
        duals.append(np.maximum(-sign * cost[at], 0.0))
    dims = data["dims"]
    if extra:
        A = sp.csr_array(sp.vstack([A, *extra]))
        b, z = np.concatenate((b, *sides)), np.concatenate((z, *duals))
    rows = SimpleNamespace(zero=zero, nonneg=len(b) - zero, soc=[], psd=[], exp=0, p3d=[], pnd=[])
    return {"A": A, "b": b, "c": c, "P": data.get("P"), "dims": rows if extra else dims}, x, z


def proven_bound(
    problem: cp.Problem, answer: Answer, value: float, tolerance: float, levels: list[int]
) -> tuple[float, bool, Bound | None]:
    """Lower bound (as a minimisation) of a problem just solved, whether it is proven or claimed, and the proof.

    ``levels`` are the columns of the tails' levels.
    """
    if problem.is_mixed_integer():
        info = problem.solver_stats.extra_stats
        bound = getattr(info, "mip_dual_bound", None)
        if bound is None:
            return value - tolerance * abs(value), False, None
        # Both of HiGHS' numbers lack the constant that cvxpy keeps outside.
        return value - max(float(info.objective_function_value) - float(bound), 0.0), False, None
    found = standard(answer)
    if found is None:
        return -np.inf, True, None
    bound = bound_of(*found, levels)
    return bound.value / units_weight(answer) + answer.offset, True, bound


def units_weight(answer: Answer) -> float:
    """Weight of the objective in the units of the solver's arrays."""
    return 1.0 if answer.units is None else answer.units.weight


@dataclass
class Bound:
    """A lower bound (minus infinity where none is proven) and the sum of the magnitudes it was summed from."""

    value: float
    terms: float
    far: Vector | None = None
    """Where each variable is charged, zero for those that cost the bound nothing that matters beside the others."""
    measure: Callable[[], float] | None = None

    @property
    def unit(self) -> float:
        """A middle cost of a position: by its thousandth part, where the optimum is zero, gaps are measured.

        Neither the largest, which may stand for nothing else, nor terms of multipliers, which may be anything.
        """
        return 0.0 if self.measure is None else self.measure()


def bound_of(
    data: dict[str, Any],
    x: Vector,
    z: Vector,
    levels: list[int] | None = None,
    enough: Callable[[Bound], bool] | None = None,
    cheap: bool = False,
) -> Bound:
    """The bound above for canonical conic data and a point; the first that is ``enough`` at once, where that is given.

    ``cheap``: of a large program any bound will do, as the caller rather solves again than looks for the best one.
    """
    A, b, c = sp.csr_array(data["A"]), np.asarray(data["b"], dtype=float), np.asarray(data["c"], dtype=float)
    P = None if data.get("P") is None else symmetric(data["P"])
    if len(z) != len(b) or len(x) != len(c):
        return Bound(-np.inf, 0.0)
    x, by_column = np.nan_to_num(x, posinf=0.0, neginf=0.0), sp.csc_array(A)
    program = _Program(A, by_column, b, c, P, data["dims"], bool(data.get("lower_triangle")), list(levels or ()), x)
    if P is not None and not _convex(P):
        return Bound(-np.inf, 0.0)
    quick = Bound(-np.inf, 0.0) if enough is None else program.quick(z)
    quick.measure = measure = cache(program.typical)
    if enough is not None and quick.value > -np.inf and (enough(quick) or (cheap and len(c) > _LARGE)):
        return quick
    best = program.best(z)
    for share in DUST if best.value == -np.inf else ():
        best = program.best(large_multipliers(z, data["dims"], share))
        if best.value > -np.inf:
            break
    best = best if best.value > quick.value else quick
    if P is not None and best.value == -np.inf:
        # Least squares that vanish leave multipliers of rounding; with none, the origin is tangent enough.
        origin = replace(program, x=np.zeros(len(c)))
        best = origin.bound(origin.feasible(np.zeros(len(b))), implied=False)
    best.measure = measure
    return best


def large_multipliers(z: Vector, dims: Any, share: float) -> Vector:
    """``z`` without rows, cones and entries of matrices below ``share`` of the largest, which were not quite nought."""
    z = np.nan_to_num(z, nan=0.0, posinf=0.0, neginf=0.0)
    size = np.abs(z)
    for kind, rows, _ in blocks(dims):
        whole = size[rows].max(initial=0.0)
        # Entries of a matrix go one by one: its diagonal makes good what that costs.
        size[rows] = np.where(size[rows] > share * whole, whole, 0.0) if kind == "psd" else whole
    return np.where(size > share * size.max(initial=0.0), z, 0.0)


@dataclass
class _Program:
    A: Any
    by_column: Any
    b: Vector
    c: Vector
    P: Any
    dims: Any
    lower_triangle: bool
    levels: list[int]
    x: Vector

    def __post_init__(self) -> None:
        self.Px = np.zeros(len(self.c)) if self.P is None else np.asarray(self.P @ self.x)
        self.g = self.c + self.Px
        # Rows of one variable are its bounds; cones and other rows may imply more.
        self.lower, self.upper = self._own()
        self.signed = slice(int(self.dims.zero), int(self.dims.zero) + int(self.dims.nonneg))
        self._rows: tuple[Any, Vector] | None = None
        self._tails: dict[int, Any] = {}

    def typical(self) -> float:
        """A middle cost times a middle position or, if larger, a share of a middle side, in units of order one.

        Never the largest, and never in the units of the data: columns may be in any.
        """
        data = {"A": self.A, "b": self.b, "c": self.c, "P": self.P, "dims": self.dims}
        # Entries beside a bound of 1e12 may be one, a bound may be a million where one would do: the lesser of both.
        return min(self._usual_cost(equilibrated(data, _ROUGHLY)), self._usual_cost(of_bounds(data)))

    def _usual_cost(self, one: Units) -> float:
        cost, size = np.abs(self.c) * one.columns, np.abs(self.x) / one.columns
        held = np.isfinite(self.b)
        held[self.single] = False
        side = np.abs(self.b[held] * one.rows[held])
        usual = max(_usual(size), _BESIDE * (_usual(side) or 1.0))
        curve = np.zeros(0) if self.P is None else np.abs(self.P.diagonal()) * one.columns**2
        return max(_middle(cost[cost > 0]) * usual, 0.5 * _middle(curve[curve > 0]) * usual**2)

    def _own(self) -> tuple[Vector, Vector]:
        low, high = np.full(len(self.c), -np.inf), np.full(len(self.c), np.inf)
        at = np.arange(int(self.dims.zero), int(self.dims.zero) + int(self.dims.nonneg))
        self.single = single = at[np.diff(self.A.indptr)[at] == 1]
        place = self.A.indptr[single]
        entry, column, side = self.A.data[place], self.A.indices[place], self.b[single]
        use = np.isfinite(side) & (entry != 0)
        entry, column = entry[use], column[use]
        # A bound is as exact as a quotient is: one unit in the last place outwards.
        value = side[use] / entry
        up = entry > 0
        np.minimum.at(high, column[up], np.nextafter(value[up], np.inf))
        np.maximum.at(low, column[~up], np.nextafter(value[~up], -np.inf))
        return low, high

    def feasible(self, z: Vector) -> Vector:
        """``z`` in the dual cone, with the weights of every tail in their envelope."""
        z = into_dual_cone(z, self.dims, self.lower_triangle)
        # Rows of one variable are bounds: what they hold is charged there.
        z[self.single] = 0.0
        z[~np.isfinite(self.b)] = 0.0
        for column in self.levels:
            found = self._tail(column)
            if found is not None:
                host, rows, share, caps, total = found
                z[rows] = envelope(z[rows] * share, z[host] * caps, z[host] * total) / share
        return z

    def _tail(self, column: int) -> tuple[int, Index, Vector, Vector, float] | None:
        if column not in self._tails:
            self._tails[column] = self._read_tail(column)
        return self._tails[column]

    def _read_tail(self, column: int) -> tuple[int, Index, Vector, Vector, float] | None:
        """Row of the level, scenario rows with their entries, caps and mass per unit of the level row."""
        at = slice(self.by_column.indptr[column], self.by_column.indptr[column + 1])
        rows, entries = self.by_column.indices[at], self.by_column.data[at]
        host = rows[entries > 0]
        rows, share = rows[entries < 0], -entries[entries < 0]
        if len(host) != 1 or not len(rows):
            return None
        # The excess of a scenario stands in its own row, and in the level's.
        held = self.A[[int(host[0])]]
        cost = dict(zip(held.indices.tolist(), held.data.tolist(), strict=True))
        caps = np.zeros(len(rows))
        for i, row in enumerate(rows.tolist()):
            here = slice(self.A.indptr[row], self.A.indptr[row + 1])
            for j, a in zip(self.A.indices[here].tolist(), self.A.data[here].tolist(), strict=True):
                if j != column and a < 0 and j in cost and np.isfinite(self.lower[j]) and self._pair(j):
                    caps[i] = cost[j] / -a * share[i]
        return int(host[0]), rows, share, caps, float(cost[column])

    def _pair(self, column: int) -> bool:
        """Whether a variable appears in its scenario, the level and its bound only."""
        return bool(self.by_column.indptr[column + 1] - self.by_column.indptr[column] == 3)

    def best(self, z: Vector) -> Bound:
        """The better bound of ``z`` in the cone and of ``z`` moved until ``d`` is zero where it has to be."""
        first = self.bound(self.feasible(z))
        moved = self.projected(self.feasible(z))
        if moved is None:
            return first
        # In a quadratic program the point of the tangent has moved, too: the bound holds at any.
        now = replace(self, x=moved[1])
        second = now.bound(now.feasible(moved[0]))
        return second if second.value > first.value else first

    def quick(self, z: Vector) -> Bound:
        """The bound after one projection through normal equations, where implied bounds are not asked for."""
        z, now = self.feasible(z), self
        for turn in range(2):
            d = now.gradient(z)
            open_ = ~np.isfinite(np.where(d > 0, self.lower, self.upper)) & (d != 0)
            if not np.any(open_ & (np.abs(d) > _ROUNDING * now.terms(z))):
                return now.bound(z, implied=False)
            if turn:
                break
            moved = self.nearest(z, d, open_)
            if moved is None:
                break
            z, now = self.feasible(moved[0]), moved[1]
        return Bound(-np.inf, 0.0)

    def weights(self, z: Vector) -> Vector:
        """How far each multiplier may move, relative to its size."""
        weight = np.zeros(len(z))
        weight[: self.signed.start] = max(float(np.abs(z[: self.signed.start]).max(initial=0.0)), 1.0)
        weight[self.signed] = z[self.signed]
        for kind, rows, _ in blocks(self.dims):
            # Cones move last: a step that leaves one has to be taken back.
            weight[rows] = 0.1 * z[rows][0] if kind == "soc" else 0.1 * np.abs(z[rows]) if kind != "psd" else 0.0
        weight[~np.isfinite(self.b)] = 0.0
        return weight

    def nearest(self, z: Vector, d: Vector, open_: Any) -> tuple[Vector, _Program] | None:
        """``z`` moved by least squares until ``d`` is zero where nothing bounds a variable; None where that fails."""
        free = ~np.isfinite(self.lower) & ~np.isfinite(self.upper)
        wanted, weight = np.flatnonzero(open_ | free), self.weights(z)
        use = np.flatnonzero(weight > 0)
        if not len(use):
            return None
        diagonal = self.P is None and all(kind not in ("soc", "psd") for kind, _, _ in blocks(self.dims))
        if diagonal and len(wanted) > _FEW:
            return self._nearest_sparse(z, weight, wanted)
        if len(wanted) > _QUICK:
            return None
        A = self.A[:, wanted].toarray()
        size = max(float(np.abs(self.x).max(initial=0.0)), 1.0)
        curve = None if self.P is None else size * sp.csr_array(self.P)[:, wanted].toarray()
        curved = any(True for _ in blocks(self.dims))
        for margin in _INSIDE if curved else _INSIDE[:1]:
            out = z.copy()
            if margin:
                inward(out, self.dims, margin)
            moves = self._metric(out, weight, A)
            gram = A.T @ moves
            if curve is not None:
                gram += curve.T @ curve
            top = np.sqrt(np.maximum(np.diag(gram), 1e-300))
            gram /= np.outer(top, top)
            gram.flat[:: len(gram) + 1] += 1e-14
            try:
                factor = la.cho_factor(gram, check_finite=False)
            except (la.LinAlgError, ValueError):
                continue
            now = self
            for _ in range(4):
                step = la.cho_solve(factor, now.gradient(out)[wanted] / top, check_finite=False) / top
                out -= moves @ step
                if curve is not None:
                    # The point of the tangent moves, too: the bound holds at any.
                    now = replace(now, x=now.x - size * (curve @ step))
                back = self.feasible(out)
                if np.all(np.abs(now.gradient(back)[wanted]) <= _ROUNDING * now.terms(back)[wanted]):
                    return back, now
        return None

    def _nearest_sparse(self, z: Vector, weight: Vector, wanted: Any) -> tuple[Vector, _Program] | None:
        """:meth:`nearest` for many variables of linear problems with exponentials and powers, whose metric is diagonal.

        ``u + B y = 0, B'u = -d`` with ``B = W A`` stays sparse where the normal equations of a budget row fill up.
        """
        B = sp.diags_array(weight) @ self.A[:, wanted]
        top = np.sqrt(np.maximum(np.asarray(B.power(2).sum(axis=0)).ravel(), 1e-300))
        B = sp.csr_array(B @ sp.diags_array(1.0 / top))
        rows, columns = B.shape
        whole = sp.block_array([[sp.eye_array(rows), B], [B.T, -1e-14 * sp.eye_array(columns)]], format="csc")
        try:
            factor = sp.linalg.splu(whole)
        except RuntimeError:
            return None
        for margin in _INSIDE:
            out = z.copy()
            if margin:
                inward(out, self.dims, margin)
            for _ in range(4):
                short = np.concatenate((np.zeros(rows), -self.gradient(out)[wanted] / top))
                out = out + weight * factor.solve(short)[:rows]
                back = self.feasible(out)
                if np.all(np.abs(self.gradient(back)[wanted]) <= _ROUNDING * self.terms(back)[wanted]):
                    return back, self
        return None

    def _metric(self, z: Vector, weight: Vector, A: Any) -> Any:
        """``W A`` of the metric in which steps are short: squares of the weights, of second-order cones their barrier's.

        The inverse Hessian of ``-log(z_0^2 - |z_1|^2)`` is ``z z' - det / 2 J``: steps along it stay in the cone.
        """
        out = weight[:, None] ** 2 * A
        for kind, rows, _ in blocks(self.dims):
            part = z[rows]
            det = (part[0] - np.linalg.norm(part[1:])) * (part[0] + np.linalg.norm(part[1:])) if kind == "soc" else 0.0
            if det > 0.0:
                flat = 0.5 * det * A[rows]
                flat[0] *= -1.0
                out[rows] = np.outer(part, part @ A[rows]) + flat
        return out

    def gradient(self, z: Vector) -> Vector:
        """``d`` of the module's text."""
        return np.asarray(self.g + self.A.T @ z)

    def terms(self, z: Vector) -> Vector:
        """Sum of the magnitudes that ``d`` was summed from."""
        size = np.abs(self.c) + abs(self.A).T @ np.abs(z)
        return np.asarray(size if self.P is None else size + abs(self.P) @ np.abs(self.x))

    def bound(self, z: Vector, implied: bool = True) -> Bound:
        """Value of the Lagrangian's least, with every variable inside its (implied) bounds."""
        d = self.gradient(z)
        held = np.isfinite(self.b)
        pull, curve = float(self.b[held] @ z[held]), 0.5 * float(self.x @ self.Px)
        constant = -curve - pull
        size = curve + float(np.abs(self.b[held]) @ np.abs(z[held]))
        side, ceiling = np.where(d > 0, self.lower, self.upper), np.inf
        need = ~np.isfinite(side) & (d != 0)
        if need.any():
            if implied:
                lower, upper, ceiling = self._implied(d, constant)
                side = np.where(need, np.where(d > 0, lower, upper), side)
            need = ~np.isfinite(side) & (d != 0)
            small = np.abs(d) <= _ROUNDING * self.terms(z)
            far = _FAR * max(float(np.abs(self.x).max(initial=0.0)), 1.0)
            side = np.where(need & small, -np.sign(d) * far, side)
            if (need & ~small).any():
                return Bound(-np.inf, size)
        side = np.where(d != 0, side, 0.0)
        charge, lost = d * side, d * (self.x - side)
        reach = np.where(lost > _MATTERS * float(lost.sum()), np.abs(side), 0.0)
        return Bound(min(constant + float(charge.sum()), ceiling), size + float(np.abs(charge).sum()), reach)

    def _implied(self, d: Vector, constant: float) -> tuple[Vector, Vector, float]:
        """Bounds at every point with an objective below the ceiling, as rows, cones and the level set imply them."""
        if self._rows is None:
            self._rows = with_pairs(*implied_rows(self.A, self.b, self.dims, self.lower_triangle))
        if self.P is None and not self.c.any():
            # With nothing to minimise there is no level set, and what rounding leaves of d bounds nothing.
            return *tightened(*self._rows, self.lower, self.upper), np.inf
        value = float(self.c @ self.x) + 0.5 * float(self.x @ self.Px)
        ceiling = value + max(abs(value), float(np.abs(self.c) @ np.abs(self.x)), 1e-300)
        below = ceiling + 0.5 * float(self.x @ self.Px), ceiling - constant
        A = sp.csr_array(sp.vstack([self._rows[0], sp.csr_array(np.stack((self.g, d)))]))
        lower, upper = tightened(A, np.concatenate((self._rows[1], below)), self.lower, self.upper)
        return lower, upper, ceiling

    def projected(self, z: Vector) -> tuple[Vector, Vector] | None:
        """``z`` and the point of the tangent moved, as little as possible, until ``d`` is zero where nothing bounds it."""
        d = self.gradient(z)
        free = ~np.isfinite(self.lower) & ~np.isfinite(self.upper)
        wanted = np.flatnonzero((~np.isfinite(np.where(d > 0, self.lower, self.upper)) & (d != 0)) | free)
        weight = self.weights(z)
        use = np.flatnonzero(weight > 0)
        if not len(wanted) or not len(use) or len(wanted) * len(use) > _LARGEST:
            return None
        B = self.A[use][:, wanted].toarray().T * weight[use]
        at, n = self.x.copy(), len(use)
        size = max(float(np.abs(self.x).max(initial=0.0)), 1.0)
        if self.P is not None:
            B = np.hstack((B, size * sp.csr_array(self.P)[wanted].toarray()))
        top = np.maximum(np.abs(B).max(axis=1), 1e-300)
        scale = np.concatenate((weight[use], np.full(B.shape[1] - n, size)))
        inverse = scale[:, None] * np.linalg.pinv(B / top[:, None], rcond=1e-13) / top
        out, now = z.copy(), self
        for margin in _MARGINS:
            # By turns into the interior of the cones and back to d = 0, until both hold.
            for _ in range(_TURNS):
                inward(out, self.dims, margin)
                for _ in range(2):
                    step = inverse @ now.gradient(out)[wanted]
                    out[use] -= step[:n]
                    if self.P is not None:
                        at = at - step[n:]
                        now = replace(self, x=at)
                back = now.feasible(out)
                if np.all(np.abs(now.gradient(back)[wanted]) <= _ROUNDING * now.terms(back)[wanted]):
                    return back, at
        return out, at


def _convex(P: Any) -> bool:
    """Whether a quadratic term (``assume_PSD=True`` takes any) is convex but for rounding; large ones count as such."""
    curve = P.diagonal()
    top = float(np.abs(P.data).max(initial=0.0))
    if np.any(curve < -1e-10 * top):
        return False
    beside = np.flatnonzero(np.diff(sp.csr_array(P - sp.diags_array(curve)).indptr))
    if not len(beside) or len(beside) > _QUICK or top == 0.0:
        return True
    try:
        la.cholesky(P[beside][:, beside].toarray() + 1e-10 * top * len(beside) * np.eye(len(beside)), check_finite=False)
    except la.LinAlgError:
        return False
    return True


def _usual(values: Vector) -> float:
    """The middle of those that are not noise."""
    return _middle(values[values > _NOISE * values.max(initial=0.0)])


def _middle(values: Vector) -> float:
    """The lower of the middle values; zero of none."""
    return float(np.sort(values)[(len(values) - 1) // 2]) if len(values) else 0.0


def symmetric(P: Any) -> Any:
    """The quadratic term, whichever triangle of it the solver asked for."""
    upper = sp.csr_array(sp.triu(P))
    return upper + sp.csr_array(sp.triu(P, 1)).T
