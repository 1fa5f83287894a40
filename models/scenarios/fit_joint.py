"""What underlyings share, from moves of recorded chains: jumps, degrees and correlation; and how records are resampled."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.models.scenarios.surface_moves import FEWEST_STEPS, TOLERANCE, SurfaceMoves

__all__ = ["block_draws", "fit_joint", "student_degrees"]

_BLOCK_DAYS = 2.0
_JUMP = 6.0
_FEWEST = 20


def fit_joint(moves: Mapping[str, SurfaceMoves], seed: int, resamples: int) -> tuple[dict[str, float], dict[str, float]]:
    """Jumps, degrees of the rest, and correlation of all underlyings together, with errors.

    A jump is a return beyond 6 robust standard deviations (1.4826 times the median absolute return) of its asset; what all
    assets do in that step is one jump, and its size the mean over them. Steps of two underlyings are one where they begin
    within a quarter of a step of each other.

    Raises
    ------
    InputError
        For underlyings recorded at steps of other lengths, and fewer than 30 steps that all of them have.
    """
    r = _together(moves)
    days = next(iter(moves.values())).step_days

    def told(rows: np.ndarray) -> dict[str, float]:
        x = r[rows]
        size = 1.4826 * np.median(np.abs(x), axis=0)
        jump = (np.abs(x) > _JUMP * size).any(axis=1)
        rest = x[~jump]
        found = {"jump_rate": float(jump.sum() / (len(x) * days / 365.0)), "jump_mean": 0.0, "jump_noise": 0.0}
        if jump.any():
            log = x[jump].mean(axis=1)
            found["jump_mean"] = float(log.mean())
            found["jump_noise"] = float(log.std(ddof=1)) if len(log) > 1 else abs(float(log[0]))
        found["degrees"] = student_degrees((rest / rest.std(axis=0)).reshape(-1))
        if x.shape[1] > 1:
            found["correlation"] = float(np.corrcoef(rest.T)[np.triu_indices(x.shape[1], 1)].mean())
        return found

    best = told(np.arange(len(r)))
    again = [told(rows) for rows in block_draws(len(r), days, seed, resamples)]
    return best, {name: float(np.std([one[name] for one in again])) for name in best}


def _together(moves: Mapping[str, SurfaceMoves]) -> np.ndarray:
    """(T, A) log returns of the steps that all underlyings have, each matched to the nearest of the first one's."""
    (name, first), *others = moves.items()
    rows = [np.arange(len(first.start))]
    for other, one in others:
        if abs(one.step_days - first.step_days) > TOLERANCE * first.step_days:
            raise InputError(
                f"holds steps of {24.0 * first.step_days:.3g} hours of {name} and of {24.0 * one.step_days:.3g} of {other}",
                field="chain",
                fix="record both at the same times, or fit each on its own",
            )
        begins, goal = one.start.as_unit("ns").asi8, first.start.as_unit("ns").asi8
        near = np.clip(np.searchsorted(begins, goal), 1, len(begins) - 1)
        near = np.where(goal - begins[near - 1] <= begins[near] - goal, near - 1, near)
        away = np.abs(begins[near] - goal)
        close = away <= TOLERANCE * first.step_days * 86_400e9
        rows.append(np.where(close & (away == _least(near, away)), near, -1))
    both = np.flatnonzero((np.array(rows) >= 0).all(axis=0))
    if len(both) < FEWEST_STEPS:
        raise InputError(
            f"{', '.join(moves)} have only {many(len(both), 'step')} in common, {FEWEST_STEPS} are needed",
            field="chain",
            fix="record all underlyings at the same times, or fit each on its own",
        )
    return np.column_stack([one.log_return[at[both]] for one, at in zip(moves.values(), rows, strict=True)])


def _least(near: np.ndarray, away: np.ndarray) -> np.ndarray:
    """(T,) the least distance among those matched to the same step: no step is counted twice."""
    least = np.full(int(near.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(least, near, away)
    return least[near]


def student_degrees(unit: np.ndarray, count: np.ndarray | None = None) -> float:
    """Degrees of freedom of a Student-t of unit variance, by maximum likelihood, from 2.5 to 30; ``count`` of each value."""
    from scipy.optimize import minimize_scalar
    from scipy.special import gammaln

    known = np.isfinite(unit)
    z, weight = unit[known], np.ones(int(known.sum())) if count is None else count[known]
    if weight.sum() < _FEWEST:
        return 5.0

    def loss(nu: float) -> float:
        density = gammaln(0.5 * (nu + 1)) - gammaln(0.5 * nu) - 0.5 * np.log((nu - 2.0) * np.pi)
        return 0.5 * (nu + 1) * float(np.average(np.log1p(z**2 / (nu - 2.0)), weights=weight)) - float(density)

    return float(minimize_scalar(loss, bounds=(2.5, 30.0), method="bounded").x)


def block_draws(steps: int, step_days: float, seed: int, resamples: int) -> list[np.ndarray]:
    """Steps of circular blocks of two days (Politis and Romano 1992), as many as there are."""
    from hedgeopt.models.scenarios.variates import uniforms

    block = max(round(_BLOCK_DAYS / step_days), 1)
    several = -(-steps // block)
    begins = (uniforms(seed, "fit", resamples, several) * steps).astype(np.int64)
    return [((row[:, None] + np.arange(block)) % steps).reshape(-1)[:steps] for row in begins]
