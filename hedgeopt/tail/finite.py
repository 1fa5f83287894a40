"""Refuse numbers that are not finite, by name, before a solver gets them: some solvers loop on them and ignore signals."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
from cvxpy import settings as s

from hedgeopt.errors import InputError


def refuse_unless_finite(problem: cp.Problem, data: dict[str, Any], inverse: Any = None) -> None:
    """InputError naming the parameter or the part of ``problem`` that a number in ``data`` comes from that is not finite.

    ``data`` are cvxpy's arrays, ``inverse`` is what it keeps, the objective's constant among it; only a right-hand side of
    an inequality may be infinite: no limit.
    """
    dims, b = data.get("dims"), data.get("b")
    zero = 0 if dims is None else int(dims.zero)
    kept: Any = inverse[-1] if inverse else None
    offset = kept.get(s.OFFSET) if hasattr(kept, "get") else None
    ok = _finite(offset) and all(_finite(data.get(key)) for key in ("A", "G", "c", "P", "q", "F"))
    if ok and b is not None:
        ends = slice(zero, zero + (len(b) if dims is None else int(dims.nonneg)))
        sides = np.asarray(b, dtype=float)
        limits = np.isfinite(sides)
        limits[ends] |= sides[ends] == np.inf
        ok = bool(limits.all())
    if not ok:
        refuse_infinite(problem)


def refuse_infinite(problem: cp.Problem) -> None:
    """InputError that names the first part of ``problem`` with a number that is not finite."""
    for part in (problem.objective, *problem.constraints):
        _refuse_in(part)
    raise InputError(
        "the numbers of the problem overflow", field=" ".join(str(problem.objective).split()), fix="use larger units"
    )


def _refuse_in(part: Any) -> None:
    """InputError that names ``part`` of a problem, or its parameter, if it has a number that is not finite."""
    for parameter in part.parameters():
        value = None if parameter.value is None else np.asarray(parameter.value, dtype=float)
        if value is not None and not np.all(np.isfinite(value)):
            _raise(parameter.name(), value)
    for constant in part.constants():
        value = constant.value.data if hasattr(constant.value, "nnz") else np.asarray(constant.value)
        if value.dtype.kind == "f" and not np.all(np.isfinite(value)):
            _raise(" ".join(str(part).split()), value)  # matrices print over several lines


def _raise(name: str, value: Any) -> None:
    bad = np.asarray(value).ravel()
    raise InputError(
        "every number of a problem must be finite", field=name, value=float(bad[~np.isfinite(bad)][0]),
        fix="give a number, or leave out a limit that is none",
    )  # fmt: skip


def _finite(array: Any) -> bool:
    if array is None:
        return True
    values = array.data if hasattr(array, "nnz") else np.asarray(array)
    # A sum of finite numbers may overflow: only then is every one looked at.
    with np.errstate(invalid="ignore", over="ignore"):
        return bool(np.isfinite(np.sum(values)) or np.all(np.isfinite(values)))
