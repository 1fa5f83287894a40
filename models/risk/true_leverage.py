"""Leverage with loops unrolled: everything the book controls over what it owns."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import LinearTerm, TradeVariables, put
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.scope import Of, Scope, called, scope_of, scoped_equity
from hedgeopt.models.sizes_held import SizesHeld
from hedgeopt.models.term import Term

__all__ = ["NetLeverage", "TrueLeverage"]


def _columns(e: Exposures, underlying: str | None) -> list[int]:
    if underlying is None:
        return [a for a, asset in enumerate(e.assets) if asset not in dollar_assets()]
    if underlying not in e.assets:
        raise InputError(
            "names an asset that the book does not hold",
            file="policy",
            field="underlying",
            value=underlying,
            fix=advice(underlying, e.assets),
        )
    return [e.asset(underlying)]


class _BoundTrueLeverage(SizesHeld):
    """``sum_i |z_i| e_i / equity`` over rows plus supplied collateral; collateral is data (transfers only move it).

    Into or out of the accounts that count they would change it: refused by :meth:`_refuse_transfers`.
    """

    def __init__(self, trades: TradeVariables, e: Exposures, spec: TrueLeverage) -> None:
        import cvxpy as cp

        self._spec = spec
        n = e.n_candidates
        self._exposure, self._held, self._rest = cp.Parameter(n, nonneg=True), cp.Parameter(n), cp.Parameter(nonneg=True)
        self.expression = cp.norm1(cp.multiply(self._exposure, trades.net) + self._held) + self._rest
        self._known: tuple[Exposures, tuple[np.ndarray, np.ndarray, float]] | None = None
        self._parts(e)

    def _parts(self, e: Exposures) -> tuple[np.ndarray, np.ndarray, float]:
        """Weights and holdings (N,) of the candidates, and what trades do not change; kept for the last exposures."""
        if self._known is None or self._known[0] is not e:
            self._known = e, self._find(e)
        return self._known[1]

    def _find(self, e: Exposures) -> tuple[np.ndarray, np.ndarray, float]:
        scope, columns = scope_of(e, self._spec.of), _columns(e, self._spec.underlying)
        supplied = np.maximum(e.collateral[:, columns], 0.0) @ e.prices[columns]
        if scope is not None:
            self._refuse_transfers(e, scope, columns)
            supplied = supplied * scope.accounts
        unit, held, rest = super()._parts(e)
        return unit, held, rest + float(supplied.sum()) / scoped_equity(e, scope)

    def per_unit(self, e: Exposures) -> np.ndarray:
        scope, columns = scope_of(e, self._spec.of), _columns(e, self._spec.underlying)
        unit = np.abs(e.rows.greeks[greek("delta")][:, columns]) @ e.prices[columns] / scoped_equity(e, scope)
        return np.asarray(unit if scope is None else unit * scope.rows)

    def _refuse_transfers(self, e: Exposures, scope: Scope, columns: list[int]) -> None:
        for t in np.flatnonzero((scope.sent != 0) & np.isin(e.links.asset, columns)).tolist():
            link = e.rows.instruments[e.candidate[e.links.candidate[t]]]
            raise InputError(
                f"true leverage counts what is supplied, and {link.name} may carry it into or out of the accounts",
                file="policy",
                field="true_leverage.of",
                value=", ".join(self._spec.of),
                fix="name the accounts at both ends or none, limit gross_leverage or net_leverage instead, or set "
                "candidates.transfers = false",
            )

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        unit, held, rest = self._parts(e)
        put(self._exposure, unit * scale)
        put(self._held, unit * held)
        put(self._rest, rest)


class TrueLeverage(Term):
    """Coins controlled over equity: supplied collateral in full (every round of a loop counts) plus ``|delta| * price``
    of positions.

    A wallet of unlent coins has 1, a loop supplied four times over has 4, and a perpetual adds its notional. Dollar
    assets do not count. Equity is that before trading. ``of`` accounts: what they control over their equity; transfers of
    coins into or out of them are refused.
    """

    unit: ClassVar[str] = "times equity"
    by_candidate: ClassVar[bool] = True
    source: ClassVar[str] = (
        "loop leverage (1 - l^(n+1)) / (1 - l): docs of Aave loops; commitment method, (EU) 231/2013 art. 8"
    )

    kind: Literal["true_leverage"] = "true_leverage"
    underlying: str | None = Field(default=None, description="one asset; none: all of them")
    of: Of = ()

    @property
    def name(self) -> str:
        """``true leverage`` and of what."""
        return called("true leverage" + (f" {self.underlying}" if self.underlying else ""), self.of)

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundTrueLeverage:
        """Weighted absolute values."""
        return _BoundTrueLeverage(trades, e, self)


class _BoundNetLeverage(LinearTerm):
    def __init__(self, trades: TradeVariables, e: Exposures, spec: NetLeverage) -> None:
        super().__init__(trades, e)
        self._spec = spec
        _columns(e, spec.underlying)

    def coefficients(self, e: Exposures) -> np.ndarray:
        columns, scope = _columns(e, self._spec.underlying), scope_of(e, self._spec.of)
        usd = np.asarray(e.trade_greeks[greek("delta")][:, columns] @ e.prices[columns])
        if scope is not None:
            usd = scope.with_transfers(e, usd, np.where(np.isin(e.links.asset, columns), e.prices[e.links.asset], 0.0))
        return usd / scoped_equity(e, scope)

    def _held(self, e: Exposures) -> tuple[np.ndarray, np.ndarray, float]:
        """(M,) and (C,) USD of delta per unit of positions and of posted coins, and equity."""
        columns, scope = _columns(e, self._spec.underlying), scope_of(e, self._spec.of)
        usd = e.rows.greeks[greek("delta")][:, columns] @ e.prices[columns]
        posted = e.collateral[:, columns] * e.prices[columns]
        if scope is not None:
            usd, posted = usd * scope.rows, posted * scope.accounts[:, None]
        return np.asarray(usd), np.asarray(posted), scoped_equity(e, scope)

    def constant(self, e: Exposures) -> float:
        usd, posted, equity = self._held(e)
        return float((usd @ e.rows.quantity + posted.sum()) / equity)

    def constant_size(self, e: Exposures) -> float:
        usd, posted, equity = self._held(e)
        return float((np.abs(usd) @ np.abs(e.rows.quantity) + np.abs(posted).sum()) / equity)


class NetLeverage(Term):
    """Net delta in USD over equity, posted coins and debt included: ``sum_a delta_a price_a / equity``; signed.

    ``of`` accounts: theirs over their equity before trading and transfers, which both change their delta.
    """

    unit: ClassVar[str] = "times equity"
    affine: ClassVar[bool] = True
    by_candidate: ClassVar[bool] = True
    source: ClassVar[str] = "net exposure over equity"

    kind: Literal["net_leverage"] = "net_leverage"
    underlying: str | None = Field(default=None, description="one asset; none: all of them")
    of: Of = ()

    @property
    def name(self) -> str:
        """``net leverage`` and of what."""
        return called("net leverage" + (f" {self.underlying}" if self.underlying else ""), self.of)

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundNetLeverage:
        """Linear."""
        return _BoundNetLeverage(trades, e, self)
