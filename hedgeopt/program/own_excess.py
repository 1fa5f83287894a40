"""By how much trades exceed a user's cvxpy constraints."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import cvxpy as cp

    from hedgeopt.models.bound import TradeVariables

__all__ = ["excess_of", "own_excess"]

_HOLDS = 1e-9


def own_excess(added: Sequence[cp.Constraint], trades: TradeVariables, net: np.ndarray) -> list[tuple[str, float]]:
    """Each constraint's name and excess at scaled net trades (N,), relative to the larger side.

    Evaluated at these trades, each of them a buy or a sell, and not at what a solver left in the variables; variables of
    the user's own are moved to where they suit the trades best, should their values not do.
    """
    variables = [trades.buy, trades.sell, *{v.id: v for c in added for v in c.variables()}.values()]
    kept = [v.value for v in variables]
    try:
        trades.buy.save_value(np.maximum(net, 0.0))
        trades.sell.save_value(np.maximum(-net, 0.0))
        mine = {trades.buy.id, trades.sell.id}
        found = []
        for number, constraint in enumerate(added, 1):
            excess = excess_of(constraint)
            if not excess <= _HOLDS and any(v.id not in mine for v in constraint.variables()):
                _suit(added, mine)
                excess = excess_of(constraint)
            found.append((f"added constraint {number} ({_short(constraint)})", excess))
        return found
    finally:
        for variable, value in zip(variables, kept, strict=True):
            variable.save_value(value)


def excess_of(constraint: cp.Constraint) -> float:
    """The violation over the size of both sides; infinite where it has no value."""
    try:
        violation = float(np.max(constraint.violation(), initial=0.0))
    except ValueError:  # cvxpy: a variable has no value
        return np.inf
    size = 1e-12
    for part in constraint.args:
        value = np.abs(np.asarray(_dense(part.value), float))
        size = max(size, float(value.max(initial=0.0)))
        if part.is_affine() and not part.is_constant():
            # what is summed counts, not what is left of it
            terms = [
                _matrix_of(abs(g)).T @ np.abs(np.asarray(v.value, float)).ravel(order="F")
                for v, g in part.grad.items()
                if g is not None
            ]
            size = max(size, float(np.max(sum(terms), initial=0.0)) if terms else 0.0)
    return violation / size if np.isfinite(violation) else np.inf


def _matrix_of(gradient: Any) -> Any:
    """Of one number by one number cvxpy's gradient is a number."""
    return gradient if hasattr(gradient, "shape") and len(gradient.shape) == 2 else np.reshape(gradient, (-1, 1))


def _suit(added: Sequence[cp.Constraint], trades: set[int]) -> None:
    """Move the user's variables to where the constraints are exceeded least; trades stay."""
    import cvxpy as cp

    amount = cp.Variable(nonneg=True)
    fixed = {id(v): cp.Constant(v.value) for c in added for v in c.variables() if v.id in trades}
    rows: list[cp.Constraint] = []
    for constraint in added:
        moved = constraint.tree_copy(dict(fixed))
        if isinstance(moved, cp.constraints.Inequality):
            rows.append(moved.expr <= amount)
        elif isinstance(moved, cp.constraints.Equality):
            rows.append(cp.abs(moved.expr) <= amount)
        else:
            rows.append(moved)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            cp.Problem(cp.Minimize(amount), rows).solve(solver=cp.CLARABEL, tol_gap_abs=1e-12, tol_feas=1e-12)
        except cp.SolverError:
            return


def _dense(value: Any) -> Any:
    return value.toarray() if hasattr(value, "toarray") else value


def _short(constraint: cp.Constraint, width: int = 60) -> str:
    text = " ".join(str(constraint).split())
    return text if len(text) <= width else text[: width - 1] + "…"
