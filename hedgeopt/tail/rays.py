"""Directions along which a problem falls for ever, over all scenarios.

A relaxation without an optimum says little: more scenarios may bound it. The directions themselves are a program of the same
kind, with sides of zero, losses without offsets, and at most one unit of every variable that nothing bounds. It has an
optimum, which is found as that of any problem, and below zero exactly where the whole falls for ever; the direction is then
checked on the data over all scenarios.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from hedgeopt.tail.active import OUT, ActiveSet
from hedgeopt.tail.compiled import Compiled
from hedgeopt.tail.masters.base import Point
from hedgeopt.tail.masters.verdict import falls
from hedgeopt.tail.model import LossModel
from hedgeopt.tail.outcome import Options, Outcome
from hedgeopt.tail.source import Index, Vector

# Gap to which directions are optimised; rounds of it; multiples of a direction that are tried as points.
_ROUGH, _ROUNDS, _FAR = 1e-2, 20, (0.0, 1.0, 1e3, 1e6)
# Corrections of a direction that rounding takes off equations.
_CORRECTIONS = 3


def is_open(master: Any) -> bool:
    """Whether the program that ``master`` solved last is linear and has variables that no bound holds on both sides."""
    layout = getattr(master, "layout", None)
    p = None if layout is None else layout.scaled_now
    return p is not None and p.P is None and not bool(np.all(np.isfinite(p.lower) & np.isfinite(p.upper)))


@dataclass
class Sought:
    """A point of status "unbounded" with a ray, both checked on the data, or the scenarios that leave no ray."""

    point: Point | None = None
    scenarios: list[Index] = field(default_factory=list)


def falling(
    loop: Callable[..., Any], master: Any, models: list[LossModel], options: Options, best: Point | None, out: Outcome
) -> Sought:
    """Look for a ray over all scenarios from where ``master`` ran off, by rounds of another ``loop``; ``best`` is a point of
    the problem, where known."""
    from hedgeopt.tail.masters.interior import InteriorMaster
    from hedgeopt.tail.masters.simplex import SimplexMaster

    layout, memory = master.layout, dict[str, Any]()
    program = directions(layout.compiled, layout)
    slopes = [replace(m, offset=np.broadcast_to(0.0, m.size)) for m in models]
    makers: list[Any] = [
        lambda: SimplexMaster(program, memory, True, options.remaining),
        lambda: InteriorMaster(program, memory, options.remaining),
        lambda: SimplexMaster(program, memory, False, options.remaining),
    ]
    most = min(options.max_rounds, _ROUNDS)
    search = loop(slopes, makers, replace(options, tolerance=_ROUGH, max_rounds=most, verbose=False))
    search.seeks = False
    found: Outcome = search.run()
    out.passes, out.rounds, out.iterations = (
        out.passes + found.passes, out.rounds + found.rounds, out.iterations + found.iterations
    )  # fmt: skip
    state = found.point.state
    if found.status not in ("optimal", "optimal_inaccurate", "user_limit") or not isinstance(state, dict):
        return Sought()
    r = _on_rows(layout, state["z"][layout.columns])
    r, tails = _with_levels(layout, r, slopes, options)
    if not falls(layout.scaled_now, r, tails):
        return Sought(scenarios=[np.flatnonzero(a.state != OUT) for a in found.active])
    begin = _feasible(master, models, r, options, best)
    if begin is None:
        return Sought()
    return Sought(replace(begin, status="unbounded", details={"ray": r, "still": False}, master=master))


def directions(c: Compiled, layout: Any) -> Compiled:
    """The program of directions of ``c``."""
    p, n = layout.scaled_now, len(c.c)
    # A variable that stands for a tail is held by the others.
    own = ~np.isin(layout.columns, [host.column for host in c.hosts])
    rows, sides = [c.A_in], [np.where(np.isfinite(c.b_in), 0.0, c.b_in)]
    for bound, sign in ((p.upper, 1.0), (p.lower, -1.0)):
        free = np.flatnonzero(own & ~np.isfinite(bound))
        entries = (sign / p.D[free], (np.arange(len(free)), layout.columns[free]))
        rows.append(sp.csr_array(entries, shape=(len(free), n)))
        sides.append(np.ones(len(free)))
    A = sp.csr_array(sp.vstack(rows))
    return replace(c, A_in=A, b_in=np.concatenate(sides), b_eq=np.zeros(len(c.b_eq)), f=np.zeros(len(c.f)), offset=0.0)


def _on_rows(layout: Any, r: Vector) -> Vector:
    """``r`` with what rounding left in equations taken out, in the columns that it uses."""
    use = np.flatnonzero(r)
    if not layout.A_eq.shape[0] or not len(use):
        return r
    A = layout.A_eq[:, use].toarray() * r[use]
    for _ in range(_CORRECTIONS):
        r = r.copy()
        r[use] *= 1.0 - np.linalg.lstsq(A, layout.A_eq @ r, rcond=1e-12)[0]
    return r


def _with_levels(layout: Any, v: Vector, models: list[LossModel], options: Options, f: Vector | float = 0.0) -> Any:
    """``v`` with the variables that stand for tails at their values, and these values."""
    y = layout.E @ v + f
    tails = np.array([m.tail(m.losses(y, options.threads))[0] for m in models])
    v = v.copy()
    for k, host in enumerate(layout.compiled.hosts):
        at = np.searchsorted(layout.columns, host.column)
        if at < len(layout.columns) and layout.columns[at] == host.column:
            v[at] = tails[k] * models[k].scale
    return v, tails


def _feasible(master: Any, models: list[LossModel], r: Vector, options: Options, best: Point | None) -> Point | None:
    """A point of the problem: the best so far, or nothing and then multiples of the direction."""
    if best is not None:
        return best
    layout = master.layout
    scale = np.array([m.scale for m in models])
    for far in _FAR:
        v, tails = _with_levels(layout, far * layout.scaled_now.unit * r, models, options, layout.compiled.f)
        z = np.zeros(len(layout.compiled.c))
        z[layout.columns] = v
        _, worst = layout.upper(z, tails * scale)
        if max(worst, layout.violation(z)) <= 0.01 * options.tolerance:
            y = layout.E @ v + layout.compiled.f
            return Point("optimal", y, tails * scale, np.nan, -np.inf, [], np.zeros(len(models)), state={"z": z})
    return None


def runs_off(active: list[ActiveSet], master: Any, options: Options) -> Vector | None:
    """A ray for all scenarios from rounds as for a point, on the linear parts of the losses; None without."""
    for _ in range(options.max_rounds):
        pieces = [replace(a.piece(), offset=np.zeros(len(a.boundary)), constant=0.0) for a in active]
        r = master.ray(pieces)
        if r is None or options.late():
            return None
        y = master.moves(r)
        losses = [a.model.losses(y, options.threads) - a.model.offset for a in active]
        if master.falls(pieces, r, np.array([a.model.tail(L)[0] for a, L in zip(active, losses, strict=True)])):
            return r  # type: ignore[no-any-return]
        grown = 0
        for a, L in zip(active, losses, strict=True):
            _, level = a.reduced(L)
            wrong = a.misplaced(L, level, 1e-12 * abs(level), max(300, a.model.width))
            a.grow(wrong)
            grown += len(wrong)
        if not grown:
            return None
    return None
