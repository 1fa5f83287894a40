"""Steps of quantity and price and the smallest order: the market's where it gives one, else the venue's table's."""

from __future__ import annotations

import numpy as np

from hedgeopt.models.pricing.market_arrays import MarketArrays

__all__ = ["quoted_steps"]


def quoted_steps(sizes: np.ndarray, notional: np.ndarray, market: MarketArrays, place: np.ndarray) -> np.ndarray:
    """(R, 3) lot, tick and minimum size of rows, in their own units; NaN where unknown.

    Parameters
    ----------
    sizes : (R, 7)
        :class:`hedgeopt.venues.sizes.Sizes` of each by its venue's table.
    notional : (R,)
        USD of underlying per unit: the smallest order in USD is one in units by it.
    place : (R,)
        Rows of the market.
    """
    given = np.column_stack([market.columns[name][place] for name in ("lot", "tick", "min_size")])
    steps = np.where(given > 0.0, given, sizes[:, :3])
    with np.errstate(divide="ignore", invalid="ignore"):
        dollars = market.columns["min_notional"][place]
        steps[:, 2] = np.fmax(steps[:, 2], np.where(dollars > 0.0, dollars, sizes[:, 3]) / notional)
    steps[:, 2] = np.fmax(steps[:, 2], np.where(np.isnan(steps[:, 2]), np.nan, steps[:, 0]))  # an order is at least one lot
    return steps
