"""Fixed costs in the objective of whole lists: a policy's ``ticket`` counts as its trading costs do.

They are not convex, so the ideal trades know nothing of them. Its lower bound stays one: no list pays less than nothing.
"""

from __future__ import annotations

import numpy as np

from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.costs.fixed import fixed_costs
from hedgeopt.models.costs.transaction import TransactionCost

__all__ = ["paid_fixed", "tickets_of"]


def tickets_of(policy: Policy, e: Exposures) -> np.ndarray:
    """(N,) what each candidate adds to the objective if it is traded at all."""
    weight = sum(part.weight for part in policy.minimize if isinstance(part.term, TransactionCost))
    return np.asarray(weight * fixed_costs(e, policy.candidates.ticket))


def paid_fixed(policy: Policy, e: Exposures, x: np.ndarray) -> float:
    """What trades x (N,) add to the objective whatever their size."""
    return float(tickets_of(policy, e)[x != 0.0].sum()) if policy.candidates.ticket is not None else 0.0
