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
        Rows with ``venue`` (optional), ``underlying``, ``inverse``, ``expiry``, ``strike``, ``right``, ``mark_price`` and
        ``underlying_price``.

    Returns
    -------
    forwards
        ``underlying_price`` where the marks agree with it to 0.2 bp, where fewer than three strikes carry both marks, or
        where the strikes scatter by more than a quarter of the difference; otherwise the median over strikes.
    largest, changed
        Largest relative difference that was applied, and how many expiries were changed.
    """
    forwards = options["underlying_price"].to_numpy(float, copy=True)
    largest, changed = 0.0, 0
    if not len(options):
        return options["underlying_price"].copy(), largest, changed
    by = [name for name in ("venue", "underlying", "inverse", "expiry") if name in options]
    group = options.groupby(by, observed=True).ngroup().to_numpy()
    frame = pd.DataFrame(
        {"group": group, "strike": options["strike"].to_numpy(float), "mark": options["mark_price"].to_numpy(float)}
    )
    side = (options["right"] == "call").to_numpy(bool)
    calls, puts = (frame[chosen].drop_duplicates(["group", "strike"]) for chosen in (side, ~side))
    pairs = calls.merge(puts, on=["group", "strike"], suffixes=("_call", "_put"))
    inverse = options["inverse"].to_numpy(bool)
    for number, twins in pairs.groupby("group"):
        mine = np.flatnonzero(group == number)
        strike, call, put = (twins[name].to_numpy(float) for name in ("strike", "mark_call", "mark_put"))
        coin = bool(inverse[mine[0]])
        unit = 1.0 if coin else strike
        large = (call / unit > _SMALLEST_MARK) & (put / unit > _SMALLEST_MARK)
        strike, gap = strike[large], (call - put)[large]
        if len(strike) < _FEWEST_STRIKES or (coin and (gap >= 1).any()):
            continue
        implied = strike / (1.0 - gap) if coin else strike + gap
        forward = float(np.median(implied))
        recorded = float(np.median(options["underlying_price"].to_numpy(float)[mine]))
        shift = abs(forward / recorded - 1.0)
        scatter = float(np.median(np.abs(implied / forward - 1.0)))
        if shift > _NOTICED and scatter <= _SCATTER * shift:
            forwards[mine] = forward
            largest, changed = max(largest, shift), changed + 1
    return pd.Series(forwards, options.index, name="underlying_price"), largest, changed
