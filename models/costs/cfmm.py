"""Routing through networks of constant function market makers (CFMMs) of any number of tokens, as one convex program.

Of a pool with reserves ``R``, the share ``g`` of what is paid in counts (1 less the fee); its trading function ``phi`` takes
``D >= 0`` and gives ``L >= 0`` where ``phi(R + g D - L) >= phi(R)``. A network gives ``psi = sum_i A_i (L_i - D_i)``,
and a route is the largest utility of psi. With ``r = D / R`` and ``s = L / R`` the functions are, each in its own scale,

- product: ``s_2 <= u - u^2 / (1 + u)``, ``u = g r_1``, a second-order cone for either direction;
- weighted: ``sum_k w_k log(1 + g r_k - s_k) >= 0``, exponential cones;
- sum: ``sum_k R_k (g r_k - s_k) >= 0``.

Source: Angeris, Chitra, Evans and Boyd, Optimal routing for constant function market makers, arXiv 2204.05238.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.names import require_known

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["Cfmm", "Route", "route_tokens"]


@strict_class
@dataclass(frozen=True)
class Cfmm:
    """A pool of several tokens.

    Attributes
    ----------
    tokens, reserves
        Names, and units held of each.
    fee
        Share of what is paid in.
    kind
        ``product`` (two tokens, equal weights), ``weighted`` (a geometric mean), ``sum`` (constant sum).
    weights
        Of a geometric mean; any positive numbers.
    """

    tokens: tuple[str, ...]
    reserves: tuple[float, ...]
    fee: float = 0.003
    kind: Literal["product", "weighted", "sum"] = "product"
    weights: tuple[float, ...] = field(default=())

    def __post_init__(self) -> None:
        name = "/".join(self.tokens)
        if len(self.reserves) != len(self.tokens) or len(set(self.tokens)) != len(self.tokens) or len(self.tokens) < 2:
            raise InputError(
                "needs a reserve for each of two or more tokens", field=f"pool {name} reserves", value=self.reserves
            )
        for token, amount in zip(self.tokens, self.reserves, strict=True):
            if not 0.0 < amount < np.inf:
                fix = "an empty pool trades nothing: leave it out"
                raise InputError("must be above 0", field=f"pool {name} reserve of {token}", value=amount, fix=fix)
        if not 0.0 <= self.fee < 1.0:
            raise InputError("is no fee", field=f"pool {name} fee", value=self.fee, fix="a share: 0.003 is 30 basis points")
        if self.kind == "product" and len(self.tokens) != 2:
            raise InputError(
                "has two tokens", field=f"pool {name} kind", value=self.kind, fix='kind="weighted" with weights'
            )
        if self.kind == "weighted" and (len(self.weights) != len(self.tokens) or not all(w > 0 for w in self.weights)):
            raise InputError("needs a positive weight for each token", field=f"pool {name} weights", value=self.weights)

    def change(self, given: np.ndarray, taken: np.ndarray) -> float:
        """Relative change of the trading function by a trade; not negative where the pool accepts it."""
        held = np.array(self.reserves)
        after = 1.0 + ((1.0 - self.fee) * given - taken) / held
        if self.kind == "sum":
            return float(np.sum((after - 1.0) * held) / held.sum()) if (after >= 0.0).all() else -np.inf
        weights = np.array(self.weights) if self.kind == "weighted" else np.ones(2)
        return float(weights @ np.log(after) / weights.sum()) if (after > 0.0).all() else -np.inf


@strict_class
@dataclass(frozen=True, eq=False)
class Route:
    """A route and what it gives.

    Attributes
    ----------
    value
        Its utility.
    net
        What the network gives of each token, negative where it is given.
    given, taken
        Per pool, units of each of its tokens.
    prices
        Shadow prices of the tokens.
    """

    value: float
    net: dict[str, float]
    given: tuple[np.ndarray, ...]
    taken: tuple[np.ndarray, ...]
    prices: dict[str, float]


@strict_call
def route_tokens(
    pools: Sequence[Cfmm],
    *,
    tendered: Mapping[str, float] | None = None,
    received: str | None = None,
    prices: Mapping[str, float] | None = None,
) -> Route:
    """The best route: most of ``received`` for what is ``tendered``, or with ``prices`` the most valuable basket.

    With nothing tendered it finds arbitrage, or that there is none (a value of 0).
    """
    tokens = tuple(dict.fromkeys(token for pool in pools for token in pool.tokens))
    if (received is None) == (prices is None):
        raise InputError("give either received or prices", field="received", value=received)
    require_known([*(tendered or {}), *([received] if received else []), *(prices or {})], tokens, "token", file=None)
    worth = {received: 1.0} if received is not None else dict(prices or {})
    first = _solved(pools, tokens, tendered or {}, worth, np.ones(len(pools)))
    if first is None:
        raise InputError("has no best route", field="pools", fix="give prices, or a token to receive")
    shares = [np.max(np.maximum(d, s) / np.array(pool.reserves)) for pool, d, s in zip(pools, *first[:2], strict=True)]
    # once more, each pool in the scale of its own trade: a reserve of a million hides a trade of a hundred
    scale = np.where([pool.kind == "weighted" for pool in pools], 1.0, np.clip(shares, _SMALL, 1.0))
    given, taken, marginal = _solved(pools, tokens, tendered or {}, worth, scale) or first
    net = dict.fromkeys(tokens, 0.0)
    for pool, d, s in zip(pools, given, taken, strict=True):
        for k, token in enumerate(pool.tokens):
            net[token] += float(s[k] - d[k])
    return Route(float(sum(worth[t] * net[t] for t in worth)), net, tuple(given), tuple(taken), marginal)


_SMALL = 1e-6
_Solved = tuple[list[np.ndarray], list[np.ndarray], dict[str, float]]


def _solved(
    pools: Sequence[Cfmm],
    tokens: Sequence[str],
    tendered: Mapping[str, float],
    worth: Mapping[str, float],
    scale: np.ndarray,
) -> _Solved | None:
    """Units given and taken per pool, and shadow prices, or None; trades are ``scale`` (P,) times the reserves in size."""
    import cvxpy as cp

    size = {
        t: max(z * p.reserves[p.tokens.index(t)] for p, z in zip(pools, scale, strict=True) if t in p.tokens) for t in tokens
    }
    rules: list[cp.Constraint] = []
    net: dict[str, list[cp.Expression]] = {token: [] for token in tokens}
    trades = []
    for pool, z in zip(pools, scale.tolist(), strict=True):
        given, taken, accepted = _trade(pool, z)
        rules += accepted
        trades.append((given, taken))
        for k, token in enumerate(pool.tokens):
            net[token].append((z * pool.reserves[k] / size[token]) * (taken[k] - given[k]))
    flows = {token: cp.sum(cp.hstack(parts)) for token, parts in net.items()}
    balance = {token: flows[token] >= -float(tendered.get(token, 0.0)) / size[token] for token in tokens}
    unit = max(abs(worth[token]) * size[token] for token in worth)
    goal = sum(worth[token] * size[token] / unit * flows[token] for token in worth)
    problem = cp.Problem(cp.Maximize(goal), [*rules, *balance.values()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an inaccurate answer is not taken
        problem.solve(solver="CLARABEL")
    if problem.status != "optimal":
        return None
    marginal = {
        token: float(rule.dual_value) * unit / size[token] + worth.get(token, 0.0) for token, rule in balance.items()
    }
    found: _Solved = ([], [], marginal)
    for (given, taken), pool, z in zip(trades, pools, scale.tolist(), strict=True):
        for side, values in zip(found[:2], (given, taken), strict=True):
            side.append(np.maximum(np.array([float(v.value) for v in values]), 0.0) * z * np.array(pool.reserves))
    return found


def _trade(pool: Cfmm, z: float) -> tuple[list[cp.Expression], list[cp.Expression], list[cp.Constraint]]:
    """What is given and taken, in ``z`` times the reserves, and what the pool accepts of it."""
    import cvxpy as cp

    kept, n = 1.0 - pool.fee, len(pool.tokens)
    if pool.kind == "product":  # one variable for each direction: u in (after the fee), u - z e out, e >= u^2 / (1 + z u)
        u, e = cp.Variable(2, nonneg=True), cp.Variable(2, nonneg=True)
        out = u - z * e
        cone = cp.SOC(1.0 + z * u + e, cp.vstack([2.0 * u, 1.0 + z * u - e]), axis=0)
        return [u[0] / kept, u[1] / kept], [out[1], out[0]], [cone, out >= 0.0]
    d, s = cp.Variable(n, nonneg=True), cp.Variable(n, nonneg=True)
    moved = kept * d - s
    lists = [d[k] for k in range(n)], [s[k] for k in range(n)]
    if pool.kind == "sum":
        held = np.array(pool.reserves)
        return *lists, [(held / held.sum()) @ moved >= 0.0, 1.0 + z * moved >= 0.0]
    weights = np.array(pool.weights) / sum(pool.weights)
    return *lists, [(weights / z) @ cp.log(1.0 + z * moved) >= 0.0]
