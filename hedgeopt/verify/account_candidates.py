"""Where an account's instruments are among the candidates, so that lines in its positions become lines in the trades."""

from __future__ import annotations

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.verify.convex import Choice

__all__ = ["AccountCandidates"]


class AccountCandidates:
    """Where an account's instruments are among the candidates."""

    def __init__(self, e: Exposures, rows: np.ndarray) -> None:
        self.n = e.n_candidates
        self.held = e.rows.quantity[rows]
        where = {int(row): k for k, row in enumerate(rows)}
        pairs = [(i, where[row]) for i, row in enumerate(e.candidate.tolist()) if row in where]
        self.candidate = np.array([i for i, _ in pairs], np.int64)
        self.row = np.array([k for _, k in pairs], np.int64)

    def lines(self, per_unit: np.ndarray, rows: np.ndarray, offsets: np.ndarray) -> Choice:
        """Lines ``per_unit (L, n) . positions of rows + offsets`` as lines of the trades."""
        whole = np.zeros((len(per_unit), len(self.held)))
        whole[:, rows] = per_unit
        found = np.zeros((len(per_unit), self.n))
        found[:, self.candidate] = whole[:, self.row]
        return Choice(found, offsets + whole @ self.held)

    def spread(self, per_row: np.ndarray) -> np.ndarray:
        """(N,) an amount per instrument, at its candidate."""
        found = np.zeros(self.n)
        found[self.candidate] = per_row[self.row]
        return found

    def rest(self) -> np.ndarray:
        """(R,) positions in instruments that are not candidates."""
        still = self.held.copy()
        still[self.row] = 0.0
        return still
