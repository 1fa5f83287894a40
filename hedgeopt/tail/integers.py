"""A problem without its integers: the same expressions in continuous variables, integer entries between bounds that move.

Relaxed variables keep the ids of the originals, so that values and duals find their way back. Logic atoms and finite sets
become the rows and booleans that cvxpy makes of them.
"""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
from cvxpy.atoms.elementwise.logic import LogicExpression
from cvxpy.constraints import FiniteSet
from cvxpy.reductions.dcp2cone.canonicalizers import CANON_METHODS
from cvxpy.reductions.discrete2mixedint.valinvec2mixedint import get_exprval_in_vec_func
from cvxpy.transforms.partial_optimize import PartialProblem

from hedgeopt.tail.source import Index, Vector
from hedgeopt.tail.split import Split

_KINDS = ("boolean", "integer")


def is_whole(problem: cp.Problem) -> bool:
    """Whether a problem has integer or boolean variables, or constraints that make some."""
    return bool(problem.is_mixed_integer()) or any(isinstance(c, FiniteSet) for c in problem.constraints)


class _Rewriting:
    """The same expressions with some parts replaced; what holds none of them stays the same object."""

    def __init__(self) -> None:
        self._made: dict[int, Any] = {}
        self.rows: list[cp.Constraint] = []

    def _constraint(self, c: cp.Constraint) -> cp.Constraint:
        args = [self._rewritten(arg) for arg in c.args]
        return c if all(a is b for a, b in zip(args, c.args, strict=True)) else c.copy(args)

    def _rewritten(self, e: Any) -> Any:
        known = self._made.get(id(e))
        if known is not None:
            return known[1]
        args = [self._rewritten(arg) for arg in e.args]
        new = self._replaced(e, args)
        if new is None:
            new = e if all(a is b for a, b in zip(args, e.args, strict=True)) else e.copy(args)
        # The original is kept with its replacement: the name of one that is gone may be given again.
        self._made[id(e)] = e, new
        return new

    def _replaced(self, e: Any, args: list[Any]) -> Any:
        """The replacement of ``e``; None where only its arguments change."""
        raise NotImplementedError


class _Spelling(_Rewriting):
    def _rewritten(self, e: Any) -> Any:
        if isinstance(e, PartialProblem) and id(e) not in self._made:
            # What is optimised within is optimised with the rest.
            self._made[id(e)] = e, self._rewritten(e.args[0].objective.args[0])
            self.take(e.args[0].constraints)
        return super()._rewritten(e)

    def take(self, constraints: list[cp.Constraint]) -> None:
        for c in constraints:
            for row in _choices(c) if isinstance(c, FiniteSet) else [c]:
                self.rows.append(self._constraint(row))

    def _replaced(self, e: Any, args: list[Any]) -> Any:
        if not isinstance(e, LogicExpression):
            return None
        out, more = CANON_METHODS[type(e)](e, args)
        self.take(more)
        return out


def spell_out(parts: Split) -> Split:
    """``parts`` with logic atoms, finite sets and partial optimisations as the rows and variables that they stand for.

    Solvers of the whole problem and the search then know the same booleans.
    """
    spelling, base = _Spelling(), parts.base
    given = base.objective.args[0]
    goal = spelling._rewritten(given)
    spelling.take(base.constraints)
    rows = spelling.rows
    if goal is given and [id(row) for row in rows] == [id(c) for c in base.constraints]:
        return parts
    return Split(cp.Problem(base.objective.copy([goal]), rows), parts.tails, parts.inner, parts.canon)


class Relaxation(_Rewriting):
    """``parts`` without integrality; entries ``first <= x <= last`` are what :meth:`within` sets.

    ``parts`` as :func:`spell_out` returns them.
    """

    def __init__(self, parts: Split, objective: bool = True) -> None:
        super().__init__()
        self._twins: dict[int, cp.Variable] = {}
        self.entries: list[tuple[int, Index]] = []
        """Per variable with integers: its id, and the positions of integer entries (column by column)."""
        self._stack: list[cp.Expression] = []
        self._first: list[Vector] = []
        self._last: list[Vector] = []
        base = parts.base
        goal = base.objective.copy([self._rewritten(base.objective.args[0])]) if objective else _nothing(parts)
        rows = [self._constraint(c) for c in base.constraints]
        self.first = np.concatenate([*self._first, np.zeros(0)])
        self.last = np.concatenate([*self._last, np.zeros(0)])
        self._low, self._high = cp.Parameter(len(self.first)), cp.Parameter(len(self.first))
        stack = cp.hstack(self._stack)
        self.low, self.high = stack >= self._low, stack <= self._high
        self.parts = Split(cp.Problem(goal, [*rows, self.low, self.high]), parts.tails, parts.inner)

    def within(self, first: Vector, last: Vector) -> None:
        """Bound the integer entries."""
        self._low.value, self._high.value = first, last

    def read(self, primal: dict[int, Any]) -> Vector:
        """The integer entries of a solution."""
        found = [np.asarray(primal[key], dtype=float).ravel(order="F")[at] for key, at in self.entries]
        return np.concatenate([*found, np.zeros(0)])

    def given(self, variables: list[cp.Variable]) -> Vector | None:
        """The integer entries of the variables' present values; None where one has none."""
        values = {v.id: v.value for v in variables if v.value is not None}
        if not all(key in values for key, _ in self.entries):
            return None
        found = self.read(values)
        return found if np.isfinite(found).all() else None

    def _replaced(self, e: Any, args: list[Any]) -> Any:
        return self._twin(e) if isinstance(e, cp.Variable) and any(e.attributes[kind] for kind in _KINDS) else None

    def _twin(self, v: cp.Variable) -> cp.Variable:
        known = self._twins.get(v.id)
        if known is not None:
            return known
        attributes = {k: value for k, value in v.attributes.items() if k not in _KINDS and value is not None}
        if v.attributes["boolean"] is True and not any(attributes.values()):
            attributes["nonneg"] = True
        twin = self._twins[v.id] = cp.Variable(v.shape, name=v.name(), var_id=v.id, **attributes)
        booleans, integers = positions(v)
        at = np.concatenate((booleans, integers)).astype(np.intp)
        first, last = np.full(v.size, -np.inf), np.full(v.size, np.inf)
        if v.attributes["nonneg"] or v.attributes["pos"]:
            first[:] = 0.0
        if v.attributes["nonpos"] or v.attributes["neg"]:
            last[:] = 0.0
        for side, bound in zip((first, last), v.attributes["bounds"] or (None, None), strict=True):
            if bound is not None and not isinstance(bound, cp.Expression):
                side[:] = np.broadcast_to(np.asarray(bound, dtype=float), v.shape).ravel(order="F")
        first[booleans], last[booleans] = np.maximum(first[booleans], 0.0), np.minimum(last[booleans], 1.0)
        self.entries.append((v.id, at))
        self._stack.append(cp.vec(twin, order="F")[at])
        self._first.append(np.ceil(first[at] - 1e-9))
        self._last.append(np.floor(last[at] + 1e-9))
        return twin


def _nothing(parts: Split) -> cp.Minimize:
    """Nothing to minimise, with every tail's level still a column."""
    return cp.Minimize(sum(0.0 * tail.level for tail in parts.tails))


def _choices(c: FiniteSet) -> list[cp.Constraint]:
    """cvxpy's rows and booleans for an expression that is one of several values."""
    flat, values = cp.vec(c.expre, order="F"), np.unique(c.vec.value)
    if len(values) == 1:
        return [flat == values[0]]
    main, more = get_exprval_in_vec_func(c.ineq_form)(flat, values)
    return [main, *more]


def round_integers(problem: cp.Problem) -> None:
    """Integer entries of the variables' values become integers to the last digit."""
    for v in problem.variables():
        at = np.concatenate(positions(v))
        if len(at) and v.value is not None:
            value = np.asarray(v.value, dtype=float)
            flat = value.ravel(order="F")
            flat[at] = np.round(flat[at])
            v.save_value(flat.reshape(value.shape, order="F"))


def positions(v: cp.Variable) -> list[Index]:
    """Boolean and integer entries of a variable, counted column by column."""
    shape, found = max(v.shape, (1,)), []
    for index in (v.boolean_idx, v.integer_idx):
        if len(index) == 0:
            found.append(np.zeros(0, dtype=np.intp))
            continue
        try:
            at = np.ravel_multi_index(index, shape, order="F")
        except ValueError:
            # A list of positions, which cvxpy's own numbering takes for a list of axes (its issue 2668).
            at = np.ravel_multi_index(tuple(np.array(index).T), shape, order="F")
        found.append(np.asarray(at, dtype=np.intp))
    return found
