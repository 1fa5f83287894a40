"""The closest point to limits that cannot all be met, in trades that a venue takes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.program.certificate import relative_violation
from hedgeopt.program.lots import facing, rounded
from hedgeopt.program.program import Program

__all__ = ["closest_in_lots"]

_HOLDS = 1e-9


def closest_in_lots(program: Program, e: Exposures, x: np.ndarray) -> np.ndarray:
    """(N,) trades ``x`` (N,) rounded to lots, with as few left out as may be; nothing if no list will do.

    A list will do where no limit is further out than without trades or at ``x``, limits that count trades hold, no
    instrument is bought in one account and sold in another, and the worst limit is nearer than without trades.
    """
    nothing = np.zeros_like(x)
    before, ideal = _excess(program, e, nothing), _excess(program, e, x)
    allowed = np.maximum(np.maximum(before, ideal), _HOLDS) * (1.0 + 1e-6)
    for candidate in _lists(program, e, x):
        found = _excess(program, e, candidate)
        if facing(e, candidate) or not _counts_hold(program, e, candidate):
            continue
        if (found <= allowed).all() and found.max(initial=0.0) < before.max(initial=0.0):
            return candidate
    return nothing


def _lists(program: Program, e: Exposures, x: np.ndarray) -> Iterator[np.ndarray]:
    """Roundings to the nearest and toward nothing; then of each the largest trades alone, one fewer at a time."""
    lists = [rounded(e, x, to) for to in (np.round, np.trunc)]
    yield from lists
    for found in lists:
        usd = np.abs(found) * np.abs(np.nan_to_num(e.rows.notional[e.candidate]))
        order = np.argsort(-usd, kind="stable")
        for count in range(int((usd > 0.0).sum()) - 1, 0, -1):
            few = np.zeros_like(found)
            few[order[:count]] = found[order[:count]]
            yield few


def _excess(program: Program, e: Exposures, x: np.ndarray) -> np.ndarray:
    """(S,) by how much each limit of the program is exceeded, as the certificate counts it."""
    return np.array([max(relative_violation(side), 0.0) for side in program.sides(e, x)])


def _counts_hold(program: Program, e: Exposures, x: np.ndarray) -> bool:
    """Whether every limit that counts trades holds."""
    rules = [rule for rule in program.policy.subject_to if rule.counts]
    return all(plain.excess <= _HOLDS for rule in rules for plain in rule.plain_sides(e, x))
