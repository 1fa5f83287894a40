"""After each stress scenario, every account must still cover its maintenance margin."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.constraints.bound_sides import BoundSides
from hedgeopt.constraints.constraint import BoundConstraint, Constraint, PlainSide
from hedgeopt.constraints.equity_covers import Cover, DeltaCap, SideForm
from hedgeopt.constraints.plain_rules import survived
from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.margin.term import limited_encoding, matching_accounts
from hedgeopt.models.scope import Of, called
from hedgeopt.models.term import Term

__all__ = ["SurviveStress"]


class SurviveStress(Constraint):
    """``equity after the stress >= maintenance after the stress / utilisation + buffer`` at every account and scenario.

    Equity takes the scenario's P&L (coin-settled P&L in coins at the scenario's price), collateral and pegs at the
    scenario's prices, transfers that arrive before the horizon, and costs. Maintenance is the venue's rule with the
    scenario's prices and vols. For lending accounts the health factor stays at 1 or above; ``health_factor`` asks for more.
    """

    source: ClassVar[str] = "the account's margin model; stress scenarios of models/data/stress.toml"

    kind: Literal["survive_stress"] = "survive_stress"
    scenarios: tuple[str, ...] = Field(default=(), description="names of stress scenarios; empty: all")
    venue: str | None = Field(default=None, description="accounts of this venue; none: all")
    account: str | None = Field(default=None, description="one account; none: all")
    of: Of = ()
    utilisation: float = Field(default=1.0, gt=0, le=1, description="largest maintenance over equity after the stress")
    health_factor: float = Field(
        default=1.0, ge=1, allow_inf_nan=False, description="least health factor of lending accounts"
    )
    buffer: float = Field(default=0.0, ge=0, allow_inf_nan=False, description="USD of equity kept free on top")

    @property
    def name(self) -> str:
        """``survive`` and the scenarios."""
        where = " ".join(part for part in (self.venue, self.account) if part) or "all accounts"
        return called(f"survive {', '.join(self.scenarios) or 'every stress'} {where}", self.of)

    @property
    def reads_stress(self) -> bool:
        """It is about nothing else."""
        return True

    def plain_sides(self, e: Exposures, x: np.ndarray, *, everywhere: bool = False) -> list[PlainSide]:
        """Maintenance by the venue's rule against equity, by account and scenario."""
        found = []
        for c in matching_accounts(e, self.venue, self.account, "survive_stress", self.of):
            for stress in self.scenarios or e.stress:
                name, k = f"survive {stress} {e.accounts[c]}", e.stress.index(stress)
                found.append(survived(e, x, name, c, k, self.utilisation, self.health_factor, self.buffer))
        return found

    def forms(self, e: Exposures) -> list[SideForm]:
        """One cover per account and scenario, and the delta caps of portfolio margin there."""
        unknown = [name for name in self.scenarios if name not in e.stress]
        if unknown:
            raise InputError(
                "names an unknown stress scenario",
                file="policy",
                field="survive_stress.scenarios",
                value=unknown[0],
                fix=advice(unknown[0], e.stress),
            )
        chosen = [e.stress.index(name) for name in self.scenarios or e.stress]
        forms: list[SideForm] = []
        for c in matching_accounts(e, self.venue, self.account, "survive_stress", self.of):
            for k in chosen:
                forms.append(
                    Cover(
                        f"survive {e.stress[k]} {e.accounts[c]}", (c,), self._encoding(k), k, self.utilisation, self.buffer
                    )
                )
                for n, cap in enumerate(e.margins.encoding(c, "maintenance", k).caps):
                    forms.append(DeltaCap(f"{cap.name} cap {e.accounts[c]} in {e.stress[k]}", c, n, k))
        return forms

    def _encoding(self, stress: int) -> Callable[[Exposures, int], Encoding]:
        return lambda e, c: limited_encoding(e, c, "maintenance", self.kind, stress, health=self.health_factor)

    def bind(
        self, trades: TradeVariables, e: Exposures, term: Callable[[Term], BoundTerm], *, slack: bool = False
    ) -> BoundConstraint:
        """One inequality per account and scenario, convex in trades and transfers."""
        return BoundSides(trades, e, self.forms(e), slack)
