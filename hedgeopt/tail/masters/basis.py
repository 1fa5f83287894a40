"""A simplex basis by meaning, so that it survives when scenarios, columns and rows come and go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from hedgeopt.tail.masters.program import PartLP
from hedgeopt.tail.source import Vector

# Statuses are numbers here, HiGHS' enumeration (which is slow to compare) only on the way in.
_STATUS = highspy.HighsBasisStatus
LOWER, BASIC, UPPER, ZERO = 0, 1, 2, 3
_NAMES = np.array([_STATUS.kLower, _STATUS.kBasic, _STATUS.kUpper, _STATUS.kZero], dtype=object)
Mask = NDArray[np.bool_]


@dataclass
class Basis:
    """Basic or not, by meaning: columns and rows of the whole program, levels, and per tail the scenarios."""

    columns: Mask
    at_upper: Mask
    """Whether a variable that is not basic rests on its upper bound."""
    levels: Mask
    equalities: Mask
    rows: Mask
    excess: list[Mask]
    slack: list[Mask]
    boundaries: list[object]
    """Which boundaries the masks belong to (:attr:`Piece.boundary`)."""

    @property
    def at_level(self) -> list[Mask]:
        """Scenarios that sit at the level: neither slack nor excess is basic."""
        return [~(e | s) for e, s in zip(self.excess, self.slack, strict=True)]

    def keep(self, k: int, stays: Mask, boundary: object) -> None:
        """Forget the scenarios of tail ``k`` that do not stay; the rest is named ``boundary``."""
        self.boundaries[k] = boundary
        self.excess[k], self.slack[k] = self.excess[k][stays], self.slack[k][stays]

    def start(self, program: PartLP) -> highspy.HighsBasis | None:
        """A start for ``program``; scenarios from outside have their slack basic, those from the aggregate their excess.

        Both keep the basis dual feasible. None where the boundaries are others: a basis guessed from the losses took
        longer than starting from nothing.
        """
        p, parent = program.part, program.parent
        if len(self.columns) != parent.n or len(self.levels) != program.K or len(self.rows) != len(parent.b):
            return None
        if len(self.equalities) + len(program.wide) != program.base:
            return None
        resting = _resting(self.at_upper[program.work], p.lower, p.upper)
        # A level is free: off the basis it rests at zero. Excesses rest on zero, inequalities on their right-hand side.
        columns = [np.where(self.columns[program.work], BASIC, resting), np.where(self.levels, BASIC, ZERO)]
        rows = [np.where(self.equalities, BASIC, LOWER), np.where(self.rows[program.wide_rows], BASIC, UPPER)]
        for k, piece in enumerate(p.pieces):
            if self.boundaries[k] is not piece.boundary:
                return None
            known, count = len(self.excess[k]), len(piece.caps)
            new = np.zeros(count - known, dtype=bool) if piece.summed is None else piece.summed[known:]
            columns.append(np.where(np.concatenate((self.excess[k], new)), BASIC, LOWER))
            rows.append(np.where(np.concatenate((self.slack[k], ~new)), BASIC, UPPER))
        col_status, row_status = np.concatenate(columns), np.concatenate(rows)
        basis = highspy.HighsBasis()
        basis.col_status, basis.row_status, basis.valid = _NAMES[col_status].tolist(), _NAMES[row_status].tolist(), True
        # HiGHS looks for dependent columns in a basis it does not trust, which costs more than the solve.
        basis.alien = np.count_nonzero(col_status == BASIC) + np.count_nonzero(row_status == BASIC) != program.rows
        return basis


def _resting(at_upper: Mask, lower: Vector, upper: Vector) -> NDArray[np.intp]:
    """Where variables off the basis rest; bounds may have come and gone."""
    low, high = np.isfinite(lower), np.isfinite(upper)
    return np.where(high & (at_upper | ~low), UPPER, np.where(low, LOWER, ZERO))


def read(h: Any, program: PartLP, v: Vector) -> Basis | None:
    """The basis with which HiGHS ended at ``v``; resting columns sit at zero, on a bound; dropped rows are slack."""
    if h.getNumNz() == 0:
        # Solved without a factorisation: asking for the basis makes HiGHS 1.15 read memory it does not own.
        return None
    status, found = h.getBasicVariables()
    if status != highspy.HighsStatus.kOk:
        return None
    p, parent, n, K, base, first = program.part, program.parent, program.part.n, program.K, program.base, program.first
    # Rows count down from -1.
    basic = np.zeros(program.columns + program.rows, dtype=bool)
    basic[np.where(found < 0, program.columns - 1 - found, found)] = True
    in_columns, in_rows = basic[: program.columns], basic[program.columns :]
    columns, at_upper, rows = np.zeros(parent.n, dtype=bool), parent.upper == 0, np.ones(len(parent.b), dtype=bool)
    columns[program.work], at_upper[program.work] = in_columns[:n], v - p.lower > p.upper - v
    equalities = p.A_eq.shape[0]
    rows[program.wide_rows] = in_rows[equalities:base]
    return Basis(
        columns, at_upper, in_columns[n : n + K], in_rows[:equalities], rows,
        [in_columns[n + K + first[k] : n + K + first[k + 1]] for k in range(K)],
        [in_rows[base + first[k] : base + first[k + 1]] for k in range(K)],
        [piece.boundary for piece in p.pieces],
    )  # fmt: skip
