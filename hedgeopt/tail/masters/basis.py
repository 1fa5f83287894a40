"""A simplex basis in the program's own terms, so that it survives scenarios, columns and rows that come and go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

_STATUS = highspy.HighsBasisStatus
LOWER, BASIC, UPPER, ZERO = _STATUS.kLower, _STATUS.kBasic, _STATUS.kUpper, _STATUS.kZero


@dataclass
class Basis:
    """Statuses by meaning: columns and rows of the whole program, levels, and per tail the scenarios'."""

    columns: list[Any]
    levels: list[Any]
    equalities: list[Any]
    rows: list[Any]
    excess: list[list[Any]]
    slack: list[list[Any]]
    boundaries: list[object]
    """Which boundaries the statuses belong to (:attr:`Piece.boundary`)."""

    @property
    def at_level(self) -> list[NDArray[np.bool_]]:
        """Scenarios that sit at the level: neither slack nor excess is basic."""
        return [
            np.array([e != BASIC and s != BASIC for e, s in zip(*pair, strict=True)], dtype=bool)
            for pair in zip(self.excess, self.slack, strict=True)
        ]

    def keep(self, k: int, stays: NDArray[np.bool_], boundary: object) -> None:
        """Forget the scenarios of tail ``k`` that do not stay; what stays is called ``boundary``."""
        self.boundaries[k] = boundary
        for part in (self.excess, self.slack):
            part[k] = [x for x, yes in zip(part[k], stays.tolist(), strict=True) if yes]

    def start(self, p: Any, kinds: Any) -> highspy.HighsBasis | None:
        """For the program ``kinds`` of ``p``; what joins from outside has its slack basic, from the aggregate its excess.

        Both keep the basis dual feasible. None where the boundaries are others: a basis guessed from the losses took
        longer than starting from nothing.
        """
        if len(self.columns) != kinds.parent.n or len(self.levels) != kinds.K or len(self.rows) != len(kinds.parent.b):
            return None
        columns = [*(self.columns[j] for j in kinds.work.tolist()), *self.levels]
        rows = [*self.equalities, *(self.rows[i] for i in kinds.wide_rows.tolist())]
        if len(self.equalities) + len(kinds.wide_rows) != kinds.base:
            return None
        for k, piece in enumerate(p.pieces):
            excess, slack = self.excess[k], self.slack[k]
            if self.boundaries[k] is not piece.boundary:
                return None
            new = (
                np.zeros(len(piece.caps) - len(excess), dtype=bool) if piece.summed is None else piece.summed[len(excess) :]
            )
            columns += [*excess, *(BASIC if x else LOWER for x in new.tolist())]
            rows += [*slack, *(UPPER if x else BASIC for x in new.tolist())]
        basis = highspy.HighsBasis()
        basis.col_status, basis.row_status, basis.valid = columns, rows, True
        # HiGHS looks for dependent columns in a basis it does not trust, which costs more than the solve.
        basis.alien = columns.count(BASIC) + rows.count(BASIC) != len(rows)
        return basis


def read(basis: Any, p: Any, kinds: Any) -> Basis:
    """What HiGHS ended with; resting columns sit at zero, on the bound that is there, and dropped rows are slack."""
    parent, n, K, base, first = kinds.parent, p.n, kinds.K, kinds.base, kinds.first
    found, found_rows = list(basis.col_status), list(basis.row_status)
    columns = [LOWER if lo == 0 else UPPER if up == 0 else ZERO for lo, up in zip(parent.lower, parent.upper, strict=True)]
    for j, status in zip(kinds.work.tolist(), found[:n], strict=True):
        columns[j] = status
    rows = [BASIC] * len(parent.b)
    equalities = base - len(kinds.wide_rows)
    for i, status in zip(kinds.wide_rows.tolist(), found_rows[equalities:base], strict=True):
        rows[i] = status
    return Basis(
        columns, found[n : n + K], found_rows[:equalities], rows,
        [found[n + K + first[k] : n + K + first[k + 1]] for k in range(K)],
        [found_rows[base + first[k] : base + first[k + 1]] for k in range(K)],
        [piece.boundary for piece in p.pieces],
    )  # fmt: skip
