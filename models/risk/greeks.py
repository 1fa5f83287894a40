"""Net Greeks of the book, or of one strategy, by underlying, as terms that may be limited or minimised."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import LinearTerm, TradeVariables
from hedgeopt.models.pricing.family import GREEK_UNITS, greek
from hedgeopt.models.pricing.instrument import Asset
from hedgeopt.models.pricing.spot import price_slopes
from hedgeopt.models.scope import Of, Scope, called, scope_of
from hedgeopt.models.term import Term

__all__ = ["Delta", "Gamma", "Rho", "Theta", "Vanna", "Vega", "Volga", "asset_column", "net_greek", "trade_greek"]


def trade_greek(e: Exposures, name: str, asset: str, scope: Scope | None, *, collateral: bool = True) -> np.ndarray:
    """(N,) change of :func:`net_greek` per unit traded or sent."""
    per_unit = e.trade_greeks[greek(name), :, asset_column(e, asset)]
    if scope is None:
        return per_unit
    sent = np.zeros(len(e.links))
    if name == "delta" and collateral:
        sent += [price_slopes(e.assets[a], e.market).get(asset, 0.0) for a in e.links.asset.tolist()]
    return scope.with_transfers(e, per_unit, sent)


def net_greek(e: Exposures, name: str, asset: str, scope: Scope | None = None, *, collateral: bool = True) -> float:
    """Net Greek of the present book, or of a scope of it: sum of quantity times unit Greek; delta counts posted coins."""
    at = asset_column(e, asset)
    quantity, accounts = (e.rows.quantity, slice(None)) if scope is None else (e.rows.quantity * scope.rows, scope.accounts)
    total = float(quantity @ e.rows.greeks[greek(name), :, at])
    if name == "delta" and collateral:
        total += float(e.coin_delta[accounts, at].sum())
    return total


def asset_column(e: Exposures, asset: str) -> int:
    """Column of an asset that a policy names; raises InputError when the exposures do not hold it."""
    try:
        return e.asset(asset)
    except KeyError:
        raise InputError(
            "names an underlying that neither book nor market holds",
            file="policy",
            field="underlying",
            value=asset,
            fix=advice(asset, e.assets),
        ) from None


class _BoundGreek(LinearTerm):
    def __init__(self, trades: TradeVariables, e: Exposures, spec: _Greek) -> None:
        super().__init__(trades, e)
        self._spec = spec

    def coefficients(self, e: Exposures) -> np.ndarray:
        spec = self._spec
        return trade_greek(e, spec.kind, spec.underlying, scope_of(e, spec.of), collateral=spec.collateral)

    def constant(self, e: Exposures) -> float:
        spec = self._spec
        return net_greek(e, spec.kind, spec.underlying, scope_of(e, spec.of), collateral=spec.collateral)

    def constant_size(self, e: Exposures) -> float:
        at, scope = asset_column(e, self._spec.underlying), scope_of(e, self._spec.of)
        rows, accounts = (1.0, slice(None)) if scope is None else (scope.rows, scope.accounts)
        held = float((rows * np.abs(e.rows.quantity)) @ np.abs(e.rows.greeks[greek(self._spec.kind), :, at]))
        return held + (float(np.abs(e.coin_delta[accounts, at]).sum()) if self._spec.collateral else 0.0)


class _Greek(Term):
    affine: ClassVar[bool] = True
    by_candidate: ClassVar[bool] = True
    source: ClassVar[str] = "Black (1976); Deribit: account exposure is equity plus DeltaTotal"

    kind: str
    underlying: Asset = Field(description="asset code, such as BTC")
    of: Of = ()

    def __init__(self, underlying: str | None = None, **data: object) -> None:
        super().__init__(**({} if underlying is None else {"underlying": underlying}), **data)

    @property
    def collateral(self) -> bool:
        """Whether posted coins count."""
        return False

    @property
    def name(self) -> str:
        """Such as ``delta BTC``."""
        return called(f"{self.kind} {self.underlying}", self.of)

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundGreek:
        """Linear in the trades."""
        return _BoundGreek(trades, e, self)


class Delta(_Greek):
    """Net delta in coins: positions, posted coins (unless ``include_collateral`` is false) and premium legs of trades."""

    unit: ClassVar[str] = GREEK_UNITS["delta"]
    kind: Literal["delta"] = "delta"
    include_collateral: bool = Field(default=True, description="count coins posted as collateral")

    def __init__(self, underlying: str | None = None, **data: object) -> None:
        super().__init__(underlying, **data)

    @property
    def collateral(self) -> bool:
        """Whether posted coins count."""
        return self.include_collateral


class Gamma(_Greek):
    """Net gamma: change of delta in coins per USD move of the index."""

    unit: ClassVar[str] = GREEK_UNITS["gamma"]
    kind: Literal["gamma"] = "gamma"

    def __init__(self, underlying: str | None = None, **data: object) -> None:
        super().__init__(underlying, **data)


class Vega(_Greek):
    """Net vega: USD per vol point (0.01 of annual vol), all tenors moving together."""

    unit: ClassVar[str] = GREEK_UNITS["vega"]
    kind: Literal["vega"] = "vega"

    def __init__(self, underlying: str | None = None, **data: object) -> None:
        super().__init__(underlying, **data)


class Theta(_Greek):
    """Net theta: USD per day at constant forward."""

    unit: ClassVar[str] = GREEK_UNITS["theta"]
    kind: Literal["theta"] = "theta"

    def __init__(self, underlying: str | None = None, **data: object) -> None:
        super().__init__(underlying, **data)


class Rho(_Greek):
    """Net rho: USD per 1 % of rate at constant spot."""

    unit: ClassVar[str] = GREEK_UNITS["rho"]
    kind: Literal["rho"] = "rho"

    def __init__(self, underlying: str | None = None, **data: object) -> None:
        super().__init__(underlying, **data)


class Vanna(_Greek):
    """Net vanna: change of delta in coins per vol point."""

    unit: ClassVar[str] = GREEK_UNITS["vanna"]
    kind: Literal["vanna"] = "vanna"

    def __init__(self, underlying: str | None = None, **data: object) -> None:
        super().__init__(underlying, **data)


class Volga(_Greek):
    """Net volga: change of vega per vol point."""

    unit: ClassVar[str] = GREEK_UNITS["volga"]
    kind: Literal["volga"] = "volga"

    def __init__(self, underlying: str | None = None, **data: object) -> None:
        super().__init__(underlying, **data)
