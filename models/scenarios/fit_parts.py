"""The numbers of one underlying, from moves of recorded chains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.models.scenarios.fit_joint import block_draws, student_degrees
from hedgeopt.models.scenarios.set import skew_weight, vol_term_weight
from hedgeopt.models.scenarios.surface_moves import SurfaceMoves

__all__ = ["DAYS", "DELTAS", "Parts", "fit_asset", "skew_exponent"]

DAYS = (1.7, 4.6, 10.0, 20.0, 42.0, 85.0, 200.0)
"""Days to expiry of the nodes; each counts the options between the geometric means with its neighbours."""
DELTAS = (0.04, 0.075, 0.15, 0.275, 0.425)
_DAY_EDGES = np.array([0.0, *np.sqrt(np.array(DAYS[:-1]) * np.array(DAYS[1:])), np.inf])
_DELTA_EDGES = np.array([0.0, 0.05, 0.1, 0.2, 0.35, 1.0])
_REGIME_DAYS = 7.0
_HOURS = 6.0
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
    table = _Steps.of(moves, skew_tenor)
    late = None if longer is None else _Steps.of(longer, skew_tenor)
    response = _response(table, np.arange(len(table.r)))
    noise = _noise(table, late)
    draws = block_draws(len(moves.start), moves.step_days, seed, resamples)
    again = [_response(table, rows) for rows in draws]
    sizes = [_sizes(table, rows) for rows in draws]
    errors = {name: float(np.std([one[name] for one in again])) for name in response}
    wrong: dict[str, Any] = {}
    for name in ("expiry", "skew", "strike"):
        wrong[name] = {"size": _spread(np.array([one[name] for one in sizes])).tolist()}
    return Parts(response, errors, noise, wrong)


@dataclass(frozen=True)
class _Steps:
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
    cell: np.ndarray

    @classmethod
    def of(cls, moves: SurfaceMoves, skew_tenor: float) -> _Steps:
        count = len(moves.start)
        slope = np.log(30.0 / np.maximum(moves.expiry_days, 7.0))
        weight = vol_term_weight(moves.expiry_days / 365.0)
        level, alone, level_error = _shared(moves, np.column_stack([weight, slope]), moves.level)
        skew, tilt, skew_error = _shared(moves, skew_weight(moves.expiry_days, skew_tenor)[:, None], moves.skew)
        row = np.searchsorted(_DAY_EDGES, moves.expiry_days, side="right") - 1
        i = np.searchsorted(_DAY_EDGES, moves.strike_days, side="right") - 1
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
            cell=cell,
        )


def _shared(moves: SurfaceMoves, design: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What expiries do together (T, K) by least squares on ``design`` (E, K), alone (E,), and mean squared errors (K,).

    Twice: the second time each expiry counts by how little its days let it move alone. What is left of an expiry that was
    fitted to is divided by ``sqrt(1 - leverage)``.
    """
    node = np.searchsorted(_DAY_EDGES, moves.expiry_days, side="right") - 1
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


def _response(table: _Steps, rows: np.ndarray) -> dict[str, float]:
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


def _regimes(table: _Steps, rows: np.ndarray) -> tuple[float, float]:
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


def _sizes(table: _Steps, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Standard deviations over a step by node; NaN where nothing was seen."""
    found = {}
    for name, squares in (("expiry", table.expiry), ("skew", table.own_skew), ("strike", table.strike)):
        number = table.counts[name][rows].sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            size = np.sqrt(squares[rows].sum(axis=0) / number)
        found[name] = np.where(number >= _FEWEST, size, np.nan)
    found["strike"] = found["strike"].reshape(len(DAYS), len(DELTAS))
    return found


def _spread(values: np.ndarray) -> np.ndarray:
    """Standard deviation over the first axis of the numbers that are known; NaN where fewer than two are."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    square = np.where(known, (values - mean) ** 2, 0.0).sum(axis=0) / np.maximum(count - 1, 1)
    return np.where(count >= 2, np.sqrt(square), np.nan)


def _noise(table: _Steps, late: _Steps | None) -> dict[str, Any]:
    """``OptionNoise`` as plain data; sizes are carried to 6 hours by the growth that longer steps show."""
    every = np.arange(len(table.r))
    sizes = _sizes(table, every)
    later = None if late is None else _sizes(late, np.arange(len(late.r)))
    result: dict[str, Any] = {}
    for name in ("expiry", "skew", "strike"):
        size = sizes[name]
        power = 0.5 if later is None or late is None else _growth(size, later[name], late.days / table.days)
        at_six = _filled(size) * (_HOURS / 24.0 / table.days) ** power
        one: dict[str, Any] = {"days": list(DAYS), "size": at_six.tolist(), "exponent": power}
        if name == "strike":
            one["delta"] = list(DELTAS)
            one["degrees"] = student_degrees(table.single / size.reshape(-1)[table.cell])
        result[name] = one
    return result


def _growth(size: np.ndarray, later: np.ndarray, ratio: float) -> float:
    """Exponent of time by the middle of the nodes that both have."""
    with np.errstate(invalid="ignore", divide="ignore"):
        power = np.log(later / size) / np.log(ratio)
    power = power[np.isfinite(power)]
    return float(np.clip(np.median(power), 0.0, 0.8)) if len(power) else 0.5


def _filled(size: np.ndarray) -> np.ndarray:
    """Nodes where nothing was seen take the nearest row's, or the nearest column's, number."""
    found = size.reshape(len(DAYS), -1).copy()
    for axis in (0, 1):
        for line in found.T if axis == 0 else found:
            known = np.flatnonzero(np.isfinite(line))
            if len(known):
                line[:] = line[known[np.abs(known[None, :] - np.arange(len(line))[:, None]).argmin(axis=1)]]
    return np.nan_to_num(found).reshape(size.shape)


def skew_exponent(moves: SurfaceMoves) -> float:
    """p of ``(30 / days)^p`` that the size of skew moves follows: slope of log sizes by node, weighed by their numbers."""
    node = np.searchsorted(_DAY_EDGES, moves.expiry_days, side="right") - 1
    count = np.bincount(node, minlength=len(DAYS))
    square = np.bincount(node, moves.skew**2, minlength=len(DAYS))
    seen = (count >= _FEWEST) & (square > 0.0)
    if seen.sum() < 2:
        return 0.0
    x, y = np.log(30.0 / np.array(DAYS)[seen]), 0.5 * np.log(square[seen] / count[seen])
    return float(np.clip(np.polyfit(x, y, 1, w=np.sqrt(count[seen]))[0], 0.0, 1.0))
