"""The blocks of a margin requirement inside a program: every epigraph row of an account in one cvxpy inequality.

A block is ``max_k sum_g max_l line_gkl(x)``. Groups of several lines get a level per scenario, ``line <= level``; blocks of
several scenarios get their worst, ``lines alone + levels <= worst``. The rows are written out here rather than left to
cvxpy's ``max``, because their duals weigh lines and scenarios in the lower bound, and all in one inequality, because a
program holds dozens of requirements and pays for each object at every solve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import TradeVariables, put
from hedgeopt.models.margin.effects import collateral_effect
from hedgeopt.models.margin.encoding import Block, Group
from hedgeopt.models.separable import Separable

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["BoundBlocks"]

_NOTHING = 1e-14


@dataclass
class _Place:
    """Place of one group's lines: a parcel of rows, the first row in it, and the candidates that move the group."""

    block: int
    group: int
    parcel: int
    first: int
    rows: int
    to: np.ndarray
    """Columns of the parcel that its own instruments are, and in ``source`` the group's columns for them."""
    source: np.ndarray
    collateral: tuple[tuple[int, int], ...]
    """(Column of the group, asset) that it reads."""


class BoundBlocks:
    """All blocks of one account's encoding.

    Attributes
    ----------
    expression
        Their sum in USD, affine in trades and in variables of its own.
    constraints
        One inequality that defines those variables, or none.
    """

    def __init__(
        self,
        trades: TradeVariables,
        e: Exposures,
        account: int,
        traded: tuple[np.ndarray, np.ndarray],
        blocks: Sequence[Block],
    ) -> None:
        self.account, self._n_rows = account, len(e.margins.rows[account])
        self._row_of = dict(zip(*(part.tolist() for part in traded), strict=True))
        self._lay_out(e, blocks)
        self._write(trades)

    def _lay_out(self, e: Exposures, blocks: Sequence[Block]) -> None:
        """Slots (block, scenario), levels (group, scenario) and rows; parcels are rows that share a matrix."""
        counts = [block.count for block in blocks]
        self._slot = np.concatenate([[0], np.cumsum(counts)]).astype(int)
        alone: dict[int, list[int]] = {}
        crowd: list[tuple[int, int]] = []
        wide: list[list[tuple[int, int]]] = []
        for b, block in enumerate(blocks):
            for g, group in enumerate(block.groups):
                if group.lines.shape[1] == 1 and group.at is None:
                    alone.setdefault(b, []).append(g)
                elif counts[b] == 1:
                    crowd.append((b, g))
                else:
                    wide.append([(b, g)])
        parcels = [*wide, *([crowd] if crowd else []), *[[(b, g) for g in members] for b, members in alone.items()]]
        self._n_several = len(wide) + bool(crowd)
        self._places: list[_Place] = []
        self._supports: list[np.ndarray] = []
        self._sizes: list[int] = []
        level: list[np.ndarray] = []
        slots: list[int] = []
        for p, members in enumerate(parcels):
            supports = [self._support(e, blocks[b].groups[g]) for b, g in members]
            support = np.unique(np.concatenate(supports)).astype(np.int64)
            first = 0
            for b, g in members:
                group = blocks[b].groups[g]
                k, lines = group.lines.shape[:2]
                several = p < self._n_several
                if several:
                    level.append(np.repeat(len(slots) + np.arange(k), lines))
                    slots += (self._slot[b] + (np.arange(k) if group.at is None else group.at)).tolist()
                self._places.append(self._place(group, support, (b, g, p, first if several else 0, k * lines)))
                first += k * lines
            self._supports.append(support)
            self._sizes.append(first if p < self._n_several else counts[members[0][0]])
        self._level = np.concatenate(level) if level else np.zeros(0, int)
        self._level_slot = np.array(slots, int)
        self._of_block = np.repeat(np.arange(len(blocks)), counts)
        self._several_scenarios = np.repeat(np.array(counts, int) > 1, counts) if counts else np.zeros(0, bool)

    def _place(self, group: Group, support: np.ndarray, at: tuple[int, int, int, int, int]) -> _Place:
        column_of = {int(c): j for j, c in enumerate(group.columns)}
        pairs = [
            (j, column_of[self._row_of[i]]) for j, i in enumerate(support.tolist()) if self._row_of.get(i, -1) in column_of
        ]
        to, source = np.array(pairs, np.int64).reshape(-1, 2).T
        reads = tuple((j, c - self._n_rows) for c, j in column_of.items() if c >= self._n_rows)
        return _Place(*at, to, source, reads)

    def _support(self, e: Exposures, group: Group) -> np.ndarray:
        """Candidates that move the group's coordinates."""
        rows = set(group.columns[group.columns < self._n_rows].tolist())
        moved = [i for i, row in self._row_of.items() if row in rows]
        own = np.array(list(self._row_of), np.int64)
        links = e.links
        for a in (group.columns[group.columns >= self._n_rows] - self._n_rows).tolist():
            touching = (links.asset == a) & ((links.source == self.account) | (links.target == self.account))
            moved += links.candidate[touching].tolist()
            for i in own.tolist():
                item = e.rows.instruments[e.candidate[i]]
                if not item.nature.margined and getattr(item, "settlement", None) == e.assets[a]:
                    moved.append(i)
        return np.array(sorted(set(moved)), np.int64)

    def _write(self, trades: TradeVariables) -> None:
        import cvxpy as cp
        import scipy.sparse as sp

        self._matrices = [
            cp.Parameter((size, len(support))) if len(support) else None
            for size, support in zip(self._sizes, self._supports, strict=True)
        ]
        self.constraints: list[cp.Constraint] = []
        self._constant = cp.Parameter()
        self.expression: cp.Expression = self._constant
        lines, levels, slots = len(self._level), len(self._level_slot), len(self._of_block)
        # slots of several scenarios stay below their block's worst; that of a single one is part of the sum
        worst = np.unique(self._of_block[self._several_scenarios])
        rows: list[cp.Expression] = []
        into: list[sp.csr_array] = []
        for p, (matrix, support) in enumerate(zip(self._matrices, self._supports, strict=True)):
            if matrix is None:
                continue
            values = matrix @ trades.net[support]
            if p < self._n_several:
                rows.append(values)
                first = sum(self._sizes[:p])
                place = sp.csr_array(
                    (np.ones(self._sizes[p]), (first + np.arange(self._sizes[p]), np.arange(self._sizes[p]))),
                    shape=(lines + slots, self._sizes[p]),
                )
                into.append(place)
            else:
                b = next(place.block for place in self._places if place.parcel == p)
                mine = np.arange(self._slot[b], self._slot[b + 1])
                if len(mine) == 1:
                    self.expression = self.expression + cp.sum(values)
                else:
                    rows.append(values)
                    into.append(
                        sp.csr_array((np.ones(len(mine)), (lines + mine, np.arange(len(mine)))), (lines + slots, len(mine)))
                    )
        kept = np.concatenate([np.ones(lines, bool), self._several_scenarios])
        self._kept = np.flatnonzero(kept)
        self._vector = cp.Parameter(len(self._kept)) if len(self._kept) else None
        if self._vector is None:
            return
        own = cp.Variable(levels + len(worst))
        define = sp.lil_array((lines + slots, levels + len(worst)))
        define[np.arange(lines), self._level] = 1.0
        inside = np.flatnonzero(self._several_scenarios)
        define[lines + inside, levels + np.searchsorted(worst, self._of_block[inside])] = 1.0
        deep = np.flatnonzero(self._several_scenarios[self._level_slot])
        define[lines + self._level_slot[deep], deep] = -1.0
        total: cp.Expression = self._vector
        if rows:
            total = total + sp.csr_array(sp.hstack(into))[self._kept] @ cp.hstack(rows)
        self.constraints = [total <= define.tocsr()[self._kept] @ own]
        counts = np.ones(levels + len(worst))
        counts[deep] = 0.0
        self.expression = self.expression + counts @ own

    def _numbers(
        self, e: Exposures, blocks: Sequence[Block], held: np.ndarray
    ) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """A matrix per parcel per unit traded; the lines' (L,) and the slots' (S,) values without trades."""
        y = np.concatenate([held, e.collateral[self.account]])
        matrices = [np.zeros((s, len(c))) for s, c in zip(self._sizes, self._supports, strict=True)]
        begin = np.concatenate([[0], np.cumsum(self._sizes)]).astype(int)
        lines, slots = np.zeros(len(self._level)), np.zeros(len(self._of_block))
        effects: dict[tuple[int, int], np.ndarray] = {}
        for place in self._places:
            group = blocks[place.block].groups[place.group]
            flat = group.lines.reshape(place.rows, -1)
            out = matrices[place.parcel][place.first : place.first + place.rows]
            out[:, place.to] += flat[:, place.source]
            for column, asset in place.collateral:
                key = place.parcel, asset
                if key not in effects:
                    effects[key] = collateral_effect(e, self.account, asset, self._supports[place.parcel])
                out += flat[:, [column]] * effects[key]
            start = flat @ y[group.columns] + group.constants.ravel()
            if place.parcel < self._n_several:
                lines[begin[place.parcel] + place.first :][: place.rows] = start
            else:
                slots[self._slot[place.block] :][: place.rows] += start
        return matrices, lines, slots

    def update(self, e: Exposures, scale: np.ndarray, blocks: Sequence[Block], held: np.ndarray) -> None:
        """Load new data."""
        matrices, lines, slots = self._numbers(e, blocks, held)
        for parameter, matrix, support in zip(self._matrices, matrices, self._supports, strict=True):
            if parameter is not None:
                put(parameter, matrix * scale[support])
        put(self._constant, float(slots[~self._several_scenarios].sum()))
        if self._vector is not None:
            put(self._vector, np.concatenate([lines, slots])[self._kept])

    def minorant(self, e: Exposures, x: np.ndarray, blocks: Sequence[Block], held: np.ndarray) -> Separable:
        """Affine and nowhere above the blocks: lines and scenarios weighted by their duals, or the largest alone."""
        matrices, lines, slots = self._numbers(e, blocks, held)
        n_lines = len(lines)
        duals = np.zeros(n_lines + len(slots))
        if self.constraints and self.constraints[0].dual_value is not None:
            duals[self._kept] = np.maximum(np.nan_to_num(np.atleast_1d(self.constraints[0].dual_value)), 0.0)
        value, single = lines.copy(), slots.copy()
        begin = np.concatenate([[0], np.cumsum(self._sizes)]).astype(int)
        for p, (matrix, support) in enumerate(zip(matrices, self._supports, strict=True)):
            if p < self._n_several:
                value[begin[p] : begin[p + 1]] += matrix @ x[support]
            else:
                at = self._slots_of(p)
                single[at] += matrix @ x[support]
        line_weights, largest = _shares(duals[:n_lines], value, self._level, len(self._level_slot))
        np.add.at(single, self._level_slot, largest)
        slot_weights, _ = _shares(duals[n_lines:], single, self._of_block, len(blocks))
        line_weights = line_weights * slot_weights[self._level_slot[self._level]]
        slope = np.zeros(e.n_candidates)
        for p, (matrix, support) in enumerate(zip(matrices, self._supports, strict=True)):
            weights = line_weights[begin[p] : begin[p + 1]] if p < self._n_several else slot_weights[self._slots_of(p)]
            slope[support] += weights @ matrix
        return Separable(slope, float(line_weights @ lines + slot_weights @ slots))

    def _slots_of(self, parcel: int) -> slice:
        b = next(place.block for place in self._places if place.parcel == parcel)
        return slice(self._slot[b], self._slot[b + 1])


def _shares(duals: np.ndarray, values: np.ndarray, owner: np.ndarray, owners: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (n,) that sum to one for each owner, by duals or all on its largest value; and that value (owners,)."""
    largest = np.full(owners, -np.inf)
    np.maximum.at(largest, owner, values)
    total = np.bincount(owner, duals, minlength=owners)
    known = np.isfinite(total) & (total > _NOTHING)
    first = np.full(owners, len(values))
    at = np.flatnonzero(values == largest[owner])
    np.minimum.at(first, owner[at], at)
    alone = np.zeros(len(values))
    alone[first[first < len(values)]] = 1.0
    weights = np.where(known[owner], duals / np.where(known, total, 1.0)[owner], alone)
    return weights, largest
