"""Where interior points begin: from nothing, from a point, or on the central path of an earlier solve.

The optimum of one round is a bad start for the next: its complementary pairs know nothing of scenarios that join. A
point of its central path is a good one. There the four conditions of a scenario with loss excess ``e = L - alpha``,
cap u and tail multiplier m, ``xi - w = e``, ``q + r = m u``, ``xi r = mu``, ``w q = mu``, have one positive solution,
so the variables v of the path determine everything, for new scenarios too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from hedgeopt.tail.masters.base import Piece
from hedgeopt.tail.masters.bound import multipliers
from hedgeopt.tail.masters.pairs import Places
from hedgeopt.tail.source import Vector

# Relative gap assumed of a start nobody has judged, share of complementarity its gradient may leave, and Newton's steps
# towards the level.
_GAP, _NEAR, _STEPS = 0.3, 0.3, 12
# Without a path a warm point keeps its place; slacks and duals start this far inside the cone.
_SLACK, _SPREAD = 0.01, 0.1


@dataclass
class Iterate:
    """A point near the central path: variables, duals of equalities, complementarity over the objective."""

    v: Vector
    nu: Vector
    share: float


@dataclass
class Warm:
    """Start from an earlier solve, in the scaled program's units; ``gap`` is its gap over all scenarios."""

    v: Vector
    path: list[Iterate]
    gap: float = np.inf

    def within(self, work: NDArray[np.bool_]) -> Warm:
        """The start of the program restricted to the columns ``work``."""
        return Warm(self.v[work], [Iterate(x.v[work], x.nu, x.share) for x in self.path], self.gap)

    def iterates(self) -> list[Iterate]:
        """Iterates whose complementarity exceeds the gap, the last first."""
        gap = self.gap if self.gap < 1.0 else _GAP
        return [x for x in reversed(self.path) if x.share >= gap]


def spread(path: list[Iterate], work: NDArray[np.bool_]) -> list[Iterate]:
    """Iterates of a program restricted to the columns ``work`` in all columns, the others at zero."""
    out = []
    for x in path:
        v = np.zeros(len(work))
        v[work] = x.v
        out.append(Iterate(v, x.nu, x.share))
    return out


@dataclass
class SolverVariables:
    """All variables of an iterate."""

    v: Vector
    alpha: Vector
    nu: Vector
    x: Vector
    z: Vector


def begin(p: Any, places: Places, warm: Warm | None) -> SolverVariables:
    """The start for a scaled program: the last iterate of the path that is near this program's path, else the point."""
    least = 0.0
    for near in [] if warm is None else warm.iterates():
        if near.share < least:
            continue
        state = central(p, places, near)
        left = float(np.abs(gradient(p, places, state)).max(initial=0.0))
        if left <= _NEAR * near.share:
            return state
        # Along the path the gradient changes little: on to where it would not matter.
        least = left / _NEAR
    return cold(p, places, None if warm is None else warm.v)


def gradient(p: Any, places: Places, state: SolverVariables) -> Vector:
    """Of the Lagrangian in v."""
    m = multipliers(p, state.z[places.rows])
    force = np.zeros(p.E.shape[0])
    for k in range(len(p.pieces)):
        force += m[k] * p.G[k] + state.z[places.slack[k]] @ p.R[k]
    d = p.c + p.equalities.pull(state.nu) + p.inequalities.pull(state.z[places.rows]) + p.forces(force)
    return d if p.P is None else d + p.P @ state.v


def cold(p: Any, places: Places, v: Vector | None) -> SolverVariables:
    """From zero, or from a point that keeps its place."""
    slack, spread = (1.0, 1.0) if v is None else (_SLACK, _SPREAD)
    v = np.zeros(p.n) if v is None else v.copy()
    x, z, alpha = places.empty(), places.empty(), np.zeros(len(p.pieces))
    x[places.rows] = np.maximum(p.b - p.inequalities.times(v), slack)
    # Equal products of slack and dual: bounds far away start with the small dual they deserve.
    z[places.rows] = slack / np.maximum(x[places.rows], 1.0)
    y, m = p.arguments(v), multipliers(p, z[places.rows])
    for k, piece in enumerate(p.pieces):
        if not len(piece.caps):
            continue
        losses = p.R[k] @ y + p.offset[k]
        alpha[k] = quantile(losses, piece)
        excess = losses - alpha[k]
        delta = max(float(np.abs(excess).mean()), 1e-3) * spread
        x[places.excess[k]], x[places.slack[k]] = np.maximum(excess, 0.0) + delta, np.maximum(-excess, 0.0) + delta
        share = (1.0 - piece.mass) / piece.caps.sum()
        z[places.slack[k]], z[places.excess[k]] = m[k] * piece.caps * share, m[k] * piece.caps * (1 - share)
    return SolverVariables(v, alpha, np.zeros(p.A_eq.shape[0]), x, z)


def central(p: Any, places: Places, near: Iterate) -> SolverVariables:
    """From a point of an earlier central path, with the pairs that belong to it in this program."""
    y = p.arguments(near.v)
    losses = [p.R[k] @ y + p.offset[k] for k in range(len(p.pieces))]
    alpha, tails = np.zeros(len(losses)), np.zeros(len(losses))
    for k, piece in enumerate(p.pieces):
        alpha[k] = quantile(losses[k], piece)
        tails[k] = (1 - piece.mass) * alpha[k] + p.G[k] @ y + p.C[k]
        tails[k] += piece.caps @ np.maximum(losses[k] - alpha[k], 0.0)
    value = float(p.c @ near.v + p.price @ tails)
    if p.P is not None:
        value += 0.5 * float(near.v @ (p.P @ near.v))
    mu = near.share * max(abs(value), 1e-6 * p.spread, 1e-12) / max(places.size, 1)
    x, z = places.empty(), places.empty()
    slack = p.b - p.inequalities.times(near.v)
    for k, row in enumerate(p.host_row):
        if row >= 0:
            slack[row] -= p.host_coef[k] * tails[k]
    # A row without slack (of a column that rested) begins in the middle of its pair.
    x[places.rows] = np.where(slack > 1e-3 * np.sqrt(mu), slack, np.sqrt(mu))
    z[places.rows] = mu / x[places.rows]
    m = multipliers(p, z[places.rows])
    for k, piece in enumerate(p.pieces):
        if not len(piece.caps):
            continue
        total = m[k] * piece.caps
        alpha[k] = centred_level(losses[k], total, m[k] * (1 - piece.mass), mu, alpha[k])
        found = centred_scenarios(losses[k] - alpha[k], total, mu)
        x[places.excess[k]], x[places.slack[k]], z[places.slack[k]], z[places.excess[k]] = found
    return SolverVariables(near.v.copy(), alpha, near.nu.copy(), x, z)


def quantile(losses: Vector, piece: Piece) -> float:
    """VaR level of a piece."""
    if not len(losses):
        return 0.0
    order = np.argsort(-losses)
    cut = min(int(np.searchsorted(np.cumsum(piece.caps[order]), 1.0 - piece.mass)), len(losses) - 1)
    return float(losses[order[cut]])


def centred_scenarios(excess: Vector, total: Vector, mu: float) -> tuple[Vector, Vector, Vector, Vector]:
    """``xi, w, q, r`` with ``xi - w = excess``, ``q + r = total`` and both products ``mu``."""
    half = mu / total
    large = np.sqrt(0.25 * excess * excess + half * half) + 0.5 * np.abs(excess)
    # The difference of the root and half the excess, without cancellation.
    small = half * half / large
    over = excess > 0
    xi, w = half + np.where(over, large, small), half + np.where(over, small, large)
    return xi, w, mu / w, mu / xi


def centred_level(losses: Vector, total: Vector, need: float, mu: float, alpha: float) -> float:
    """Level whose central weights sum to ``need``: Newton's steps from ``alpha``, else the bracket."""

    def over(level: float) -> float:
        return float(centred_scenarios(losses - level, total, mu)[2].sum()) - need

    if not 0.0 < need < float(total.sum()):
        return alpha
    # Below the first all weights are within (total - need) of their caps, above the second they sum to less than need.
    least = float(losses.min()) - 2.0 * len(losses) * mu / (float(total.sum()) - need)
    most = float(losses.max()) + 2.0 * len(losses) * mu / need
    for _ in range(_STEPS):
        xi, w, q, _ = centred_scenarios(losses - alpha, total, mu)
        left = float(q.sum()) - need
        if abs(left) <= 1e-7 * need:
            return alpha
        # With mu / xi + mu / (xi - e) = total: dq / d alpha = -mu / (xi^2 + w^2).
        alpha += left / float((mu / (xi * xi + w * w)).sum())
        if not least < alpha < most:
            break
    return float(brentq(over, least, most, rtol=1e-14, xtol=1e-300))
