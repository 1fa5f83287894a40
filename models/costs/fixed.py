"""What an order or a transfer costs whatever its size: tickets, gas of a pool, fees of a bridge."""

from __future__ import annotations

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.costs.quotes import venue_ticket

__all__ = ["fixed_costs"]


def fixed_costs(e: Exposures, ticket: float | None) -> np.ndarray:
    """(N,) USD of each candidate, if it is traded at all: tickets and gas of orders, ``fixed_cost`` of transfers.

    An order pays ``ticket``, and what its venue's table asks (``[fees] ticket``) besides. 0 everywhere where ``ticket`` is
    None: fixed costs are shown then, and not counted.
    """
    found = np.zeros(e.n_candidates)
    if ticket is None:
        return found
    of_venue = np.array(
        [venue_ticket(venue, e.fee_terms[c].tier if e.fee_terms else None) for c, venue in enumerate(e.venues)]
    )
    found += ticket + of_venue[e.rows.account[e.candidate]]
    if e.depth is not None:
        found += e.depth.gas
    for i in e.links.candidate.tolist():
        found[i] = e.rows.instruments[e.candidate[i]].fixed_cost
    return found
