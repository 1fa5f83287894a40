"""What an order or a transfer costs whatever its size: tickets, gas of a pool, fees of a bridge."""

from __future__ import annotations

import numpy as np

from hedgeopt.models.arrays import Exposures

__all__ = ["fixed_costs"]


def fixed_costs(e: Exposures, ticket: float | None) -> np.ndarray:
    """(N,) USD of each candidate, if it is traded at all: ``ticket`` and gas of orders, ``fixed_cost`` of transfers.

    0 everywhere where ``ticket`` is None: fixed costs are shown then, and not counted.
    """
    found = np.zeros(e.n_candidates)
    if ticket is None:
        return found
    found += ticket
    if e.depth is not None:
        found += e.depth.gas
    for i in e.links.candidate.tolist():
        found[i] = e.rows.instruments[e.candidate[i]].fixed_cost
    return found
