"""Loss in a named stress scenario."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.term import LinearTerm, Term, TradeVariables

__all__ = ["StressLoss"]


class _BoundStress(LinearTerm):
    def __init__(self, trades: TradeVariables, e: Exposures, scenario: str) -> None:
        super().__init__(trades, e)
        self._scenario = scenario

    def _at(self, e: Exposures) -> int:
        if self._scenario not in e.stress:
            raise InputError(
                "names an unknown stress scenario",
                file="policy",
                field="scenario",
                value=self._scenario,
                fix=f"known: {', '.join(e.stress)}",
            )
        return e.stress.index(self._scenario)

    def coefficients(self, e: Exposures) -> np.ndarray:
        return -e.stress_pnl[self._at(e)]

    def constant(self, e: Exposures) -> float:
        return -float(e.stress_base[self._at(e)])


class StressLoss(Term):
    """Loss in USD of the whole book, fully revalued, in one named stress scenario; negative is a gain."""

    unit: ClassVar[str] = "USD"
    affine: ClassVar[bool] = True
    source: ClassVar[str] = "models/data/stress.toml, a source per number"

    kind: Literal["stress_loss"] = "stress_loss"
    scenario: str = Field(min_length=1, description="name of a stress scenario, such as 2020-03-12")

    def __init__(self, scenario: str | None = None, **data: object) -> None:
        super().__init__(**({} if scenario is None else {"scenario": scenario}), **data)

    @property
    def name(self) -> str:
        """Such as ``stress 2020-03-12``."""
        return f"stress {self.scenario}"

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundStress:
        """Linear: the scenario's prices are data."""
        return _BoundStress(trades, e, self.scenario)
