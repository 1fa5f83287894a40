"""A user's constraints in two forms: as they are meant, and without whole numbers, as the ideal trades meet them.

Whole numbers are those of integer and boolean variables, of :class:`cvxpy.FiniteSet` and of cvxpy's logic. Every list that
meets the first form meets the second, so that a bound of the second holds for the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from hedgeopt.tail.integers import Relaxation, is_whole, spell_out
from hedgeopt.tail.split import Split

__all__ = ["OwnConstraints", "own_constraints"]


@dataclass(frozen=True)
class OwnConstraints:
    """What a user added to a program.

    Attributes
    ----------
    given
        The constraints as they were added.
    exact
        The same, with logic and finite sets as rows of booleans.
    relaxed
        ``exact`` with any number between the bounds of an integer variable in its place; its variables keep their ids.
    whole
        Whether there are whole numbers; without, the three are the same objects.
    """

    given: tuple[cp.Constraint, ...] = ()
    exact: tuple[cp.Constraint, ...] = ()
    relaxed: tuple[cp.Constraint, ...] = ()
    whole: bool = False


def own_constraints(given: Sequence[cp.Constraint]) -> OwnConstraints:
    """Both forms of constraints that are convex by cvxpy's rules."""
    problem = cp.Problem(cp.Minimize(0.0), list(given))
    if not is_whole(problem) and not any(_logical(c) for c in given):
        return OwnConstraints(tuple(given), tuple(given), tuple(given))
    spelled = spell_out(Split(problem, [], []))
    exact = tuple(spelled.base.constraints)
    relaxation = Relaxation(spelled, objective=False)
    rows = [c for c in relaxation.parts.base.constraints if c is not relaxation.low and c is not relaxation.high]
    if not len(relaxation.first):  # numbers that can't be but one
        return OwnConstraints(tuple(given), exact, tuple(rows))
    entries = relaxation.low.args[1]
    low, high = np.flatnonzero(np.isfinite(relaxation.first)), np.flatnonzero(np.isfinite(relaxation.last))
    if len(low):
        rows.append(entries[low] >= relaxation.first[low])
    if len(high):
        rows.append(entries[high] <= relaxation.last[high])
    return OwnConstraints(tuple(given), exact, tuple(rows), True)


def _logical(constraint: cp.Constraint) -> bool:
    from cvxpy.atoms.elementwise.logic import LogicExpression

    stack = list(constraint.args)
    while stack:
        part = stack.pop()
        if isinstance(part, LogicExpression):
            return True
        stack.extend(getattr(part, "args", ()))
    return False
