"""Vol shocks by tenor and option revaluation on a margin grid, shared by the scenario-based margins."""

from __future__ import annotations

import numpy as np

from hedgeopt.models.margin.state import State

__all__ = ["dollars_of_premium", "option_delta", "option_values", "option_vega", "tenor_power", "usd_pnl"]


def tenor_power(days: np.ndarray, short_power: float, long_power: float, floor: float, *, inclusive: bool) -> np.ndarray:
    """``(30 / max(days, floor))^p`` with ``p = short_power`` below 30 days and ``long_power`` above.

    ``inclusive`` says that exactly 30 days counts as short (it makes no difference to the value: the base is 1 there).
    """
    short = days <= 30.0 if inclusive else days < 30.0
    return np.asarray((30.0 / np.maximum(days, floor)) ** np.where(short, short_power, long_power))


def option_values(state: State, rows: np.ndarray, factor: np.ndarray, vol: np.ndarray) -> np.ndarray:
    """(K, n) Black-76 values in USD of options ``rows`` (n,): forwards times ``factor`` (K,), ``vol`` (K, n)."""
    from hedgeopt.models.pricing.black76 import black76_price as price

    forward = factor[:, None] * state.forward[rows]
    shape = forward.shape
    return np.asarray(
        price(
            forward,
            np.broadcast_to(state.strike[rows], shape),
            np.broadcast_to(np.maximum(state.years[rows], 0.0), shape),
            vol,
            np.broadcast_to(state.is_call[rows], shape),
        )
    )


def option_delta(state: State, rows: np.ndarray) -> np.ndarray:
    """(n,) Black-76 delta of options now, before premium."""
    from hedgeopt.models.pricing.black76 import greeks

    return np.asarray(
        greeks(
            state.forward[rows],
            state.strike[rows],
            np.maximum(state.years[rows], 0.0),
            state.vol[rows],
            state.is_call[rows],
        ).delta
    )


def dollars_of_premium(state: State, rows: np.ndarray) -> np.ndarray:
    """(n,) USD that one dollar of Black-76 value of options ``rows`` is: premiums in coins settle at the index."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(state.inverse, state.index / state.forward, state.settlement_price)[rows])


def usd_pnl(state: State, rows: np.ndarray, move: np.ndarray, vol: np.ndarray) -> np.ndarray:
    """(K, n) USD P&L per unit of derivatives ``rows`` (n,) at the scenario's prices.

    Index and forwards move by ``move`` (K,); options have the vols ``vol`` (K, number of options among the rows).
    """
    option = state.option[rows]
    pnl = np.zeros((len(move), len(rows)))
    pnl[:, ~option] = move[:, None] * state.notional[rows[~option]]
    if option.any():
        mine = rows[option]
        now = option_values(state, mine, np.ones(1), state.vol[mine][None, :])
        pnl[:, option] = (option_values(state, mine, 1.0 + move, vol) - now) * dollars_of_premium(state, mine)
    return pnl


def option_vega(state: State, rows: np.ndarray) -> np.ndarray:
    """(n,) USD per option for a rise of its vol by 1.00 (100 points)."""
    from hedgeopt.models.pricing.black76 import greeks

    found = greeks(
        state.forward[rows], state.strike[rows], np.maximum(state.years[rows], 0.0), state.vol[rows], state.is_call[rows]
    )
    return np.asarray(np.nan_to_num(found.vega) * dollars_of_premium(state, rows))
