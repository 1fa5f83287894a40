"""The worst conditional value at risk over all samples near the drawn one: what the scenarios may have left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables, put
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.risk.cvar import CVaR
from hedgeopt.models.scope import Of, called, scope_of
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import Term

__all__ = ["RobustCVaR", "transport_unit"]

_POINT = 1e-4


def transport_unit(e: Exposures, radius: float, price_radius: float) -> np.ndarray:
    """(M,) USD that a unit of each row may lose when vols and prices move by the radii, the rest as in the scenario.

    ``radius`` vol points times the row's absolute vegas, and ``price_radius`` basis points of what it is exposed to:
    absolute deltas times prices.
    """
    outright = np.array([not is_peg(asset) for asset in e.assets])
    vega = np.abs(e.rows.greeks[greek("vega")]).sum(axis=1)
    exposed = np.abs(e.rows.greeks[greek("delta")]) @ np.where(outright, e.prices, 0.0)
    return np.asarray(radius * vega + price_radius * _POINT * exposed)


class _BoundRobustCVaR(BoundTerm):
    """A CVaR and weighted absolute positions."""

    def __init__(self, trades: TradeVariables, e: Exposures, spec: RobustCVaR) -> None:
        import cvxpy as cp

        n = e.n_candidates
        self._spec = spec
        self._inner = CVaR(spec.beta, of=spec.of).bind(trades, e)
        self._weight, self._held = cp.Parameter(n, nonneg=True), cp.Parameter(n)
        self._rest = cp.Parameter(nonneg=True)
        apart = cp.norm1(cp.multiply(self._weight, trades.net) + self._held)
        self.expression = self._inner.expression + apart + self._rest

    @property
    def tail(self) -> object:
        """The CVaR inside."""
        return self._inner.expression

    def _parts(self, e: Exposures) -> tuple[np.ndarray, np.ndarray, float]:
        """(N,) USD per unit of position, (N,) what is held, and USD of all other rows."""
        spec = self._spec
        unit = transport_unit(e, spec.radius, spec.price_radius) / (1.0 - spec.beta)
        scope = scope_of(e, spec.of)
        if scope is not None:
            unit = unit * scope.rows
        still = np.ones(len(e.rows), bool)
        still[e.candidate] = False
        rest = float(unit[still] @ np.abs(e.rows.quantity[still]))
        return unit[e.candidate], e.rows.quantity[e.candidate], rest

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        unit, held, rest = self._parts(e)
        self._inner.update(e, scale)
        put(self._weight, unit * scale)
        put(self._held, unit * held)
        put(self._rest, rest)

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        unit, held, rest = self._parts(e)
        return self._inner.evaluate(e, x) + float(unit @ np.abs(held + x)) + rest

    def size(self, e: Exposures, x: np.ndarray) -> float:
        unit, held, rest = self._parts(e)
        return self._inner.size(e, x) + float(unit @ (np.abs(held) + np.abs(x))) + rest

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        unit, held, rest = self._parts(e)  # |h + x| = 2 max(x + h, 0) - (x + h): separable, so exact
        apart = Separable(-unit, rest - float(unit @ held), 2.0 * unit[None, :], -held[None, :])
        return self._inner.minorant(e, x, tails) + apart


class RobustCVaR(Term):
    """Worst CVaR at level ``beta`` over every distribution within a Wasserstein distance of the sample, in USD.

    A distribution is near when carrying the sample's scenarios to it moves vols of single options by ``radius`` vol points,
    and prices of what instruments are exposed to by ``price_radius`` basis points, on average: distance 1 is a move of that
    size of every instrument in every scenario, each in its own direction. The worst may spend all of it on the tail. Losses
    are affine in these moves (at today's vegas and deltas), so the worst is exact, with positions z after trading:

        CVaR + sum_i (radius abs(vega_i) + price_radius 1e-4 abs(delta_i) price) abs(z_i) / (1 - beta)

    At radii of 0 it is CVaR; it is never less, and convex. The optimizer pays for every long and short that it sets against
    each other, so it stops where the sample's tail falls by less than what the sample may be wrong about them.
    :func:`~hedgeopt.models.risk.promise.radius_for` finds the radius with which promises of a record were kept.
    """

    unit: ClassVar[str] = "USD"
    by_candidate: ClassVar[bool] = True
    tail: ClassVar[bool] = True
    source: ClassVar[str] = "Mohajerin Esfahani and Kuhn, Data-driven distributionally robust optimization, 2018, section 5"

    kind: Literal["robust_cvar"] = "robust_cvar"
    beta: float = Field(default=0.99, ge=0.0, lt=1.0, description="confidence level, 0.99 for the worst 1 %")
    radius: float = Field(default=0.01, ge=0.0, le=100.0, description="vol points that vols may be off by, on average")
    price_radius: float = Field(
        default=0.0, ge=0.0, le=1e4, description="basis points that prices of instruments may be off by, on average"
    )
    of: Of = ()

    def __init__(self, beta: float = 0.99, radius: float = 0.01, **data: object) -> None:
        super().__init__(**{**data, "beta": beta, "radius": radius})

    @property
    def name(self) -> str:
        """Such as ``robust cvar 0.99 within 0.01 vol points``."""
        more = f" and {self.price_radius:g} bp" if self.price_radius else ""
        return called(f"robust cvar {self.beta:g} within {self.radius:g} vol points{more}", self.of)

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundRobustCVaR:
        """One tail atom, and weighted absolute positions."""
        return _BoundRobustCVaR(trades, e, self)
