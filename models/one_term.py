"""The terms that stand alone, all but sums. A new term is a file, a line here, and a test file."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field

from hedgeopt.models.costs.carry import Carry
from hedgeopt.models.costs.delivery import DeliveryFee
from hedgeopt.models.costs.transaction import TransactionCost
from hedgeopt.models.margin.term import Margin
from hedgeopt.models.risk.concentration import Concentration
from hedgeopt.models.risk.cvar import CVaR
from hedgeopt.models.risk.greeks import Delta, Gamma, Rho, Theta, Vanna, Vega, Volga
from hedgeopt.models.risk.leverage import GrossLeverage
from hedgeopt.models.risk.robust_cvar import RobustCVaR
from hedgeopt.models.risk.stress import StressLoss
from hedgeopt.models.risk.tenor_buckets import GammaBucket, VegaBucket
from hedgeopt.models.risk.true_leverage import NetLeverage, TrueLeverage
from hedgeopt.models.risk.variance import Variance
from hedgeopt.models.term import OWN_TERMS, Term

__all__ = ["ONE_TERMS", "OneTerm"]

ONE_TERMS: dict[str, type[Term]] = {
    term.model_fields["kind"].default: term
    for term in (
        TransactionCost,
        Carry,
        DeliveryFee,
        CVaR,
        RobustCVaR,
        Variance,
        StressLoss,
        Delta,
        Gamma,
        Vega,
        Theta,
        Rho,
        Vanna,
        Volga,
        VegaBucket,
        GammaBucket,
        GrossLeverage,
        TrueLeverage,
        NetLeverage,
        Concentration,
        Margin,
    )
}

OneTerm: Any = OWN_TERMS.union(ONE_TERMS, Annotated[reduce(or_, ONE_TERMS.values()), Field(discriminator="kind")])
"""Any term but a sum, told apart by its ``kind``; the user's own too."""
