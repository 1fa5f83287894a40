"""The numbers of one underlying, from moves of recorded chains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.models.scenarios.fit_joint import block_draws
from hedgeopt.models.scenarios.fit_noise import fit_noise
from hedgeopt.models.scenarios.fit_steps import DAYS, StepTable, day_node
from hedgeopt.models.scenarios.surface_moves import SurfaceMoves

__all__ = ["Parts", "fit_asset", "skew_exponent"]

_REGIME_DAYS = 7.0
_FEWEST = 20
_CLIP = {"vol_beta": 10.0, "vol_beta_up": 10.0, "skew_beta": 10.0, "term_beta": 10.0, "basis_beta": 10.0}


@dataclass(frozen=True)
class Parts:
    """Slopes and noises as ``OwnResponse`` takes them, noise as ``OptionNoise`` does, and the standard errors of both."""

    response: dict[str, float]
    response_errors: dict[str, float]
    noise: dict[str, Any]
    noise_errors: dict[str, Any]


def fit_asset(moves: SurfaceMoves, longer: SurfaceMoves | None, skew_tenor: float, seed: int, resamples: int) -> Parts:
    """The numbers of one underlying; ``longer`` are the moves over steps four times as long, for growth with time."""
    table = StepTable.of(moves, skew_tenor)
    late = None if longer is None else StepTable.of(longer, skew_tenor)
    response = _response(table, np.arange(len(table.r)))
    draws = block_draws(len(moves.start), moves.step_days, seed, resamples)
    again = [_response(table, rows) for rows in draws]
    errors = {name: float(np.std([one[name] for one in again])) for name in response}
    noise, wrong = fit_noise(table, late, draws)
    return Parts(response, errors, noise, wrong)


def _response(table: StepTable, rows: np.ndarray) -> dict[str, float]:
    """Slopes on the return and annual noises, of the steps in ``rows``."""
    years = table.days / 365.0
    r = table.r[rows]
    down, up, own = _two_sided(r, table.level[rows], table.wrong["level"])
    found = {"vol_beta": down, "vol_beta_up": up, "vol_of_vol": own / np.sqrt(years)}
    found["vol_beta_noise"], found["vol_beta_up_noise"] = _regimes(table, rows)
    for name, values in (("skew", table.skew), ("term", table.term), ("basis", table.basis)):
        slope, noise = _one_sided(r, values[rows], table.wrong[name])
        found[f"{name}_beta"], found[f"{name}_noise"] = slope, noise / np.sqrt(years)
    return {name: float(np.clip(value, -_CLIP.get(name, 10.0), _CLIP.get(name, 10.0))) for name, value in found.items()}


def _two_sided(r: np.ndarray, moved: np.ndarray, wrong: float) -> tuple[float, float, float]:
    known = np.isfinite(moved)
    design = np.column_stack([np.ones(known.sum()), np.minimum(r[known], 0.0), np.maximum(r[known], 0.0)])
    slopes = np.linalg.lstsq(design, moved[known], rcond=None)[0]
    left = moved[known] - design @ slopes
    return float(slopes[1]), float(slopes[2]), float(np.sqrt(max(left @ left / max(len(left) - 3, 1) - wrong, 0.0)))


def _one_sided(r: np.ndarray, moved: np.ndarray, wrong: float) -> tuple[float, float]:
    known = np.isfinite(moved)
    if known.sum() < _FEWEST:
        return 0.0, 0.0
    design = np.column_stack([np.ones(known.sum()), r[known]])
    slopes = np.linalg.lstsq(design, moved[known], rcond=None)[0]
    left = moved[known] - design @ slopes
    return float(slopes[1]), float(np.sqrt(max(left @ left / max(len(left) - 2, 1) - wrong, 0.0)))


def _regimes(table: StepTable, rows: np.ndarray) -> tuple[float, float]:
    """Standard deviation of the two slopes from week to week beyond their own errors (DerSimonian and Laird 1986)."""
    week = ((table.start[rows] - table.start.min()) / _REGIME_DAYS).astype(np.int64)
    found = []
    for side in (np.minimum, np.maximum):
        part = side(table.r[rows], 0.0)
        known = np.isfinite(table.level[rows]) & (part != 0.0)
        slopes, squares, left, spare = [], [], 0.0, 0
        for one in np.unique(week[known]):
            use = known & (week == one)
            if use.sum() < 5:
                continue
            x, y = part[use], table.level[rows][use]
            slopes.append(float(x @ y) / float(x @ x))
            squares.append(float(x @ x))
            left += float(((y - slopes[-1] * x) ** 2).sum())
            spare += int(use.sum()) - 1
        found.append(_between(slopes, [left / max(spare, 1) / one for one in squares]))
    return found[0], found[1]


def _between(slopes: list[float], errors: list[float]) -> float:
    if len(slopes) < 4:
        return 0.0
    b, v = np.array(slopes), np.maximum(np.array(errors), 1e-12)
    w = 1.0 / v
    mean = float(w @ b / w.sum())
    q = float(w @ (b - mean) ** 2)
    return float(np.sqrt(max(q - (len(b) - 1), 0.0) / (w.sum() - float(w @ w) / w.sum())))


def skew_exponent(moves: SurfaceMoves, rows: np.ndarray | None = None) -> float:
    """p of ``(30 / days)^p`` that the size of skew moves follows: slope of log sizes by node, weighed by their numbers.

    ``rows`` are the steps of a resample, else every one.
    """
    node = day_node(moves.expiry_days)
    every = np.arange(len(moves.start)) if rows is None else rows
    times = np.bincount(every, minlength=len(moves.start))[moves.expiry_step]
    count = np.bincount(node, times, minlength=len(DAYS))
    square = np.bincount(node, times * moves.skew**2, minlength=len(DAYS))
    seen = (count >= _FEWEST) & (square > 0.0)
    if seen.sum() < 2:
        return 0.0
    x, y = np.log(30.0 / np.array(DAYS)[seen]), 0.5 * np.log(square[seen] / count[seen])
    return float(np.clip(np.polyfit(x, y, 1, w=np.sqrt(count[seen]))[0], 0.0, 1.0))
