"""Trades that exceed affine limits by a solver's rounding, moved onto them.

A band without width is met to a few eps of what is summed (:func:`hedgeopt.program.certificate.allowance`), which is more
than an interior-point method promises. The least step, in the unit of the trade limits, of trades that are neither nought
nor at their limit takes back what is exceeded, and leaves other affine limits that bind as they are. Whether the new trades
are any good is for the certificate to say.
"""

from __future__ import annotations

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import Box
from hedgeopt.program.certificate import relative_violation
from hedgeopt.program.cuts import each
from hedgeopt.program.program import Program

__all__ = ["onto_limits"]

_STEPS = 3
_NEAR = 1e-6
_INSIDE = 1e-7
"""A trade may be moved where it is this share of its limit away from 0 and from the limit."""


def onto_limits(program: Program, e: Exposures, box: Box, x: np.ndarray) -> np.ndarray:
    """Trades (N,) near ``x`` that exceed affine limits by less than ``x`` does, where there are such."""
    room = _INSIDE * program.scale
    free = (np.abs(x) > room) & (x > box.lower + room) & (x < box.upper - room)
    for _ in range(_STEPS):
        rows, over = [], []
        for limit in program.limits:
            sides = limit.sides(e, x)
            near = [k for k, side in enumerate(sides) if abs(side.violation) <= _NEAR * max(side.size, abs(side.limit))]
            for k, cut in zip(near, each(limit, near, e, x, {}), strict=True):
                if cut.weights is None and np.abs(cut.slope[free]).any():
                    rows.append(cut.slope[free] * program.scale[free])
                    over.append(max(sides[k].violation, 0.0) if relative_violation(sides[k]) > 0.0 else 0.0)
        if not any(over):
            break
        matrix, size = np.array(rows), np.linalg.norm(rows, axis=1)
        # both sides of a band are one row with two excesses, of which one is nought: the larger counts
        step = _least_step(matrix / size[:, None], np.array(over) / size)
        x = x.copy()
        x[free] -= program.scale[free] * step
    return np.clip(x, box.lower, box.upper)


def _least_step(rows: np.ndarray, over: np.ndarray) -> np.ndarray:
    """The least step that removes each row's excess; of equal rows the largest."""
    keep: list[int] = []
    for i in np.argsort(-over).tolist():
        if not any(abs(abs(float(rows[i] @ rows[j])) - 1.0) < 1e-9 for j in keep):
            keep.append(i)
    return np.asarray(np.linalg.lstsq(rows[keep], over[keep], rcond=1e-9)[0])
