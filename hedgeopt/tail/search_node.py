"""A node of the search by bounds of integer entries, and the ways to divide it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hedgeopt.tail.source import Vector


@dataclass
class SearchNode:
    """Bounds of the integer entries, the bound proven for what lies between them, and how the node came to be."""

    first: Vector
    last: Vector
    lower: float = -np.inf
    depth: int = 0
    entry: int = -1
    up: bool = False
    step: float = 1.0

    def sides(self, x: Vector, j: int) -> list[SearchNode]:
        """Below and above a fractional entry of ``x``, the nearer first."""
        down = np.floor(x[j])
        below, above = self.last.copy(), self.first.copy()
        below[j], above[j] = down, down + 1.0
        part = float(x[j] - down)
        lower = SearchNode(self.first, below, self.lower, self.depth + 1, j, False, part)
        upper = SearchNode(above, self.last, self.lower, self.depth + 1, j, True, 1.0 - part)
        return [upper, lower] if part >= 0.5 else [lower, upper]

    def around(self, x: Vector, j: int) -> list[SearchNode]:
        """Below, at and above an entry that is an integer although the node is not done."""
        at, out = np.round(x[j]), []
        for first, last in ((at, at), (self.first[j], at - 1.0), (at + 1.0, self.last[j])):
            if first <= last:
                low, high = self.first.copy(), self.last.copy()
                low[j], high[j] = first, last
                out.append(SearchNode(low, high, self.lower, self.depth + 1))
        return out

    def halves(self) -> list[SearchNode]:
        """Without a point to go by, the widest entry is halved; nothing where it has no bounds."""
        width = self.last - self.first
        j = int(np.argmax(width))
        if not np.isfinite(width[j]):
            return []
        middle, below, above = np.floor(0.5 * (self.first[j] + self.last[j])), self.last.copy(), self.first.copy()
        below[j], above[j] = middle, middle + 1.0
        return [
            SearchNode(self.first, below, self.lower, self.depth + 1),
            SearchNode(above, self.last, self.lower, self.depth + 1),
        ]
