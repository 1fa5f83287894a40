"""Liquidity-adjusted CVaR: what leaving costs in each scenario, inside the tail.

``loss_s + sum_v m_sv H_v(z) + o_sv F_v(z)`` over venues v, with ``H_v = sum_j sell_j max(z_j, 0) + buy_j max(-z_j, 0)`` of
half-spreads, ``F_v = sum_j fee_j |z_j|``, m the scenario's multiplier of them there and o 0 where it is halted, else 1.
A scenario has two numbers per venue, so that (S, N) losses grow by twice as many columns as there are venues, and no more.

Source: Bangia, Diebold, Schuermann and Stroughair, Modeling liquidity risk (1999), with the spread of each scenario instead
of one quantile of it.
"""

from __future__ import annotations

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import TradeVariables, put
from hedgeopt.models.scenarios.effects import unwind_multiplier
from hedgeopt.models.scope import scope_of
from hedgeopt.models.separable import Separable

__all__ = ["Leaving"]


class Leaving:
    """What leaving adds to losses in a program; see the module's text."""

    def __init__(self, trades: TradeVariables, e: Exposures, of: tuple[str, ...]) -> None:
        import cvxpy as cp

        n, groups = e.n_candidates, 2 * len(_venues(e))
        self._of = of
        self._times = cp.Parameter((len(e.base_pnl), groups), nonneg=True)
        self._held, self._rest = cp.Parameter(n), cp.Parameter(groups, nonneg=True)
        self._sell, self._buy = (cp.Parameter((groups, n), nonneg=True) for _ in range(2))
        spent = cp.Variable(groups, nonneg=True, name="leaving")
        long, short = (cp.Variable(n, nonneg=True, name=name) for name in ("long", "short"))
        self.auxiliary = (
            long - short == trades.net + self._held,
            spent >= self._sell @ long + self._buy @ short + self._rest,
        )
        self.expression = self._times @ spent

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        """Set the parameters."""
        sell, buy = self._unit(e)
        size = np.maximum(self._spent(e, np.zeros(e.n_candidates)), 1.0)  # USD in units of what leaving costs now
        put(self._times, _multipliers(e) * size)
        put(self._held, e.rows.quantity[e.candidate] / scale)
        put(self._sell, sell[:, e.candidate] * scale / size[:, None])
        put(self._buy, buy[:, e.candidate] * scale / size[:, None])
        rest = e.rows.quantity.copy()
        rest[e.candidate] = 0.0
        put(self._rest, (sell @ np.maximum(rest, 0.0) + buy @ np.maximum(-rest, 0.0)) / size)

    def at(self, e: Exposures, x: np.ndarray) -> np.ndarray:
        """(S,) USD at trades x (N,)."""
        return np.asarray(_multipliers(e) @ self._spent(e, x))

    def size(self, e: Exposures, x: np.ndarray) -> float:
        """All that leaving costs in the worst scenario, held and traded apart."""
        sell, buy = self._unit(e)
        gross = np.abs(e.rows.quantity)
        gross[e.candidate] += np.abs(x)
        return float((_multipliers(e) @ ((sell + buy) @ gross)).max(initial=0.0))

    def weighted(self, e: Exposures, q: np.ndarray) -> Separable:
        """The mean under weights q (S,), exactly: kinks where positions are closed."""
        weight = q @ _multipliers(e)
        sell, buy = (weight @ unit for unit in self._unit(e))
        held = e.rows.quantity.copy()
        mine, short = held[e.candidate], buy[e.candidate]
        held[e.candidate] = 0.0
        rest = float(sell @ np.maximum(held, 0.0) + buy @ np.maximum(-held, 0.0))
        return Separable(-short, rest - float(short @ mine), (sell[e.candidate] + short)[None, :], -mine[None, :])

    def _spent(self, e: Exposures, x: np.ndarray) -> np.ndarray:
        """(2V,) USD of half-spreads by venue, then of fees, before scenarios multiply them."""
        z = e.positions(x)
        sell, buy = self._unit(e)
        return np.asarray(sell @ np.maximum(z, 0.0) + buy @ np.maximum(-z, 0.0))

    def _unit(self, e: Exposures) -> tuple[np.ndarray, np.ndarray]:
        """(2V, M) USD per unit sold out of a long, and bought back of a short: half-spreads by venue, then fees."""
        scope, cost, venues = scope_of(e, self._of), e.leaving, _venues(e)
        at = np.array([e.venues[c] for c in e.rows.account.tolist()], object)
        where = np.array([at == venue for venue in venues], float).reshape(len(venues), len(e.rows))
        where = where * (1.0 if scope is None else scope.rows)
        return np.vstack([where * cost.sell, where * cost.fee]), np.vstack([where * cost.buy, where * cost.fee])


def _venues(e: Exposures) -> tuple[str, ...]:
    return tuple(dict.fromkeys(e.venues))


def _multipliers(e: Exposures) -> np.ndarray:
    """(S, 2V) multipliers of half-spreads by venue, then of fees; in terms of the numeraire where there is one."""
    if e.scenarios is None:
        raise InputError("exposures hold no scenarios", field="scenarios", fix="build them with build_exposures")
    found = np.column_stack([unwind_multiplier(e.scenarios, venue) for venue in _venues(e)])
    found = np.hstack([found, found > 0.0])
    if e.numeraire is not None:
        found = found / e.scenarios.price_factor(e.numeraire.asset)[:, None]
    return np.asarray(found, float)
