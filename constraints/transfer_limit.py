"""How much may move through a bridge, of an asset, or at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.constraints.constraint import BoundConstraint, Constraint, Side, shadow_price
from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import BoundTerm, Term, TradeVariables

__all__ = ["TransferLimit"]


class TransferLimit(Constraint):
    """``sum of transfers in USD <= usd`` over the links that match: what a failing bridge could cost."""

    source: ClassVar[str] = "the desk's own limit"

    kind: Literal["transfer_limit"] = "transfer_limit"
    usd: float = Field(ge=0, allow_inf_nan=False, description="USD in transit at most")
    bridge: str | None = Field(default=None, description="links through this bridge; none: all")
    asset: str | None = Field(default=None, description="links that move this asset; none: all")

    @property
    def name(self) -> str:
        """Such as ``transfers via across``."""
        return "transfers" + (f" of {self.asset}" if self.asset else "") + (f" via {self.bridge}" if self.bridge else "")

    def weights(self, e: Exposures) -> np.ndarray:
        """(N,) USD per unit of the matching transfers."""
        found, hit = np.zeros(e.n_candidates), False
        for i in e.links.candidate.tolist():
            row = e.candidate[i]
            item = e.rows.instruments[row]
            if self.bridge in (None, item.bridge) and self.asset in (None, item.asset):
                found[i], hit = e.rows.notional[row], True
        if not hit and len(e.links):
            raise InputError("matches no link of the book", file="policy", field="transfer_limit", value=self.name)
        return found

    def bind(
        self, trades: TradeVariables, e: Exposures, term: Callable[[Term], BoundTerm], *, slack: bool = False
    ) -> BoundConstraint:
        """One linear inequality."""
        return _BoundTransferLimit(self, trades, e, slack=slack)


class _BoundTransferLimit:
    def __init__(self, spec: TransferLimit, trades: TradeVariables, e: Exposures, *, slack: bool) -> None:
        import cvxpy as cp

        self._spec = spec
        self._weights, self._limit = cp.Parameter(e.n_candidates, nonneg=True), cp.Parameter()
        self.slack_cost: cp.Expression | None = cp.Constant(0.0) if slack else None
        self.constraints = [self._weights @ trades.buy <= self._limit]

    @property
    def _unit(self) -> float:
        return max(self._spec.usd, 1.0)

    def update(self, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None:
        self._weights.value = self._spec.weights(e) * scale / self._unit
        self._limit.value = max(self._spec.usd - tighten.get(self._spec.name, 0.0), 0.0) / self._unit

    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]:
        """USD moved."""
        dual = shadow_price(self.constraints[0]) / self._unit
        value = float(self._spec.weights(e) @ np.maximum(x, 0.0))
        return [Side(self._spec.name, "USD", value, self._spec.usd, 1, dual, value)]

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        (side,) = self.sides(e, x)
        return Separable(side.dual * self._spec.weights(e), -side.dual * side.limit)
