"""Verdicts that are proofs: a ray for "unbounded", Farkas multipliers for "infeasible", both checked on the data.

A solver that claims so may mean its tolerances: a cost of 1e-8 per unit of a variable is nothing to it, a limit of 1e7
far away. Here the ray, or the multipliers, come from a separate program that is feasible and bounded by construction; they
are then evaluated in the units the data came in. Without such a proof there is no verdict.

With ``r`` a direction of z, ``a_s`` the loss gradients and ``T_k`` the tails of ``a_s r`` (no offsets), a ray has

    A_eq r = 0,  A_in r + T(r) <= 0,  P r = 0,  c'r + sum price_k T_k(r) < 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from hedgeopt.tail.masters.bound import Repaired, repaired_dual
from hedgeopt.tail.masters.exactly import outlives
from hedgeopt.tail.masters.options import LONGEST
from hedgeopt.tail.source import Vector

# Relative to the terms of a row: what is rounding in a ray, and the decrease that is not.
_ROUNDING, _FALLS = 1e-12, 1e-10
# Violations below this share of the program's unit are rounding, whatever the multipliers say.
_DUST = 1e-15


@dataclass
class _Linear:
    """The reduced problem in ``(v, alpha, xi)`` as ``A x <= b``, ``A_eq x = b_eq``, with the place of each kind of row."""

    cost: Vector
    A: Any
    b: Vector
    A_eq: Any
    b_eq: Vector
    lower: Vector
    upper: Vector
    wide: Any
    first: Vector


def _linear(p: Any) -> _Linear:
    """``p`` (:class:`~hedgeopt.tail.masters.scaled.Scaled`) written out, one row per boundary scenario."""
    n, K = p.n, len(p.pieces)
    sizes = [len(u) for u in p.caps]
    first = np.concatenate(([0], np.cumsum(sizes))).astype(int)
    count = int(first[-1])
    E = sp.csr_array(p.E)
    cost = np.concatenate((p.c, np.zeros(K + count)))
    top = sp.lil_array((p.A.shape[0], K + count))
    held = sp.lil_array((p.A.shape[0], n))
    b = p.b.copy()
    for k in range(K):
        xi = slice(n + K + first[k], n + K + first[k + 1])
        cost[:n] += p.price[k] * (E.T @ p.G[k])
        cost[n + k], cost[xi] = p.price[k] * (1.0 - p.mass[k]), p.price[k] * p.caps[k]
        row = int(p.host_row[k])
        if row >= 0:
            a = p.host_coef[k]
            held[[row], :] = held[[row], :] + a * (E.T @ p.G[k])[None, :]
            top[row, k] = a * (1.0 - p.mass[k])
            top[[row], K + first[k] : K + first[k + 1]] = a * p.caps[k][None, :]
            b[row] -= a * p.C[k]
    wide = p.several[np.isfinite(p.b[p.several])]
    rows = sp.hstack([sp.csr_array(p.A)[wide] + sp.csr_array(held)[wide], sp.csr_array(top)[wide]])
    blocks, sides = [rows], [b[wide]]
    for k in range(K):
        if not sizes[k]:
            continue
        level = sp.csr_array((-np.ones(sizes[k]), (np.arange(sizes[k]), np.full(sizes[k], k))), (sizes[k], K))
        excess = sp.csr_array(
            (-np.ones(sizes[k]), (np.arange(sizes[k]), np.arange(first[k], first[k + 1]))), (sizes[k], count)
        )
        blocks.append(sp.hstack([sp.csr_array((E.T @ p.R[k].T).T), level, excess]))
        sides.append(-p.offset[k])
    A_eq = sp.hstack([p.A_eq, sp.csr_array((p.A_eq.shape[0], K + count))])
    lower = np.concatenate((p.lower, np.full(K, -np.inf), np.zeros(count)))
    upper = np.concatenate((p.upper, np.full(K + count, np.inf)))
    return _Linear(
        cost, sp.csr_array(sp.vstack(blocks)), np.concatenate(sides), sp.csr_array(A_eq), p.b_eq, lower, upper, wide, first
    )


def _solve(
    cost: Vector, A: Any, b: Vector, A_eq: Any, b_eq: Vector, lower: Vector, upper: Vector, seconds: float | None
) -> Any:
    """``scipy.optimize.linprog`` (a separate HiGHS); None without an optimum."""
    options: dict[str, Any] = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    options["time_limit"] = LONGEST if seconds is None else max(seconds, 1e-3)
    given = {"A_ub": A, "b_ub": b} if A.shape[0] else {}
    equal = {"A_eq": A_eq, "b_eq": b_eq} if A_eq.shape[0] else {}
    bounds = np.column_stack((lower, upper))
    for method in ("highs-ds", "highs-ipm"):
        found = linprog(cost, **given, **equal, bounds=bounds, method=method, options=options)
        if found.status == 0:
            return found
    return None


def ray(p: Any, still: bool = False, seconds: float | None = None) -> Vector | None:
    """A direction of z (of the layout's columns) along which the reduced problem falls for ever; None where none was found.

    ``still`` asks for one that moves no loss.
    """
    lp = _linear(p)
    n, rest = p.n, len(lp.cost) - p.n
    lower = np.concatenate((np.where(np.isfinite(p.lower), 0.0, -1.0), lp.lower[n:]))
    upper = np.concatenate((np.where(np.isfinite(p.upper), 0.0, 1.0), lp.upper[n:]))
    fixed = [lp.A_eq]
    for block in ([p.P] if p.P is not None else []) + ([p.E] if still else []):
        fixed.append(sp.hstack([sp.csr_array(block), sp.csr_array((block.shape[0], rest))]))
    A_eq = sp.csr_array(sp.vstack(fixed))
    size = float(np.abs(lp.cost).max(initial=0.0)) or 1.0
    found = _solve(lp.cost / size, lp.A, np.zeros(len(lp.b)), A_eq, np.zeros(A_eq.shape[0]), lower, upper, seconds)
    if found is None or not found.fun < 0.0:
        return None
    # What is rounding beside the rest is none of the ray.
    r = np.where(np.abs(found.x[:n]) > _ROUNDING * float(np.abs(found.x[:n]).max()), found.x[:n], 0.0)
    r = p.D * np.clip(r, lower[:n], upper[:n])
    return r if falls(p, r) else None


def falls(p: Any, r: Vector, tails: Vector | None = None) -> bool:
    """Whether ``r`` is a ray of the data as given; ``tails`` are the T_k over all scenarios, else those of the boundary."""
    layout = p.layout
    size = np.abs(r)
    if not np.all(np.isfinite(r)) or not size.any():
        return False
    y = layout.E @ r
    if tails is None:
        tails = np.array([reduced(piece, y) for piece in p.pieces])
    levels = tails * np.array([piece.scale for piece in p.pieces])
    value, terms = float(layout.c @ r) + float(layout.price @ levels), float(np.abs(layout.c) @ size)
    terms += float(layout.price @ np.abs(levels))
    rows, held = layout.A @ r, np.isfinite(layout.b)
    scale = abs(layout.A) @ size
    for k in np.flatnonzero(layout.row >= 0):
        rows[layout.row[k]] += layout.coef[k] * levels[k]
        scale[layout.row[k]] += abs(layout.coef[k] * levels[k])
    equal = layout.A_eq @ r
    ok = bool(np.all(rows[held] <= _ROUNDING * scale[held]))
    ok = ok and bool(np.all(np.abs(equal) <= _ROUNDING * (abs(layout.A_eq) @ size)))
    if layout.P is not None:
        ok = ok and bool(np.all(np.abs(layout.P @ r) <= _ROUNDING * (abs(layout.P) @ size)))
    return ok and value < -_FALLS * terms


def reduced(piece: Any, y: Vector) -> float:
    """The reduced tail of the losses' linear part at ``y``."""
    value = float(piece.gradient @ y)
    if len(piece.caps) == 0:
        return value
    losses = piece.rows @ y
    order = np.argsort(-losses, kind="stable")
    before = np.concatenate(([0.0], np.cumsum(piece.caps[order])[:-1]))
    weight = np.clip(1.0 - piece.mass - before, 0.0, piece.caps[order])
    return value + float(weight @ losses[order])


def shown_infeasible(p: Any, seconds: float | None = None) -> Repaired | bool | None:
    """Multipliers that prove it. False: a point meets every row to rounding. None: neither could be shown."""
    with np.errstate(invalid="ignore"):
        apart = p.lower - p.upper - (_DUST + _ROUNDING * (np.abs(p.lower) + np.abs(p.upper)))
    if np.any(apart > 0.0):
        return _crossed(p, int(np.argmax(np.where(np.isnan(apart), -np.inf, apart))))
    lp = _linear(p)
    n, K, wide, equal = p.n, len(p.pieces), len(lp.wide), lp.A_eq.shape[0]
    # Slack on every row that is no bound and no definition of an excess: always feasible, never unbounded.
    slack = sp.csr_array((np.ones(wide), (np.arange(wide), np.arange(wide))), (lp.A.shape[0], wide))
    none = sp.csr_array((lp.A.shape[0], 2 * equal))
    A = sp.csr_array(sp.hstack([lp.A, -slack, none]))
    A_eq = sp.csr_array(sp.hstack([lp.A_eq, sp.csr_array((equal, wide)), sp.eye_array(equal), -sp.eye_array(equal)]))
    more = wide + 2 * equal
    cost = np.concatenate((np.zeros(len(lp.cost)), np.ones(more)))
    lower = np.concatenate((np.minimum(lp.lower, lp.upper), np.zeros(more)))
    upper = np.concatenate((np.maximum(lp.lower, lp.upper), np.full(more, np.inf)))
    found = _solve(cost, A, lp.b, A_eq, lp.b_eq, lower, upper, seconds)
    if found is None:
        return None
    nu, lam = np.zeros(equal), np.zeros(len(p.b))
    if equal:
        nu = -found.eqlin.marginals
    marginal = -found.ineqlin.marginals if A.shape[0] else np.zeros(0)
    lam[lp.wide] = marginal[:wide]
    q = [marginal[wide + lp.first[k] : wide + lp.first[k + 1]] for k in range(K)]
    proof = repaired_dual(without_objective(p), np.zeros(n), nu, lam, q)
    least = _ROUNDING * proof.terms + _DUST * float(np.abs(nu).sum() + np.abs(lam).sum())
    if proof.loose == 0.0 and proof.value > least and _everywhere(p, proof):
        return proof
    return False if found.fun <= 1e-9 else None


def _everywhere(p: Any, proof: Repaired) -> bool:
    """Whether the proof holds at any distance, where nothing bounds a variable whose gradient was taken for rounding."""
    low, high = (p.lower, p.upper) if proof.reach is None else proof.reach
    open_ = ~np.isfinite(np.where(proof.reduced > 0, low, high)) & (proof.reduced != 0.0)
    if not open_.any() or proof.nu is None:
        return True
    # Those whose gradient is zero have to stay so.
    free = ~np.isfinite(p.lower) & ~np.isfinite(p.upper)
    far = np.flatnonzero(open_ | (free & (proof.reduced == 0.0)))
    plain = np.setdiff1d(np.flatnonzero((proof.lam > 0) & ~p.is_host & np.isfinite(p.b)), p.single_rows)
    K, ET = len(p.pieces), sp.csr_array(p.ET)[far]
    rows = [p.A_eq[:, far], sp.csr_array(p.A)[plain][:, far]]
    z, sides, piece = [proof.nu, proof.lam[plain]], [p.b_eq, p.b[plain]], [np.full(p.A_eq.shape[0] + len(plain), -1)]
    for k in range(K):
        room = np.minimum(proof.q[k], proof.m[k] * p.caps[k] - proof.q[k])
        inside = np.flatnonzero(room > 0)
        rows.append(sp.csr_array(ET @ p.R[k][inside].T).T)
        z.append(room[inside])
        sides.append(p.offset[k][inside])
        piece.append(np.full(len(inside), k))
    # The weights of a tail keep their sum: one more column for each that may move.
    member = np.concatenate(piece)
    tails = np.unique(member[member >= 0])
    sums = sp.csr_array((member[:, None] == tails[None, :]).astype(float))
    A = sp.hstack([sp.vstack([sp.csr_array(block) for block in rows]), sums])
    d = np.concatenate((proof.reduced[far], np.zeros(len(tails))))
    size = np.concatenate(((p.D * p.unit)[far], np.ones(len(tails))))
    return outlives(A, np.concatenate(z), d, np.concatenate(sides), proof.value, size)


def _crossed(p: Any, j: int) -> Repaired:
    """The two bounds of a variable that leave it nothing."""
    lam, K = np.zeros(len(p.b)), len(p.pieces)
    for row in (int(p.lower_row[j]), int(p.upper_row[j])):
        if row >= 0:
            lam[row] = 1.0 / abs(float(p.single_entry[row]))
    q = [np.zeros(len(caps)) for caps in p.caps]
    return Repaired(float(p.lower[j] - p.upper[j]), 0.0, lam, q, np.zeros(K), np.zeros(p.n), nu=np.zeros(len(p.b_eq)))


def without_objective(p: Any) -> Any:
    """The same constraints with nothing to minimise, for :func:`~hedgeopt.tail.masters.bound.repaired_dual`."""
    names = ("n", "E", "pieces", "host_row", "host_coef", "caps", "mass", "C", "G", "R", "offset", "b", "b_eq", "A", "A_eq",
             "lower", "upper", "lower_row", "upper_row", "single_rows", "single_entry", "single_columns", "is_host",
             "equalities", "inequalities", "forces", "arguments", "ET", "several", "A_dense_row", "spread")  # fmt: skip
    same = {name: getattr(p, name) for name in names}
    return SimpleNamespace(**same, c=np.zeros(p.n), P=None, price=np.zeros(len(p.pieces)))
