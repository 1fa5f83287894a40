"""How collateral may move between the accounts of a book, and what is known to come or go."""

from __future__ import annotations

from pydantic import AwareDatetime, Field, model_validator

from hedgeopt.files.record import Record
from hedgeopt.models.pricing.instrument import Asset
from hedgeopt.models.pricing.transfer import Transfer

__all__ = ["KnownFlow", "Link"]


class Link(Record):
    """A way to move one asset from one account to another: withdrawal, bridge, repayment of debt."""

    source: str = Field(min_length=1, description="account the asset leaves")
    target: str = Field(min_length=1, description="account it arrives at")
    asset: Asset
    cost_rate: float = Field(default=0.0, ge=0, lt=1, description="share of the amount: bridge or conversion fee")
    fixed_cost: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="USD per transfer (gas); counts where the policy has a ticket"
    )
    delay_hours: float = Field(default=0.0, ge=0, allow_inf_nan=False, description="until it counts at the target")
    capacity: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="largest amount, asset units; none: what the source holds"
    )
    bridge: str | None = Field(default=None, description="bridge or route, for limits on it")

    def transfer(self, venue: str) -> Transfer:
        """The candidate action that it allows; ``venue`` is the source account's."""
        route = f" via {self.bridge}" if self.bridge else ""
        return Transfer(name=f"{self.source} to {self.target} {self.asset}{route}", venue=venue, **dict(self))


class KnownFlow(Record):
    """Collateral to come or go at a known moment: an unlock, a redemption, a payment; for the cash ladder alone."""

    account: str = Field(min_length=1, description="account that it is of")
    asset: Asset
    amount: float = Field(allow_inf_nan=False, description="units of the asset; negative leaves")
    moment: AwareDatetime = Field(description="when, ISO 8601 with time zone")
    locked: bool = Field(
        default=False, description="whether it is part of what the account posts, and only cannot be spent before then"
    )

    @model_validator(mode="after")
    def _something(self) -> KnownFlow:
        if self.amount == 0.0 or (self.locked and self.amount < 0.0):
            raise ValueError(f"amount {self.amount:g}: a flow is not 0, and what is locked is above 0")
        return self
