"""A scenario set as option revaluation needs it: one column of moves per underlying, or per expiry when terms move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hedgeopt.models.scenarios.bridge import alone, skew_alone, spot_on_the_way, strike_alone
from hedgeopt.models.scenarios.set import ScenarioSet, skew_weight, vol_term_weight

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


def option_moves(
    scenarios: ScenarioSet,
    column: np.ndarray,
    years: np.ndarray,
    strike: np.ndarray | None = None,
    delta: np.ndarray | None = None,
) -> OptionMoves:
    """Moves for options with underlyings in ``column`` (n,) and ages ``years`` (n,).

    The log vol of an option moves by ``vol_term_weight(years) * log_vol_shift + ln(30 / max(days, 7)) * term_shift``, the
    skew of an expiry by ``skew_weight(days, skew_tenor) * skew_shift``. With a term shift, a skew tenor, noise of expiries
    or strikes, or expiries inside the horizon (which settle on the way there), every (underlying, expiry), or with noise of
    strikes every (underlying, expiry, strike), gets a column of its own, so that revaluation stays one pass.

    Parameters
    ----------
    strike, delta : (n,) or None
        For the noise of strikes; without them there is none. The delta of a strike is that of its first option.
    """
    weight = vol_term_weight(years)
    on_the_way = scenarios.path_seed is not None and bool((years < scenarios.years).any())
    tilted = scenarios.skew_shift is not None and scenarios.skew_tenor != 0.0
    if scenarios.term_shift is None and not on_the_way and not scenarios.noisy and not tilted:
        return OptionMoves(
            column, scenarios.spot_factor, scenarios.log_vol_shift, scenarios.basis_shift, scenarios.skew_shift, weight
        )
    keys = [column, years]
    by_strike = strike is not None and delta is not None and scenarios.noisy and _strikes_move(scenarios)
    if by_strike and strike is not None:
        keys.append(strike)
    cells, first, at = np.unique(np.column_stack(keys), axis=0, return_index=True, return_inverse=True)
    asset, age = cells[:, 0].astype(np.int64), cells[:, 1]
    pairs, expiry = np.unique(cells[:, :2], axis=0, return_inverse=True)
    of, then, expiry = pairs[:, 0].astype(np.int64), pairs[:, 1], expiry.reshape(-1)
    slope = np.log(30.0 / np.maximum(then * 365.0, _SHORTEST_DAYS))
    vol = vol_term_weight(then) * scenarios.log_vol_shift[:, of]
    skew = None if scenarios.skew_shift is None else scenarios.skew_shift[:, of]
    if skew is not None and tilted:
        skew = skew * skew_weight(then * 365.0, scenarios.skew_tenor)
    if scenarios.term_shift is not None:
        vol += slope * scenarios.term_shift[:, of]
    if scenarios.noisy:
        vol += alone(scenarios, of, then)
        tilts = skew_alone(scenarios, of, then)
        skew = tilts if skew is None else skew if tilts is None else skew + tilts
    spot = spot_on_the_way(scenarios, of, then)
    if by_strike:
        assert strike is not None
        assert delta is not None
        vol, spot, skew = vol[:, expiry], spot[:, expiry], None if skew is None else skew[:, expiry]
        own = strike_alone(scenarios, asset, age, strike[first], delta[first])
        vol = vol if own is None else vol + own
    return OptionMoves(
        column=at.reshape(-1),
        spot_factor=spot,
        log_vol_shift=vol,
        basis_shift=None if scenarios.basis_shift is None else scenarios.basis_shift[:, asset],
        skew_shift=skew,
        weight=np.ones(len(column)),
    )


def _strikes_move(scenarios: ScenarioSet) -> bool:
    return any(one.strike is not None for one in scenarios.noise.values())
