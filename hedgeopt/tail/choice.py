"""Which masters solve a problem, in the order they are tried, and what the next solve begins from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cvxpy as cp
from cvxpy import settings as s

from hedgeopt.errors import InputError
from hedgeopt.tail.compiled import Compiled, compile_base, is_polyhedral
from hedgeopt.tail.epigraph import keep
from hedgeopt.tail.integers import is_whole
from hedgeopt.tail.masters.base import Master
from hedgeopt.tail.masters.conic import ConicMaster
from hedgeopt.tail.masters.curvature import convex
from hedgeopt.tail.masters.solver import SolverMaster
from hedgeopt.tail.outcome import Outcome
from hedgeopt.tail.split import Split

# Programs of up to this many entries are solved again by the simplex, whose basis serves the next solve; up to this
# many it is the quicker one in the first solve, too.
_SMALL, _TINY = 200_000, 10_000
# Interior points factorise a dense matrix of the order of the variables: beyond so many loss arguments that takes longer
# than all of the simplex.
WIDE = 400
# Loss arguments per scenario beyond which the scenarios are rows of a sparse program as any other.
_BROAD = 0.25
# Quadratic programs of more variables (and of more than three per loss argument) go to a sparse solver: interior points
# factorise a dense matrix.
DENSE = 400
# Solves that keep more scenarios after one that needed a second round.
_WAIT = 8


def masters_of(
    parts: Split, name: str | None, options: dict[str, Any], entries: int, remaining: Callable[[], float | None]
) -> list[Callable[[], Master]]:
    """Masters in the order they are tried; the later ones decide when the first cannot."""
    name = None if name is None else name.upper()
    own = name in ("INTERIOR", "SIMPLEX")
    if name is not None and not own and name not in cp.installed_solvers():
        known = ", ".join(["SIMPLEX", "INTERIOR", *cp.installed_solvers()])
        raise InputError("no such master", field="master", value=name, fix=f"choose one of {known}")
    if not is_polyhedral(parts):
        if own:
            problem = f"the {name} master takes linear and convex quadratic problems only"
            raise InputError(problem, field="master", value=name, fix="leave it out, or name a solver of cones or integers")
        chosen = name or ("HIGHS" if is_whole(parts.base) and not _quadratic(parts) else "CLARABEL")
        return [lambda: ConicMaster(parts, chosen, options, remaining)]
    if name is not None and not own:
        return [lambda: SolverMaster(_base(parts), name, options, remaining)]
    if options:
        raise InputError("options of a cvxpy solver need master=", field="options", value=", ".join(options))
    if _quadratic(parts):
        if name == "SIMPLEX":
            raise InputError("the SIMPLEX master takes linear problems only", field="master", value=name)
        P = compile_base(parts).P
        if P is not None and not convex(P):
            # ``assume_PSD=True`` takes any matrix: only this one looks before it calls something proven.
            return [lambda: ConicMaster(parts, "CLARABEL", None, remaining)]
        width = sum(v.size for v in parts.inner)
        dense = name == "INTERIOR" or sum(v.size for v in parts.base.variables()) <= max(DENSE, 3 * width)
        return [
            *([lambda: _interior(parts, remaining)] if dense else []),
            lambda: SolverMaster(_base(parts), "CLARABEL", None, remaining),
            lambda: ConicMaster(parts, "CLARABEL", None, remaining),
        ]
    last: list[Callable[[], Master]] = [
        lambda: SolverMaster(_base(parts), "HIGHS", None, remaining),
        lambda: ConicMaster(parts, "CLARABEL", None, remaining),
    ]
    if name == "SIMPLEX":
        return [lambda: _simplex(parts, False, remaining), *last]
    interior = [lambda: _interior(parts, remaining)]
    if name == "INTERIOR":
        return [*interior, *last]
    simplex = [lambda: _simplex(parts, entries > _SMALL, remaining)]
    width = sum(v.size for v in parts.inner)
    if not name and width > WIDE and width * width > _BROAD * entries:
        # A scenario with arguments of its own, as in a drawdown: there is nothing to sum up, and most entries are zero.
        return [last[0], lambda: _simplex(parts, False, remaining), last[1]]
    once = _TINY < entries <= _SMALL and width <= WIDE and "y" not in parts.memory
    # Where both give way, the simplex goes on from the basis it has.
    patient = [lambda: _simplex(parts, False, remaining)] if entries > _SMALL else []
    return [*interior, *simplex, *patient, *last] if once else [*simplex, *interior, *patient, *last]


def _base(parts: Split) -> Compiled:
    """The base problem without variables that only stand for ``|x|`` and its like."""
    return keep(parts.memory, compile_base(parts))


def _interior(parts: Split, remaining: Callable[[], float | None]) -> Master:
    from hedgeopt.tail.masters.interior import InteriorMaster

    return InteriorMaster(_base(parts), parts.memory, remaining)


def _simplex(parts: Split, limited: bool, remaining: Callable[[], float | None]) -> Master:
    from hedgeopt.tail.masters.simplex import SimplexMaster

    return SimplexMaster(_base(parts), parts.memory, limited, remaining)


def remember(parts: Split, outcome: Outcome, width: int) -> None:
    """Remember the partition of a simplex solve, and its basis for the boundary scenarios that stay."""
    from hedgeopt.tail.masters.simplex import SimplexMaster

    parts.memory.pop("kept", None)
    basis = parts.memory.get("basis")
    if basis is None or outcome.status != s.OPTIMAL or not isinstance(outcome.master, SimplexMaster):
        parts.memory.pop("basis", None)
        return
    kept = []
    # While the market moves little, few scenarios around the level are enough for a solve of one round.
    calm = outcome.rounds == 1
    in_a_row = parts.memory.get("in_a_row", 0) + 1 if calm else -_WAIT
    parts.memory |= {"calm": calm, "in_a_row": in_a_row}
    most = (1 if in_a_row > 1 else 2) * width + 50
    for k, (a, losses, level) in enumerate(zip(outcome.active, outcome.losses, outcome.var, strict=True)):
        if len(a.boundary) != len(basis.at_level[k]):
            # The last round added scenarios the basis has not seen.
            parts.memory.pop("basis", None)
            return
        state, boundary, stays = a.trimmed(losses, level, basis.at_level[k], most)
        kept.append((state, boundary, name := object()))
        basis.keep(k, stays, name)
    parts.memory["kept"] = kept


def _quadratic(parts: Split) -> bool:
    return not parts.base.objective.args[0].is_pwl()
