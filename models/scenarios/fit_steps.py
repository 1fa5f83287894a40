"""Moves of a recorded chain by step: what expiries do together, and what each expiry and strike does beside that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hedgeopt.models.scenarios.set import skew_weight, vol_term_weight
from hedgeopt.models.scenarios.surface_moves import SurfaceMoves

__all__ = ["DAYS", "DELTAS", "StepTable", "day_node"]

DAYS = (1.7, 4.6, 10.0, 20.0, 42.0, 85.0, 200.0)
"""Days to expiry of the nodes; each counts the options between the geometric means with its neighbours."""
DELTAS = (0.04, 0.075, 0.15, 0.275, 0.425)
"""Absolute deltas of the nodes."""
_DAY_EDGES = np.array([0.0, *np.sqrt(np.array(DAYS[:-1]) * np.array(DAYS[1:])), np.inf])
_DELTA_EDGES = np.array([0.0, 0.05, 0.1, 0.2, 0.35, 1.0])


def day_node(days: np.ndarray) -> np.ndarray:
    """Which of :data:`DAYS` each of ``days`` counts for."""
    return np.searchsorted(_DAY_EDGES, days, side="right") - 1


@dataclass(frozen=True)
class StepTable:
    """Per step (T,): return, level at 30 days, term slope, skew and basis; sums of squares of noises by step and node.

    ``wrong`` are the mean squares of what the shared moves are off by, because every expiry moves alone as well.
    """

    days: float
    start: np.ndarray
    r: np.ndarray
    level: np.ndarray
    term: np.ndarray
    skew: np.ndarray
    wrong: Mapping[str, float]
    basis: np.ndarray
    expiry: np.ndarray
    own_skew: np.ndarray
    strike: np.ndarray
    counts: Mapping[str, np.ndarray]
    single: np.ndarray
    single_step: np.ndarray
    cell: np.ndarray

    @classmethod
    def of(cls, moves: SurfaceMoves, skew_tenor: float) -> StepTable:
        """The table of ``moves``; an expiry takes ``(30 / days)^skew_tenor`` of the shared skew move."""
        count = len(moves.start)
        slope = np.log(30.0 / np.maximum(moves.expiry_days, 7.0))
        weight = vol_term_weight(moves.expiry_days / 365.0)
        level, alone, level_error = _shared(moves, np.column_stack([weight, slope]), moves.level)
        skew, tilt, skew_error = _shared(moves, skew_weight(moves.expiry_days, skew_tenor)[:, None], moves.skew)
        row = day_node(moves.expiry_days)
        i = day_node(moves.strike_days)
        j = np.clip(np.searchsorted(_DELTA_EDGES, moves.strike_delta, side="right") - 1, 0, len(DELTAS) - 1)
        cell = i * len(DELTAS) + j
        expiry, expiry_n = _by_step(moves.expiry_step, row, alone, count, len(DAYS))
        own, own_n = _by_step(moves.expiry_step, row, tilt, count, len(DAYS))
        strike, strike_n = _by_step(moves.strike_step, cell, moves.residual, count, len(DAYS) * len(DELTAS))
        return cls(
            days=moves.step_days,
            start=moves.start.as_unit("ns").asi8 / 86_400e9,
            r=moves.log_return,
            level=level[:, 0],
            term=level[:, 1],
            skew=skew[:, 0],
            wrong={"level": level_error[0], "term": level_error[1], "skew": skew_error[0], "basis": 0.0},
            basis=moves.basis,
            expiry=expiry,
            own_skew=own,
            strike=strike,
            counts={"expiry": expiry_n, "skew": own_n, "strike": strike_n},
            single=moves.residual,
            single_step=moves.strike_step,
            cell=cell,
        )


def _shared(moves: SurfaceMoves, design: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What expiries do together (T, K) by least squares on ``design`` (E, K), alone (E,), and mean squared errors (K,).

    Twice: the second time each expiry counts by how little its days let it move alone. What is left of an expiry that was
    fitted to is divided by ``sqrt(1 - leverage)``.
    """
    node = day_node(moves.expiry_days)
    steps, k = len(moves.start), design.shape[1]
    bounds = np.searchsorted(moves.expiry_step, np.arange(steps + 1))
    size, together, left, error = np.ones(len(DAYS)), np.empty(0), np.empty(0), np.empty(0)
    for _ in range(2):
        together, left = np.full((steps, k), np.nan), np.full(len(values), np.nan)
        errors = []
        for n in range(steps):
            mine = slice(bounds[n], bounds[n + 1])
            x, w = design[mine], 1.0 / size[node[mine]]
            if len(x) < k + 1:
                continue
            root = np.linalg.pinv(x * w[:, None])
            together[n] = root @ (values[mine] * w)
            kept = 1.0 - np.minimum(np.einsum("ek,ke->e", x * w[:, None], root), 0.9)
            left[mine] = (values[mine] - x @ together[n]) / np.sqrt(kept)
            errors.append((root**2).sum(axis=1))
        square = np.array(
            [np.nanmean(left[node == i] ** 2) if np.isfinite(left[node == i]).any() else np.nan for i in range(len(DAYS))]
        )
        known = np.isfinite(square) & (square > 0.0)
        middle = float(np.median(square[known])) if known.any() else 1.0
        size = np.sqrt(np.maximum(np.where(known, square, middle), 0.25 * middle))  # none counts for all
        error = np.mean(errors, axis=0) if errors else np.zeros(k)
    return together, left, error


def _by_step(
    step: np.ndarray, cell: np.ndarray, values: np.ndarray, steps: int, cells: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sums of squares and numbers, both (T, cells)."""
    total, number = np.zeros((steps, cells)), np.zeros((steps, cells))
    known = np.isfinite(values)
    np.add.at(total, (step[known], cell[known]), values[known] ** 2)
    np.add.at(number, (step[known], cell[known]), 1.0)
    return total, number
