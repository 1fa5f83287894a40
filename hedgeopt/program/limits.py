"""Every limit of a program: the policy's, and those that always hold."""

from __future__ import annotations

from hedgeopt.constraints.collateral_balance import CollateralBalance, Withdrawals
from hedgeopt.constraints.constraint import BoxConstraint, Constraint
from hedgeopt.constraints.limit import paired
from hedgeopt.constraints.margin_utilisation import DeltaCaps
from hedgeopt.constraints.over_accounts import OverAccounts, shared_instruments
from hedgeopt.constraints.paid_for import PaidFor, purses
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures

__all__ = ["limits_of"]


def limits_of(policy: Policy, e: Exposures) -> list[Constraint]:
    """The policy's limits, where collateral may move those that make transfers possible ones, where nothing is
    lent that purchases are paid for, and what margin needs."""
    network: list[Constraint] = [CollateralBalance(), Withdrawals()] if len(e.links) else []
    network += [PaidFor()] if purses(e) else []
    margins = [of for term in dict.fromkeys(part.term for part in policy.minimize) if (of := term.requirement_of)]
    caps: list[Constraint] = [DeltaCaps(venue=of.venue, account=of.account, of=of.of) for of in margins]
    sizes = [rule for rule in policy.subject_to if isinstance(rule, BoxConstraint)]
    over = OverAccounts(rules=tuple(sizes), order_notional=policy.candidates.max_order_notional)
    shared: list[Constraint] = [over] if shared_instruments(e, position=True) else []
    return paired([spec for spec in policy.subject_to if not isinstance(spec, BoxConstraint)]) + network + caps + shared
