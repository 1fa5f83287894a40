"""Loss in a named stress scenario, with or without the cost of leaving the positions in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import Affine, LinearTerm, TradeVariables, put
from hedgeopt.models.scope import Of, Scope, called, scope_of
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import Term

__all__ = ["StressLoss", "scoped_stress"]


def scoped_stress(e: Exposures, k: int, scope: Scope | None) -> tuple[np.ndarray, np.ndarray]:
    """P&L in stress k by account (C,) and per unit traded (N,), or of a scope of the book alone."""
    accounts, per_trade, factor = e.stress_gain(k)
    if scope is None:
        return accounts, per_trade
    moved = e.stress_prices[k, e.links.asset] * factor - e.prices[e.links.asset]
    return accounts[scope.accounts], scope.with_transfers(e, per_trade, moved)


class _BoundStress(LinearTerm):
    def __init__(self, trades: TradeVariables, e: Exposures, scenario: str, of: tuple[str, ...] = ()) -> None:
        super().__init__(trades, e)
        self._scenario, self._of = scenario, of

    def _at(self, e: Exposures) -> int:
        if self._scenario not in e.stress:
            raise InputError(
                "names an unknown stress scenario",
                file="policy",
                field="scenario",
                value=self._scenario,
                fix=advice(self._scenario, e.stress),
            )
        return e.stress.index(self._scenario)

    def coefficients(self, e: Exposures) -> np.ndarray:
        return -scoped_stress(e, self._at(e), scope_of(e, self._of))[1]

    def constant(self, e: Exposures) -> float:
        k = self._at(e)
        if e.numeraire is None and not self._of:
            return -float(e.stress_base[k])
        return -float(scoped_stress(e, k, scope_of(e, self._of))[0].sum())

    def constant_size(self, e: Exposures) -> float:
        return max(float(np.abs(scoped_stress(e, self._at(e), scope_of(e, self._of))[0]).sum()), abs(self.constant(e)))


class _BoundUnwind(_BoundStress):
    """Adds ``sum sell max(z, 0) + buy max(-z, 0)`` over all positions z after trading."""

    def __init__(self, trades: TradeVariables, e: Exposures, scenario: str, of: tuple[str, ...] = ()) -> None:
        import cvxpy as cp

        super().__init__(trades, e, scenario, of)
        n = e.n_candidates
        self._sell, self._buy = cp.Parameter(n, nonneg=True), cp.Parameter(n, nonneg=True)
        self._long, self._short = cp.Parameter(n), cp.Parameter(n)
        self._held = cp.Parameter(nonneg=True)
        # weights are inside the convex functions: a parameter times another would not be DPP
        leaving_longs = cp.sum(cp.pos(cp.multiply(self._sell, trades.net) + self._long))
        leaving_shorts = cp.sum(cp.neg(cp.multiply(self._buy, trades.net) + self._short))
        self.expression = self.expression + leaving_longs + leaving_shorts + self._held

    def _unit(self, e: Exposures) -> tuple[np.ndarray, np.ndarray]:
        if e.stress_unwind_sell is None or e.stress_unwind_buy is None:
            raise InputError(
                "exposures hold no unwind costs", field="stress_unwind_sell", fix="build them with build_exposures"
            )
        at = self._at(e)
        scope = scope_of(e, self._of)
        factor = e.stress_gain(at)[2] * (1.0 if scope is None else scope.rows)
        return e.stress_unwind_sell[at] * factor, e.stress_unwind_buy[at] * factor

    def _resting(self, e: Exposures) -> float:
        """Cost of leaving the rows that cannot be traded."""
        sell, buy = self._unit(e)
        rest = np.ones(len(e.rows), bool)
        rest[e.candidate] = False
        q = e.rows.quantity[rest]
        return float(sell[rest] @ np.maximum(q, 0.0) + buy[rest] @ np.maximum(-q, 0.0))

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        super().update(e, scale)
        sell, buy = (unit[e.candidate] for unit in self._unit(e))
        held = e.rows.quantity[e.candidate]
        put(self._sell, sell * scale)
        put(self._buy, buy * scale)
        put(self._long, sell * held)
        put(self._short, buy * held)
        put(self._held, self._resting(e))

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        sell, buy = self._unit(e)
        z = e.positions(x)
        return super().evaluate(e, x) + float(sell @ np.maximum(z, 0.0) + buy @ np.maximum(-z, 0.0))

    def size(self, e: Exposures, x: np.ndarray) -> float:
        sell, buy = self._unit(e)
        held = np.abs(e.rows.quantity)
        held[e.candidate] += np.abs(x)
        return super().size(e, x) + float((sell + buy) @ held)

    def affine(self, e: Exposures) -> Affine | None:
        """None: piecewise linear."""
        return None

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        """Exact: ``sell max(z, 0) + buy max(-z, 0) = (sell + buy) max(z, 0) - buy z``, a kink at minus what is held."""
        sell, buy = (unit[e.candidate] for unit in self._unit(e))
        held = e.rows.quantity[e.candidate]
        leaving = Separable(-buy, self._resting(e) - float(buy @ held), (sell + buy)[None, :], -held[None, :])
        return super().minorant(e, x, tails) + leaving


class StressLoss(Term):
    """Loss in USD of the book, or of the accounts that ``of`` names, in one named stress scenario; negative is a gain.

    Every instrument is fully revalued. With ``include_unwind``, what it would cost to leave every position in that scenario
    counts too: today's half-spread times the scenario's spread multiplier, plus fees. The term is then convex and no longer
    affine.
    """

    unit: ClassVar[str] = "USD"
    by_candidate: ClassVar[bool] = True
    reads_stress: ClassVar[bool] = True
    source: ClassVar[str] = "models/data/stress.toml, a source per number"

    kind: Literal["stress_loss"] = "stress_loss"
    scenario: str = Field(min_length=1, description="name of a stress scenario, such as 2020-03-12")
    include_unwind: bool = Field(default=False, description="add the cost of leaving every position in the scenario")
    of: Of = ()

    def __init__(self, scenario: str | None = None, **data: object) -> None:
        super().__init__(**({} if scenario is None else {"scenario": scenario}), **data)

    @property
    def affine(self) -> bool:  # type: ignore[override]
        """Without unwind costs."""
        return not self.include_unwind

    @property
    def name(self) -> str:
        """Such as ``stress 2020-03-12``."""
        return called(f"stress {self.scenario}" + (" with unwind" if self.include_unwind else ""), self.of)

    def plain_parts(self, e: Exposures, x: np.ndarray) -> np.ndarray:
        """USD lost by account, by trade, and by leaving each position."""
        k, scope = e.stress.index(self.scenario), scope_of(e, self.of)
        accounts, per_trade = scoped_stress(e, k, scope)
        factor = e.stress_gain(k)[2] * (1.0 if scope is None else scope.rows)
        parts = [-float(pnl) for pnl in accounts]
        parts += [-float(per_trade[i] * x[i]) for i in np.flatnonzero(x).tolist()]
        if self.include_unwind and e.stress_unwind_sell is not None and e.stress_unwind_buy is not None:
            z = e.positions(x)
            parts += (factor * np.where(z > 0, z * e.stress_unwind_sell[k], -z * e.stress_unwind_buy[k])).tolist()
        return np.array(parts)

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundStress:
        """Linear, or piecewise linear with unwind costs: the scenario's prices are data."""
        return (_BoundUnwind if self.include_unwind else _BoundStress)(trades, e, self.scenario, self.of)
