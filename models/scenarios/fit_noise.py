"""Noise of expiries, skews and strikes from moves of recorded chains: sizes, growth with time and tails, with errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hedgeopt.models.scenarios.fit_joint import student_degrees
from hedgeopt.models.scenarios.fit_steps import DAYS, DELTAS, StepTable

__all__ = ["fit_noise"]

_HOURS = 6.0
_FEWEST = 20


def fit_noise(
    table: StepTable, late: StepTable | None, draws: Sequence[np.ndarray]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """``OptionNoise`` as plain data, and its standard errors in the same places.

    Sizes are carried from a step to 6 hours by the growth that longer steps show; each of ``draws``, the steps of a
    resample, gives sizes, exponents and degrees anew, and an error is their standard deviation. It is NaN for nodes that the
    record does not show, whose number is the nearest node's, and for an exponent left at 0.5 without longer steps.
    """
    carried, power = _carried(table, late, None)
    again = [_carried(table, late, rows) for rows in draws]
    unit = table.single / _sizes(table, np.arange(len(table.r)))["strike"].reshape(-1)[table.cell]
    result: dict[str, Any] = {}
    wrong: dict[str, Any] = {}
    for name, size in carried.items():
        result[name] = {"days": list(DAYS), "size": _filled(size).tolist(), "exponent": power[name]}
        spread = np.where(np.isfinite(size), _spread(np.array([sizes[name] for sizes, _ in again])), np.nan)
        powers = [one[name] for _, one in again]
        wrong[name] = {"size": spread.tolist(), "exponent": float("nan") if late is None else float(np.std(powers))}
    result["strike"] |= {"delta": list(DELTAS), "degrees": student_degrees(unit)}
    wrong["strike"]["degrees"] = _degrees_error(unit, table, draws)
    return result, wrong


def _carried(
    table: StepTable, late: StepTable | None, rows: np.ndarray | None
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Sizes over 6 hours and exponents of time, of all steps, or of ``rows`` and longer steps that begin with them."""
    sizes = _sizes(table, np.arange(len(table.r)) if rows is None else rows)
    power = dict.fromkeys(sizes, 0.5)
    if late is not None:
        at = np.arange(len(late.r))
        if rows is not None:
            at = np.minimum(np.searchsorted(late.start, table.start[rows]), len(late.start) - 1)
            at = at[late.start[at] == table.start[rows]]
        later = _sizes(late, at)
        power = {name: _growth(size, later[name], late.days / table.days) for name, size in sizes.items()}
    return {name: size * (_HOURS / 24.0 / table.days) ** power[name] for name, size in sizes.items()}, power


def _degrees_error(unit: np.ndarray, table: StepTable, draws: Sequence[np.ndarray]) -> float:
    """Standard deviation of the degrees over resamples, of moves ``unit`` (Q,) counted in bins of 2 % by step."""
    known = np.isfinite(unit)
    edges = np.geomspace(1e-3, 1e3, 692)
    row = np.searchsorted(edges, np.abs(unit[known]))
    counts = np.zeros((len(table.r), len(edges) + 1))
    np.add.at(counts, (table.single_step[known], row), 1.0)
    middle = np.concatenate([[0.0], np.sqrt(edges[:-1] * edges[1:]), edges[-1:]])
    found = []
    for rows in draws:
        number = counts[rows].sum(axis=0)
        size = np.sqrt(number @ middle**2 / max(number.sum(), 1.0))
        found.append(student_degrees(middle / size, number) if size > 0.0 else np.nan)
    return float(np.std(found))


def _sizes(table: StepTable, rows: np.ndarray) -> dict[str, np.ndarray]:
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
