"""By how much trades exceed a user's cvxpy constraints."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hedgeopt.tail.integers import positions

if TYPE_CHECKING:
    import cvxpy as cp

    from hedgeopt.models.bound import TradeVariables

__all__ = ["excess_of", "own_excess"]

_HOLDS = 1e-9
_SECONDS = 10.0
"""For the whole numbers that suit a list of trades."""


def own_excess(
    added: Sequence[cp.Constraint], trades: TradeVariables, net: np.ndarray, *, stay: bool = False
) -> list[tuple[str, float]]:
    """Each constraint's name and excess at scaled net trades (N,), relative to the larger side.

    Evaluated at these trades, each of them a buy or a sell, and not at what a solver left in the variables; variables of
    the user's own are moved to where they suit the trades best, should their values not do; integer ones to whole numbers.
    ``stay``: there they stay.
    """
    variables = [trades.buy, trades.sell, *{v.id: v for c in added for v in c.variables()}.values()]
    kept = [v.value for v in variables]
    try:
        trades.buy.save_value(np.maximum(net, 0.0))
        trades.sell.save_value(np.maximum(-net, 0.0))
        _to_whole(added, np.round)
        mine = {trades.buy.id, trades.sell.id}
        theirs = [c for c in added if any(v.id not in mine for v in c.variables())]
        if any(not excess_of(constraint) <= _HOLDS for constraint in theirs):
            _suit(theirs, mine)
        # All of them at the same values: what suits one alone may not suit another.
        return [(f"added constraint {number} ({_short(c)})", excess_of(c)) for number, c in enumerate(added, 1)]
    finally:
        for variable, value in list(zip(variables, kept, strict=True))[: 2 if stay else None]:
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
    if not _least_exceeded(added, trades):
        return
    whole = {v.id for c in added for v in c.variables() if _integers(v)}
    found = {v.id: v.value for c in added for v in c.variables() if v.id in whole}
    if not whole:
        return
    # A solver calls whole what is nearly so: beside rows of a million, 1e-7 of a boolean is one.
    for to in (np.round, np.ceil, np.floor):
        for v in (v for c in added for v in c.variables() if v.id in whole):
            v.save_value(found[v.id])
        _to_whole(added, to)
        rest = any(v.id not in trades | whole for c in added for v in c.variables())
        if rest:
            _least_exceeded(added, trades | whole)
        if all(excess_of(c) <= _HOLDS for c in added):
            return


def _least_exceeded(added: Sequence[cp.Constraint], still: set[int]) -> bool:
    """Whether a solver moved the variables to where constraints are exceeded least; those of ``still`` stay."""
    import cvxpy as cp

    amount = cp.Variable(nonneg=True)
    fixed = {id(v): cp.Constant(v.value) for c in added for v in c.variables() if v.id in still}
    rows: list[cp.Constraint] = []
    for constraint in added:
        moved = constraint.tree_copy(dict(fixed))
        if isinstance(moved, cp.constraints.Inequality):
            rows.append(moved.expr <= amount)
        elif isinstance(moved, cp.constraints.Equality):
            rows.append(cp.abs(moved.expr) <= amount)
        else:
            rows.append(moved)
    problem = cp.Problem(cp.Minimize(amount), rows)
    exact = {"solver": cp.CLARABEL, "tol_gap_abs": 1e-12, "tol_feas": 1e-12}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            problem.solve(**({"time_limit": _SECONDS, "method": "tail"} if problem.is_mixed_integer() else exact))
        except cp.SolverError:
            return False
    return amount.value is not None


def _integers(v: cp.Variable) -> bool:
    return bool(v.attributes["integer"] or v.attributes["boolean"])


def _to_whole(added: Sequence[cp.Constraint], to: Callable[[np.ndarray], np.ndarray]) -> None:
    """Integer entries of the variables' values to whole numbers."""
    for v in {v.id: v for c in added for v in c.variables()}.values():
        if v.value is not None and _integers(v):
            value = np.asarray(v.value, float)
            flat, at = value.flatten(order="F"), np.concatenate(positions(v))
            flat[at] = to(np.where(np.abs(flat[at] - np.round(flat[at])) <= 1e-12, np.round(flat[at]), flat[at]))
            v.save_value(flat.reshape(value.shape, order="F"))


def _dense(value: Any) -> Any:
    return value.toarray() if hasattr(value, "toarray") else value


def _short(constraint: cp.Constraint, width: int = 60) -> str:
    text = " ".join(str(constraint).split())
    return text if len(text) <= width else text[: width - 1] + "…"
