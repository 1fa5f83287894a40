"""Where interior points begin: from nothing, from a point, or on the central path of an earlier solve.

The optimum of one round is a bad start for the next: its complementary pairs know nothing of scenarios that join. A
point of its central path is a good one. There the four conditions of a scenario with loss excess ``e = L - alpha``,
cap u and tail multiplier m, ``xi - w = e``, ``q + r = m u``, ``xi r = mu``, ``w q = mu``, have one positive solution,
so the variables v of the path determine everything, for new scenarios too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
# Starts on the path that are tried, and how many times the complementarity of one the next one has.
_TRIES, _APART = 3, 8.0


@dataclass
class Kept:
    """Complementary pairs of an iterate, in the units of ``owner``: rows of the whole program (not a number where a row was
    none of the program), and per tail the boundary they belong to with excesses, slacks and their duals."""

    owner: object
    unit: float
    weight: float
    alpha: Vector
    slack: Vector
    dual: Vector
    tails: list[tuple[object, Vector, Vector, Vector, Vector]]


@dataclass
class Iterate:
    """A point near the central path: variables, duals of equalities, complementarity over the objective, and its pairs."""

    v: Vector
    nu: Vector
    share: float
    kept: Kept | None = None


@dataclass
class Warm:
    """Start from an earlier solve, in the scaled program's units; ``gap`` is its gap over all scenarios."""

    v: Vector
    path: list[Iterate]
    gap: float = np.inf
    joined: bool = False
    """Whether columns have joined since."""

    def within(self, work: NDArray[np.bool_]) -> Warm:
        """The start of the program restricted to the columns ``work``."""
        return Warm(self.v[work], [replace(x, v=x.v[work]) for x in self.path], self.gap, self.joined)

    def iterates(self, pieces: Sequence[Piece] = ()) -> list[Iterate]:
        """Iterates whose complementarity exceeds the gap, the last first; every one where no scenario has joined."""
        gap = self.gap if self.gap < 1.0 else _GAP
        kept = self.path[-1].kept if self.path else None
        if kept is not None and self.gap < np.inf:
            same = [t[0] is x.boundary and len(t[1]) == len(x.caps) for t, x in zip(kept.tails, pieces, strict=True)]
            gap = 0.0 if same and all(same) and not self.joined else gap
        return [x for x in reversed(self.path) if x.share >= gap]


def spread(path: list[Iterate], work: NDArray[np.bool_]) -> list[Iterate]:
    """Iterates of a program restricted to the columns ``work`` in all columns, the others at zero."""
    out = []
    for x in path:
        v = np.zeros(len(work))
        v[work] = x.v
        out.append(replace(x, v=v))
    return out


@dataclass
class SolverVariables:
    """All variables of an iterate."""

    v: Vector
    alpha: Vector
    nu: Vector
    x: Vector
    z: Vector


def starts(p: Any, places: Places, warm: Warm | None) -> Iterator[tuple[SolverVariables, bool]]:
    """Starts for a scaled program, the most advanced first, each with whether it is to be tried: a first step that is short
    says that the next is better. Last comes the start from nothing, which is not."""
    least, tried = 0.0, 0
    for near in [] if warm is None else warm.iterates(p.pieces):
        if near.share < least or tried >= _TRIES:
            continue
        state = central(p, places, near)
        left = float(np.abs(gradient(p, places, state)).max(initial=0.0))
        if near.kept is None and left > _NEAR * near.share:
            # Along the path the gradient changes little: on to where it would not matter.
            least = left / _NEAR
            continue
        yield state, True
        least, tried = _APART * near.share, tried + 1
    yield cold(p, places), False


def gradient(p: Any, places: Places, state: SolverVariables) -> Vector:
    """Of the Lagrangian in v."""
    m = multipliers(p, state.z[places.rows])
    force = np.zeros(p.E.shape[0])
    for k in range(len(p.pieces)):
        force += m[k] * p.G[k] + state.z[places.slack[k]] @ p.R[k]
    d = p.c + p.equalities.pull(state.nu) + p.inequalities.pull(state.z[places.rows]) + p.forces(force)
    return d if p.P is None else d + p.P @ state.v


def cold(p: Any, places: Places) -> SolverVariables:
    """From nothing."""
    v = np.zeros(p.n)
    x, z, alpha = places.empty(), places.empty(), np.zeros(len(p.pieces))
    x[places.rows] = np.maximum(p.b - p.inequalities.times(v), 1.0)
    # Equal products of slack and dual: bounds far away start with the small dual they deserve.
    z[places.rows] = 1.0 / x[places.rows]
    y, m = p.arguments(v), multipliers(p, z[places.rows])
    for k, piece in enumerate(p.pieces):
        if not len(piece.caps):
            continue
        losses = p.R[k] @ y + p.offset[k]
        alpha[k] = quantile(losses, piece)
        excess = losses - alpha[k]
        delta = max(float(np.abs(excess).mean()), 1e-3)
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
    x[places.rows] = np.where(slack > 1e-3 * mu, slack, np.sqrt(mu))
    z[places.rows] = mu / x[places.rows]
    kept = near.kept
    if kept is not None:
        rows = getattr(p, "rows", slice(None))
        known = np.isfinite(kept.slack[rows])
        x[places.rows] = np.where(known, kept.slack[rows] * (kept.unit / p.unit), x[places.rows])
        z[places.rows] = np.where(known, kept.dual[rows] * (kept.weight / p.weight), z[places.rows])
    m = multipliers(p, z[places.rows])
    for k, piece in enumerate(p.pieces):
        if not len(piece.caps):
            continue
        total = m[k] * piece.caps
        if kept is not None and kept.tails[k][0] is piece.boundary:
            # Only scenarios that have joined need a place.
            alpha[k] = kept.alpha[k] * (kept.unit / p.unit)
            _, *pairs = kept.tails[k]
            old = len(pairs[0])
            new = centred_scenarios(losses[k][old:] - alpha[k], total[old:], mu)
            factor = (kept.unit / p.unit,) * 2 + (kept.weight / p.weight,) * 2
            found = tuple(np.concatenate((a * f, b)) for a, f, b in zip(pairs, factor, new, strict=True))
        else:
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
