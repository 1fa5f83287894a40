"""A simplex basis in the program's own terms, so that it survives scenarios, columns and rows that come and go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

_STATUS = highspy.HighsBasisStatus
LOWER, BASIC, UPPER, ZERO = _STATUS.kLower, _STATUS.kBasic, _STATUS.kUpper, _STATUS.kZero
Mask = NDArray[np.bool_]
# By whether a variable is basic: excesses rest on zero, scenario rows and inequalities on their right-hand side.
_EXCESS = np.array([LOWER, BASIC], dtype=object)
_ROW = np.array([UPPER, BASIC], dtype=object)


@dataclass
class Basis:
    """Basic or not, by meaning: columns and rows of the whole program, levels, and per tail the scenarios."""

    columns: NDArray[Any]
    """Statuses of the variables."""
    levels: Mask
    equalities: Mask
    rows: Mask
    excess: list[Mask]
    slack: list[Mask]
    boundaries: list[object]
    """Which boundaries the masks belong to (:attr:`Piece.boundary`)."""

    @property
    def basic_columns(self) -> Mask:
        """Which variables are basic."""
        return np.asarray(self.columns == BASIC, dtype=bool)

    @property
    def at_level(self) -> list[Mask]:
        """Scenarios that sit at the level: neither slack nor excess is basic."""
        return [~(e | s) for e, s in zip(self.excess, self.slack, strict=True)]

    def keep(self, k: int, stays: Mask, boundary: object) -> None:
        """Forget the scenarios of tail ``k`` that do not stay; what stays is called ``boundary``."""
        self.boundaries[k] = boundary
        self.excess[k], self.slack[k] = self.excess[k][stays], self.slack[k][stays]

    def start(self, p: Any, kinds: Any) -> highspy.HighsBasis | None:
        """For the program ``kinds`` of ``p``; what joins from outside has its slack basic, from the aggregate its excess.

        Both keep the basis dual feasible. None where the boundaries are others: a basis guessed from the losses took
        longer than starting from nothing.
        """
        if len(self.columns) != kinds.parent.n or len(self.levels) != kinds.K or len(self.rows) != len(kinds.parent.b):
            return None
        if len(self.equalities) + len(kinds.wide_rows) != kinds.base:
            return None
        # A level is free: off the basis it rests at zero.
        levels = [BASIC if x else ZERO for x in self.levels.tolist()]
        equalities = [BASIC if x else LOWER for x in self.equalities.tolist()]
        columns = [self.columns[kinds.work], levels]
        rows = [equalities, _ROW[self.rows[kinds.wide_rows].astype(int)]]
        for k, piece in enumerate(p.pieces):
            if self.boundaries[k] is not piece.boundary:
                return None
            known, count = len(self.excess[k]), len(piece.caps)
            new = np.zeros(count - known, dtype=bool) if piece.summed is None else piece.summed[known:]
            columns.append(_EXCESS[np.concatenate((self.excess[k], new)).astype(int)])
            rows.append(_ROW[np.concatenate((self.slack[k], ~new)).astype(int)])
        basis = highspy.HighsBasis()
        col_status, row_status = np.concatenate(columns), np.concatenate(rows)
        basis.col_status, basis.row_status, basis.valid = col_status.tolist(), row_status.tolist(), True
        # HiGHS looks for dependent columns in a basis it does not trust, which costs more than the solve.
        basis.alien = int((col_status == BASIC).sum() + (row_status == BASIC).sum()) != len(row_status)
        return basis


def read(h: Any, value: NDArray[np.float64], p: Any, kinds: Any) -> Basis:
    """What HiGHS ended with; resting columns sit at zero, on the bound that is there, and dropped rows are slack."""
    parent, n, K, base, first = kinds.parent, p.n, kinds.K, kinds.base, kinds.first
    _, basic = h.getBasicVariables()
    basic = np.asarray(basic)
    in_columns, in_rows = np.zeros(len(value), dtype=bool), np.zeros(base + int(first[-1]), dtype=bool)
    in_columns[basic[basic >= 0]] = True
    in_rows[-1 - basic[basic < 0]] = True
    at = np.zeros(parent.n)
    at[kinds.work] = value[:n]
    columns = np.full(parent.n, ZERO, dtype=object)
    columns[np.abs(at - parent.lower) <= 1e-9 * (1 + np.abs(at))] = LOWER
    columns[np.abs(at - parent.upper) <= 1e-9 * (1 + np.abs(at))] = UPPER
    columns[kinds.work[in_columns[:n]]] = BASIC
    rows = np.ones(len(parent.b), dtype=bool)
    equalities = base - len(kinds.wide_rows)
    rows[kinds.wide_rows] = in_rows[equalities:base]
    return Basis(
        columns, in_columns[n : n + K], in_rows[:equalities], rows,
        [in_columns[n + K + first[k] : n + K + first[k + 1]] for k in range(K)],
        [in_rows[base + first[k] : base + first[k + 1]] for k in range(K)],
        [piece.boundary for piece in p.pieces],
    )  # fmt: skip
