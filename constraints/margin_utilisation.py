"""Margin required against equity, per account or over all of them, trades, transfers and costs counted on both sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.constraints.bound_sides import BoundSides
from hedgeopt.constraints.constraint import BoundConstraint, Constraint, PlainSide
from hedgeopt.constraints.equity_covers import Cover, DeltaCap, SideForm
from hedgeopt.constraints.plain_rules import covered
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.margin.term import limited_encoding, matching_accounts
from hedgeopt.models.scope import Of, called
from hedgeopt.models.term import Term

__all__ = ["DeltaCaps", "MarginUtilisation"]


class MarginUtilisation(Constraint):
    """``requirement <= limit * (equity - haircuts) - buffer`` after trading, for every account it applies to.

    Equity is USD: collateral at index prices (less the venue's haircuts for initial margin) plus position values, less
    trading and transfer costs, plus transfers that arrive in time. Negative equity before trading is allowed: the program
    finds the cheapest way back, or names the account that cannot be saved. Accounts on portfolio margin also keep their
    delta below the kink of the delta shock, up to which it is convex (147.7m USD of BTC at 63,858).
    ``Margin("deribit") <= 0.6`` is the same limit.
    """

    source: ClassVar[str] = "the account's margin model, models/data/*.toml"

    kind: Literal["margin_utilisation"] = "margin_utilisation"
    venue: str | None = Field(default=None, description="accounts of this venue; none: all")
    account: str | None = Field(default=None, description="one account; none: all")
    of: Of = ()
    requirement: Literal["initial", "maintenance"] = Field(default="initial", description="which margin")
    limit: float = Field(default=1.0, gt=0, allow_inf_nan=False, description="largest share of equity tied up")
    buffer: float = Field(default=0.0, ge=0, allow_inf_nan=False, description="USD of equity kept free on top")
    portfolio: bool = Field(default=False, description="limit the sum over the accounts instead of each one")

    @property
    def name(self) -> str:
        """Such as ``initial margin deribit``."""
        where = " ".join(part for part in (self.venue, self.account) if part) or "all accounts"
        return called(f"{self.requirement} margin {where}", self.of)

    def plain_sides(self, e: Exposures, x: np.ndarray, *, everywhere: bool = False) -> list[PlainSide]:
        """The requirement by the venue's rule against the equity that counts, by account (or for all together)."""
        accounts = matching_accounts(e, self.venue, self.account, "margin_utilisation", self.of)
        groups = [(f"{self.requirement} margin {e.accounts[c]}", [c]) for c in accounts]
        if self.portfolio:
            groups = [(self.name, accounts)]
        return [covered(e, x, name, group, self.requirement, self.limit, self.buffer) for name, group in groups]

    def forms(self, e: Exposures) -> list[SideForm]:
        """One cover per account (or one for all), and the delta caps of portfolio margin."""
        found = matching_accounts(e, self.venue, self.account, "margin_utilisation", self.of)

        def encoding(now: Exposures, c: int) -> Encoding:
            now.margins.check_collateral(c, now.collateral[c])
            return limited_encoding(now, c, self.requirement, self.kind, counted=self.limit)

        groups = [tuple(found)] if self.portfolio else [(c,) for c in found]
        forms: list[SideForm] = []
        for group in groups:
            label = self.name if self.portfolio else f"{self.requirement} margin {e.accounts[group[0]]}"
            forms.append(Cover(label, group, encoding, None, self.limit, self.buffer))
        return forms + delta_caps(e, found)

    def bind(
        self, trades: TradeVariables, e: Exposures, term: Callable[[Term], BoundTerm], *, slack: bool = False
    ) -> BoundConstraint:
        """One inequality per account, convex in trades and transfers."""
        return BoundSides(trades, e, self.forms(e), slack)


def delta_caps(e: Exposures, accounts: Sequence[int]) -> list[SideForm]:
    """The caps up to which the accounts' delta shocks are convex; empty but for portfolio margin."""
    return [
        DeltaCap(f"{cap.name} cap {e.accounts[c]}", c, k, None)
        for c in accounts
        for k, cap in enumerate(e.margins.encoding(c, "maintenance").caps)
    ]


class DeltaCaps(Constraint):
    """The delta of portfolio-margin accounts stays where their delta shock is convex.

    Added to every program that minimises a margin term; limits on margin bring it themselves.
    """

    source: ClassVar[str] = "the account's margin model, models/data/*.toml"

    kind: Literal["delta_caps"] = "delta_caps"
    venue: str | None = Field(default=None, description="accounts of this venue; none: all")
    account: str | None = Field(default=None, description="one account; none: all")
    of: Of = ()

    @property
    def name(self) -> str:
        """``delta caps`` and where."""
        return called(" ".join(part for part in ("delta caps", self.venue, self.account) if part), self.of)

    def bind(
        self, trades: TradeVariables, e: Exposures, term: Callable[[Term], BoundTerm], *, slack: bool = False
    ) -> BoundConstraint:
        """Two linear inequalities per account and coin."""
        return BoundSides(trades, e, delta_caps(e, matching_accounts(e, self.venue, self.account, "margin", self.of)), slack)
