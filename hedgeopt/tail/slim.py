"""The relaxation of a problem with gated groups in few rows: one column per way a group leaves zero, one row for the count.

A group is an integer n with ``|n| <= N h`` for its boolean h, and columns that follow it (``t >= lot |n|``, ``f = step n``).
For fixed multipliers of everything else its least value is that of one of three points (nothing, most up, most down), so the
rows inside groups are not needed: the bound is the sum of these least values with the multipliers of the rows that link
groups, of cuts of the tails and of the limit on how many groups are open. It holds for any multipliers.
"""

from __future__ import annotations

from collections.abc import Sequence

import highspy
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hedgeopt._quiet import without_output
from hedgeopt.tail.areas import Area, SlimAnswer
from hedgeopt.tail.cuts import CutNodes
from hedgeopt.tail.gates import Gates
from hedgeopt.tail.near_tail import NearTail
from hedgeopt.tail.shapes import Shapes, shapes_of
from hedgeopt.tail.source import Index, Vector

_OPTIONS = (
    ("output_flag", False), ("parallel", "off"), ("presolve", "off"), ("solver", "simplex"), ("small_matrix_value", 1e-12),
    ("primal_feasibility_tolerance", 1e-8), ("dual_feasibility_tolerance", 1e-9),
)  # fmt: skip
# The violation that makes a cut; cuts kept; the rounding of a bound, relative to its terms.
_DUST, _KEPT, _ROUNDING = 1e-6, 150, 1e-13


class Slim:
    """See the module's text; ``start`` are loss arguments near which cuts are looked for, where scenarios are many."""

    def __init__(self, nodes: CutNodes, gates: Gates, shapes: Shapes, start: Sequence[Vector]) -> None:
        self.nodes, self.gates, self.shapes = nodes, gates, shapes
        c, A = nodes.compiled, nodes.A
        gated, still = gates.owner >= 0, (nodes.low == 0) & (nodes.high == 0)
        inside = np.asarray(abs(A) @ (~gated).astype(float)).ravel() == 0
        count = np.diff(A.indptr)
        drop = gates.counting | (inside & ((count == 1) | (~gates.linking & (count == 2))))
        # Columns that are nothing wherever they may go, and rows of nothing else.
        drop |= np.asarray(abs(A) @ (~still).astype(float)).ravel() == 0
        self.keep = np.flatnonzero(~drop)
        self.A, self.AT = sp.csr_array(A[self.keep]), sp.csr_array(A[self.keep].T)
        self._absT = abs(self.AT)
        self.lower, self.upper = nodes.lower[self.keep], nodes.upper[self.keep]
        self._finite = np.isfinite(self.lower)
        self.rest = np.flatnonzero(~gated & ~still)
        self.low, self.high = nodes.low[self.rest].copy(), nodes.high[self.rest].copy()
        G = len(gates.boolean)
        # Columns: gates up, gates down, the rest; levels are among the rest.
        self.size, self.many = G, 2 * G + len(self.rest)
        eye = sp.csr_array((np.ones(len(self.rest)), (np.arange(len(self.rest)), self.rest)), (len(self.rest), len(c.c)))
        self.moves = sp.csr_array(sp.vstack([shapes.up, shapes.down, eye]))
        self.toY = sp.csr_array(c.E @ self.moves.T)
        self._room = np.zeros((_KEPT, len(c.c)))
        self._mapped = np.zeros((_KEPT, self.many))
        self._given = 0
        self.sides, self.owner, self.age = np.zeros(0), np.zeros(0, dtype=np.intp), np.zeros(0, dtype=int)
        self.count = 0
        self._tails = [NearTail.around(m, start, nodes.options.threads) for m in nodes.models]
        self._build()

    def _build(self) -> None:
        c, nodes = self.nodes.compiled, self.nodes
        cost = self.moves @ c.c
        A = sp.csr_array(self.A @ self.moves.T)
        h = self.highs = without_output(highspy.Highs)
        for name, value in _OPTIONS:
            h.setOptionValue(name, value)
        lp = highspy.HighsLp()
        n, m = self.many, len(self.keep)
        low, high = np.zeros(n), np.zeros(n)
        low[2 * self.size :], high[2 * self.size :] = nodes.first[self.rest], nodes.last[self.rest]
        lp.num_col_, lp.num_row_ = n, m
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, low, high
        lp.row_lower_, lp.row_upper_ = self.lower, self.upper
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = A.indptr, A.indices, A.data
        h.passModel(lp)
        self.counted = np.zeros(2 * self.size)
        h.addRow(
            -np.inf, float(self.shapes.most), 2 * self.size, np.arange(2 * self.size, dtype=np.int32), self.counted + 1e-6
        )
        self.counted[:] = 1e-6
        self.first = m + 1
        for k, t in enumerate(self._tails):
            self.add(k, t.model.worst(t.model.losses(c.f, nodes.options.threads)))

    def add(self, k: int, weights: Vector) -> None:
        """The cut of tail ``k`` with weights over all of its scenarios."""
        index = np.flatnonzero(weights)
        self._add(k, index, weights[index])

    def _add(self, k: int, index: Index, weights: Vector) -> None:
        model, c = self.nodes.models[k], self.nodes.compiled
        gradient, constant = model.weighted_sum(index, weights)
        row = model.scale * (c.E.T @ gradient)
        row[self.nodes.levels[k]] -= 1.0
        side = -model.scale * (constant + float(gradient @ c.f))
        count = len(self.sides)
        if count == len(self._room):
            self._room = np.vstack((self._room, np.zeros_like(self._room)))
            self._mapped = np.vstack((self._mapped, np.zeros_like(self._mapped)))
        self._room[count], self._mapped[count] = row, self.moves @ row
        self.sides, self.owner, self.age = np.append(self.sides, side), np.append(self.owner, k), np.append(self.age, 0)

    @property
    def cuts(self) -> NDArray[np.float64]:
        """One row per cut, over the columns of the original program."""
        return self._room[: len(self.sides)]

    @property
    def mapped(self) -> NDArray[np.float64]:
        """The same over the columns of this one."""
        return self._mapped[: len(self.sides)]

    def forget(self) -> None:
        """Cuts that have not been tight for longest make room."""
        if len(self.age) <= 1.25 * _KEPT:
            return
        stays = np.zeros(len(self.age), dtype=bool)
        stays[np.argsort(self.age, kind="stable")[:_KEPT]] = True
        for k in range(len(self._tails)):
            if not stays[self.owner == k].any():
                stays[np.argmax(self.owner == k)] = True
        gone = np.flatnonzero(~stays)
        gone = gone[gone < self._given]
        self.highs.deleteRows(len(gone), (self.first + gone).astype(np.int32))
        self._given -= len(gone)
        count = int(stays.sum())
        self._room[:count], self._mapped[:count] = self.cuts[stays], self.mapped[stays]
        self.sides, self.owner, self.age = self.sides[stays], self.owner[stays], self.age[stays]

    def _give(self) -> None:
        """Cuts that the program does not have yet."""
        give_rows(self.highs, self.mapped[self._given :], self.sides[self._given :])
        self._given = len(self.sides)

    def _load(self, area: Area) -> None:
        """The area's caps as bounds, and the row of the count."""
        h, G = self.highs, self.size
        caps = np.concatenate((area.up, area.down))
        h.changeColsBounds(2 * G, np.arange(2 * G, dtype=np.int32), np.zeros(2 * G), caps)
        share = np.where(caps > 0, 1.0 / np.maximum(caps, 1.0), 0.0)
        share[np.tile(~self.shapes.counts, 2)] = 0.0
        for cluster in area.open:
            share[cluster] = share[G + cluster] = 0.0
        for j in np.flatnonzero((share != self.counted) & ((caps > 0) | (share > self.counted))).tolist():
            h.changeCoeff(len(self.keep), j, share[j])
            self.counted[j] = share[j]
        h.changeRowBounds(len(self.keep), -np.inf, float(self.shapes.most - len(area.open)))

    def solve(self, area: Area, cutoff: float, rounds: int = 1, gain: float = 0.05) -> SlimAnswer:
        """The relaxation of an area; a bound of ``cutoff`` is as good as any higher one. Infinite: proven infeasible."""
        h, nodes = self.highs, self.nodes
        self.forget()
        self._load(area)
        best = SlimAnswer(area.lower, np.zeros(self.size))
        for turn in range(rounds):
            left = nodes.options.remaining()
            h.setOptionValue("time_limit", h.getRunTime() + (3600.0 if left is None else max(left, 0.0)))
            self._give()
            h.run()
            self.count += 1
            status = h.getModelStatus()
            if status == highspy.HighsModelStatus.kInfeasible:
                _, has, ray = h.getDualRay()
                if has and self._excludes(area, np.asarray(ray)):
                    return SlimAnswer(np.inf, np.zeros(self.size))
                return best
            if status != highspy.HighsModelStatus.kOptimal:
                return best
            solution = h.getSolution()
            w, dual = np.asarray(solution.col_value), np.asarray(solution.row_dual)
            found = self._proven(area, dual)
            tight = dual[self.first :] < 0
            self.age += 1
            self.age[tight] = 0
            gained = found.lower - best.lower
            n = w[: self.size] - w[self.size : 2 * self.size]
            if found.lower >= best.lower or turn == 0:
                found.lower = max(found.lower, best.lower)
                best = found
            best.n, best.z = n, w
            enough = turn > 0 and gained <= gain * max(cutoff - best.lower, 0.0)
            if best.lower >= cutoff or enough or turn == rounds - 1 or not self.separate(w)[0]:
                break
        return best

    def full(self, w: Vector) -> Vector:
        """All columns of the program at a point of this one; booleans of open gates are one."""
        z = self.moves.T @ w
        n = w[: self.size] + w[self.size : 2 * self.size]
        z[self.gates.boolean] = n > 1e-9
        return np.asarray(z)

    def separate(self, w: Vector) -> tuple[bool, float]:
        """Cuts at a point; whether there are any, and by how much the true tails raise its objective."""
        c, found, short = self.nodes.compiled, False, 0.0
        y = self.toY @ w + c.f
        z = w[2 * self.size :]
        for k, t in enumerate(self._tails):
            value, index, weights = t.worst(y, self.nodes.options.threads)
            level = self.nodes.levels[k]
            believed = z[np.searchsorted(self.rest, level)] / t.model.scale
            short += float(c.c[level]) * t.model.scale * max(value - believed, 0.0)
            if value - believed > _DUST * max(abs(value), 1e-300):
                self._add(k, index, weights)
                found = True
        return found, short

    def _proven(self, area: Area, dual: Vector) -> SlimAnswer:
        """The bound of these multipliers."""
        c, m = self.nodes.compiled, len(self.keep)
        y = dual[:m]
        y = np.where(self._finite, y, np.minimum(y, 0.0))
        price = max(-float(dual[m]), 0.0)
        cost = c.c - self.AT @ y
        held = np.minimum(dual[self.first :], 0.0)
        for k, column in enumerate(self.nodes.levels.tolist()):
            mine = self.owner == k
            total, wanted = -held[mine].sum(), cost[column]
            if wanted <= 0.0:
                held[mine] = 0.0
            elif total > 0.0:
                held[mine] *= wanted / total
            elif mine.any():
                held[np.flatnonzero(mine)[0]] = -wanted
        d = cost - held @ self.cuts
        d[self.nodes.levels[cost[self.nodes.levels] > 0.0]] = 0.0
        return self._bound(area, y, held, price, d, c.offset)

    def _bound(self, area: Area, y: Vector, held: Vector, price: float, d: Vector, offset: float) -> SlimAnswer:
        at = y != 0
        sides = np.where(y > 0, self.lower, self.upper)[at] * y[at]
        hung = self.sides * held
        rest = self._charged(d, y, held)
        least, slope, gift = self.shapes.least(d, area.up, area.down)
        counted = np.where(self.shapes.counts, price, 0.0)
        paid = np.minimum(least + counted, 0.0)
        total = float(paid.sum()) - price * self.shapes.most
        for cluster in area.open:
            # One of them at least is open.
            mine, count = least[cluster], counted[cluster]
            total += float((mine + count - paid[cluster]).min())
        value = float(sides.sum()) + float(hung.sum()) + rest + total
        terms = float(np.abs(sides).sum() + np.abs(hung).sum() + np.abs(paid).sum()) + abs(rest) + price * self.shapes.most
        return SlimAnswer(value + offset - _ROUNDING * terms, np.zeros(0), price=price, least=least, slope=slope, gift=gift)

    def _charged(self, d: Vector, y: Vector, held: Vector) -> float:
        """The least of ``d'z`` over the columns outside groups; without a bound, only rounding in ``d`` counts as zero."""
        nodes = self.nodes
        mine = d[self.rest]
        ends = np.where(mine > 0, self.low, self.high)
        there = np.isfinite(ends)
        far = ~there & (mine != 0)
        if far.any():
            terms = np.abs(nodes.compiled.c) + self._absT @ np.abs(y) + np.abs(held) @ np.abs(self.cuts)
            if np.any(np.abs(mine[far]) > 4e-15 * terms[self.rest][far]):
                return -np.inf
        return float(mine[there] @ ends[there])

    def _excludes(self, area: Area, ray: Vector) -> bool:
        m = len(self.keep)
        for sign in (1.0, -1.0):
            y = sign * ray[:m]
            y = np.where(self._finite, y, np.minimum(y, 0.0))
            held = np.minimum(sign * ray[self.first :], 0.0)
            d = -(self.AT @ y) - held @ self.cuts
            found = self._bound(area, y, held, max(-sign * float(ray[m]), 0.0), d, 0.0)
            size = float(np.abs(np.where(y > 0, self.lower, self.upper)[y != 0] * y[y != 0]).sum())
            if found.lower > 1e-9 * (size + float(np.abs(self.sides * held).sum())) and found.lower > 0.0:
                return True
        return False

    def tightened(self, area: Area, answer: SlimAnswer, cutoff: float) -> bool:
        """Lower the caps of gates to what a better point can have; whether one changed much."""
        if not (np.isfinite(answer.lower) and np.isfinite(cutoff)) or not len(answer.least):
            return False
        counted = np.where(self.shapes.counts, answer.price, 0.0)
        paid = np.minimum(answer.least + counted, 0.0)
        room = cutoff - answer.lower + 1e-12 * (abs(answer.lower) + abs(cutoff)) + paid - counted + answer.gift
        for cluster in area.open:
            # With one of a cluster open, no other has to be.
            room[cluster] += float((answer.least[cluster] + counted[cluster] - paid[cluster]).min())
        much = False
        for caps, slope in ((area.up, answer.slope[0]), (area.down, answer.slope[1])):
            with np.errstate(divide="ignore", invalid="ignore"):
                most = np.where(slope > 0, np.floor(np.maximum(room, 0.0) / slope + 1e-9), np.inf)
            new = np.minimum(caps, np.where(self.shapes.least_lots > most, 0.0, most))
            much |= bool(np.any(new < 0.7 * caps))
            caps[:] = new
        return much


def give_rows(highs: highspy.Highs, rows: NDArray[np.float64], sides: Vector) -> None:
    """Add dense rows ``row'w <= side``."""
    if not len(sides):
        return
    count, width = rows.shape
    index = np.tile(np.arange(width, dtype=np.int32), count)
    starts = np.arange(count, dtype=np.int32) * width
    highs.addRows(count, np.full(count, -np.inf), sides, rows.size, starts, index, rows.ravel())


def slim_of(nodes: CutNodes, gates: Gates, start: Sequence[Vector]) -> Slim | None:
    """The slim relaxation where every gate has a known shape and their number is limited; None elsewhere."""
    shapes = shapes_of(nodes, gates)
    return None if shapes is None else Slim(nodes, gates, shapes, start)
