"""A user's constraints in the form that solvers judge best."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["posed"]


def posed(added: Iterable[cp.Constraint]) -> list[cp.Constraint]:
    """The constraints, a limit on a sum of squares as one on the length: ``sum_squares(x) <= c`` as ``norm(x) <= sqrt(c)``.

    cvxpy's cone of a square is ``|(2 x, t - 1)| <= t + 1``: beside t of 1e12, as trades in dollars have it, the ones are
    rounding, and solvers leave such a limit by a fifth.
    """
    return [constraint if length is None else length for constraint in added for length in (_length(constraint),)]


def _length(constraint: cp.Constraint) -> cp.Constraint | None:
    import cvxpy as cp

    if not isinstance(constraint, cp.constraints.nonpos.Inequality):
        return None
    left, right = constraint.args
    if not isinstance(left, cp.quad_over_lin) or left.size != 1 or not right.is_constant() or not left.args[1].is_constant():
        return None
    if left.args[0].is_complex() or right.value is None or left.args[1].value is None:
        return None
    most = float(np.asarray(right.value).item()) * float(np.asarray(left.args[1].value).item())
    return cp.norm(cp.vec(left.args[0], order="F")) <= float(np.sqrt(most)) if most > 0 else None
