"""One expiry under Derive's portfolio margin: its value now, in every scenario, and in the basis contingency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.models.margin.shocks import tenor_power
from hedgeopt.models.margin.state import State

__all__ = ["Expiry", "expiry_values", "skew_multiplier"]

_HOUR = 1.0 / (365.0 * 24.0)


@dataclass(frozen=True, eq=False)
class Expiry:
    """One expiry's scenario values: ``shocked`` (K, n) and ``now`` (n,) USD per contract; ``up``/``down`` basis.

    ``gain_discount`` and ``loss_discount`` multiply a positive and a negative shocked value of the whole expiry.
    """

    rows: np.ndarray
    now: np.ndarray
    shocked: np.ndarray
    up: np.ndarray
    down: np.ndarray
    years: float
    gain_discount: float
    loss_discount: float


def skew_multiplier(log_moneyness: np.ndarray, years: float, kind: str, p: dict[str, float]) -> np.ndarray:
    """Vol multiplier in a skew scenario: ``1 + clip(k c / k*, -c, c)`` with cap c and width k* by tenor."""
    root = np.sqrt(years)
    cap = p[f"{kind}_cap"] + p[f"{kind}_base"] * root
    width = max(p["min_k_star"], root * p["width_scale"] * (p["vol_static"] + p["vol_scale"] * root))
    k = np.abs(log_moneyness) if kind == "absolute" else log_moneyness
    slope = k * cap / width
    return np.asarray(np.maximum(1.0 + np.where(k >= 0, np.minimum(cap, slope), np.maximum(-cap, slope)), 0.0))


def expiry_values(
    state: State, rows: np.ndarray, rate: float, spot: np.ndarray, kinds: Sequence[str], p: dict[str, Any]
) -> Expiry:
    """Options ``rows`` of one expiry under spot factors (K,) and vol shocks ``kinds`` (K), at an annual ``rate`` >= 0.

    Of the forward only the part that is still to be averaged moves: ``F w f + A (1 - w)`` with ``w`` the share of the
    averaging window that is left and ``A`` the average so far (F where the market does not give it). Skew scenarios leave
    the forward where it is.
    """
    from hedgeopt.models.pricing.black76 import black76_price as price

    vol, strike, years = state.vol[rows], state.strike[rows], float(state.years[rows[0]])
    left = float(np.clip(years / (p["averaging_minutes"] / 60.0 * _HOUR), 0.0, 1.0))
    moving = left * state.forward[rows]
    average = state.averages[rows]
    still = (1.0 - left) * np.where(np.isnan(average), state.forward[rows], average)
    power = tenor_power(np.array([365.0 * years]), p["short_power"], p["long_power"], p["dte_floor"], inclusive=True)[0]
    k = np.log(strike / (moving + still))
    shifted = {
        "none": vol,
        "up": np.maximum(vol * (1.0 + p["vol_up"] * power), p["min_vol_up"]),
        "down": vol * max(1.0 - p["vol_down"] * power, 0.0),
        "linear skew": vol * skew_multiplier(k, years, "linear", p["skew"]),
        "absolute skew": vol * skew_multiplier(k, years, "absolute", p["skew"]),
    }
    own = np.array([1.0 if "skew" in kind else factor for kind, factor in zip(kinds, spot, strict=True)])
    factor = np.concatenate([[1.0, p["basis_up"], p["basis_down"]], own])
    vols = np.vstack([vol, vol, vol, *[shifted[kind] for kind in kinds]])
    shape = vols.shape
    discount = float(np.exp(-rate * years))
    value = np.asarray(
        price(
            factor[:, None] * moving + still,
            np.broadcast_to(strike, shape),
            np.full(shape, max(years, 0.0)),
            vols,
            np.broadcast_to(state.is_call[rows], shape),
        )
    )
    value = value * discount * state.settlement_price[rows]
    gain = p["long_discount"] * np.exp(-years * (rate * p["long_rate_mult"] + p["long_rate_add"]))
    loss = p["short_discount"] * np.exp(years * (rate * p["short_rate_mult"] + p["short_rate_add"]))
    return Expiry(rows, value[0], value[3:], value[1], value[2], years, float(gain), float(min(1.0 / discount, loss)))
