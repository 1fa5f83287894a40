"""Exact coefficient matrices of affine expressions that :mod:`hedgeopt.tail.recognise` does not know by shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np

from hedgeopt.tail.source import ScenarioSource, Vector, as_source

# Above this share of non-zeros a dense array is smaller and faster than compressed rows.
_DENSE = 0.3


def coefficients(
    e: cp.Expression,
) -> tuple[list[tuple[Callable[[], ScenarioSource], cp.Expression]], Callable[[], Vector]]:
    """Readers of ``d e / d variable`` with the (flattened) variables, and of the value of ``e`` at zero.

    The Jacobian of an affine expression does not depend on the point, so cvxpy's ``grad`` gives it exactly.
    It is read anew at each solve because parameters may have changed.
    """
    variables = e.variables()

    def value() -> Vector:
        return np.asarray(_at_zero(variables, lambda: e.value), dtype=float).ravel(order="F")

    def by_units(variable: cp.Variable, unit: complex) -> Callable[[], ScenarioSource]:
        def read() -> ScenarioSource:
            def columns() -> Vector:
                at_zero, out = np.asarray(e.value).real.ravel(order="F"), []
                for j in range(variable.size):
                    one = np.zeros(variable.size, dtype=complex)
                    one[j] = unit
                    variable.save_value(one.reshape(variable.shape, order="F"))
                    out.append(np.asarray(e.value).real.ravel(order="F") - at_zero)
                return np.column_stack(out)

            return as_source(_at_zero(variables, columns))

        return read

    def reader(variable: cp.Variable) -> Callable[[], ScenarioSource]:
        def read() -> ScenarioSource:
            jacobian = _at_zero(variables, lambda: e.grad)[variable].T
            if not hasattr(jacobian, "nnz"):
                return as_source(np.atleast_2d(np.asarray(jacobian, dtype=float)))
            dense = jacobian.nnz > _DENSE * jacobian.shape[0] * jacobian.shape[1]
            return as_source(jacobian.toarray() if dense else jacobian)

        return read

    readers: list[tuple[Callable[[], ScenarioSource], cp.Expression]] = []
    for v in variables:
        flat = v if v.ndim == 1 else cp.vec(v, order="F")
        if v.is_complex():
            # cvxpy has no gradients of complex variables: real and imaginary parts, entry by entry.
            readers += [(by_units(v, 1.0), cp.real(flat)), (by_units(v, 1.0j), cp.imag(flat))]
        else:
            readers.append((reader(v), flat))
    return readers, value


def _at_zero(variables: list[cp.Variable], evaluate: Callable[[], Any]) -> Any:
    saved = [v.value for v in variables]
    try:
        for v in variables:
            v.save_value(np.zeros(v.shape))
        return evaluate()
    finally:
        for v, value in zip(variables, saved, strict=True):
            v.save_value(value)
