"""Read an affine loss expression as ``sum_j scale_j * A_j @ e_j(x) + offset`` without touching the matrices.

Walks sums, negations, scalings, scenario-wise scalings, ``A @ e`` and ``e @ A``. What it does not know it hands to
:func:`hedgeopt.tail.extract.coefficients`, which finds the exact coefficient matrix numerically.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import cvxpy as cp
import numpy as np
from cvxpy.atoms.affine.add_expr import AddExpression
from cvxpy.atoms.affine.binary_operators import DivExpression, MulExpression, multiply
from cvxpy.atoms.affine.promote import Promote
from cvxpy.atoms.affine.unary_operators import NegExpression
from numpy.typing import NDArray

from hedgeopt.errors import UnsupportedForm
from hedgeopt.tail.product import ScenarioProduct
from hedgeopt.tail.source import OnesSource, ScenarioSource, as_source

Factors = tuple[tuple[float, cp.Expression | None], ...]


@dataclass(frozen=True)
class LossTerm:
    """``factors * matrix() @ inner``: ``matrix`` is read anew at each solve, ``factors`` scale all or single rows."""

    matrix: Callable[[], ScenarioSource]
    key: object
    inner: cp.Expression
    factors: Factors


@dataclass(frozen=True)
class Offset:
    """A constant part of the losses, read anew at each solve because parameters may have changed."""

    value: Callable[[], NDArray[np.float64]]
    factors: Factors


@dataclass(frozen=True)
class AffineLosses:
    """Losses of shape (size,) as matrix terms plus offsets."""

    size: int
    terms: tuple[LossTerm, ...]
    offsets: tuple[Offset, ...]


def recognise(losses: cp.Expression) -> AffineLosses:
    """Split affine ``losses`` of shape (S,) into terms and offsets; UnsupportedForm where they are not affine."""
    terms: list[LossTerm] = []
    offsets: list[Offset] = []
    _walk(losses, (), losses.size, terms, offsets)
    return AffineLosses(losses.size, tuple(terms), tuple(offsets))


def factor_value(factors: Factors) -> float | NDArray[np.float64]:
    """Current product of the factors: a scalar, or (S,) where some factor scales scenarios one by one."""
    result: float | NDArray[np.float64] = 1.0
    for number, expression in factors:
        result = result * number
        if expression is not None:
            value = np.asarray(_constant(expression), dtype=float)
            result = result * (value.item() if value.size == 1 else value.ravel())
    return result


def offset_value(offset: Offset, size: int) -> NDArray[np.float64]:
    """Current value of an offset, shape (size,)."""
    value = offset.value() * factor_value(offset.factors)
    return np.broadcast_to(value, (size,))


def _constant(expression: cp.Expression) -> object:
    value = expression.value
    if value is None:
        names = ", ".join(p.name() for p in expression.parameters() if p.value is None)
        raise UnsupportedForm("a Parameter in the losses has no value", field=names or str(expression))
    return value.toarray() if hasattr(value, "toarray") else value


def _walk(e: cp.Expression, factors: Factors, size: int, terms: list[LossTerm], offsets: list[Offset]) -> None:
    if isinstance(e, NegExpression):
        _walk(e.args[0], (*factors, (-1.0, None)), size, terms, offsets)
    elif not e.variables():
        offsets.append(Offset(lambda: np.asarray(_constant(e), dtype=float).ravel(), factors))
    elif isinstance(e, AddExpression) and all(a.size in (1, size) for a in e.args):
        for arg in e.args:
            _walk(arg, factors, size, terms, offsets)
    elif isinstance(e, DivExpression) and not e.args[1].variables() and _scales(e.args[1], size):
        _walk(e.args[0], (*factors, (1.0, 1.0 / e.args[1])), size, terms, offsets)
    elif isinstance(e, multiply | MulExpression) and (scaled := _scaling(e, size)) is not None:
        constant, inner = scaled
        _walk(inner, (*factors, (1.0, constant)), size, terms, offsets)
    elif isinstance(e, ScenarioProduct):
        source = cast(ScenarioSource, e.source)
        terms.append(LossTerm(lambda: source, id(source), e.args[0], factors))
    elif isinstance(e, MulExpression) and (product := _product(e)) is not None:
        matrix, transposed, inner = product
        terms.append(LossTerm(_reader(matrix, transposed), (id(matrix), transposed), inner, factors))
    elif isinstance(e, Promote) or (e.size == 1 and size > 1):
        inner = e.args[0] if isinstance(e, Promote) else e
        terms.append(LossTerm(lambda: OnesSource(size), "ones", cp.reshape(inner, (1,), order="F"), factors))
    else:
        from hedgeopt.tail.extract import coefficients

        readers, at_zero = coefficients(e)
        terms.extend(LossTerm(read, (id(e), i), inner, factors) for i, (read, inner) in enumerate(readers))
        offsets.append(Offset(at_zero, factors))


def _scales(e: cp.Expression, size: int) -> bool:
    return e.size == 1 or e.shape == (size,)


def _scaling(e: cp.Expression, size: int) -> tuple[cp.Expression, cp.Expression] | None:
    """``constant * inner`` where the constant is a scalar or has one entry per scenario."""
    elementwise = isinstance(e, multiply)
    for constant, inner in (e.args, e.args[::-1]):
        if constant.variables() or inner.shape != e.shape or (isinstance(e, MulExpression) and not elementwise):
            continue
        if _scales(constant, size) or (isinstance(constant, Promote) and constant.args[0].size == 1):
            return constant, inner
    return None


def _product(e: cp.Expression) -> tuple[cp.Expression, bool, cp.Expression] | None:
    """``matrix @ vector`` or ``vector @ matrix``."""
    left, right = e.args
    if not left.variables() and left.ndim == 2 and right.ndim == 1:
        return left, False, right
    if not right.variables() and right.ndim == 2 and left.ndim == 1:
        return right, True, left
    return None


def _reader(matrix: cp.Expression, transposed: bool) -> Callable[[], ScenarioSource]:
    def read() -> ScenarioSource:
        value = matrix.value
        if value is None:
            _constant(matrix)
        return as_source(value.T if transposed else value)

    return read
