"""A plan's rounds as slices over time: the legs' own impact against the risk of what is not traded yet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.orders.legs import ListedLegs
from hedgeopt.orders.ordering import LegPart
from hedgeopt.orders.schedule import in_whole_lots_over_time, optimal_slices

__all__ = ["over_time"]


def over_time(
    listed: ListedLegs, order: Sequence[int], rounds: int, minutes: float, risk_aversion: float, lots: np.ndarray
) -> list[LegPart]:
    """The pieces of a plan spread over ``minutes`` in ``rounds``, transfers first; ``lots`` (K,) are steps of quantity."""
    traded = [leg for leg in order if leg not in listed.sent]
    x = listed.x[traded]
    if not len(x):
        return [LegPart(leg, float(listed.x[leg])) for leg in order]
    tau = minutes / rounds / 1_440.0  # days
    cost = _at_once(listed.e, listed.keep[traded], x)
    slices = optimal_slices(x, rounds, tau, _covariance(listed.e, listed.keep[traded]), cost * tau / x**2, risk_aversion)
    least = [listed.legs[leg].least for leg in traded]
    slices = in_whole_lots_over_time(slices, x.tolist(), lots[traded].tolist(), least)
    found = [LegPart(leg, float(listed.x[leg])) for leg in order if leg in listed.sent]
    for r, row in enumerate(slices.tolist(), start=1):
        found += [LegPart(leg, part, r) for leg, part in zip(traded, row, strict=True) if part]
    return found


def _at_once(e: Exposures, keep: np.ndarray, x: np.ndarray) -> np.ndarray:
    """(K,) USD beyond the quote (ladder and impact) of each leg traded at once; at least 1e-8 of its notional."""
    whole = np.zeros(e.n_candidates)
    whole[keep] = x
    parts = e.cost_parts(whole)
    paid = parts["depth"][keep]
    return np.asarray(np.maximum(paid, 1e-8 * np.abs(x) * e.rows.notional[e.candidate[keep]]))


def _covariance(e: Exposures, keep: np.ndarray) -> np.ndarray:
    """(K, K) of P&L per unit and day, by the sample."""
    pnl = e.pnl[:, keep]
    weights = np.full(len(pnl), 1.0 / len(pnl)) if e.probabilities is None else np.asarray(e.probabilities)
    centred = pnl - weights @ pnl
    return np.asarray((centred * weights[:, None]).T @ centred / e.horizon_days)
