"""Concentration: the share of the book in one venue, chain, counterparty, stablecoin or bridge."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import LinearTerm, TradeVariables
from hedgeopt.models.margin.effects import account_size, collateral_effect, equity_effect
from hedgeopt.models.term import Term

__all__ = ["Concentration"]


class _BoundConcentration(LinearTerm):
    def __init__(self, trades: TradeVariables, e: Exposures, spec: Concentration) -> None:
        super().__init__(trades, e)
        self._spec = spec
        spec.accounts(e)

    def _total(self, e: Exposures) -> float:
        total = float(e.equity.sum())
        if total <= 0:
            raise InputError(
                "concentration has no meaning: equity is not positive",
                file="book",
                value=f"{total:,.0f} USD",
                fix="limit it in USD",
            )
        return total

    def coefficients(self, e: Exposures) -> np.ndarray:
        spec, total = self._spec, self._total(e)
        if spec.by == "asset":
            column, everything = e.asset(spec.of), np.arange(e.n_candidates)
            effects = (collateral_effect(e, c, column, everything) for c in range(len(e.accounts)))
            return np.asarray(sum(effects)) * e.prices[column] / total
        if spec.by == "bridge":
            return spec.crossing(e) / total
        return np.asarray(sum(equity_effect(e, c) for c in spec.accounts(e))) / total

    def constant(self, e: Exposures) -> float:
        spec, total = self._spec, self._total(e)
        if spec.by == "asset":
            column = e.asset(spec.of)
            return float(e.collateral[:, column].sum() * e.prices[column]) / total
        if spec.by == "bridge":
            return 0.0
        return float(e.equity[spec.accounts(e)].sum()) / total

    def constant_size(self, e: Exposures) -> float:
        spec, total = self._spec, self._total(e)
        if spec.by == "asset":
            column = e.asset(spec.of)
            return float(np.abs(e.collateral[:, column]).sum() * e.prices[column]) / total
        return 0.0 if spec.by == "bridge" else sum(account_size(e, c) for c in spec.accounts(e)) / total


class Concentration(Term):
    """Share of total equity in one place, after trades and transfers: ``equity there / equity``, costs not counted.

    ``by`` "venue", "chain" and "counterparty" take the equity of the accounts that match; "asset" takes the collateral
    posted
    in one asset, such as a stablecoin, net of debt in it; "bridge" what the trade list sends through it.
    """

    unit: ClassVar[str] = "share of equity"
    affine: ClassVar[bool] = True
    by_candidate: ClassVar[bool] = True
    source: ClassVar[str] = "the desk's own limit"

    kind: Literal["concentration"] = "concentration"
    by: Literal["venue", "chain", "counterparty", "asset", "bridge"] = Field(default="venue", description="kind of place")
    of: str = Field(min_length=1, description="the venue, chain, counterparty, asset or bridge")

    @property
    def name(self) -> str:
        """Such as ``concentration venue deribit``."""
        return f"concentration {self.by} {self.of}"

    def accounts(self, e: Exposures) -> list[int]:
        """Accounts that match."""
        if self.by == "asset":
            if self.of not in e.assets:
                raise InputError(
                    "names an asset that the book does not hold", file="policy", field="concentration", value=self.of,
                    fix=advice(self.of, e.assets),
                )  # fmt: skip
            return []
        if self.by == "bridge":
            self.crossing(e)
            return []
        places = {"venue": e.venues, "chain": e.chains, "counterparty": e.counterparties}[self.by]
        found = [c for c, place in enumerate(places) if place == self.of]
        if not found:
            raise InputError(
                f"names a {self.by} that the book does not hold", file="policy", field="concentration", value=self.of,
                fix=advice(self.of, sorted({place for place in places if place})),
            )  # fmt: skip
        return found

    def crossing(self, e: Exposures) -> np.ndarray:
        """(N,) USD per unit of the transfers through the bridge."""
        rows = e.candidate[e.links.candidate]
        bridges = [e.rows.instruments[row].bridge for row in rows.tolist()]
        if self.of not in bridges:
            raise InputError(
                "names a bridge that the book does not hold", file="policy", field="concentration", value=self.of,
                fix=advice(self.of, sorted({bridge for bridge in bridges if bridge})),
            )  # fmt: skip
        found = np.zeros(e.n_candidates)
        through = np.array([bridge == self.of for bridge in bridges])
        found[e.links.candidate[through]] = e.rows.notional[rows[through]]
        return found

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundConcentration:
        """Linear in transfers."""
        return _BoundConcentration(trades, e, self)
