"""Cuts as arrays for a linear or conic solver."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from hedgeopt.models.separable import Separable

if TYPE_CHECKING:
    from hedgeopt.program.cuts import Cuts

__all__ = ["CutArrays"]


class CutArrays:
    """The cuts as arrays: variables are scaled trades (or buys, sells and the user's), kinks, and levels of terms.

    ``elastic``: not the objective is least, but the largest excess of a limit, each in its row's unit. A bound above zero
    then proves that the limits have no point in common (Farkas). ``eased``: only these limits may be exceeded; None: all.
    """

    def __init__(
        self,
        cuts: Cuts,
        tighten: Mapping[tuple[int, int], float],
        inwards: float,
        elastic: bool = False,
        eased: Collection[tuple[int, int]] | None = None,
    ) -> None:
        self.cuts, self.scale = cuts, cuts.program.scale
        self.n, self.own = cuts.e.n_candidates, cuts.own
        self.lower, self.upper = cuts.box.lower / self.scale, cuts.box.upper / self.scale
        own_variables = 0 if self.own is None else self.own.own.shape[1]
        self.width = self.n if self.own is None else 2 * self.n
        self.first_kink = self.width + own_variables
        self.kinks: dict[tuple[int, float], int] = {}
        self.tighten, self.inwards, self.elastic, self.eased = tighten, inwards, elastic, eased
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
                if self.elastic and (self.eased is None or name[0] in self.eased):
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
