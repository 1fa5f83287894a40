"""``source @ x`` as a cvxpy expression that never turns the scenario matrix into solver data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import cvxpy as cp
import numpy as np
from cvxpy.atoms.affine.affine_atom import AffAtom
from cvxpy.lin_ops import lin_utils

from hedgeopt.errors import InputError


class Multiplied(Protocol):
    """Protocol of a scenario matrix (S, n): its shape, a pass of blocks, and its product with numbers."""

    shape: tuple[int, int]

    def blocks(self) -> Iterator[tuple[int, Any]]:
        """``(first_row, rows)`` in row order."""
        ...

    def losses(self, x: Any) -> Any:
        """``A @ x``, shape (S,)."""
        ...


class ScenarioProduct(AffAtom):
    """``source @ x``, shape (S,), for a scenario matrix and an affine ``x`` of shape (n,)."""

    def __init__(self, source: Multiplied, x: Any) -> None:
        self.source = source
        super().__init__(x)

    def validate_arguments(self) -> None:
        """The expression must have one entry per column of the source."""
        if self.args[0].shape != (self.source.shape[1],):
            raise InputError(
                f"a source of shape {self.source.shape} multiplies a vector of shape ({self.source.shape[1]},)",
                field="x",
                value=self.args[0].shape,
            )

    def shape_from_args(self) -> tuple[int, ...]:
        """One entry per scenario."""
        return (self.source.shape[0],)

    def sign_from_args(self) -> tuple[bool, bool]:
        """Unknown: finding out would need a pass."""
        return False, False

    def is_incr(self, idx: int) -> bool:
        """Unknown sign, so not monotone."""
        return False

    def is_decr(self, idx: int) -> bool:
        """Unknown sign, so not monotone."""
        return False

    def get_data(self) -> list[object]:
        """The source, so that cvxpy can copy the atom."""
        return [self.source]

    def copy(self, args: list[Any] | None = None, id_objects: object = None) -> ScenarioProduct:
        """A copy with new arguments (cvxpy's default passes arguments before data)."""
        return ScenarioProduct(self.source, (args or self.args)[0])

    def numeric(self, values: list[Any]) -> Any:
        """One pass over the source."""
        return self.source.losses(np.asarray(values[0], dtype=float).ravel())

    def graph_implementation(
        self, arg_objs: list[Any], shape: tuple[int, ...], data: list[Any] | None = None
    ) -> tuple[Any, list[Any]]:
        """Materialise the matrix: only reached by solvers other than ``method="tail"``."""
        assert data is not None
        source = data[0]
        matrix = np.concatenate([np.asarray(block, dtype=float) for _, block in source.blocks()])
        return lin_utils.mul_expr(lin_utils.create_const(matrix, matrix.shape), arg_objs[0], shape), []


def losses(source: Multiplied, x: cp.Expression) -> ScenarioProduct:
    """``source @ x`` written as a function."""
    return ScenarioProduct(source, x)
