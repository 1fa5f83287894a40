"""Exact coefficient matrices of affine expressions that :mod:`hedgeopt.tail.recognise` does not know by shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np

from hedgeopt.errors import UnsupportedForm
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
    for variable in variables:
        if any(variable.attributes[a] for a in ("PSD", "NSD", "symmetric", "diag", "hermitian", "complex", "imag")):
            raise UnsupportedForm("losses of structured or complex variables need the form A @ x", field=str(e))

    def reader(variable: cp.Variable) -> Callable[[], ScenarioSource]:
        def read() -> ScenarioSource:
            jacobian = _at_zero(variables, lambda: e.grad)[variable].T
            if not hasattr(jacobian, "nnz"):
                return as_source(np.atleast_2d(np.asarray(jacobian, dtype=float)))
            dense = jacobian.nnz > _DENSE * jacobian.shape[0] * jacobian.shape[1]
            return as_source(jacobian.toarray() if dense else jacobian)

        return read

    readers = [(reader(v), v if v.ndim == 1 else cp.vec(v, order="F")) for v in variables]
    return readers, lambda: np.asarray(_at_zero(variables, lambda: e.value), dtype=float).ravel(order="F")


def _at_zero(variables: list[cp.Variable], evaluate: Callable[[], Any]) -> Any:
    saved = [v.value for v in variables]
    try:
        for v in variables:
            v.save_value(np.zeros(v.shape))
        return evaluate()
    finally:
        for v, value in zip(variables, saved, strict=True):
            v.save_value(value)
