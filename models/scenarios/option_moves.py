"""A scenario set as option revaluation needs it: one column of moves per underlying, or per expiry when terms move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hedgeopt.models.scenarios.bridge import alone, spot_on_the_way
from hedgeopt.models.scenarios.set import ScenarioSet, vol_term_weight

__all__ = ["OptionMoves", "option_moves"]

_SHORTEST_DAYS = 7.0


@dataclass(frozen=True)
class OptionMoves:
    """Column of each option (n,) in the tables (S, U), and the weight (n,) of the log vol move."""

    column: np.ndarray
    spot_factor: np.ndarray
    log_vol_shift: np.ndarray
    basis_shift: np.ndarray | None
    skew_shift: np.ndarray | None
    weight: np.ndarray


def option_moves(scenarios: ScenarioSet, column: np.ndarray, years: np.ndarray) -> OptionMoves:
    """Moves for options with underlyings in ``column`` (n,) and ages ``years`` (n,).

    The log vol of an option moves by ``vol_term_weight(years) * log_vol_shift + ln(30 / max(days, 7)) * term_shift``. With a
    term shift, an expiry noise, or expiries inside the horizon (which settle on the way there), every (underlying, expiry)
    gets a column of its own, so that revaluation stays one pass.
    """
    weight = vol_term_weight(years)
    on_the_way = scenarios.path_seed is not None and bool((years < scenarios.years).any())
    noisy = scenarios.path_seed is not None and scenarios.expiry_noise > 0.0 and scenarios.years > 0.0
    if scenarios.term_shift is None and not on_the_way and not noisy:
        return OptionMoves(
            column, scenarios.spot_factor, scenarios.log_vol_shift, scenarios.basis_shift, scenarios.skew_shift, weight
        )
    pairs, at = np.unique(np.column_stack([column, years]), axis=0, return_inverse=True)
    asset = pairs[:, 0].astype(np.int64)
    slope = np.log(30.0 / np.maximum(pairs[:, 1] * 365.0, _SHORTEST_DAYS))
    vol = vol_term_weight(pairs[:, 1]) * scenarios.log_vol_shift[:, asset]
    if scenarios.term_shift is not None:
        vol += slope * scenarios.term_shift[:, asset]
    if noisy:
        vol += vol_term_weight(pairs[:, 1]) * alone(scenarios, asset, pairs[:, 1])
    return OptionMoves(
        column=at.reshape(-1),
        spot_factor=spot_on_the_way(scenarios, asset, pairs[:, 1]),
        log_vol_shift=vol,
        basis_shift=None if scenarios.basis_shift is None else scenarios.basis_shift[:, asset],
        skew_shift=None if scenarios.skew_shift is None else scenarios.skew_shift[:, asset],
        weight=np.ones(len(column)),
    )
