"""Settlement on an average: the last minutes of options and futures whose venue averages its index to the delivery price.

With a share ``k`` of the window still to come and ``A`` the average so far, the delivery price is ``(1 - k) A + k M``, M
being the average from now on, worth the forward F. So

* expected delivery ``E = (1 - k) A + k F``: only k of a move still counts, and deltas decay linearly to 0 at expiry;
* an option is one on ``k F`` struck at ``K - (1 - k) A``; M averages a path, so its variance is a third of ``vol^2 T``.

Outside the window k = 1 and E = F, and nothing changes: vols quoted before it belong to the full time to expiry. Minutes by
venue: [settlement] of its table. Vector (Deribit, 15 of 30 minutes in): call 7,000, delta 1, mark .3 coin: net transaction
delta .5 - .3 * .5 = .35 (Deribit, "Delta decay during settlement"). Variance of an average: Turnbull and Wakeman (1991).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hedgeopt.models.data import averaging_minutes
from hedgeopt.models.pricing.family import MarketView
from hedgeopt.models.pricing.instrument import Expiring

__all__ = ["Window", "settlement_window"]

_MINUTES_PER_YEAR = 365.0 * 24.0 * 60.0


@dataclass(frozen=True)
class Window:
    """Of n instruments: ``share`` (n,) is k, the part still to be averaged; ``fixed`` (n,) the USD ``(1 - k) A`` known."""

    share: np.ndarray
    fixed: np.ndarray

    @property
    def open(self) -> np.ndarray:
        """(n,) whether averaging has begun."""
        return self.share < 1.0

    def years(self, years: np.ndarray) -> np.ndarray:
        """Time that carries variance: a third of what is left once averaging has begun."""
        return np.where(self.open, years / 3.0, years)


def settlement_window(instruments: Sequence[Expiring], market: MarketView, years: np.ndarray) -> Window:
    """Progress of each instrument; the average so far is the quote ``settlement_average``, else the index."""
    minutes = {venue: averaging_minutes(venue) for venue in {item.venue for item in instruments}}
    length = np.array([minutes[item.venue] for item in instruments]) / _MINUTES_PER_YEAR
    share = np.ones(len(instruments))
    inside = years < length
    if not inside.any():
        return Window(share, np.zeros(len(instruments)))
    share[inside] = np.maximum(years[inside], 0.0) / length[inside]
    average = market.quoted("settlement_average", [item.id for item in instruments])
    index = np.array([market.price(item.underlying) for item in instruments])
    return Window(share, (1.0 - share) * np.where(np.isnan(average), index, average))
