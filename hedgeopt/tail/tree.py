"""Integers: a search tree whose every node is a continuous tail problem, solved with a bound that the data prove.

A node bounds the integer entries. Its relaxation's proven bound holds for every integer point inside; the least bound of
the nodes that are left, and of those that were dropped because they promise too little, is one for the whole problem.
Points come from rounding and from diving: integers are fixed, and the continuous problem that remains is solved, so that
a point is feasible and its value exact. No node has one row per scenario.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import replace
from typing import Any

import numpy as np
from cvxpy import settings as s

from hedgeopt.tail.cuts import CutNodes, less
from hedgeopt.tail.following import openings_of
from hedgeopt.tail.incumbents import Incumbents
from hedgeopt.tail.nodes import FOUND, NodeAnswer, WholeNodes
from hedgeopt.tail.outcome import Options, Outcome
from hedgeopt.tail.search_node import SearchNode
from hedgeopt.tail.source import Vector

# An entry this close to an integer is one; the share of the fractional entries that a dive fixes at a time; the
# pseudo-costs' least factor; the rounding of a bound.
_NEAR, _DIVE, _LEAST, _ROUNDING = 1e-6, 0.2, 1e-6, 1e-12
# Children are followed while their bound is this near to the least, as a share of what is open.
_PLUNGE = 0.1
# A dive begins at every so many nodes.
_OFTEN = 50


class Search:
    """Branch and bound over ``nodes``."""

    def __init__(self, nodes: WholeNodes, options: Options, gap: float) -> None:
        self.nodes, self.options, self.gap = nodes, options, gap
        self.points = Incumbents.of(nodes, gap) if isinstance(nodes, CutNodes) else None
        # Entries that open a group of columns are decided before what is in the group.
        self._leading = np.zeros(len(nodes.relaxation.first), dtype=bool)
        if self.points is not None and isinstance(nodes, CutNodes):
            self._leading = np.isin(nodes.columns, self.points.gates.boolean)
        self.relaxation = nodes.relaxation
        self.best: Outcome | None = None
        self.upper, self.unit, self.root, self.fixed = np.inf, 0.0, -np.inf, 0
        self.shut = 0
        # The least bound of what was dropped unsolved.
        self.floor = np.inf
        n = len(self.relaxation.first)
        self._sum, self._times = np.zeros((2, n)), np.zeros((2, n))
        self._open: list[tuple[float, int, SearchNode]] = []
        self._ticket = itertools.count()
        self._bounds: dict[bytes, float] = {}
        self._tried: dict[bytes, float | None] = {}

    def run(self, hint: Vector | None) -> Outcome:
        """The best point with the bound of the whole tree; ``hint`` is a point to begin from."""
        node = SearchNode(self.relaxation.first, self.relaxation.last)
        root = self._relax(node)
        if root.outcome is None or root.status not in FOUND:
            assert root.outcome is not None
            return root.outcome
        self.root = node.lower = root.lower
        if hint is not None:
            self._fix(hint)
        if self.points is not None:
            self._begin(node, root)
        if self.best is None:
            self._dive(node, root)
        current: SearchNode | None = self._next(node)
        # Where nodes are cuts, the first still lacks most of them.
        answer: NodeAnswer | None = None if self.nodes.learns else root
        while current is not None and not self._late():
            children = self._branch(current, answer or self._relax(current))
            answer = None
            for child in children[1:]:
                self._push(child)
            current = self._next(children[0] if children else None)
        if current is not None:
            self._push(current)
        return self._outcome(root)

    def _begin(self, node: SearchNode, root: NodeAnswer) -> None:
        """Points, and the bound that the search for groups to open proves where it can be made."""
        assert self.points is not None
        assert root.outcome is not None
        found = openings_of(self.points, root, self._cutoff, self._tries, self._late)
        if found is None:
            for x in self.points.start(root.outcome.point.y):
                self._fix(x)
                if self.upper - node.lower <= self.gap * self._size():
                    break
            return
        found.run()
        node.lower, self.shut = max(node.lower, found.bound), found.shut
        if self.options.verbose:
            print(f"tail: {found.areas} areas  bound {found.bound:.9g}", flush=True)

    def _tries(self, x: Vector) -> None:
        self._fix(x)

    def _late(self) -> bool:
        return self.options.late() or self.nodes.count >= self.options.max_nodes

    def _relax(self, node: SearchNode) -> NodeAnswer:
        """Solve a node's relaxation; its bound is no less than its parent's."""
        found = self.nodes.relax(node.first, node.last, self._cutoff())
        if found.lower >= node.lower:
            return found
        # What an entry adds, it adds to the bound that was computed here.
        cost = None if found.cost is None or not np.isfinite(found.lower) else less(found.cost, node.lower - found.lower)
        return replace(found, lower=node.lower, cost=cost)

    def _cutoff(self) -> float:
        """Bounds from here on promise less than the gap asked for."""
        return self.upper - self.gap * self._size()

    def _size(self) -> float:
        return max(abs(self.upper), self.unit, 1e-300) if np.isfinite(self.upper) else 0.0

    def _drop(self, lower: float) -> None:
        """What is given up unsolved may hold a point as good as its bound."""
        self.floor = min(self.floor, lower)

    def _push(self, node: SearchNode) -> None:
        heapq.heappush(self._open, (node.lower, next(self._ticket), node))

    def _next(self, child: SearchNode | None) -> SearchNode | None:
        """The child, as long as it promises something; else the open node with the least bound."""
        if child is not None and child.lower < self._cutoff():
            least = self._open[0][0] if self._open else child.lower
            if not np.isfinite(self.upper) or child.lower <= least + _PLUNGE * (self.upper - least):
                return child
            self._push(child)
        elif child is not None:
            self._drop(child.lower)
        while self._open:
            lower, _, node = heapq.heappop(self._open)
            if lower < self._cutoff():
                return node
            self._drop(lower)
        return None

    def _branch(self, node: SearchNode, answer: NodeAnswer) -> list[SearchNode]:
        """The node's children, the nearer first; none where it is done."""
        parent, node.lower = node.lower, max(node.lower, answer.lower)
        if answer.status == s.INFEASIBLE:
            return []
        if node.entry >= 0 and answer.x is not None:
            gain = (node.lower - parent) / node.step if np.isfinite(parent) else 0.0
            self._sum[int(node.up), node.entry] += gain
            self._times[int(node.up), node.entry] += 1
        if node.lower >= self._cutoff():
            self._drop(node.lower)
            return []
        loose = node.first < node.last
        if not loose.any():
            # NodeAnswer as far as it can be: either it is a point, or nobody knows.
            self._fix(node.first)
            node.lower = max(node.lower, self._bounds.get(_key(node.first), -np.inf))
            if node.lower < np.inf:
                self._drop(node.lower)
            return []
        if answer.x is None:
            halves = node.halves()
            if not halves:
                self._drop(node.lower)
            return halves
        away = np.where(loose, np.abs(answer.x - np.round(answer.x)), 0.0)
        if away.max() <= _NEAR:
            known = len(self._tried)
            value = self._fix(answer.x)
            if value is not None and value - node.lower <= self.gap * self._size():
                self._drop(node.lower)
                return []
            if len(self._tried) > known and self.nodes.learns:
                return [node]
        elif self._settled(answer):
            self._drop(node.lower)
            return []
        elif self.nodes.count % _OFTEN == 0 and self.points is None:
            self._dive(node, answer)
        node = self._tightened(node, answer)
        loose = node.first < node.last
        away = np.where(loose, away, 0.0)
        if not loose.any():
            return [node]
        if away.max() <= _NEAR:
            return node.around(answer.x, int(np.argmax(np.where(loose, away + 1e-9, 0.0))))
        return node.sides(answer.x, self._choose(answer.x, away > _NEAR))

    def _settled(self, answer: NodeAnswer) -> bool:
        """Whether a node that opens no more groups than are allowed is done with the best lots in those groups."""
        if self.points is None or answer.z is None or self.points.value(answer.z) >= self.upper:
            return False
        x = self.points.near(answer.z)
        if x is not None:
            self._fix(x)
        return x is not None and answer.lower >= self._cutoff()

    def _choose(self, x: Vector, open_: Any) -> int:
        """The entry both of whose sides are expected to raise the bound most."""
        leading = open_ & self._leading
        where = np.flatnonzero(leading if leading.any() else open_)
        part = x[where] - np.floor(x[where])
        seen = self._times.sum(axis=1)
        mean = [self._sum[i].sum() / seen[i] if seen[i] else 1.0 for i in (0, 1)]
        rate = [np.where(self._times[i, where] > 0, self._sum[i, where] / np.maximum(self._times[i, where], 1), mean[i])
                for i in (0, 1)]  # fmt: skip
        score = np.maximum(rate[0] * part, _LEAST) * np.maximum(rate[1] * (1.0 - part), _LEAST)
        return int(where[np.argmax(score)])

    def _tightened(self, node: SearchNode, answer: NodeAnswer) -> SearchNode:
        """Entries at a bound whose reduced cost proves that nothing better lies one step away are fixed there."""
        if answer.cost is None or not np.isfinite(self.upper) or not np.isfinite(answer.lower) or answer.x is None:
            return node
        # The rise is a difference of bounds: the rounding of both is left out of it.
        room = self._cutoff() - answer.lower + _ROUNDING * (abs(answer.lower) + abs(self.upper))
        gain = np.abs(answer.cost)
        at_first = (answer.cost > 0) & (answer.x <= node.first + _NEAR)
        at_last = (answer.cost < 0) & (answer.x >= node.last - _NEAR)
        sure = (gain >= room) & (at_first | at_last) & (node.first < node.last)
        if not sure.any():
            return node
        self._drop(float(answer.lower + gain[sure].min()))
        self.fixed = max(self.fixed, int(sure.sum())) if node.depth == 0 else self.fixed
        first, last = node.first.copy(), node.last.copy()
        last[sure & at_first], first[sure & at_last] = node.first[sure & at_first], node.last[sure & at_last]
        return replace(node, first=first, last=last)

    def _fix(self, x: Vector) -> float | None:
        """The value with the integers rounded and fixed: infinite where they allow no point, None where nobody knows."""
        at = np.clip(np.round(x), self.relaxation.first, self.relaxation.last)
        name = _key(at)
        if name in self._tried or self.options.late():
            return self._tried.get(name)
        found = self.nodes.point(at)
        self._tried[name] = value = None if found is None else float(found.upper)
        if found is not None and (found.proven or found.status == s.INFEASIBLE):
            self._bounds[name] = np.inf if found.status == s.INFEASIBLE else float(found.lower)
        if found is not None and found.upper < self.upper:
            self.upper, self.best = found.upper, found
            self.unit = 1e-6 * float(found.point.details.get("size", 0.0))
            if self.options.verbose:
                print(f"tail: node {self.nodes.count:6d}  point {self.upper:.9g}", flush=True)
        return value

    def _dive(self, node: SearchNode, answer: NodeAnswer) -> None:
        """Fix the entries nearest to integers, a share at a time, until all are."""
        node = replace(node)
        while answer.x is not None and not self._late() and answer.lower < self._cutoff():
            away = np.where(node.first < node.last, np.abs(answer.x - np.round(answer.x)), 0.0)
            if away.max(initial=0.0) <= _NEAR:
                self._fix(answer.x)
                return
            part = np.flatnonzero(away > _NEAR)
            nearest = part[np.argsort(away[part])[: max(1, int(_DIVE * len(part)))]]
            first, last = node.first.copy(), node.last.copy()
            first[nearest] = last[nearest] = np.round(answer.x[nearest])
            trial = self._relax(replace(node, first=first, last=last))
            if trial.status == s.INFEASIBLE and len(nearest) == 1:
                # The other way, once.
                other = np.floor(answer.x[nearest]) + np.ceil(answer.x[nearest]) - np.round(answer.x[nearest])
                first[nearest] = last[nearest] = other
                trial = self._relax(replace(node, first=first, last=last))
            elif trial.status == s.INFEASIBLE:
                first, last = node.first.copy(), node.last.copy()
                first[nearest[0]] = last[nearest[0]] = np.round(answer.x[nearest[0]])
                trial = self._relax(replace(node, first=first, last=last))
            if trial.status not in FOUND:
                return
            node, answer = replace(node, first=first, last=last), trial

    def _outcome(self, root: NodeAnswer) -> Outcome:
        """The best point, with the bound that all nodes together prove."""
        assert root.outcome is not None
        lower = min([self.floor, *(bound for bound, *_ in self._open)])
        if self.best is None:
            if self._open or np.isfinite(self.floor):
                late = "late" if self._late() else "failed"
                return replace(root.outcome, status=late)
            return replace(root.outcome, status=s.INFEASIBLE)
        lower = min(lower, self.upper)
        out, proven = replace(self.best), bool(np.isfinite(lower))
        for name, value in self.nodes.counts.items():
            setattr(out, name, type(getattr(out, name))(value))
        out.lower, out.proven, out.dual = lower, proven, None
        out.gap = (self.upper - lower) / self._size() if proven else np.inf
        exact = proven and out.gap <= max(10 * self.options.tolerance, self.gap * (1 + 1e-9))
        out.status = s.OPTIMAL if exact else s.OPTIMAL_INACCURATE
        if not exact and self._late():
            out.status = s.USER_LIMIT
        return out


def _key(x: Vector) -> bytes:
    """A name of integers, whatever the sign of a zero."""
    return bytes((x + 0.0).tobytes())
