"""Names that users see: the sides of limits, each once, and the term or limit that a number belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import cvxpy as cp
import numpy as np

from hedgeopt.constraints.constraint import Side
from hedgeopt.errors import InputError

if TYPE_CHECKING:
    from hedgeopt.program.program import Program

__all__ = ["named_once", "require_finite"]


def named_once(limits: Sequence[Sequence[Side]]) -> tuple[list[list[Side]], dict[int, dict[str, str]]]:
    """The sides of each limit, no name twice; and per limit what its sides call themselves, and what they are called."""
    taken: set[str] = set()
    found: list[list[Side]] = []
    shown: dict[int, dict[str, str]] = {}
    for k, sides in enumerate(limits):
        shown[k], mine = {}, []
        for side in sides:
            name, count = side.name, 1
            while name in taken:
                count += 1
                name = f"{side.name} ({count})"
            taken.add(name)
            shown[k][side.name] = name
            mine.append(replace(side, name=name))
        found.append(mine)
    return found, shown


def require_finite(program: Program) -> None:
    """Refuse parameters that are not finite numbers, by name: solvers loop on them."""
    for parameter in program.problem.parameters():
        value = parameter.value
        if value is not None and not np.isfinite(np.asarray(value, float)).all():
            raise InputError(
                "holds a number that is not finite", field=_owner(program, parameter), fix="give finite numbers everywhere"
            )
    for weight, term, _ in program.objective_terms:
        if not np.isfinite(weight):
            raise InputError(
                "is not a finite number", file="policy", field=f"weight of {term.name}", value=weight,
                fix="give a finite weight",
            )  # fmt: skip


def _owner(program: Program, parameter: cp.Parameter) -> str:
    """The term or limit that a parameter belongs to, by the name that a policy gives it."""
    for term, bound in program.bound_terms():
        if any(value is parameter for value in vars(bound).values()):
            return str(term.name)
    for spec, limit in zip(program.limit_specs, program.limits, strict=True):
        if any(p is parameter for row in limit.constraints for p in row.parameters()):
            return spec.name
    return str(parameter.name())
