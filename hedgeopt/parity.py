"""Forwards that option marks themselves imply.

Venues publish a forward per expiry beside each mark, but a snapshot may carry one that is seconds older than the marks;
in a crash that is several basis points. Put-call parity needs no model: an inverse option's marks in coins obey
``call - put = 1 - K / F``, a linear one's in dollars ``call - put = F - K``, so every strike with both marks gives F.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["forwards_from_marks"]

_SMALLEST_MARK = 0.002  # below, rounding of the mark is no longer small
_FEWEST_STRIKES = 3
_NOTICED = 2e-5
_SCATTER = 0.25


def forwards_from_marks(options: pd.DataFrame) -> tuple[pd.Series, float, int]:
    """Forward per option row, taken from the marks of its expiry where they agree on another than the one recorded.

    Parameters
    ----------
    options
        Rows with ``underlying``, ``inverse``, ``expiry``, ``strike``, ``right``, ``mark_price`` and ``underlying_price``.

    Returns
    -------
    forwards
        ``underlying_price`` where the marks agree with it to 0.2 bp, where fewer than three strikes carry both marks, or
        where the strikes scatter by more than a quarter of the difference; otherwise the median over strikes.
    largest, changed
        Largest relative difference that was applied, and how many expiries were changed.
    """
    forwards = options["underlying_price"].copy()
    largest, changed = 0.0, 0
    for (_, inverse, _), group in options.groupby(["underlying", "inverse", "expiry"], observed=True):
        marks = group.pivot_table(index="strike", columns="right", values="mark_price", aggfunc="first")
        if not {"call", "put"} <= set(marks.columns):
            continue
        size = marks if inverse else marks.div(marks.index.to_numpy(), axis=0)
        marks = marks[(size > _SMALLEST_MARK).all(axis=1)]
        strike, gap = marks.index.to_numpy(float), (marks["call"] - marks["put"]).to_numpy()
        if len(strike) < _FEWEST_STRIKES or (inverse and (gap >= 1).any()):
            continue
        implied = strike / (1.0 - gap) if inverse else strike + gap
        forward = float(np.median(implied))
        recorded = float(group["underlying_price"].median())
        shift = abs(forward / recorded - 1.0)
        scatter = float(np.median(np.abs(implied / forward - 1.0)))
        if shift > _NOTICED and scatter <= _SCATTER * shift:
            forwards[group.index] = forward
            largest, changed = max(largest, shift), changed + 1
    return forwards, largest, changed
