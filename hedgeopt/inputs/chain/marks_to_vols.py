"""Implied vols of marks: the forward from put-call parity first, then the out-of-the-money side of each strike for both.

In the money a mark is nearly all intrinsic value, and a forward some basis points old moves what is left by hundreds of vol
points. Its out-of-the-money twin carries the same vol and shows it well. Where neither side implies a vol (a mark of 0, or
below intrinsic value) the option takes the vol of the nearest strike of its expiry; it is then worth its intrinsic
value and little more, and has the delta of a forward or none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hedgeopt.inputs.chain.repricing import OptionRows

__all__ = ["FilledVols", "fill_vols"]

_RESOLVED = 2e-3
"""Time value, as a share of the forward, from which an option in the money is believed without its twin."""
_LIKELY = 0.02, 10.0
NO_VOL = 0.01
"""Vol of an option whose whole expiry implies none: it is worth its intrinsic value."""


@dataclass(frozen=True)
class FilledVols:
    """``vol`` (n,) with none missing; ``own`` (n,) read from the option's own mark or its twin's; ``lent`` (n,) from
    another strike, or :data:`NO_VOL`."""

    vol: np.ndarray
    own: np.ndarray
    lent: np.ndarray


def fill_vols(rows: OptionRows, missing: np.ndarray, exact: np.ndarray) -> FilledVols:
    """Vols where ``missing`` (n,): see the module. Vols that are given stay, and lend themselves to their twins.

    ``exact`` (n,): options whose own mark is to be met, wherever it implies a vol.
    """
    vol = np.where(missing, np.nan, rows.vol)
    # Black-76: the twins of a strike share their vol, so the better side (out of the money) speaks for both
    direct = _implied(rows, missing)
    out = np.where(rows.is_call, rows.strike >= rows.forward, rows.strike <= rows.forward)
    found = np.where(missing, direct, rows.vol)
    twin = _twin(rows)
    theirs = np.where(twin >= 0, found[twin], np.nan)
    better = np.where(twin >= 0, out[twin], False)
    own = np.where(out | (rows.marked - rows.intrinsic >= _RESOLVED), direct, np.nan)
    read = np.where(exact & np.isfinite(direct), direct, np.where(~out & better, theirs, own))
    vol = np.where(missing, read, vol)
    lent = missing & np.isnan(vol)
    if lent.any():
        vol = _nearest(rows, vol, lent)
    return FilledVols(vol, missing & ~lent, lent)


def _implied(rows: OptionRows, chosen: np.ndarray) -> np.ndarray:
    """(n,) vol of each chosen option's own mark; NaN where it implies none that a coin may have."""
    from hedgeopt.models.pricing.implied_vol import implied_vol

    found = np.full(len(rows), np.nan)
    at = np.flatnonzero(chosen & (rows.mark > 0) & (rows.years > 0))
    if len(at):
        forward = rows.forward[at]
        terms = (forward, rows.strike[at], rows.years[at], rows.is_call[at])
        found[at] = implied_vol(rows.marked[at] * forward, *terms, errors="nan")
    return np.where((found > _LIKELY[0]) & (found < _LIKELY[1]), found, np.nan)


def _twin(rows: OptionRows) -> np.ndarray:
    """(n,) the row of the same strike and expiry on the other side; -1 without one."""
    keys = list(zip(rows.groups.tolist(), rows.strike.tolist(), rows.is_call.tolist(), strict=True))
    row = {key: i for i, key in enumerate(keys)}
    return np.array([row.get((group, strike, not call), -1) for group, strike, call in keys], np.int64)


def _nearest(rows: OptionRows, vol: np.ndarray, lent: np.ndarray) -> np.ndarray:
    """The vol of the nearest strike of the expiry that has one, out of the money first where two are as near."""
    filled = vol.copy()
    for group in np.unique(rows.groups[lent]).tolist():
        mine = rows.groups == group
        known, asking = np.flatnonzero(mine & np.isfinite(vol)), np.flatnonzero(mine & lent)
        if not len(known):
            filled[asking] = NO_VOL
            continue
        gap = np.abs(np.log(rows.strike[asking][:, None] / rows.strike[known][None, :]))
        filled[asking] = vol[known[np.argmin(gap, axis=1)]]
    return filled
